//! The alerts that are over, until there are too many of them or they are too old.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::fingerprint::Fingerprint;
use super::{Alert, AlertId};

/// Resolved alerts, the oldest first.
#[derive(Debug, Default)]
pub(super) struct History(VecDeque<(Instant, Arc<Alert>)>);

impl History {
    /// Adds one that was resolved just now.
    pub(super) fn push(&mut self, alert: Arc<Alert>, now: Instant) {
        self.0.push_back((now, alert));
    }

    /// Lets go of those that are too many or too old.
    pub(super) fn trim(&mut self, most: usize, retention: Duration, now: Instant) {
        while let Some((ended, _)) = self.0.front() {
            if self.0.len() <= most && now.saturating_duration_since(*ended) <= retention {
                break;
            }
            self.0.pop_front();
        }
    }

    pub(super) fn find(&self, id: AlertId) -> Option<&Arc<Alert>> {
        self.iter().find(|alert| alert.id == id)
    }

    pub(super) fn find_mut(&mut self, id: AlertId) -> Option<&mut Arc<Alert>> {
        self.0.iter_mut().rev().map(|(_, alert)| alert).find(|alert| alert.id == id)
    }

    /// Takes one out.
    pub(super) fn remove(&mut self, id: AlertId) -> Option<Arc<Alert>> {
        let at = self.0.iter().position(|(_, alert)| alert.id == id)?;
        self.0.remove(at).map(|(_, alert)| alert)
    }

    /// Takes all out, and says how many they were.
    pub(super) fn clear(&mut self) -> usize {
        std::mem::take(&mut self.0).len()
    }

    /// The number of the last episode of this alert that is kept; 0 = none is.
    pub(super) fn last_episode(&self, fingerprint: Fingerprint) -> u32 {
        self.iter().find(|alert| alert.fingerprint() == fingerprint).map_or(0, |alert| alert.id.episode)
    }

    /// The newest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.0.iter().rev().map(|(_, alert)| alert)
    }
}
