//! `health_monitoring`: how the health of all pools is watched and restored.

use std::time::Duration;

use crate::section::Section;
use crate::values::{flag, millis, millis_or_zero, whole};

/// The section `health_monitoring`: how the health of all pools is watched and restored.
///
/// Durations are written as whole milliseconds under keys that end in `_ms`.
#[derive(Debug, Clone, PartialEq)]
pub struct HealthMonitoring {
    /// `enabled`: whether health is watched at all. Default true.
    pub enabled: bool,
    /// `check_interval_ms`: the pause between two checks of a target. Default 1 min.
    pub check_interval: Duration,
    /// `connection_timeout_ms`: how long one check may take. Default 5 s.
    pub connection_timeout: Duration,
    /// `idle_timeout_ms`: a connection idle for longer counts as expired. Default 5 min; 0 = never.
    pub idle_timeout: Duration,
    /// `enable_automatic_recovery`: whether a target found down is reconnected without being asked. Default true.
    pub enable_automatic_recovery: bool,
    /// `max_recovery_attempts`: how many attempts one round of recovery makes before it slows down. At least 1,
    /// default 3.
    pub max_recovery_attempts: u32,
}

impl Default for HealthMonitoring {
    fn default() -> Self {
        Self {
            enabled: true,
            check_interval: Duration::from_secs(60),
            connection_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(5 * 60),
            enable_automatic_recovery: true,
            max_recovery_attempts: 3,
        }
    }
}

impl HealthMonitoring {
    pub(crate) fn read(section: &mut Section<'_>) -> Self {
        let mut health = Self::default();
        section.set("enabled", &mut health.enabled, flag);
        section.set("check_interval_ms", &mut health.check_interval, millis);
        section.set("connection_timeout_ms", &mut health.connection_timeout, millis);
        section.set("idle_timeout_ms", &mut health.idle_timeout, millis_or_zero("never"));
        section.set("enable_automatic_recovery", &mut health.enable_automatic_recovery, flag);
        section.set("max_recovery_attempts", &mut health.max_recovery_attempts, whole(1..=u32::MAX));
        health
    }
}
