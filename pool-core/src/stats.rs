//! Numbers about a pool: gauges that tell how it is now, counters that tell what has happened.
//!
//! Both are taken under one lock as a [`PoolSnapshot`], so they agree with each other. Gauges are derived
//! from the connections themselves; nothing is counted twice.

use std::ops::Index;
use std::time::Duration;

use crate::connection::CloseReason;

/// How a pool is now. All numbers are gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PoolStats {
    /// All connections, in whatever state: `idle + active + validating + creating + destroying`.
    pub total: usize,
    /// Open and free.
    pub idle: usize,
    /// In the hands of callers, or granted to one that has not run yet.
    pub active: usize,
    /// Being validated or reset.
    pub validating: usize,
    /// Being opened.
    pub creating: usize,
    /// Being closed.
    pub destroying: usize,
    /// Callers that wait for a connection.
    pub waiting: usize,
    /// Callers inside an acquire: waiting, validating, or about to run with what they were granted.
    pub pending: usize,
    /// Age of the oldest wait; zero when nobody waits.
    pub oldest_wait: Duration,
    /// Connections that are held and were reported as leaked.
    pub leaked: usize,
    /// Connections that are held and known to be unusable, and those that must pass validation before
    /// anyone gets them because another one of their generation was found dead.
    pub unhealthy: usize,
    /// The limit: `max_connections`.
    pub max: usize,
    /// The floor: `min_connections`.
    pub min: usize,
}

impl PoolStats {
    /// Connections that exist: everything but those being opened.
    pub fn open(&self) -> usize {
        self.total - self.creating
    }

    /// Open connections that nothing is known against.
    pub fn healthy(&self) -> usize {
        self.open().saturating_sub(self.unhealthy)
    }

    /// The share of `max` that is in callers' hands, from 0 to 1; above 1 for a while after the pool was
    /// made smaller.
    pub fn utilization(&self) -> f64 {
        if self.max == 0 { 0.0 } else { self.active as f64 / self.max as f64 }
    }
}

/// What has happened since the pool was built, or since
/// [`reset_stats`](crate::PoolControl::reset_stats). Counters only grow in between.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct PoolCounters {
    /// Acquires begun. Equals [`finished`](PoolCounters::finished) plus `pending` of the same snapshot.
    pub requests: u64,
    /// Acquires that got a connection.
    pub acquired: u64,
    /// Acquires that reached their deadline.
    pub timed_out: u64,
    /// Acquires that were dropped before they finished.
    pub cancelled: u64,
    /// Acquires refused because `max_waiting` callers waited already.
    pub queue_full: u64,
    /// Acquires that reached their deadline, or tried without waiting, while the pool was paused.
    pub paused: u64,
    /// Acquires that met a closed pool.
    pub closed_pool: u64,
    /// Acquires that failed fast because the target was down.
    pub unavailable: u64,
    /// Calls of `try_acquire` that found nothing free.
    pub none_free: u64,
    /// Calls of [`Pool::check`](crate::Pool::check) that got no connection, whatever the reason: no caller had to do without one.
    pub checks_failed: u64,
    /// Connections given back or discarded by their holders.
    pub released: u64,
    /// Connects that succeeded.
    pub created: u64,
    /// Connects that failed or timed out.
    pub connect_failed: u64,
    /// Connections that are gone, by reason.
    pub closed: ClosedByReason,
    /// Validations finished.
    pub validations: u64,
    /// Validations that failed or timed out.
    pub validations_failed: u64,
    /// Resets finished.
    pub resets: u64,
    /// Resets that failed or timed out.
    pub resets_failed: u64,
    /// Times that the idle connections were flushed because one was found dead.
    pub flushes: u64,
    /// Leaks reported.
    pub leaks: u64,
    /// Acquires that waited while their own task held a connection of this pool; branches of one task, such as
    /// those of `join!`, are not told apart.
    pub nested_acquires: u64,
    /// Panics caught in connectors, observers and drops of connections.
    pub panics: u64,
    /// Outages that outlasted `max_retries` times `retry_delay`.
    pub recovery_exhausted: u64,
    /// Sum of the time from call to connection over `acquired`.
    pub wait_time: Duration,
    /// Sum of the time in holders' hands over `released`.
    pub use_time: Duration,
    /// Sum of the time in holders' hands up to now, of those who hold a connection now as well. What it grows by in a
    /// second is the number of connections that were in use on average. After a use ended it may step back by as much as
    /// the coarse clock is late, a few milliseconds.
    pub held_time: Duration,
    /// Sum of the time connects took over `created`.
    pub connect_time: Duration,
    /// Sum of the ages at which connections ended, over all of `closed`.
    pub lifetime: Duration,
    /// Sum of finished idle spells.
    pub idle_time: Duration,
    /// Number of finished idle spells.
    pub idle_spells: u64,
    /// Time since the pool was built or its counters were reset: what all others were counted in.
    pub elapsed: Duration,
    /// Time since the last connection was opened.
    pub last_created: Option<Duration>,
    /// Time since the last connection ended.
    pub last_destroyed: Option<Duration>,
    /// Time since a connection was last handed out.
    pub last_acquired: Option<Duration>,
    /// Time since a connection last came back.
    pub last_released: Option<Duration>,
}

impl PoolCounters {
    /// Acquires that ended, one way or another.
    pub fn finished(&self) -> u64 {
        self.acquired + self.cancelled + self.none_free + self.checks_failed + self.failed()
    }

    /// Acquires that ended in an error. A cancelled one is not an error, nor is a `try_acquire` that found
    /// nothing, nor a check that failed, but all are in [`finished`](PoolCounters::finished).
    pub fn failed(&self) -> u64 {
        self.timed_out + self.queue_full + self.paused + self.closed_pool + self.unavailable
    }

    /// Adds what was counted in an earlier period, such as before a reset. The times since something happened stay.
    pub fn add_earlier(&mut self, earlier: &PoolCounters) {
        // Every field by name, so that none is forgotten when one more comes.
        *self = PoolCounters {
            requests: self.requests + earlier.requests,
            acquired: self.acquired + earlier.acquired,
            timed_out: self.timed_out + earlier.timed_out,
            cancelled: self.cancelled + earlier.cancelled,
            queue_full: self.queue_full + earlier.queue_full,
            paused: self.paused + earlier.paused,
            closed_pool: self.closed_pool + earlier.closed_pool,
            unavailable: self.unavailable + earlier.unavailable,
            none_free: self.none_free + earlier.none_free,
            checks_failed: self.checks_failed + earlier.checks_failed,
            released: self.released + earlier.released,
            created: self.created + earlier.created,
            connect_failed: self.connect_failed + earlier.connect_failed,
            closed: self.closed.plus(earlier.closed),
            validations: self.validations + earlier.validations,
            validations_failed: self.validations_failed + earlier.validations_failed,
            resets: self.resets + earlier.resets,
            resets_failed: self.resets_failed + earlier.resets_failed,
            flushes: self.flushes + earlier.flushes,
            leaks: self.leaks + earlier.leaks,
            nested_acquires: self.nested_acquires + earlier.nested_acquires,
            panics: self.panics + earlier.panics,
            recovery_exhausted: self.recovery_exhausted + earlier.recovery_exhausted,
            wait_time: self.wait_time + earlier.wait_time,
            use_time: self.use_time + earlier.use_time,
            held_time: self.held_time + earlier.held_time,
            connect_time: self.connect_time + earlier.connect_time,
            lifetime: self.lifetime + earlier.lifetime,
            idle_time: self.idle_time + earlier.idle_time,
            idle_spells: self.idle_spells + earlier.idle_spells,
            elapsed: self.elapsed + earlier.elapsed,
            last_created: self.last_created,
            last_destroyed: self.last_destroyed,
            last_acquired: self.last_acquired,
            last_released: self.last_released,
        };
    }

    /// Mean time an acquire took that got a connection.
    pub fn average_wait_time(&self) -> Duration {
        mean(self.wait_time, self.acquired)
    }

    /// Mean time a connection was held.
    pub fn average_use_time(&self) -> Duration {
        mean(self.use_time, self.released)
    }

    /// Mean time a successful connect took.
    pub fn average_connect_time(&self) -> Duration {
        mean(self.connect_time, self.created)
    }

    /// Mean age at which connections ended.
    pub fn average_lifetime(&self) -> Duration {
        mean(self.lifetime, self.closed.total())
    }

    /// Mean length of an idle spell.
    pub fn average_idle_time(&self) -> Duration {
        mean(self.idle_time, self.idle_spells)
    }

    /// The part of the connects that failed, from 0 to 1; 0 when there were none.
    pub fn connect_failure_rate(&self) -> f64 {
        let attempts = self.created + self.connect_failed;
        if attempts == 0 { 0.0 } else { self.connect_failed as f64 / attempts as f64 }
    }
}

fn mean(sum: Duration, count: u64) -> Duration {
    let nanos = sum.as_nanos().checked_div(u128::from(count)).unwrap_or(0);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

/// How many connections ended for which [`CloseReason`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ClosedByReason([u64; CloseReason::ALL.len()]);

impl ClosedByReason {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Every reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (CloseReason, u64)> + '_ {
        CloseReason::ALL.into_iter().zip(self.0)
    }

    fn plus(mut self, other: ClosedByReason) -> ClosedByReason {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
        self
    }

    pub(crate) fn count(&mut self, reason: CloseReason) {
        self.0[reason as usize] += 1;
    }
}

impl Index<CloseReason> for ClosedByReason {
    type Output = u64;

    fn index(&self, reason: CloseReason) -> &u64 {
        &self.0[reason as usize]
    }
}

/// Gauges and counters of one instant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolSnapshot {
    /// How the pool is.
    pub stats: PoolStats,
    /// What has happened.
    pub counters: PoolCounters,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_of_nothing_are_zero() {
        let counters = PoolCounters::default();
        assert_eq!(counters.average_wait_time(), Duration::ZERO);
        assert_eq!(counters.average_lifetime(), Duration::ZERO);
        assert_eq!(counters.connect_failure_rate(), 0.0);
    }

    #[test]
    fn averages_divide_by_what_they_sum_over() {
        let counters = PoolCounters {
            acquired: 4,
            wait_time: Duration::from_millis(10),
            created: 1,
            connect_failed: 3,
            ..PoolCounters::default()
        };
        assert_eq!(counters.average_wait_time(), Duration::from_micros(2_500));
        assert_eq!(counters.connect_failure_rate(), 0.75);
    }
}
