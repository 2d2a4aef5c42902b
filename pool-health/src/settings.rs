//! How closely targets are watched, and when they count as down.
//!
//! The counts and the three intervals are those of HAProxy's health checks (`fall`, `rise`, `inter`, `fastinter`, `downinter`:
//! <https://docs.haproxy.org/3.0/configuration.html#5.2>).

use std::time::Duration;

use pool_core::{SettingChecks, SettingsError, Span};

/// How closely targets are watched, and when they count as down.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool_health::HealthSettings;
///
/// let settings = HealthSettings { check_interval: Duration::from_secs(10), ..HealthSettings::default() };
/// assert!(settings.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct HealthSettings {
    /// The time from the beginning of one check to that of the next while a target is well. Default 60 s.
    pub check_interval: Duration,
    /// How long one check may take. Default 5 s.
    pub timeout: Duration,
    /// How many checks in a row must fail before a target counts as unhealthy; as many must be slow before it counts as slow.
    /// At least 1. Default 3.
    pub fall: u32,
    /// How many checks in a row must pass before it counts as healthy again. At least 1. Default 2. The first one of a
    /// target of which nothing is known is enough.
    pub rise: u32,
    /// As `check_interval`, while a target is changing from well to unwell or back. Default 1 s. The usual interval of a pool
    /// holds if that is shorter.
    pub fast_interval: Duration,
    /// As `check_interval`, while a target is unhealthy or degraded. Default 5 s. The usual interval of a pool holds if that is
    /// shorter.
    pub down_interval: Duration,
    /// The part by which each interval is longer or shorter, by chance. From 0 to 0.5. Default 0.1.
    pub jitter: f64,
    /// How many checks are begun at the same time. At least 1. Default 4.
    ///
    /// A check that has not ended after 50 ms makes way for the next one, so that those which hang delay no other. One
    /// target is never checked twice at a time.
    pub max_concurrent_checks: usize,
    /// A check whose round trip takes at least this long is slow. More than 0. Default `None` = ten times as long as usual for
    /// the target, and at least 5 ms.
    pub slow_after: Option<Duration>,
    /// After so many errors in a row of connects, validations and returned connections a target is checked at once, without
    /// waiting for the interval. Default 5; 0 = never.
    pub passive_errors: u32,
    /// Whether idle connections of an unhealthy target are validated, and the dead ones closed, after each check that
    /// failed. Default on. The pool opens new ones by itself in any case.
    pub automatic_recovery: bool,
    /// After so many checks of an unhealthy target that failed, [`RecoveryExhausted`](crate::HealthEvent::RecoveryExhausted) is
    /// told, once; checking goes on. Default 3; 0 = not told.
    pub max_recovery_attempts: u32,
    /// A connection that is idle for longer is reported as expired. Default 5 min; 0 = never. It is the pool's
    /// `idle_timeout` that closes it.
    pub idle_timeout: Duration,
}

impl Default for HealthSettings {
    fn default() -> Self {
        HealthSettings {
            check_interval: Duration::from_secs(60),
            timeout: Duration::from_secs(5),
            fall: 3,
            rise: 2,
            fast_interval: Duration::from_secs(1),
            down_interval: Duration::from_secs(5),
            jitter: 0.1,
            max_concurrent_checks: 4,
            slow_after: None,
            passive_errors: 5,
            automatic_recovery: true,
            max_recovery_attempts: 3,
            idle_timeout: Duration::from_secs(5 * 60),
        }
    }
}

impl HealthSettings {
    /// Keeps every sum of an instant and an interval far from the end of the clock.
    const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Names every setting that is out of its range, not just the first.
    pub fn check(&self) -> Result<(), SettingsError> {
        let mut checks = SettingChecks::default();
        for (setting, duration) in [
            ("check_interval", self.check_interval),
            ("timeout", self.timeout),
            ("fast_interval", self.fast_interval),
            ("down_interval", self.down_interval),
        ] {
            let holds = duration >= Duration::from_millis(1) && duration <= Self::LONGEST;
            checks.require(holds, setting, &Span(duration), "must be from 1 ms to 10 years");
        }
        for (setting, count) in [("fall", self.fall), ("rise", self.rise)] {
            checks.require(count >= 1, setting, &count, "must be at least 1");
        }
        let slow = self.slow_after.unwrap_or(Duration::MAX);
        checks.require(!slow.is_zero(), "slow_after", &Span(slow), "must be more than 0, or none");
        let (jitter, begun) = (self.jitter, self.max_concurrent_checks);
        checks.require((0.0..=0.5).contains(&jitter), "jitter", &jitter, "must be from 0 to 0.5");
        checks.require(begun >= 1, "max_concurrent_checks", &begun, "must be at least 1");
        checks.finish("health monitor")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(HealthSettings::default().check(), Ok(()));
    }

    #[test]
    fn every_bad_setting_is_named_at_once() {
        let settings = HealthSettings {
            timeout: Duration::ZERO,
            rise: 0,
            jitter: f64::NAN,
            max_concurrent_checks: 0,
            slow_after: Some(Duration::ZERO),
            ..HealthSettings::default()
        };
        insta::assert_snapshot!(settings.check().unwrap_err(), @"accept the health monitor settings: timeout = 0s must be from 1 ms to 10 years; rise = 0 must be at least 1; slow_after = 0s must be more than 0, or none; jitter = NaN must be from 0 to 0.5; max_concurrent_checks = 0 must be at least 1");
    }
}
