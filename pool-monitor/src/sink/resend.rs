//! Which alerts are to be told one by one, and when.
//!
//! As Prometheus does it: an alert is told when it fires, again each interval while it does, and when it has ended; and that it has ended
//! again and again for a while, so that a lost word is repaired. One that has ended and was never told to fire is not told, nor is an
//! earlier episode of one that fires: whoever is told knows alerts by their labels, and would take the one for the other.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::ResendSettings;
use crate::alert::{Alert, AlertId, AlertState, Fingerprint};

/// What was told of which alert. Pure: the time is an argument.
#[derive(Debug)]
pub(super) struct Schedule {
    settings: ResendSettings,
    told: HashMap<AlertId, Told>,
}

#[derive(Debug, Clone, Copy)]
struct Told {
    at: Instant,
    /// When it was first told to have ended.
    ended: Option<Instant>,
}

impl Schedule {
    pub(super) fn new(settings: ResendSettings) -> Self {
        Schedule { settings, told: HashMap::new() }
    }

    /// Those of `alerts` that are to be told now.
    pub(super) fn due(&self, now: Instant, alerts: &[Arc<Alert>]) -> Vec<Arc<Alert>> {
        let latest = latest(alerts);
        let due = alerts.iter().filter(|alert| {
            self.wait(now, alert) == Some(Duration::ZERO)
                && latest.get(&alert.id.fingerprint) == Some(&alert.id.episode)
        });
        due.cloned().collect()
    }

    /// How long it is until the next of them is to be told; `None` = as far as is known, none is.
    pub(super) fn next(&self, now: Instant, alerts: &[Arc<Alert>]) -> Option<Duration> {
        let latest = latest(alerts);
        let told = alerts.iter().filter(|alert| latest.get(&alert.id.fingerprint) == Some(&alert.id.episode));
        told.filter_map(|alert| self.wait(now, alert)).min()
    }

    /// Notes that they were told; or that they cannot be, which is tried again no sooner.
    pub(super) fn note(&mut self, now: Instant, alerts: &[Arc<Alert>]) {
        for alert in alerts {
            let told = self.told.entry(alert.id).or_insert(Told { at: now, ended: None });
            told.at = now;
            if alert.state == AlertState::Resolved {
                told.ended.get_or_insert(now);
            }
        }
    }

    /// Forgets those that are not among `alerts` any more.
    pub(super) fn forget_others(&mut self, alerts: &[Arc<Alert>]) {
        if self.told.len() > alerts.len() {
            let present: HashSet<_> = alerts.iter().map(|alert| alert.id).collect();
            self.told.retain(|id, _| present.contains(id));
        }
    }

    /// How long it is until an alert is to be told; `None` = it is not.
    fn wait(&self, now: Instant, alert: &Alert) -> Option<Duration> {
        let is_active = match alert.state {
            AlertState::Pending => return None,
            AlertState::Firing | AlertState::Recovering => true,
            AlertState::Resolved => false,
        };
        let Some(told) = self.told.get(&alert.id) else { return is_active.then_some(Duration::ZERO) };
        let next = told.at + self.settings.interval;
        match told.ended {
            None if !is_active => Some(Duration::ZERO),
            Some(ended) if next > ended + self.settings.resolved_for => None,
            _ => Some(next.saturating_duration_since(now)),
        }
    }
}

/// The latest episode of each alert that is not merely pending.
fn latest(alerts: &[Arc<Alert>]) -> HashMap<Fingerprint, u32> {
    let mut latest = HashMap::new();
    for alert in alerts.iter().filter(|alert| alert.state != AlertState::Pending) {
        let episode = latest.entry(alert.id.fingerprint).or_insert(alert.id.episode);
        *episode = alert.id.episode.max(*episode);
    }
    latest
}
