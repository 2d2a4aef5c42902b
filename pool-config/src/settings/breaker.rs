//! `circuit_breaker`: when to stop connecting to a target that fails.

use std::ops::RangeInclusive;
use std::time::Duration;

use crate::class::ReloadClass::Live;
use crate::keys::{Keys, keys};
use crate::kind::{Flag, Millis, Share, Whole};
use crate::problem::Mistake;
use crate::rule::{Relation, Rule};
use crate::section::Section;

/// The largest window of attempts: each is remembered.
const MAX_CALLS: u32 = 10_000;

/// The longest window, and the longest time in one state: whatever a breaker knows of yesterday is not worth knowing.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// The shortest window of time is divided into thirty parts.
const WINDOW_MS: RangeInclusive<u64> = 30..=DAY_MS;

keys! {
    /// The section `circuit_breaker` of a pool: when to stop connecting to a target that fails, until it has proved to work.
    ///
    /// Closed, the breaker lets every attempt to connect through; open, none; half open, a few, which decide what it is to be
    /// next. Pools that connect to one target in the same way, with the same login, encryption and sessions, share a breaker if they
    /// say the same of it. Only what the target is to blame for counts: attempts that fail or are too slow, never a target that
    /// is full.
    pub struct CircuitBreakerSettings {
        /// whether there is one
        enabled: bool = false, value("enabled", Flag, Live);

        /// it opens when this part of the attempts in its window has failed, or a larger one
        failure_rate: f64 = 0.5, value("failure_rate", Share, Live);

        /// with fewer attempts in its window neither rate is judged. With `window_calls` at most that many
        minimum_calls: u32 = 10, value("minimum_calls", Whole::within(1..=MAX_CALLS).of("attempts"), Live);

        /// it also opens when so many attempts have failed in a row, whatever the rate
        consecutive_failures: u32 = 5,
            value("consecutive_failures", Whole::within(0..=MAX_CALLS).of("attempts").zero("off"), Live);

        /// its window is of the last so many milliseconds
        window: Duration = Duration::from_secs(30), value("window_ms", Millis::within(WINDOW_MS), Live);

        /// its window is of the last so many attempts instead
        window_calls: u32 = 0,
            value("window_calls", Whole::within(0..=MAX_CALLS).of("attempts").zero("by time"), Live);

        /// how long it stays open at first, or up to a quarter longer, which is left to chance; a twentieth longer each time that
        /// it opens again without having closed. At most `open_max_ms`
        open: Duration = Duration::from_millis(250), value("open_ms", Millis::within(1..=DAY_MS), Live);

        /// the longest that it stays open, and so the longest that a target is back and not yet noticed
        open_max: Duration = Duration::from_secs(2), value("open_max_ms", Millis::within(1..=DAY_MS), Live);

        /// how many attempts are let through at a time while it is half open, and decide
        half_open_permits: u32 = 1, value("half_open_permits", Whole::within(1..=1000).of("attempts"), Live);

        /// how long it may be half open without a decision before it opens again; or closes, if every attempt until then has
        /// ended well. More than `connect_timeout_ms`, or slow attempts never count
        half_open_max: Duration = Duration::from_secs(10),
            value("half_open_max_ms", Millis::zero_to(DAY_MS, "as long as it takes"), Live);

        /// an attempt that takes as long or longer is slow
        slow_connect: Duration = Duration::ZERO, value("slow_connect_ms", Millis::zero("none is"), Live);

        /// it opens when this part of the attempts in its window was slow, or a larger one
        slow_rate: f64 = 1.0, value("slow_rate", Share, Live);
    }

    check(breaker, section) {
        for rule in RULES {
            rule.check(breaker, section);
        }
        breaker.check_windows(section);
        breaker.check_use(section);
    }
}

const RULES: &[Rule<CircuitBreakerSettings>] = &[
    Rule {
        key: "open_ms",
        relation: Relation::AtMost,
        other: "open_max_ms",
        values: |breaker| (breaker.open.as_millis(), breaker.open_max.as_millis()),
    },
    Rule {
        key: "minimum_calls",
        relation: Relation::AtMost,
        other: "window_calls",
        values: |breaker| {
            let limit = if breaker.window_calls == 0 { MAX_CALLS } else { breaker.window_calls };
            (u128::from(breaker.minimum_calls), u128::from(limit))
        },
    },
];

/// What says nothing while there is no breaker.
const ALL_BUT_ENABLED: [&str; 11] = [
    "failure_rate",
    "minimum_calls",
    "consecutive_failures",
    "window_ms",
    "window_calls",
    "open_ms",
    "open_max_ms",
    "half_open_permits",
    "half_open_max_ms",
    "slow_connect_ms",
    "slow_rate",
];

impl CircuitBreakerSettings {
    /// What a field is called in the file, such as `open_ms` for `open`; `None` if there is no such field. For messages about
    /// what was set in code.
    #[must_use]
    pub fn key_of(field: &str) -> Option<&'static str> {
        <Self as Keys>::key_of(field)
    }

    /// Lowers what is built in to what is written: see [`Relation::AtMost`].
    pub(super) fn settle(&mut self) {
        self.open = self.open.min(self.open_max);
        if self.window_calls > 0 {
            self.minimum_calls = self.minimum_calls.min(self.window_calls);
        }
    }

    /// A window is of one kind. A pool that inherits the one and writes the other must say which it means; that of attempts
    /// says so by itself.
    fn check_windows(&self, section: &mut Section<'_>) {
        if self.window_calls > 0 && section.is_written("window_ms") {
            let found = format!("{} while window_calls is {}", section.shown("window_ms"), self.window_calls);
            let expected = "either window_ms or window_calls: a window is of time or of attempts";
            let help = "remove one of the two, or write `window_calls: 0`";
            section.report("window_ms", Mistake::new(found, expected, help));
        }
    }

    fn check_use(&self, section: &mut Section<'_>) {
        // What stands in `default_pool` may be for pools that switch theirs on by themselves.
        if !self.enabled && section.inherits() && section.is_default("enabled") {
            let written = ALL_BUT_ENABLED.into_iter().find(|key| section.is_written(key));
            if let Some(key) = written {
                let (found, help) = (section.shown(key), "add `enabled: true`, or remove the key");
                section.warn(
                    key,
                    Mistake::new(found, "a breaker that is enabled: without it nothing opens", help),
                );
            }
        }
        if !self.slow_connect.is_zero() || !section.is_written("slow_rate") {
            return;
        }
        if section.is_default("slow_connect_ms") {
            let expected = "slow_connect_ms: without it no attempt is slow";
            let found = section.shown("slow_rate");
            section.warn("slow_rate", Mistake::new(found, expected, "add `slow_connect_ms:`"));
        }
    }
}
