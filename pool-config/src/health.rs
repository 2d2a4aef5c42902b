//! `health_monitoring`: how the health of all pools is watched and restored.

use std::time::Duration;

use crate::class::ReloadClass::Live;
use crate::keys::keys;
use crate::kind::{Flag, Millis, Number, Whole};
use crate::problem::Mistake;
use crate::section::Origin;

keys! {
    /// The section `health_monitoring`: how the health of all pools is watched and restored. It is checked; nothing acts on it
    /// yet.
    ///
    /// Durations are written as whole milliseconds under keys that end in `_ms`.
    pub struct HealthMonitoring {
        /// whether health is watched at all
        enabled: bool = true, value("enabled", Flag, Live);

        /// the pause between two checks of a target
        check_interval: Duration = Duration::from_secs(60), value("check_interval_ms", Millis::POSITIVE, Live);

        /// how long one check may take
        connection_timeout: Duration = Duration::from_secs(5),
            value("connection_timeout_ms", Millis::POSITIVE, Live);

        /// a connection idle for longer counts as expired
        idle_timeout: Duration = Duration::from_secs(300), value("idle_timeout_ms", Millis::zero("never"), Live);

        /// whether a target found down is reconnected without being asked
        enable_automatic_recovery: bool = true, value("enable_automatic_recovery", Flag, Live);

        /// how many attempts one round of recovery makes before it slows down
        max_recovery_attempts: u32 = 3,
            value("max_recovery_attempts", Whole::within(1..=u32::MAX).of("attempts"), Live);

        /// how many checks in a row must fail before a target counts as unhealthy
        unhealthy_threshold: u32 = 3, value("unhealthy_threshold", Whole::within(1..=1000).of("checks"), Live);

        /// how many checks in a row must succeed before it counts as healthy again
        healthy_threshold: u32 = 2, value("healthy_threshold", Whole::within(1..=1000).of("checks"), Live);

        /// the pause between two checks while a target is changing from healthy to unhealthy or back
        fast_interval: Duration = Duration::from_secs(1), value("fast_interval_ms", Millis::POSITIVE, Live);

        /// the pause between two checks of an unhealthy target
        down_interval: Duration = Duration::from_secs(5), value("down_interval_ms", Millis::POSITIVE, Live);

        /// the part by which each pause differs, so that many processes do not check at the same moment
        interval_jitter: f64 = 0.1, value("interval_jitter", Number(0.0..=0.5), Live);

        /// how many targets are checked at the same time
        max_concurrent_checks: usize = 4,
            value("max_concurrent_checks", Whole::within(1..=10_000).of("checks"), Live);
    }

    check(health, section) {
        let (timeout, interval) = ("connection_timeout_ms", "check_interval_ms");
        let written = [timeout, interval].map(|key| section.origin(key));
        let is_judged = !written.contains(&Origin::Refused) && written.iter().any(|origin| *origin != Origin::Default);
        if is_judged && health.connection_timeout > health.check_interval {
            let at = if section.is_written(timeout) { timeout } else { interval };
            let expected = "connection_timeout_ms at most check_interval_ms: a check would last into the next one";
            section.warn(at, Mistake::new(section.shown(at), expected, "lower connection_timeout_ms or raise check_interval_ms"));
        }
    }
}
