//! What a file is checked by of the rules that are built in: the crate that judges has the same ones, and all that is in them.
//!
//! It is not used here, because a file must be read without it. A test of `pool-manager` keeps both equal.

use std::time::Duration;

use super::metric::MetricName;
use super::rule::AlertComparison;

/// A rule that is built in, as far as a file is checked by it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct BuiltInRule {
    /// Its name.
    pub name: &'static str,
    /// What its first condition compares.
    pub metric: MetricName,
    /// How.
    pub comparison: AlertComparison,
    /// With what, unless a key of `monitoring` says otherwise.
    pub threshold: f64,
    /// Over how much time; `None` = what the last collection found.
    pub window: Option<Duration>,
}

const MINUTE: Duration = Duration::from_secs(60);
const FIVE_MINUTES: Duration = Duration::from_secs(5 * 60);
const HOUR: Duration = Duration::from_secs(3600);
/// The slow burn of the error budget.
const SIX_HOURS: Duration = Duration::from_secs(6 * 3600);

impl BuiltInRule {
    /// All of them.
    pub const ALL: &'static [BuiltInRule] = {
        use AlertComparison::{Above, AtLeast, Below};
        &[
            rule("PoolUtilizationHigh", "utilization", Above, 0.8, None),
            rule("PoolUtilizationCritical", "average_utilization", AtLeast, 0.95, Some(MINUTE)),
            rule("PoolExhausted", "exhausted", AtLeast, 1.0, None),
            rule("PoolAcquireTimeouts", "timed_out", Above, 0.0, Some(FIVE_MINUTES)),
            rule("PoolErrorRateHigh", "error_rate", Above, 0.05, None),
            rule("PoolErrorBudgetFastBurn", "error_rate", Above, 0.0144, Some(HOUR)),
            rule("PoolErrorBudgetSlowBurn", "error_rate", Above, 0.006, Some(SIX_HOURS)),
            rule("PoolConnectFailures", "connect_failure_rate", Above, 0.1, Some(FIVE_MINUTES)),
            rule("PoolNoConnections", "no_connections", AtLeast, 1.0, None),
            rule("PoolOldestWaiter", "oldest_wait_share", Above, 0.5, None),
            rule("PoolWaitP99High", "wait_p99", Above, 1.0, Some(FIVE_MINUTES)),
            rule("PoolTargetDown", "target_down", AtLeast, 1.0, None),
            rule("PoolCircuitOpen", "breaker_open", AtLeast, 1.0, None),
            rule("PoolRecoveryExhausted", "recovery_exhausted", Above, 0.0, Some(FIVE_MINUTES)),
            rule("PoolLeakSuspected", "leaked", AtLeast, 1.0, None),
            rule("PoolFlapping", "flapping", AtLeast, 1.0, None),
            rule("PoolMetricsStale", "connections", Below, 0.0, None),
            rule("PoolAccountingViolated", "accounting_violated", AtLeast, 1.0, None),
        ]
    };

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static BuiltInRule> {
        Self::ALL.iter().find(|rule| rule.name == name)
    }
}

const fn rule(
    name: &'static str,
    metric: &'static str,
    comparison: AlertComparison,
    threshold: f64,
    window: Option<Duration>,
) -> BuiltInRule {
    BuiltInRule { name, metric: MetricName(metric), comparison, threshold, window }
}
