//! `health_monitoring`: how the health of all pools is watched and restored.

use std::time::Duration;

use crate::class::ReloadClass::Live;
use crate::keys::{Keys, keys};
use crate::kind::{Flag, Millis, Number, Whole};
use crate::problem::Mistake;
use crate::section::{Origin, Section};

keys! {
    /// The section `health_monitoring`: how the health of all pools is watched and restored.
    ///
    /// Durations are written as whole milliseconds under keys that end in `_ms`.
    pub struct HealthMonitoring {
        /// whether health is watched at all
        enabled: bool = true, value("enabled", Flag, Live);

        /// the pause between two checks of a healthy target; a pool may have a `health_check_interval_ms` of its own,
        /// and that of `default_pool` is every pool's
        check_interval: Duration = Duration::from_secs(60), value("check_interval_ms", Millis::POSITIVE, Live);

        /// how long one check may take
        connection_timeout: Duration = Duration::from_secs(5),
            value("connection_timeout_ms", Millis::POSITIVE, Live);

        /// a connection idle for longer is reported as expired; it is the pool's `idle_timeout_ms` that closes it
        idle_timeout: Duration = Duration::from_secs(300), value("idle_timeout_ms", Millis::zero("never"), Live);

        /// whether the idle connections of an unhealthy target are validated, and the dead ones replaced, without being asked
        enable_automatic_recovery: bool = true, value("enable_automatic_recovery", Flag, Live);

        /// after so many failed checks of an unhealthy target the attempts to recover it are reported as used up; they go on
        max_recovery_attempts: u32 = 3,
            value("max_recovery_attempts", Whole::within(1..=u32::MAX).of("attempts"), Live);

        /// how many checks in a row must fail before a target counts as unhealthy
        unhealthy_threshold: u32 = 3, value("unhealthy_threshold", Whole::within(1..=1000).of("checks"), Live);

        /// how many checks in a row must succeed before it counts as healthy again
        healthy_threshold: u32 = 2, value("healthy_threshold", Whole::within(1..=1000).of("checks"), Live);

        /// the pause between two checks while a target is changing from healthy to unhealthy or back
        fast_interval: Duration = Duration::from_secs(1), value("fast_interval_ms", Millis::POSITIVE, Live);

        /// the pause between two checks of an unhealthy target, or a degraded one
        down_interval: Duration = Duration::from_secs(5), value("down_interval_ms", Millis::POSITIVE, Live);

        /// the part by which each pause differs, so that many processes do not check at the same moment
        interval_jitter: f64 = 0.1, value("interval_jitter", Number(0.0..=0.5), Live);

        /// how many checks are begun at the same time. One that hangs makes way for the next
        max_concurrent_checks: usize = 4,
            value("max_concurrent_checks", Whole::within(1..=10_000).of("checks"), Live);

        /// after so many errors in a row of connects, validations and connections that come back, a target is checked at once
        passive_errors: u32 = 5,
            value("passive_errors", Whole::within(0..=1000).of("errors").zero("never"), Live);

        /// a check whose round trip takes at least this long is slow; a target is degraded after as many of these in a row as
        /// make an unhealthy one
        slow_check: Duration = Duration::ZERO,
            value("slow_check_ms", Millis::zero("ten times what is usual for the target"), Live);
    }

    check(health, section) {
        for hint in HINTS {
            hint.check(health, section);
        }
    }
}

impl HealthMonitoring {
    /// What a field is called in the file, such as `slow_check_ms` for `slow_check`; `None` if there is no such field. For messages about
    /// what was set in code.
    #[must_use]
    pub fn key_of(field: &str) -> Option<&'static str> {
        <Self as Keys>::key_of(field)
    }
}

/// What is allowed and hardly meant: one time that should not be longer than another.
struct Hint {
    key: &'static str,
    other: &'static str,
    /// Both times.
    times: fn(&HealthMonitoring) -> (Duration, Duration),
    expected: &'static str,
    help: &'static str,
}

const HINTS: &[Hint] = &[
    Hint {
        key: "connection_timeout_ms",
        other: "check_interval_ms",
        times: |health| (health.connection_timeout, health.check_interval),
        expected: "connection_timeout_ms at most check_interval_ms: a check would last into the next one",
        help: "lower connection_timeout_ms or raise check_interval_ms",
    },
    Hint {
        key: "fast_interval_ms",
        // A short check_interval_ms alone is no mistake.
        other: "fast_interval_ms",
        times: |health| (health.fast_interval, health.check_interval),
        expected: "fast_interval_ms at most check_interval_ms: in doubt a target is checked more often, not less",
        help: "lower fast_interval_ms or raise check_interval_ms",
    },
    Hint {
        key: "slow_check_ms",
        other: "connection_timeout_ms",
        times: |health| (health.slow_check, health.connection_timeout),
        expected: "slow_check_ms at most connection_timeout_ms: a check that takes longer has failed",
        help: "lower slow_check_ms or raise connection_timeout_ms",
    },
    Hint {
        key: "unhealthy_threshold",
        other: "fast_interval_ms",
        times: |health| (health.fast_interval.saturating_mul(health.unhealthy_threshold), LONGEST_DOUBT),
        expected: "unhealthy_threshold times fast_interval_ms within five minutes: an outage is told only after that",
        help: "lower unhealthy_threshold or fast_interval_ms",
    },
];

/// Whoever is told of an outage later than that has heard of it from customers.
const LONGEST_DOUBT: Duration = Duration::from_secs(300);

impl Hint {
    /// Warns, if somebody wrote one of both keys.
    fn check(&self, health: &HealthMonitoring, section: &mut Section<'_>) {
        let Self { key, other, times, expected, help } = *self;
        let origins = [key, other].map(|key| section.origin(key));
        let is_judged =
            !origins.contains(&Origin::Refused) && origins.iter().any(|origin| *origin != Origin::Default);
        let (time, limit) = times(health);
        if is_judged && time > limit {
            let at = if section.is_written(key) { key } else { other };
            section.warn(at, Mistake::new(section.shown(at), expected, help));
        }
    }
}
