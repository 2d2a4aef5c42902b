//! Alerts: which pools meet which rules, since when, who knows of it, and who must be told.
//!
//! Everything here is pure: no clock, no task, no I/O. Time is an argument of whoever drives it, [`Instant`] for how long
//! something lasts and [`SystemTime`] for what is shown and for what people set a date to.
//!
//! ```text
//!            met              met for `hold`                 only the recovery threshold is
//!  (none) ─────────▶ Pending ───────────────▶ Firing ───────────────────────────────────▶ Recovering
//!     ▲                 │ not met                ▲ │ not met, and nothing keeps it firing      │
//!     │                 ▼                        │ ▼                                          │
//!     └──────────── vanishes                     │ Resolved ◀─────────────────────────────────┤
//!                                                └────────────────────── met ────────────────┘
//! ```
//!
//! The states are Prometheus', where `Recovering` is a firing alert that something keeps firing: it meets the recovery
//! threshold still, or `keep_firing` has not passed. `machine` moves from one to the next, `manager` holds the alerts of all
//! rules and pools, `silence` and `inhibition` say which of them are nobody's business now, `grouping` what is told when.
//!
//! Acknowledged, silenced, inhibited and flapping are no states: they say what is told, not what is.

mod defaults;
mod fingerprint;
mod flapping;
pub(crate) mod grouping;
mod history;
mod inhibition;
mod json;
mod labels;
mod machine;
mod manager;
mod matcher;
mod promql;
mod rule;
mod settings;
mod silence;
mod snapshot;
mod table;
pub(crate) mod time;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
#[cfg(doc)]
use tokio::time::Instant;

use crate::condition::Comparison;
use crate::metric::Metric;

pub use self::defaults::DefaultRules;
pub use self::fingerprint::{Fingerprint, FingerprintError};
pub use self::grouping::{Notification, NotificationReason, NotificationStatus};
pub use self::inhibition::InhibitRule;
pub use self::json::{alertmanager_alerts_json, alerts_json, prometheus_alerts_json};
pub use self::labels::Labels;
pub use self::manager::{AlertManager, RefusedAlerts, VerbError};
pub use self::matcher::{MatchOperator, Matcher, MatcherError};
pub use self::promql::{RulesFile, RulesFileSettings};
pub use self::rule::{AlertRule, NoData};
pub use self::settings::{AlertSettings, AlertSettingsError};
pub use self::silence::{Silence, SilenceError, SilenceId, SilenceState};
pub(crate) use self::snapshot::Untold;
pub use self::snapshot::{AlertSnapshot, SnapshotError};
pub use self::table::AlertTable;

/// How bad it is: the type of an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Somebody should look at it in working hours.
    Warning,
    /// Something fails.
    Error,
    /// The pool is of no use, or will soon be.
    Critical,
}

impl Severity {
    /// Every one, the least first.
    pub const ALL: [Severity; 3] = [Severity::Warning, Severity::Error, Severity::Critical];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Critical => "critical",
        }
    }

    /// The severity of this name.
    pub fn from_name(name: &str) -> Option<Severity> {
        Self::ALL.into_iter().find(|severity| severity.as_str() == name)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where an alert is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    /// Its rule is met, not yet for long enough.
    Pending,
    /// It fires.
    Firing,
    /// It fires still, although its rule is not met: see [`AlertRule::recovery_threshold`] and [`AlertRule::keep_firing`].
    Recovering,
    /// It is over.
    Resolved,
}

impl AlertState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
            AlertState::Recovering => "recovering",
            AlertState::Resolved => "resolved",
        }
    }

    /// Whether it has fired and is not over: firing or recovering.
    pub fn is_active(self) -> bool {
        matches!(self, AlertState::Firing | AlertState::Recovering)
    }
}

impl fmt::Display for AlertState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why an alert is in its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// What was read, compared with the threshold.
    Threshold,
    /// Nothing could be read, and the rule says what that means.
    NoData,
    /// Its pool is gone.
    PoolRemoved,
    /// Somebody resolved it.
    ManualResolve,
    /// Its rule is gone, or has become another one.
    RuleChanged,
}

impl Reason {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Threshold => "threshold",
            Reason::NoData => "no_data",
            Reason::PoolRemoved => "pool_removed",
            Reason::ManualResolve => "manual_resolve",
            Reason::RuleChanged => "rule_changed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Names one episode of one alert: from its rule being met to its end. Shown as `fingerprint-episode`, such as
/// `9f2c5b1a00e4d377-3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AlertId {
    /// Of the alert's labels: the same in every episode.
    pub fingerprint: Fingerprint,
    /// Counted from 1, or from higher up if thousands of alerts were there before whose pools are gone.
    pub episode: u32,
}

impl fmt::Display for AlertId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}-{}", self.fingerprint, self.episode))
    }
}

/// Says that a text names no alert.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read the id of an alert: {0:?} is not sixteen hexadecimal digits, a dash and a number")]
pub struct AlertIdError(String);

impl FromStr for AlertId {
    type Err = AlertIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = text.split_once('-');
        let id = parts.and_then(|(fingerprint, episode)| {
            Some(AlertId { fingerprint: fingerprint.parse().ok()?, episode: episode.parse().ok()? })
        });
        id.ok_or_else(|| AlertIdError(text.chars().take(60).collect()))
    }
}

impl Serialize for AlertId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for AlertId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Somebody knows of an alert: it is not told again while this lasts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Who.
    pub by: String,
    /// What they say about it.
    pub comment: String,
    /// Since when.
    #[serde(with = "time::rfc3339")]
    pub at: SystemTime,
    /// Until when; `None` = while the episode lasts.
    #[serde(with = "time::rfc3339_option", rename = "expiresAt")]
    pub expires_at: Option<SystemTime>,
    /// Whether it survives that the alert gets worse again: otherwise it ends when the alert fires again after it was
    /// recovering.
    pub sticky: bool,
}

impl Acknowledgement {
    /// For as long as the episode lasts, and not sticky.
    pub fn new(by: impl Into<String>, comment: impl Into<String>, at: SystemTime) -> Self {
        Acknowledgement { by: by.into(), comment: comment.into(), at, expires_at: None, sticky: false }
    }

    /// The same with an end.
    #[must_use]
    pub fn until(mut self, expires_at: SystemTime) -> Self {
        self.expires_at = Some(expires_at);
        self
    }

    /// The same, sticky.
    #[must_use]
    pub fn sticky(mut self) -> Self {
        self.sticky = true;
        self
    }
}

/// A step of an alert from one state to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transition {
    /// When.
    #[serde(with = "time::rfc3339")]
    pub at: SystemTime,
    /// From where; `None` = it began.
    pub from: Option<AlertState>,
    /// Where to.
    pub to: AlertState,
    /// Why.
    pub reason: Reason,
    /// What was read then; `None` = nothing could be.
    pub value: Option<f64>,
}

/// One episode of a rule that a pool meets, or has met.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Alert {
    /// Names this episode.
    pub id: AlertId,
    /// The rule's name.
    pub rule: Arc<str>,
    /// The pool it is about; `None` = the whole process.
    pub pool: Option<Arc<str>>,
    /// How bad it is: its type.
    pub severity: Severity,
    /// Where it is on its way.
    pub state: AlertState,
    /// Why it is there.
    pub reason: Reason,
    /// What it is the alert of: `alertname`, `severity`, `pool`, and those of the rule.
    pub labels: Labels,
    /// What the rule says about it.
    pub annotations: Labels,
    /// What is the matter, in one line.
    pub message: String,
    /// What is read, by the rule's first condition.
    pub metric: Metric,
    /// How that is compared with the threshold.
    pub comparison: Comparison,
    /// What was read last of the rule's first condition while it was not over; a NaN if nothing could be.
    pub value: f64,
    /// With what it is compared.
    pub threshold: f64,
    /// What it must leave behind to be over.
    pub recovery_threshold: Option<f64>,
    /// When its rule was met first.
    pub active_at: SystemTime,
    /// When it fired; `None` = it is pending.
    pub started_at: Option<SystemTime>,
    /// Since when only `keep_firing` keeps it firing.
    pub keep_firing_since: Option<SystemTime>,
    /// When it was resolved.
    pub ended_at: Option<SystemTime>,
    /// When it was evaluated last.
    pub updated_at: SystemTime,
    /// Who knows of it.
    pub acknowledgement: Option<Acknowledgement>,
    /// The silences that match it.
    pub silenced_by: Vec<SilenceId>,
    /// An alert that makes this one idle talk.
    pub inhibited_by: Vec<Fingerprint>,
    /// Whether it comes and goes so often that nobody is told of each time.
    pub flapping: bool,
    /// How often it has fired, this time included.
    pub occurrences: u32,
    /// The steps of this episode, the oldest first; the latest 20 of them.
    pub transitions: Vec<Transition>,
}

impl Alert {
    /// How many transitions are kept: as many as flapping detection looks at.
    pub(crate) const MAX_TRANSITIONS: usize = 20;

    /// The same for every episode.
    pub fn fingerprint(&self) -> Fingerprint {
        self.id.fingerprint
    }

    /// Whether it fires or recovers.
    pub fn is_active(&self) -> bool {
        self.state.is_active()
    }

    /// Whether somebody knows of it.
    pub fn is_acknowledged(&self) -> bool {
        self.acknowledgement.is_some()
    }

    /// Whether a silence or another alert keeps it from being told.
    pub fn is_suppressed(&self) -> bool {
        !self.silenced_by.is_empty() || !self.inhibited_by.is_empty()
    }

    /// Since when it is as it is, for people: when it fired, or when its rule was met first.
    pub fn since(&self) -> SystemTime {
        self.started_at.unwrap_or(self.active_at)
    }
}

/// What an evaluation changed. For callbacks; what is told to people comes as a [`Notification`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum AlertEvent {
    /// It fires now.
    Triggered(Arc<Alert>),
    /// It is over.
    Resolved(Arc<Alert>),
    /// It is pending, recovering or worse again; or it is muted or flapping now, or no longer.
    Changed(Arc<Alert>),
}

impl AlertEvent {
    /// The alert as it is now.
    pub fn alert(&self) -> &Arc<Alert> {
        match self {
            AlertEvent::Triggered(alert) | AlertEvent::Resolved(alert) | AlertEvent::Changed(alert) => alert,
        }
    }
}
