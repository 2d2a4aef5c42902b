//! What a sink has not heard because it was given up, refused, or dropped: by alert, until it is told again or is no longer true.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::alert::{Alert, Fingerprint, Notification, NotificationReason};

/// Of one sink. Pure: the time is an argument.
#[derive(Debug, Default)]
pub(super) struct Missed(BTreeMap<Fingerprint, Miss>);

/// The last word about an alert.
#[derive(Debug)]
struct Miss {
    alert: Arc<Alert>,
    said_in: Arc<Notification>,
    since: Instant,
}

impl Missed {
    /// As many as one rule may have alerts by default. What is missed beyond is not told again.
    const MAX: usize = 10_000;

    /// Notes that this was not told.
    pub(super) fn note(&mut self, notification: &Arc<Notification>, now: Instant) {
        for alert in &notification.alerts {
            let fingerprint = alert.fingerprint();
            if self.0.len() < Self::MAX || self.0.contains_key(&fingerprint) {
                let (alert, said_in) = (Arc::clone(alert), Arc::clone(notification));
                self.0.insert(fingerprint, Miss { alert, said_in, since: now });
            }
        }
    }

    /// Notes that this is told, or is about to be: what was missed about its alerts is old.
    pub(super) fn forget(&mut self, notification: &Notification) {
        if self.0.is_empty() {
            return;
        }
        for alert in &notification.alerts {
            self.0.remove(&alert.fingerprint());
        }
    }

    /// Takes out what was missed so long ago, by group, as it is now. `current` finds the alert that fires or recovers: one that does not
    /// any more is left out, since its end is told by itself; one that is muted stays here.
    pub(super) fn due(
        &mut self,
        now: Instant,
        after: Duration,
        current: impl Fn(Fingerprint) -> Option<Arc<Alert>>,
    ) -> Vec<Arc<Notification>> {
        let mut again: Vec<Arc<Notification>> = Vec::new();
        let mut groups: BTreeMap<String, (Arc<Notification>, Vec<Arc<Alert>>)> = BTreeMap::new();
        self.0.retain(|fingerprint, miss| {
            if now.saturating_duration_since(miss.since) < after {
                return true;
            }
            if is_about_flapping(miss.said_in.reason) {
                again.push(Arc::clone(&miss.said_in));
                return false;
            }
            let alert = if miss.alert.is_active() {
                match current(*fingerprint) {
                    None => return false,
                    Some(alert) if alert.is_suppressed() || alert.flapping => return true,
                    Some(alert) => alert,
                }
            } else {
                Arc::clone(&miss.alert)
            };
            let group = groups.entry(miss.said_in.group_key.clone());
            group.or_insert_with(|| (Arc::clone(&miss.said_in), Vec::new())).1.push(alert);
            false
        });
        again.extend(groups.into_iter().map(|(key, (said_in, alerts))| {
            Arc::new(Notification::new(&key, &said_in.group_labels, said_in.reason, alerts))
        }));
        again
    }

    /// The last word about each alert.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Arc<Alert>, NotificationReason)> {
        self.0.values().map(|miss| (&miss.alert, miss.said_in.reason))
    }
}

fn is_about_flapping(reason: NotificationReason) -> bool {
    matches!(reason, NotificationReason::FlappingStarted | NotificationReason::FlappingEnded)
}
