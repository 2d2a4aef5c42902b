//! Which rules hold between two keys of a pool, and what is allowed but hardly meant.

use std::time::Duration;

use crate::problem::Mistake;
use crate::rule::{Relation, Rule};
use crate::section::{Origin, Section};
use crate::settings::{CircuitBreakerSettings, PoolSettings};

/// Reports to `section` which rules `settings` break that were read from it.
pub(super) fn check(settings: &PoolSettings, section: &mut Section<'_>) {
    for rule in RULES {
        rule.check(settings, section);
    }
    for hint in HINTS {
        hint.check(settings, section);
    }
    for hint in BREAKER_HINTS {
        hint.check(settings, section);
    }
}

/// All rules between two keys.
const RULES: &[Rule<PoolSettings>] = &[
    Rule {
        key: "min_connections",
        relation: Relation::AtMost,
        other: "max_connections",
        values: |s| (s.min_connections as u128, s.max_connections as u128),
    },
    Rule {
        key: "min_idle",
        relation: Relation::AtMost,
        other: "max_connections",
        values: |s| (s.min_idle as u128, s.max_connections as u128),
    },
    Rule {
        key: "reserve_connections",
        relation: Relation::Below,
        other: "max_connections",
        values: |s| (s.reserve_connections as u128, s.max_connections as u128),
    },
    Rule {
        key: "validation_timeout_ms",
        relation: Relation::BelowIfWritten,
        other: "connection_timeout_ms",
        values: |s| (s.validation_timeout.as_millis(), s.acquire_timeout.as_millis()),
    },
    Rule {
        key: "keepalive_interval_ms",
        relation: Relation::BelowIfWritten,
        other: "max_lifetime_ms",
        values: |s| (s.keepalive_interval.as_millis(), s.max_lifetime.as_millis()),
    },
    Rule {
        key: "idle_timeout_ms",
        relation: Relation::BelowIfWritten,
        other: "max_lifetime_ms",
        values: |s| (s.idle_timeout.as_millis(), s.max_lifetime.as_millis()),
    },
    Rule {
        key: "leak_detection_threshold_ms",
        relation: Relation::BelowIfWritten,
        other: "max_lifetime_ms",
        values: |s| (s.leak_detection_threshold.as_millis(), s.max_lifetime.as_millis()),
    },
];

/// All that is allowed and hardly meant. Only what is written is judged: nobody is warned of a default.
const HINTS: &[Hint] = &[
    Hint {
        key: "max_lifetime_ms",
        applies: |s, _| s.max_lifetime.is_zero(),
        expected: "a limit: servers, load balancers and firewalls end connections too, and tell nobody",
        help: "write 1800000 for half an hour, below what ends connections on the way",
    },
    Hint {
        key: "idle_timeout_ms",
        applies: |s, _| below(s.idle_timeout.as_millis(), 10_000),
        expected: "10000 or more: connections are opened and closed all the time otherwise",
        help: "raise it, or write 0 to keep idle connections",
    },
    Hint {
        key: "idle_timeout_ms",
        applies: |s, _| !s.idle_timeout.is_zero() && s.min_connections == s.max_connections,
        expected: "nothing: with min_connections equal to max_connections no connection is closed for being idle",
        help: "remove it, or lower min_connections",
    },
    Hint {
        key: "keepalive_interval_ms",
        applies: |s, _| below(s.keepalive_interval.as_millis(), 30_000),
        expected: "30000 or more: a ping costs as much as a small query",
        help: "raise it, or write 0 to switch it off",
    },
    Hint {
        key: "connection_timeout_ms",
        applies: |s, _| s.acquire_timeout.as_millis() > 60_000,
        expected: "60000 or less: whoever asks has given up by then",
        help: "lower it, so that callers learn in time that there is no connection",
    },
    Hint {
        key: "connection_timeout_ms",
        applies: |s, _| s.acquire_timeout.as_millis() < 250,
        expected: "250 or more: opening a connection may take as long",
        help: "raise it, or keep enough connections open with min_connections",
    },
    Hint {
        key: "connect_timeout_ms",
        applies: |s, section| {
            s.connect_timeout > s.acquire_timeout
                && section.effective_origin("connection_timeout_ms") != Origin::Default
        },
        expected: "at most connection_timeout_ms: callers give up before the attempt does",
        help: "lower it, or raise connection_timeout_ms",
    },
    Hint {
        key: "leak_detection_threshold_ms",
        applies: |s, _| below(s.leak_detection_threshold.as_millis(), 2_000),
        expected: "2000 or more: ordinary work would be reported as a leak",
        help: "raise it above the longest use that is meant",
    },
    Hint {
        key: "lifetime_jitter",
        applies: |s, _| s.lifetime_jitter == 0.0 && s.max_connections > 4,
        expected: "above 0: connections opened together would also be replaced together",
        help: "write 0.2",
    },
    Hint {
        key: "max_retries",
        applies: |s, _| s.retry_delay.saturating_mul(s.max_retries) > s.acquire_timeout,
        expected: "a round of recovery, max_retries times retry_delay_ms, within connection_timeout_ms",
        help: "lower it: an outage is reported only after the callers have given up",
    },
    Hint {
        key: "retry_delay_ms",
        applies: |s, section| {
            s.retry_delay.saturating_mul(s.max_retries) > s.acquire_timeout
                && !section.is_written("max_retries")
        },
        expected: "a round of recovery, max_retries times retry_delay_ms, within connection_timeout_ms",
        help: "lower it: an outage is reported only after the callers have given up",
    },
];

/// What a breaker never does because the pool gives up an attempt to connect before.
const BREAKER_HINTS: &[BreakerHint] = &[
    BreakerHint {
        key: "circuit_breaker.half_open_max_ms",
        time: |breaker| breaker.half_open_max,
        applies: |half_open_max, connect_timeout| !half_open_max.is_zero() && half_open_max < connect_timeout,
        expected: "half_open_max_ms at least connect_timeout_ms: a slow attempt does not decide in time",
        help: "raise half_open_max_ms or lower connect_timeout_ms",
    },
    BreakerHint {
        key: "circuit_breaker.slow_connect_ms",
        time: |breaker| breaker.slow_connect,
        applies: |slow_connect, connect_timeout| slow_connect > connect_timeout,
        expected: "slow_connect_ms at most connect_timeout_ms: an attempt that takes longer has failed",
        help: "lower slow_connect_ms or raise connect_timeout_ms",
    },
];

fn below(value: u128, least: u128) -> bool {
    (1..least).contains(&value)
}

/// What is allowed and hardly meant.
struct Hint {
    key: &'static str,
    applies: fn(&PoolSettings, &Section<'_>) -> bool,
    expected: &'static str,
    help: &'static str,
}

impl Hint {
    fn check(&self, settings: &PoolSettings, section: &mut Section<'_>) {
        if section.is_written(self.key) && (self.applies)(settings, section) {
            let found = section.shown(self.key);
            section.warn(self.key, Mistake::new(found, self.expected, self.help));
        }
    }
}

/// What is hardly meant of a time of the breaker beside `connect_timeout_ms`.
struct BreakerHint {
    key: &'static str,
    time: fn(&CircuitBreakerSettings) -> Duration,
    /// Of that time and `connect_timeout_ms`.
    applies: fn(Duration, Duration) -> bool,
    expected: &'static str,
    help: &'static str,
}

impl BreakerHint {
    const OTHER: &str = "connect_timeout_ms";

    /// Warns where one of both times is written, or the breaker switched on that makes them matter.
    fn check(&self, settings: &PoolSettings, section: &mut Section<'_>) {
        let Self { key, time, applies, expected, help } = *self;
        let (time, connect_timeout) = (time(&settings.circuit_breaker), settings.connect_timeout);
        let origins = [key, Self::OTHER].map(|key| section.effective_origin(key));
        if !settings.circuit_breaker.enabled
            || origins.contains(&Origin::Refused)
            || !applies(time, connect_timeout)
        {
            return;
        }
        let written = [key, Self::OTHER, "circuit_breaker.enabled"];
        if let Some(at) = written.into_iter().find(|key| section.is_written(key)) {
            let (time, connect_timeout) = (time.as_millis(), connect_timeout.as_millis());
            let found = format!("{key} of {time} and {} of {connect_timeout}", Self::OTHER);
            section.warn(at, Mistake::new(found, expected, help));
        }
    }
}
