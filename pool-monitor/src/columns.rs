//! What is stored of each collection: a column for each gauge, one for each counter, and how a [`Metric`] is read from them.

use pool_core::{PoolCounters, PoolHistograms};

use crate::metric::{Metric, MetricKind};

const fn is_gauge(metric: Metric) -> bool {
    matches!(metric.kind(), MetricKind::Gauge | MetricKind::Average | MetricKind::Peak)
}

/// How many columns of gauges there are.
pub(crate) const GAUGES: usize = {
    let (mut gauges, mut at) = (0, 0);
    while at < Metric::ALL.len() {
        gauges += is_gauge(Metric::ALL[at]) as usize;
        at += 1;
    }
    gauges
};

/// The metrics that have a column of their own, in the order of the columns.
pub(crate) const GAUGE_METRICS: [Metric; GAUGES] = {
    let mut metrics = [Metric::Connections; GAUGES];
    let (mut gauges, mut at) = (0, 0);
    while at < Metric::ALL.len() {
        if is_gauge(Metric::ALL[at]) {
            metrics[gauges] = Metric::ALL[at];
            gauges += 1;
        }
        at += 1;
    }
    metrics
};

/// For how much the values count that a column has of so many collections, in a mean: a mean over time for its time, in nanoseconds.
pub(crate) fn weight(column: usize, collections: u64, elapsed: u64) -> u64 {
    match GAUGE_METRICS[column].kind() {
        // What has no time before it is all that there is, or next to nothing.
        MetricKind::Average => elapsed.max(collections),
        _ => collections,
    }
}

/// Declares [`Count`]: each counter that is stored, and where it comes from.
macro_rules! counts {
    ($($name:ident = |$counters:ident| $value:expr;)+) => {
        /// A column of counters.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Count {
            $($name,)+
        }

        /// How many columns of counters there are.
        pub(crate) const COUNTS: usize = [$(Count::$name,)+].len();

        /// What each column holds, of these counters.
        pub(crate) fn counts_of(counters: &PoolCounters) -> [u64; COUNTS] {
            [$({ let $counters = counters; $value },)+]
        }
    };
}

/// A time as a counter.
fn nanos(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

counts! {
    Requests = |of| of.requests;
    Acquired = |of| of.acquired;
    TimedOut = |of| of.timed_out;
    Cancelled = |of| of.cancelled;
    QueueFull = |of| of.queue_full;
    Paused = |of| of.paused;
    ClosedPool = |of| of.closed_pool;
    Unavailable = |of| of.unavailable;
    NoneFree = |of| of.none_free;
    ChecksFailed = |of| of.checks_failed;
    Released = |of| of.released;
    Created = |of| of.created;
    Closed = |of| of.closed.total();
    ConnectFailed = |of| of.connect_failed;
    Validations = |of| of.validations;
    ValidationsFailed = |of| of.validations_failed;
    Resets = |of| of.resets;
    ResetsFailed = |of| of.resets_failed;
    Flushes = |of| of.flushes;
    Leaks = |of| of.leaks;
    Panics = |of| of.panics;
    RecoveryExhausted = |of| of.recovery_exhausted;
    WaitTime = |of| nanos(of.wait_time);
    UseTime = |of| nanos(of.use_time);
    HeldTime = |of| nanos(of.held_time);
    ConnectTime = |of| nanos(of.connect_time);
}

/// One of the three things that take time in a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Timed {
    Wait,
    Use,
    Connect,
}

impl Timed {
    pub(crate) const ALL: [Timed; 3] = [Timed::Wait, Timed::Use, Timed::Connect];

    /// The columns of their sum and of their number, where these are of the same. Short uses are timed by a coarse clock, whose steps
    /// histograms share out.
    pub(crate) fn counted(self) -> Option<(Count, Count)> {
        match self {
            Timed::Wait => Some((Count::WaitTime, Count::Acquired)),
            Timed::Connect => Some((Count::ConnectTime, Count::Created)),
            Timed::Use => None,
        }
    }

    pub(crate) fn of(self, histograms: &PoolHistograms) -> &pool_core::Histogram {
        match self {
            Timed::Wait => &histograms.wait,
            Timed::Use => &histograms.usage,
            Timed::Connect => &histograms.connect,
        }
    }

    pub(crate) fn of_mut(self, histograms: &mut PoolHistograms) -> &mut pool_core::Histogram {
        match self {
            Timed::Wait => &mut histograms.wait,
            Timed::Use => &mut histograms.usage,
            Timed::Connect => &mut histograms.connect,
        }
    }
}

/// How a metric is read from the columns.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Source {
    /// The gauge of this column: its mean.
    Mean(usize),
    /// The gauge of this column: the most.
    Most(usize),
    /// The sum of these.
    Sum(&'static [Count]),
    /// The sum of the first, divided by the sum of the second.
    Quotient(&'static [Count], &'static [Count]),
    /// A quantile of what took time.
    Quantile(Timed, f64),
}

/// Acquires that ended in an error, as [`PoolCounters::failed`] has it.
pub(crate) const FAILED: &[Count] =
    &[Count::TimedOut, Count::QueueFull, Count::Paused, Count::ClosedPool, Count::Unavailable];
/// Acquires that ended, as [`PoolCounters::finished`] has it.
pub(crate) const FINISHED: &[Count] = &[
    Count::Acquired,
    Count::Cancelled,
    Count::NoneFree,
    Count::ChecksFailed,
    Count::TimedOut,
    Count::QueueFull,
    Count::Paused,
    Count::ClosedPool,
    Count::Unavailable,
];

/// Where a metric is read from.
pub(crate) fn source(metric: Metric) -> Source {
    match metric {
        Metric::Requests => Source::Sum(&[Count::Requests]),
        Metric::Acquired => Source::Sum(&[Count::Acquired]),
        Metric::Failed => Source::Sum(FAILED),
        Metric::TimedOut => Source::Sum(&[Count::TimedOut]),
        Metric::QueueFull => Source::Sum(&[Count::QueueFull]),
        Metric::Unavailable => Source::Sum(&[Count::Unavailable]),
        Metric::Created => Source::Sum(&[Count::Created]),
        Metric::Closed => Source::Sum(&[Count::Closed]),
        Metric::ConnectFailed => Source::Sum(&[Count::ConnectFailed]),
        Metric::ValidationsFailed => Source::Sum(&[Count::ValidationsFailed]),
        Metric::Leaks => Source::Sum(&[Count::Leaks]),
        Metric::Panics => Source::Sum(&[Count::Panics]),
        Metric::RecoveryExhausted => Source::Sum(&[Count::RecoveryExhausted]),
        Metric::ErrorRate => Source::Quotient(FAILED, FINISHED),
        Metric::ConnectFailureRate => {
            Source::Quotient(&[Count::ConnectFailed], &[Count::ConnectFailed, Count::Created])
        }
        Metric::ValidationFailureRate => Source::Quotient(&[Count::ValidationsFailed], &[Count::Validations]),
        Metric::WaitP50 => Source::Quantile(Timed::Wait, 0.5),
        Metric::WaitP95 => Source::Quantile(Timed::Wait, 0.95),
        Metric::WaitP99 => Source::Quantile(Timed::Wait, 0.99),
        Metric::UseP99 => Source::Quantile(Timed::Use, 0.99),
        Metric::ConnectP99 => Source::Quantile(Timed::Connect, 0.99),
        gauge => {
            let column = GAUGE_METRICS.iter().position(|metric| *metric == gauge);
            let column = column.expect("what is neither counted nor a quantile has a column");
            if gauge.kind() == MetricKind::Peak { Source::Most(column) } else { Source::Mean(column) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_read_as_its_kind_says() {
        for metric in Metric::ALL {
            let agrees = match source(*metric) {
                Source::Mean(column) => {
                    matches!(metric.kind(), MetricKind::Gauge | MetricKind::Average)
                        && GAUGE_METRICS[column] == *metric
                }
                Source::Most(column) => metric.kind() == MetricKind::Peak && GAUGE_METRICS[column] == *metric,
                Source::Sum(_) => metric.kind() == MetricKind::Counter,
                Source::Quotient(..) => metric.kind() == MetricKind::Ratio,
                Source::Quantile(..) => metric.kind() == MetricKind::Quantile,
            };
            assert!(agrees, "{metric:?} is a {:?} and read from {:?}", metric.kind(), source(*metric));
        }
    }

    #[test]
    fn what_failed_and_what_ended_is_what_the_pool_calls_so() {
        let mut counters = PoolCounters::default();
        counters.acquired = 1;
        counters.timed_out = 2;
        counters.cancelled = 4;
        counters.queue_full = 8;
        counters.paused = 16;
        counters.closed_pool = 32;
        counters.unavailable = 64;
        counters.none_free = 128;
        counters.checks_failed = 256;
        let counts = counts_of(&counters);
        let sum = |columns: &[Count]| columns.iter().map(|column| counts[*column as usize]).sum::<u64>();
        assert_eq!(sum(FAILED), counters.failed());
        assert_eq!(sum(FINISHED), counters.finished());
    }
}
