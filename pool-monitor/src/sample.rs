//! One pool at one instant: what exporters render, and what everything else is made of.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pool_core::{PoolCounters, PoolHistograms, PoolStats, Target};

use crate::columns::{GAUGE_METRICS, GAUGES};
use crate::metric::Metric;
use crate::target::{BreakerState, TargetHealth};

/// One pool at one instant.
///
/// Counters and histograms hold everything since the monitor first saw a pool of this name, and what that one had
/// counted by then. They never go back: not when a pool's counters are reset, nor when another pool takes its name.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Sample {
    /// The pool's name.
    pub pool: Arc<str>,
    /// When the collection began that measured it.
    pub measured_at: SystemTime,
    /// What it connects to, if its connector tells.
    pub target: Option<Target>,
    /// How it is.
    pub stats: PoolStats,
    /// What has happened.
    pub counters: PoolCounters,
    /// How long things took.
    pub histograms: Arc<PoolHistograms>,
    /// How long an acquire may wait.
    pub acquire_timeout: Duration,
    /// Whether it is paused.
    pub paused: bool,
    /// Whether it knows that its target is down: connects fail, and no connection is there.
    pub outage: bool,
    /// How its target is, as far as someone checks.
    pub health: TargetHealth,
    /// How the circuit breaker before its connects is; `None` = it has none.
    pub breaker: Option<BreakerState>,
    /// Whether its target goes up and down too often.
    pub flapping: bool,
    /// What the last connect or check of its target died of; `None` if that went well as far as someone checks, and it knows of no
    /// outage.
    pub last_error: Option<String>,
    /// The most connections that were in use at once since the collection before. Never too low; where a pool cannot tell,
    /// too high: see [`Pool::take_peak`](pool_core::Pool::take_peak).
    pub peak_active: usize,
    /// The part of `max_connections` in use since the collection before, averaged over time.
    pub average_utilization: f64,
    /// What the pool's numbers contradict each other in; `None` = nothing.
    pub violation: Option<Violation>,
    /// The time that this collection took.
    pub took: Duration,
}

/// A pool that is there, and that the last collection could not measure, or none has for long.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unmeasured {
    /// The pool's name.
    pub pool: Arc<str>,
    /// When the last collection began that measured it; `None` = none has.
    pub measured_at: Option<SystemTime>,
}

/// In what the numbers of a pool contradict each other, which is a defect of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Violation {
    /// The acquires begun are not those that ended and those under way.
    #[error("{requests} acquires were begun, {finished} have ended and {pending} are under way")]
    Requests {
        /// Begun.
        requests: u64,
        /// Ended.
        finished: u64,
        /// Under way.
        pending: u64,
    },
    /// The connections in each state are not all of them.
    #[error("there are {total} connections, and {counted} in all states together")]
    States {
        /// All.
        total: usize,
        /// In all states together.
        counted: usize,
    },
    /// Since the collection before, the number of open connections changed otherwise than by those opened and closed.
    #[error("{opened} connections were opened, {closed} closed, and {more} more are open")]
    Connections {
        /// Opened.
        opened: u64,
        /// Closed.
        closed: u64,
        /// How many more are open.
        more: i64,
    },
}

impl Violation {
    /// Whether a snapshot contradicts itself.
    pub(crate) fn within(stats: &PoolStats, counters: &PoolCounters) -> Option<Violation> {
        let counted = stats.idle + stats.active + stats.validating + stats.creating + stats.destroying;
        if counted != stats.total {
            return Some(Violation::States { total: stats.total, counted });
        }
        let (requests, finished, pending) = (counters.requests, counters.finished(), stats.pending as u64);
        (requests != finished + pending).then_some(Violation::Requests { requests, finished, pending })
    }

    /// Whether two snapshots of a pool contradict each other, `opened` and `closed` being what was counted between them.
    pub(crate) fn between(
        before: &PoolStats,
        now: &PoolStats,
        opened: u64,
        closed: u64,
    ) -> Option<Violation> {
        let more = signed(now.open() as u64) - signed(before.open() as u64);
        (more != signed(opened) - signed(closed)).then_some(Violation::Connections { opened, closed, more })
    }
}

/// Host and port; the file of a database that has none.
fn place(target: &Target) -> String {
    match (&*target.host, target.port) {
        ("", _) => target.database.clone(),
        (host, Some(port)) if host.contains(':') => format!("[{host}]:{port}"),
        (host, Some(port)) => format!("{host}:{port}"),
        (host, None) => host.to_owned(),
    }
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

impl Sample {
    /// One of a pool of which nothing is known, to be filled.
    pub(crate) fn empty(pool: &Arc<str>) -> Self {
        Sample {
            pool: Arc::clone(pool),
            measured_at: UNIX_EPOCH,
            target: None,
            stats: PoolStats::default(),
            counters: PoolCounters::default(),
            histograms: Arc::default(),
            acquire_timeout: Duration::ZERO,
            paused: false,
            outage: false,
            health: TargetHealth::Unknown,
            breaker: None,
            flapping: false,
            last_error: None,
            peak_active: 0,
            average_utilization: 0.0,
            violation: None,
            took: Duration::ZERO,
        }
    }

    /// What each gauge reads, in the order of the columns.
    pub(crate) fn gauges(&self) -> [f64; GAUGES] {
        GAUGE_METRICS.map(|metric| self.gauge(metric))
    }

    /// What a gauge or a peak reads; 0 for other metrics.
    fn gauge(&self, metric: Metric) -> f64 {
        let stats = &self.stats;
        let part = |count: usize| if stats.max == 0 { 0.0 } else { count as f64 / stats.max as f64 };
        let flag = |is: bool| f64::from(u8::from(is));
        match metric {
            Metric::Connections => stats.total as f64,
            Metric::Active => stats.active as f64,
            Metric::Idle => stats.idle as f64,
            Metric::Healthy => stats.healthy() as f64,
            Metric::Waiting => stats.waiting as f64,
            Metric::Leaked => stats.leaked as f64,
            Metric::PeakActive => self.peak_active as f64,
            Metric::Utilization => stats.utilization(),
            Metric::AverageUtilization => self.average_utilization,
            Metric::PeakUtilization => part(self.peak_active),
            Metric::OldestWait => stats.oldest_wait.as_secs_f64(),
            Metric::OldestWaitShare if self.acquire_timeout.is_zero() => 0.0,
            Metric::OldestWaitShare => stats.oldest_wait.as_secs_f64() / self.acquire_timeout.as_secs_f64(),
            Metric::Exhausted => flag(self.is_exhausted()),
            Metric::NoConnections => flag(self.has_no_connections()),
            Metric::TargetDown => flag(self.outage || self.health == TargetHealth::Unhealthy),
            Metric::Flapping => flag(self.flapping),
            Metric::BreakerOpen => flag(self.breaker.is_some_and(|state| state != BreakerState::Closed)),
            Metric::AccountingViolated => flag(self.violation.is_some()),
            _ => 0.0,
        }
    }

    /// Where the target is, and what is wrong with it, such as `db:5432: connection refused`; `None` if it works as far as is known.
    pub(crate) fn trouble(&self) -> Option<String> {
        /// More than this nobody reads in an alert.
        const LONGEST: usize = 300;
        let is_down = self.outage || self.health == TargetHealth::Unhealthy;
        if !is_down && self.last_error.is_none() {
            return None;
        }
        let error = self.last_error.as_ref().map(|error| {
            let mut line = error.replace(char::is_control, " ");
            if let Some((end, _)) = line.char_indices().nth(LONGEST) {
                line.truncate(end);
                line.push('…');
            }
            line
        });
        let place = self.target.as_ref().map(place).filter(|place| !place.is_empty());
        match (place, error.filter(|error| !error.is_empty())) {
            // Most errors name it.
            (Some(place), Some(error)) if !error.contains(&place) => Some(format!("{place}: {error}")),
            (place, error) => error.or(place),
        }
    }

    /// Whether callers wait, no connection is idle, and there are as many as there may be.
    pub fn is_exhausted(&self) -> bool {
        let stats = &self.stats;
        stats.waiting > 0 && stats.idle == 0 && stats.total >= stats.max
    }

    /// Whether no connection works although one should, or callers want one.
    pub fn has_no_connections(&self) -> bool {
        self.stats.healthy() == 0 && (self.stats.min > 0 || self.stats.waiting > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_named_by_host_and_port_or_by_its_file_and_no_user() {
        let database = Target::new("postgres", "orders").as_user("canary");
        assert_eq!(place(&database), "orders");
        let at = |host: &str| place(&database.clone().at(host, 5432));
        assert_eq!(["db", "::1"].map(at), ["db:5432", "[::1]:5432"]);
    }
}
