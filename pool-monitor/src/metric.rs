//! What can be read of a pool and judged: one table of names, units and meanings.
//!
//! Rules in a configuration name these; history keeps what they are made of; exporters have a family for each.

/// How the readings of a [`Metric`] over a window are put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MetricKind {
    /// A number that is now. Over a window: the mean of what was collected.
    Gauge,
    /// A mean over an interval. Over a window: the mean of these, each counting for as long as its interval was.
    Average,
    /// The most in an interval. Over a window: the most of all.
    Peak,
    /// What has happened. Over a window: how often, the sum of the increases.
    Counter,
    /// A part of what has happened, from 0 to 1. Over a window: the quotient of both sums; where nothing happened there is none.
    Ratio,
    /// A quantile in seconds. Over a window: that of all that was counted in it; where nothing was there is none.
    Quantile,
}

/// Declares [`Metric`]: documentation, variant, name, unit, kind.
macro_rules! metrics {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal, $unit:literal, $kind:ident;)+) => {
        /// Something that can be read of a pool. Its name is the word in configurations.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Metric {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Metric {
            /// Every metric, in the order of their declaration.
            pub const ALL: &'static [Metric] = &[$(Metric::$variant,)+];

            /// The name, such as `utilization`.
            pub fn name(self) -> &'static str {
                match self { $(Metric::$variant => $name,)+ }
            }

            /// The unit as UCUM has it, such as `s`, `1` or `{connection}`.
            pub fn unit(self) -> &'static str {
                match self { $(Metric::$variant => $unit,)+ }
            }

            /// How its readings over a window are put together.
            pub const fn kind(self) -> MetricKind {
                match self { $(Metric::$variant => MetricKind::$kind,)+ }
            }

            /// What it is, in a line or two.
            pub fn description(self) -> &'static str {
                match self { $(Metric::$variant => concat!($($doc, "\n",)+).trim_ascii(),)+ }
            }

            /// The metric of this name.
            pub fn from_name(name: &str) -> Option<Metric> {
                Self::ALL.iter().copied().find(|metric| metric.name() == name)
            }
        }
    };
}

metrics! {
    /// All connections, in whatever state.
    Connections = "connections", "{connection}", Gauge;
    /// Connections in the hands of callers.
    Active = "active", "{connection}", Gauge;
    /// Connections that are open and free.
    Idle = "idle", "{connection}", Gauge;
    /// Connections that nothing is known against.
    Healthy = "healthy", "{connection}", Gauge;
    /// Callers that wait for a connection.
    Waiting = "waiting", "{request}", Gauge;
    /// Connections that are held for longer than `leak_detection_threshold`.
    Leaked = "leaked", "{connection}", Gauge;
    /// The most connections that were in use at once.
    PeakActive = "peak_active", "{connection}", Peak;
    /// The part of `max_connections` in use at the moment of the collection.
    Utilization = "utilization", "1", Gauge;
    /// The part of `max_connections` in use, averaged over time.
    AverageUtilization = "average_utilization", "1", Average;
    /// The part of `max_connections` that was in use at the busiest moment.
    PeakUtilization = "peak_utilization", "1", Peak;
    /// How long the caller that waits longest has waited.
    OldestWait = "oldest_wait", "s", Gauge;
    /// How long the caller that waits longest has waited, as a part of the acquire timeout.
    OldestWaitShare = "oldest_wait_share", "1", Gauge;
    /// 1 while callers wait, no connection is idle and there are as many as there may be; otherwise 0.
    Exhausted = "exhausted", "1", Gauge;
    /// 1 while the pool has no connection that works although it should have, or callers want one; otherwise 0.
    NoConnections = "no_connections", "1", Gauge;
    /// 1 while the target is unhealthy, or the pool knows that it is down; otherwise 0.
    TargetDown = "target_down", "1", Gauge;
    /// 1 while the target goes up and down too often; otherwise 0.
    Flapping = "flapping", "1", Gauge;
    /// 1 while the circuit breaker before the connects is open or half open; otherwise 0.
    BreakerOpen = "breaker_open", "1", Gauge;
    /// 1 while the pool's numbers contradict each other, which is a defect of the pool; otherwise 0.
    AccountingViolated = "accounting_violated", "1", Gauge;
    /// Acquires begun.
    Requests = "requests", "{request}", Counter;
    /// Acquires that got a connection.
    Acquired = "acquired", "{request}", Counter;
    /// Acquires that ended in an error.
    Failed = "failed", "{request}", Counter;
    /// Acquires that reached their deadline.
    TimedOut = "timed_out", "{timeout}", Counter;
    /// Acquires refused because too many waited already.
    QueueFull = "queue_full", "{request}", Counter;
    /// Acquires that failed fast because the target was down.
    Unavailable = "unavailable", "{request}", Counter;
    /// Connections opened.
    Created = "created", "{connection}", Counter;
    /// Connections that ended, for whatever reason.
    Closed = "closed", "{connection}", Counter;
    /// Connects that failed or timed out.
    ConnectFailed = "connect_failed", "{error}", Counter;
    /// Validations that failed or timed out.
    ValidationsFailed = "validations_failed", "{error}", Counter;
    /// Leaks reported.
    Leaks = "leaks", "{connection}", Counter;
    /// Panics caught in connectors, observers and drops of connections.
    Panics = "panics", "{panic}", Counter;
    /// Rounds of recovery that ended without success.
    RecoveryExhausted = "recovery_exhausted", "{round}", Counter;
    /// The part of the acquires that ended in an error, of all that ended.
    ErrorRate = "error_rate", "1", Ratio;
    /// The part of the connects that failed.
    ConnectFailureRate = "connect_failure_rate", "1", Ratio;
    /// The part of the validations that failed.
    ValidationFailureRate = "validation_failure_rate", "1", Ratio;
    /// The median wait for a connection.
    WaitP50 = "wait_p50", "s", Quantile;
    /// The wait that 95 of 100 acquires did not exceed.
    WaitP95 = "wait_p95", "s", Quantile;
    /// The wait that 99 of 100 acquires did not exceed.
    WaitP99 = "wait_p99", "s", Quantile;
    /// The time that 99 of 100 connections were held for at most.
    UseP99 = "use_p99", "s", Quantile;
    /// The time that 99 of 100 connects took at most.
    ConnectP99 = "connect_p99", "s", Quantile;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_has_a_name_of_its_own() {
        for metric in Metric::ALL {
            assert_eq!(Metric::from_name(metric.name()), Some(*metric));
            assert!(metric.description().ends_with('.'), "{metric:?}");
        }
    }
}
