//! The alerts that are over, until there are too many of them or they are too old.
//!
//! What people see is a list, of which anybody may take things out. Who tells that alerts are over may come later than that:
//! for him the last episode of each alert is kept apart for a while.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::fingerprint::Fingerprint;
use super::{Alert, AlertId};

/// An alert that is over, and since when.
type Over = (Instant, Arc<Alert>);

/// Resolved alerts, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History {
    list: VecDeque<Over>,
    /// Not on the list any more, and no older than [`UNLISTED_FOR`](Self::UNLISTED_FOR); of each alert the last episode.
    unlisted: HashMap<Fingerprint, Over>,
}

impl History {
    /// Twice as long as an Alertmanager is told by default that an alert is over: the first attempts may fail.
    pub(super) const UNLISTED_FOR: Duration = Duration::from_secs(30 * 60);
    /// As many as one rule may have alerts by default.
    const MAX_UNLISTED: usize = 10_000;

    /// Adds one that was resolved just now.
    pub(super) fn push(&mut self, alert: Arc<Alert>, now: Instant) {
        self.unlisted.remove(&alert.fingerprint());
        self.list.push_back((now, alert));
    }

    /// Keeps one that was over before, for whoever tells of it, and not for the list.
    pub(super) fn keep(&mut self, alert: Arc<Alert>, now: Instant) {
        self.unlist((now, alert));
    }

    /// Lets go of those that are too many or too old.
    pub(super) fn trim(&mut self, most: usize, retention: Duration, now: Instant) {
        let age = |ended: Instant| now.saturating_duration_since(ended);
        while let Some((ended, _)) = self.list.front() {
            if self.list.len() <= most && age(*ended) <= retention {
                break;
            }
            if let Some(over) = self.list.pop_front() {
                self.unlist(over);
            }
        }
        self.unlisted.retain(|_, (ended, alert)| alert.flapping || age(*ended) <= Self::UNLISTED_FOR);
    }

    /// Keeps one that has left the list, unless a later episode is known.
    fn unlist(&mut self, (ended, alert): Over) {
        let fingerprint = alert.fingerprint();
        let is_last = !self.list.iter().any(|(_, other)| other.fingerprint() == fingerprint);
        let known = self.unlisted.get(&fingerprint).map_or(0, |(_, other)| other.id.episode);
        if !is_last || known > alert.id.episode {
            return;
        }
        if self.unlisted.len() >= Self::MAX_UNLISTED {
            let oldest = self.unlisted.iter().min_by_key(|(_, (ended, _))| *ended);
            if let Some(oldest) = oldest.map(|(fingerprint, _)| *fingerprint) {
                self.unlisted.remove(&oldest);
            }
        }
        self.unlisted.insert(fingerprint, (ended, alert));
    }

    pub(super) fn find(&self, id: AlertId) -> Option<&Arc<Alert>> {
        self.iter().find(|alert| alert.id == id)
    }

    /// Notes in the last episode of this alert whether it flaps.
    pub(super) fn note_flapping(&mut self, fingerprint: Fingerprint, flaps: bool) {
        let mut listed = self.list.iter_mut().rev().map(|(_, alert)| alert);
        let listed = listed.find(|alert| alert.fingerprint() == fingerprint);
        let unlisted = self.unlisted.get_mut(&fingerprint).map(|(_, alert)| alert);
        if let Some(alert) = listed.or(unlisted) {
            Arc::make_mut(alert).flapping = flaps;
        }
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, id: AlertId) -> Option<Arc<Alert>> {
        let at = self.list.iter().position(|(_, alert)| alert.id == id)?;
        let over = self.list.remove(at)?;
        let alert = Arc::clone(&over.1);
        self.unlist(over);
        Some(alert)
    }

    /// Takes all out, and says how many they were.
    pub(super) fn clear(&mut self) -> usize {
        let all = std::mem::take(&mut self.list);
        let count = all.len();
        all.into_iter().for_each(|over| self.unlist(over));
        count
    }

    /// The last episode of this alert, wherever it is kept.
    pub(super) fn last(&self, fingerprint: Fingerprint) -> Option<&Arc<Alert>> {
        let listed = self.iter().find(|alert| alert.fingerprint() == fingerprint);
        listed.or_else(|| self.unlisted.get(&fingerprint).map(|(_, alert)| alert))
    }

    /// The newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.list.iter().rev().map(|(_, alert)| alert)
    }

    /// Those that have left the list, and of which it may still have to be told that they are over.
    pub(super) fn unlisted(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.unlisted.values().map(|(_, alert)| alert)
    }
}
