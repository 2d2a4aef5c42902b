//! What of the alerts survives a restart: those that are not over, who knows of them, of which ends it is still to be told, and the
//! silences.
//!
//! The history of what is over does not. The rules are those of Prometheus: after an outage of more than an hour nothing is known any more,
//! and while the process was down no rule was met, so a pending alert waits for as long as it had to.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;
use super::flapping::Flapping;
use super::labels::Labels;
use super::silence::Silence;
use super::{Acknowledgement, Alert, AlertState, NotificationReason, Reason, Severity, Transition, time};

/// What of the alerts survives a restart. Made by [`AlertManager::snapshot`](super::AlertManager::snapshot), taken in by
/// [`AlertManager::restore`](super::AlertManager::restore).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertSnapshot {
    pub(super) version: u32,
    #[serde(with = "time::rfc3339")]
    pub(super) taken_at: SystemTime,
    pub(super) alerts: Vec<SavedAlert>,
    pub(super) silences: Vec<Silence>,
    /// Those of which somebody was told who is to hear of their end. Not in what earlier versions wrote.
    #[serde(default)]
    pub(super) told: Vec<SavedTold>,
}

/// A rule for a pool that has met it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedAlert {
    pub(super) rule: String,
    pub(super) pool: String,
    pub(super) fingerprint: Fingerprint,
    pub(super) episodes: u32,
    pub(super) fired: u32,
    pub(super) open: Option<SavedEpisode>,
    #[serde(default)]
    pub(super) flapping: Flapping,
}

/// An episode that is not over. Times are ages, so that they hold whatever is done to the clock.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedEpisode {
    pub(super) state: AlertState,
    pub(super) active_for_ms: u64,
    #[serde(with = "time::rfc3339_option")]
    pub(super) started_at: Option<SystemTime>,
    pub(super) kept_for_ms: Option<u64>,
    pub(super) told_ago_ms: Option<u64>,
    pub(super) value: Option<f64>,
    pub(super) acknowledgement: Option<Acknowledgement>,
    pub(super) transitions: Vec<Transition>,
}

/// An alert of which somebody was told, with all that is said of its end: its rule may be another one by then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct SavedTold {
    pub(super) rule: String,
    pub(super) pool: Option<String>,
    pub(super) severity: Severity,
    pub(super) labels: Labels,
    pub(super) annotations: Labels,
    pub(super) message: String,
    pub(super) metric: String,
    pub(super) comparison: String,
    pub(super) value: Option<f64>,
    pub(super) threshold: Option<f64>,
    pub(super) recovery_threshold: Option<f64>,
    pub(super) episode: u32,
    pub(super) fired: u32,
    #[serde(with = "time::rfc3339")]
    pub(super) active_at: SystemTime,
    #[serde(with = "time::rfc3339_option")]
    pub(super) started_at: Option<SystemTime>,
    /// `None` = it is not over.
    #[serde(with = "time::rfc3339_option")]
    pub(super) ended_at: Option<SystemTime>,
    pub(super) reason: Reason,
    pub(super) acknowledgement: Option<Acknowledgement>,
    pub(super) transitions: Vec<Transition>,
    /// Whether it was told that it flaps, and not that it fires.
    pub(super) flapping: bool,
}

/// What is taken as told, and has not reached everybody.
#[derive(Debug, Default)]
pub(crate) struct Untold {
    /// That these fire.
    pub(super) firing: HashSet<Fingerprint>,
    /// That these flap.
    pub(super) flapping: HashSet<Fingerprint>,
    /// That these are over; and whether what they were told to do was to flap.
    pub(super) ended: HashMap<Fingerprint, (Arc<Alert>, bool)>,
}

impl Untold {
    /// Notes that this was not told of the alert. What is noted later came later.
    pub(crate) fn note(&mut self, alert: &Arc<Alert>, reason: NotificationReason) {
        match reason {
            NotificationReason::FlappingStarted => {
                self.flapping.insert(alert.fingerprint());
            }
            NotificationReason::FlappingEnded => {
                self.ended.insert(alert.fingerprint(), (Arc::clone(alert), true));
            }
            _ if alert.is_active() => {
                self.firing.insert(alert.fingerprint());
            }
            _ => {
                self.ended.insert(alert.fingerprint(), (Arc::clone(alert), false));
            }
        }
    }
}

/// Says why a snapshot cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The text is none.
    #[error("read the snapshot of the alerts")]
    Syntax(#[source] serde_json::Error),
    /// It was written by a later version of this crate.
    #[error("read the snapshot of the alerts: its version is {0}, and not one of those that are known")]
    Version(u32),
}

impl AlertSnapshot {
    pub(super) const VERSION: u32 = 1;
    /// How long the process may have been down; Prometheus' `for-outage-tolerance`.
    pub(super) const TOLERANCE: Duration = Duration::from_secs(3_600);
    /// How long a pending alert of a patient rule waits at least after a restart; Prometheus' `for-grace-period`.
    pub(super) const GRACE: Duration = Duration::from_secs(10 * 60);

    /// As JSON.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("its maps have texts for keys, and nothing in it can fail")
    }

    /// From JSON.
    ///
    /// # Errors
    ///
    /// It is not what [`to_json`](AlertSnapshot::to_json) writes, or what a later version of it does.
    pub fn from_json(text: &str) -> Result<Self, SnapshotError> {
        let snapshot: AlertSnapshot = serde_json::from_str(text).map_err(SnapshotError::Syntax)?;
        if snapshot.version != Self::VERSION {
            return Err(SnapshotError::Version(snapshot.version));
        }
        Ok(snapshot)
    }
}
