//! The alerts that are over, until there are too many of them or they are too old.
//!
//! What people see is a list, of which anybody may take things out. Who tells that alerts are over may come later than that:
//! for him the last episode of each alert is kept apart for a while.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::fingerprint::Fingerprint;
use super::{Alert, AlertId};

/// An alert that is over, and since when.
type Over = (Instant, Arc<Alert>);

/// Resolved alerts. All but going through the list costs the same however many there are, or nearly so: thousands may end at once.
#[derive(Debug, Default)]
pub(super) struct History {
    /// By a number that counts them: the oldest first.
    list: BTreeMap<u64, Over>,
    /// Those numbers by alert.
    listed: BTreeSet<(Fingerprint, u64)>,
    next: u64,
    /// Not on the list any more, and no older than [`UNLISTED_FOR`](Self::UNLISTED_FOR); of each alert the last episode.
    unlisted: HashMap<Fingerprint, Over>,
    /// The same, the oldest first.
    oldest_unlisted: BTreeSet<(Instant, Fingerprint)>,
}

impl History {
    /// Twice as long as an Alertmanager is told by default that an alert is over: the first attempts may fail.
    pub(super) const UNLISTED_FOR: Duration = Duration::from_secs(30 * 60);
    /// As many as one rule may have alerts by default.
    const MAX_UNLISTED: usize = 10_000;

    /// Adds one that was resolved just now.
    pub(super) fn push(&mut self, alert: Arc<Alert>, now: Instant) {
        let fingerprint = alert.fingerprint();
        self.forget(fingerprint);
        self.listed.insert((fingerprint, self.next));
        self.list.insert(self.next, (now, alert));
        self.next += 1;
    }

    /// Keeps one that was over before, for whoever tells of it, and not for the list.
    pub(super) fn keep(&mut self, alert: Arc<Alert>, now: Instant) {
        self.unlist((now, alert));
    }

    /// Lets go of those that are too many or too old.
    pub(super) fn trim(&mut self, most: usize, retention: Duration, now: Instant) {
        let age = |ended: Instant| now.saturating_duration_since(ended);
        while let Some((number, (ended, _))) = self.list.first_key_value() {
            if self.list.len() <= most && age(*ended) <= retention {
                break;
            }
            let number = *number;
            self.take(number);
        }
        let old = self.oldest_unlisted.iter().take_while(|(ended, _)| age(*ended) > Self::UNLISTED_FOR);
        let flaps = |fingerprint| self.unlisted.get(fingerprint).is_some_and(|(_, alert)| alert.flapping);
        let old = old.filter(|(_, fingerprint)| !flaps(fingerprint));
        let old: Vec<Fingerprint> = old.map(|(_, fingerprint)| *fingerprint).collect();
        old.into_iter().for_each(|fingerprint| self.forget(fingerprint));
    }

    /// Takes the one of this number from the list.
    fn take(&mut self, number: u64) -> Option<Arc<Alert>> {
        let over = self.list.remove(&number)?;
        let alert = Arc::clone(&over.1);
        self.listed.remove(&(alert.fingerprint(), number));
        self.unlist(over);
        Some(alert)
    }

    /// Keeps one that has left the list, unless a later episode is known.
    fn unlist(&mut self, (ended, alert): Over) {
        let fingerprint = alert.fingerprint();
        if self.last(fingerprint).is_some_and(|known| known.id.episode > alert.id.episode) {
            return;
        }
        self.forget(fingerprint);
        if self.unlisted.len() >= Self::MAX_UNLISTED
            && let Some((_, oldest)) = self.oldest_unlisted.first().copied()
        {
            self.forget(oldest);
        }
        self.oldest_unlisted.insert((ended, fingerprint));
        self.unlisted.insert(fingerprint, (ended, alert));
    }

    /// Lets go of the episode of this alert that is not on the list.
    fn forget(&mut self, fingerprint: Fingerprint) {
        if let Some((ended, _)) = self.unlisted.remove(&fingerprint) {
            self.oldest_unlisted.remove(&(ended, fingerprint));
        }
    }

    /// The numbers of an alert's episodes on the list, the oldest first.
    fn numbers(&self, fingerprint: Fingerprint) -> impl DoubleEndedIterator<Item = u64> {
        let range = (fingerprint, u64::MIN)..=(fingerprint, u64::MAX);
        self.listed.range(range).map(|(_, number)| *number)
    }

    fn number(&self, id: AlertId) -> Option<u64> {
        let is_it = |number: &u64| self.list.get(number).is_some_and(|(_, alert)| alert.id == id);
        self.numbers(id.fingerprint).rev().find(is_it)
    }

    pub(super) fn find(&self, id: AlertId) -> Option<&Arc<Alert>> {
        self.list.get(&self.number(id)?).map(|(_, alert)| alert)
    }

    /// Notes in the last episode of this alert whether it flaps.
    pub(super) fn note_flapping(&mut self, fingerprint: Fingerprint, flaps: bool) {
        let Some(id) = self.last(fingerprint).map(|alert| alert.id) else { return };
        let listed = self.number(id).and_then(|number| self.list.get_mut(&number));
        if let Some((_, alert)) = listed.or_else(|| self.unlisted.get_mut(&fingerprint)) {
            Arc::make_mut(alert).flapping = flaps;
        }
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, id: AlertId) -> Option<Arc<Alert>> {
        self.take(self.number(id)?)
    }

    /// Takes all out, and says how many they were.
    pub(super) fn clear(&mut self) -> usize {
        let all = std::mem::take(&mut self.list);
        self.listed.clear();
        let count = all.len();
        all.into_values().for_each(|over| self.unlist(over));
        count
    }

    /// The last episode of this alert, wherever it is kept.
    pub(super) fn last(&self, fingerprint: Fingerprint) -> Option<&Arc<Alert>> {
        let listed = self.numbers(fingerprint).next_back().and_then(|number| self.list.get(&number));
        let both = listed.into_iter().chain(self.unlisted.get(&fingerprint));
        both.map(|(_, alert)| alert).max_by_key(|alert| alert.id.episode)
    }

    /// The newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.list.values().rev().map(|(_, alert)| alert)
    }

    /// Those that have left the list, and of which it may still have to be told that they are over.
    pub(super) fn unlisted(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.unlisted.values().map(|(_, alert)| alert)
    }
}
