//! `monitoring`: how measurements are collected, kept and judged.

use std::time::Duration;

use crate::problem::Mistake;
use crate::section::{Origin, Section};
use crate::values::{flag, millis, share};

/// The section `monitoring`: how measurements are collected, kept and judged.
///
/// Durations are written as whole milliseconds under keys that end in `_ms`.
#[derive(Debug, Clone, PartialEq)]
pub struct Monitoring {
    /// `enabled`: whether anything is measured over time. Default true.
    pub enabled: bool,
    /// `collection_interval_ms`: the pause between two measurements. Default 10 s.
    pub collection_interval: Duration,
    /// `retention_period_ms`: how long a measurement is kept. At least two collection intervals, because one
    /// measurement alone is no history; default 1 h.
    pub retention_period: Duration,
    /// `enable_alerts`: whether measurements raise alerts. Default true.
    pub enable_alerts: bool,
    /// `connection_utilization_threshold`: an alert is raised when a larger part of `max_connections` is in use.
    /// Above 0, at most 1, default 0.8.
    pub connection_utilization_threshold: f64,
    /// `error_rate_threshold`: an alert is raised when a larger part of the acquires fails. Above 0, at most 1,
    /// default 0.05.
    pub error_rate_threshold: f64,
}

impl Default for Monitoring {
    fn default() -> Self {
        Self {
            enabled: true,
            collection_interval: Duration::from_secs(10),
            retention_period: Duration::from_secs(60 * 60),
            enable_alerts: true,
            connection_utilization_threshold: 0.8,
            error_rate_threshold: 0.05,
        }
    }
}

impl Monitoring {
    pub(crate) fn read(section: &mut Section<'_>) -> Self {
        let mut monitoring = Self::default();
        section.set("enabled", &mut monitoring.enabled, flag);
        section.set("collection_interval_ms", &mut monitoring.collection_interval, millis);
        section.set("retention_period_ms", &mut monitoring.retention_period, millis);
        section.set("enable_alerts", &mut monitoring.enable_alerts, flag);
        let utilization = &mut monitoring.connection_utilization_threshold;
        section.set("connection_utilization_threshold", utilization, share);
        section.set("error_rate_threshold", &mut monitoring.error_rate_threshold, share);
        monitoring.check(section);
        monitoring
    }

    fn check(&self, section: &mut Section<'_>) {
        let (interval, retention) = ("collection_interval_ms", "retention_period_ms");
        let origins = [section.origin(retention), section.origin(interval)];
        if origins.contains(&Origin::Refused) || self.retention_period >= 2 * self.collection_interval {
            return;
        }
        let (retention_ms, interval_ms) =
            (self.retention_period.as_millis(), self.collection_interval.as_millis());
        let (at, found) = if origins[0] == Origin::Default {
            (interval, format!("{interval_ms} while {retention} is {retention_ms} (built in)"))
        } else {
            (retention, format!("{retention_ms} while {interval} is {interval_ms}"))
        };
        let expected = format!("{retention} at least twice {interval}");
        let help = format!("raise {retention} or lower {interval}");
        section.report(at, Mistake::new(found, expected, help));
    }
}
