//! How a pool performs, in numbers that mean something by themselves.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::columns::{Count, FAILED, FINISHED};
use crate::history::Interval;
use crate::metric::Metric;
use crate::sample::Sample;

/// How one pool performs: as of the last collection, in the interval before it, and since the beginning.
///
/// The beginning is when the pool was built, or when the monitor first saw it if its counters had been reset before. What
/// counts from there is never set back; see [`Sample`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PerformanceMetrics {
    /// The pool's name.
    pub pool: Arc<str>,
    /// When it was measured.
    pub measured_at: SystemTime,
    /// The time since the collection before; zero at the first one of a pool that is older.
    pub interval: Duration,
    /// Time since the pool was built, as far as is known.
    pub uptime: Duration,

    /// Now: connections, in whatever state.
    pub current_connections: usize,
    /// Now: connections in the hands of callers.
    pub active_connections: usize,
    /// Now: connections that are free.
    pub idle_connections: usize,
    /// Now: the most connections there may be.
    pub max_connections: usize,
    /// Now: connections that nothing is known against.
    pub healthy_connections: usize,
    /// Now: connections that must not, or not yet, be used again.
    pub unhealthy_connections: usize,
    /// Now: callers that wait for a connection.
    pub waiting_requests: usize,
    /// Now: how long the one that waits longest has waited.
    pub oldest_wait: Duration,
    /// Now: the part of `max_connections` in use, from 0 to 1.
    pub utilization: f64,

    /// In the interval: the part of `max_connections` in use, averaged over time.
    pub average_utilization: f64,
    /// In the interval: the part of `max_connections` in use at the busiest moment.
    pub peak_utilization: f64,
    /// In the interval: the most connections in use at once.
    pub peak_active_connections: usize,
    /// In the interval: connections handed out in a second.
    pub connections_per_second: f64,
    /// In the interval: the part of the acquires that ended in an error, of all that ended; 0 if none did.
    pub error_rate: f64,
    /// In the interval: the mean time an acquire took that got a connection; `None` if none did.
    pub average_wait_time: Option<Duration>,
    /// In the interval: the wait that 99 of 100 acquires did not exceed; `None` if none got a connection.
    pub wait_time_p99: Option<Duration>,
    /// In the interval: the mean time a connection was held; `None` if none came back.
    pub average_use_time: Option<Duration>,
    /// In the interval: the part of the connects that failed; 0 if there were none.
    pub connect_failure_rate: f64,

    /// Since the beginning: the most connections in use at once.
    pub peak_connections: usize,
    /// Since the beginning: acquires begun.
    pub total_requests: u64,
    /// Since the beginning: acquires that got a connection.
    pub successful_requests: u64,
    /// Since the beginning: acquires that ended in an error.
    pub failed_requests: u64,
    /// Since the beginning: connections opened.
    pub connections_created: u64,
    /// Since the beginning: connections that ended.
    pub connections_destroyed: u64,
    /// Since the beginning: connects that failed.
    pub connections_failed: u64,
    /// Since the beginning: the mean time it took to open a connection; zero if none was.
    pub average_connection_time: Duration,
    /// Since the beginning: the mean time an acquire took that got a connection; zero if none did.
    pub average_acquire_time: Duration,
    /// Since the beginning: the mean age at which connections ended; zero if none did.
    pub average_lifetime: Duration,
    /// Since the beginning: the mean length of an idle spell; zero if none ended.
    pub average_idle_time: Duration,
    /// Time since a connection was last opened; `None` = not since the pool was built or reset. So for the next three.
    pub last_created: Option<Duration>,
    /// Time since a connection last ended.
    pub last_destroyed: Option<Duration>,
    /// Time since a connection was last handed out.
    pub last_acquired: Option<Duration>,
    /// Time since a connection last came back.
    pub last_released: Option<Duration>,
}

impl PerformanceMetrics {
    pub(crate) fn new(
        sample: &Sample,
        interval: &Interval,
        uptime: Duration,
        peak_connections: usize,
    ) -> Self {
        let (stats, counters) = (&sample.stats, &sample.counters);
        let summary = interval.summary();
        let read = |metric| interval.read(metric).filter(|value: &f64| !value.is_nan());
        PerformanceMetrics {
            pool: Arc::clone(&sample.pool),
            measured_at: sample.measured_at,
            interval: Duration::from_nanos(interval.elapsed),
            uptime,
            current_connections: stats.total,
            active_connections: stats.active,
            idle_connections: stats.idle,
            max_connections: stats.max,
            healthy_connections: stats.healthy(),
            unhealthy_connections: stats.unhealthy,
            waiting_requests: stats.waiting,
            oldest_wait: stats.oldest_wait,
            utilization: stats.utilization(),
            average_utilization: sample.average_utilization,
            peak_utilization: read(Metric::PeakUtilization).unwrap_or(0.0),
            peak_active_connections: sample.peak_active,
            connections_per_second: summary.per_second(&[Count::Acquired]).unwrap_or(0.0),
            error_rate: summary.quotient(FAILED, FINISHED).unwrap_or(0.0),
            average_wait_time: summary.mean(Count::WaitTime, Count::Acquired),
            wait_time_p99: read(Metric::WaitP99).map(Duration::from_secs_f64),
            average_use_time: summary.mean(Count::UseTime, Count::Released),
            connect_failure_rate: read(Metric::ConnectFailureRate).unwrap_or(0.0),
            peak_connections,
            total_requests: counters.requests,
            successful_requests: counters.acquired,
            failed_requests: counters.failed(),
            connections_created: counters.created,
            connections_destroyed: counters.closed.total(),
            connections_failed: counters.connect_failed,
            average_connection_time: counters.average_connect_time(),
            average_acquire_time: counters.average_wait_time(),
            average_lifetime: counters.average_lifetime(),
            average_idle_time: counters.average_idle_time(),
            last_created: counters.last_created,
            last_destroyed: counters.last_destroyed,
            last_acquired: counters.last_acquired,
            last_released: counters.last_released,
        }
    }
}
