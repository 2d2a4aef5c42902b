//! What a rule may judge: the words for it.
//!
//! The crate that measures has the same list; it is not used here, because a file must be read without it. A test of
//! `pool-manager` keeps both equal.

use std::fmt;

use crate::kind::Word;

/// Something that is measured of each pool, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct MetricName(pub(super) &'static str);

impl MetricName {
    /// Every name, in the order of the documentation.
    pub fn all() -> impl Iterator<Item = MetricName> {
        Self::WORDS.iter().map(|(_, name)| *name)
    }

    /// The name, such as `utilization`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }

    /// Whether it is a part of a whole, which is never above 1.
    #[must_use]
    pub fn is_share(self) -> bool {
        SHARES.contains(&self.0) || self.is_flag()
    }

    /// Whether it is 0 or 1 and nothing in between.
    #[must_use]
    pub fn is_flag(self) -> bool {
        FLAGS.contains(&self.0)
    }

    /// Whether it is how long callers wait for a connection, in seconds.
    pub(crate) fn is_wait(self) -> bool {
        WAITS.contains(&self.0)
    }
}

impl fmt::Display for MetricName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

/// Those that are 0 or 1.
const FLAGS: &[&str] =
    &["exhausted", "no_connections", "target_down", "flapping", "breaker_open", "accounting_violated"];

/// The others that are never above 1.
const SHARES: &[&str] = &[
    "utilization",
    "average_utilization",
    "peak_utilization",
    "oldest_wait_share",
    "error_rate",
    "connect_failure_rate",
    "validation_failure_rate",
];

/// Those that are never above the longest time that a caller waits.
const WAITS: &[&str] = &["oldest_wait", "wait_p50", "wait_p95", "wait_p99"];

macro_rules! words {
    ($($name:literal)+) => {
        impl Word for MetricName {
            const WORDS: &'static [(&'static str, Self)] = &[$(($name, MetricName($name)),)+];
        }
    };
}

words! {
    "connections"
    "active"
    "idle"
    "healthy"
    "waiting"
    "leaked"
    "peak_active"
    "utilization"
    "average_utilization"
    "peak_utilization"
    "oldest_wait"
    "oldest_wait_share"
    "exhausted"
    "no_connections"
    "target_down"
    "flapping"
    "breaker_open"
    "accounting_violated"
    "requests"
    "acquired"
    "failed"
    "timed_out"
    "queue_full"
    "unavailable"
    "created"
    "closed"
    "connect_failed"
    "validations_failed"
    "leaks"
    "panics"
    "recovery_exhausted"
    "error_rate"
    "connect_failure_rate"
    "validation_failure_rate"
    "wait_p50"
    "wait_p95"
    "wait_p99"
    "use_p99"
    "connect_p99"
}
