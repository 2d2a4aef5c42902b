//! What is known of a target, and of a connection.

use std::fmt;
use std::time::Duration;

use pool_core::{ConnectionId, ConnectionState, Occasion, PoolStats, Span, Target};

use crate::status::{HealthStatus, Issue};

/// What is known of the target of one pool.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HealthReport {
    /// The pool's name.
    pub pool: String,
    /// What its connections lead to, if the connector tells.
    pub target: Option<Target>,
    /// How it is.
    pub status: HealthStatus,
    /// For how long it has been so.
    pub since: Duration,
    /// What is wrong; empty if nothing is.
    pub issues: Vec<Issue>,
    /// Checks that ended.
    pub checks: u64,
    /// Of these, those that failed.
    pub failed_checks: u64,
    /// Time since the last check ended; `None` = there was none.
    pub last_check: Option<Duration>,
    /// How long the last check took, with waiting for a connection.
    pub took: Option<Duration>,
    /// How long the last round trip of a check took.
    pub response_time: Option<Duration>,
    /// Checks that failed in a row.
    pub consecutive_failures: u32,
    /// Time since a check failed last; `None` = none did.
    pub last_failure: Option<Duration>,
    /// How the pool is now.
    pub stats: PoolStats,
}

impl HealthReport {
    /// Whether nothing is wrong.
    pub fn is_healthy(&self) -> bool {
        self.status == HealthStatus::Healthy
    }
}

/// One line, such as `orders: degraded for 12s: old connections work, new ones fail: …`.
impl fmt::Display for HealthReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} for {}", self.pool, self.status, Span(self.since))?;
        for (index, issue) in self.issues.iter().enumerate() {
            write!(f, "{}{issue}", if index == 0 { ": " } else { "; " })?;
        }
        Ok(())
    }
}

/// What is known of one connection.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionHealth {
    /// The pool's name.
    pub pool: String,
    /// Which one.
    pub id: ConnectionId,
    /// Whether nothing is known against it.
    pub is_healthy: bool,
    /// What it is doing; `None` = it is gone.
    pub state: Option<ConnectionState>,
    /// What the last validation, or its end, had against it.
    pub error: Option<String>,
    /// Time since it was validated last; `None` = it was not since it was opened.
    pub last_check: Option<Duration>,
    /// What that was done for.
    pub occasion: Option<Occasion>,
    /// How long that took.
    pub response_time: Option<Duration>,
    /// Whether it has been idle for longer than [`HealthSettings::idle_timeout`](crate::HealthSettings::idle_timeout).
    pub is_expired: bool,
}

impl fmt::Display for ConnectionHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_healthy { "healthy" } else { "unhealthy" };
        write!(f, "{} {}: {verdict}", self.pool, self.id)?;
        match self.state {
            Some(state) => write!(f, ", {state}")?,
            None => f.write_str(", gone")?,
        }
        self.error.as_ref().map_or(Ok(()), |error| write!(f, ": {error}"))
    }
}
