//! Whether the service has the pools that it cannot do without.

use std::fmt;

use pool_config::PoolConfig;
use pool_core::{PoolControl, Span};
use pool_health::HealthReport;

use crate::any::AnyPool;

/// Whether the service can work: whether each pool that is `required` can deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Readiness {
    /// Whether the manager was closed. Then the service is not ready, whatever its pools are.
    pub is_closed: bool,
    /// What was found of each pool, by name. Those made on demand are not among them.
    pub pools: Vec<PoolReadiness>,
}

/// Whether one pool can deliver.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolReadiness {
    /// The pool's name.
    pub pool: String,
    /// Whether the service is not ready without it.
    pub required: bool,
    /// What was found.
    pub state: ReadyState,
}

/// What was found of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadyState {
    /// So many connections are open that nothing is known against.
    Open(usize),
    /// None was open, and one could be opened and validated.
    Reachable,
    /// None is open. Not required, so nobody tried to open one.
    Unknown,
    /// None is open, and none can be had, for this reason.
    Unusable(String),
    /// The monitor has found its target unhealthy, for this reason, whether connections are open or not.
    Unhealthy(String),
    /// It gives none until it is resumed.
    Paused,
    /// It gives none any more.
    Closed,
    /// The configuration has it, and the program has removed it.
    Missing,
}

impl ReadyState {
    /// Whether it is known that no connection can be had.
    fn is_bad(&self) -> bool {
        match self {
            ReadyState::Open(_) | ReadyState::Reachable | ReadyState::Unknown => false,
            ReadyState::Unusable(_)
            | ReadyState::Unhealthy(_)
            | ReadyState::Paused
            | ReadyState::Closed
            | ReadyState::Missing => true,
        }
    }
}

impl PoolReadiness {
    /// Of a pool that is not there and should be.
    pub(crate) fn missing(pool: &PoolConfig) -> Self {
        PoolReadiness { pool: pool.name.clone(), required: pool.required, state: ReadyState::Missing }
    }
}

impl Readiness {
    /// Whether the manager is open, and every pool that is required can deliver.
    pub fn is_ready(&self) -> bool {
        !self.is_closed && self.missing().next().is_none()
    }

    /// The required pools that cannot.
    pub fn missing(&self) -> impl Iterator<Item = &PoolReadiness> {
        self.pools.iter().filter(|pool| pool.required && pool.state.is_bad())
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.is_ready() {
            true => "ready",
            false if self.is_closed => "not ready: the manager is closed",
            false => "not ready",
        })?;
        self.pools.iter().try_for_each(|pool| write!(f, "\n  {pool}"))
    }
}

impl fmt::Display for PoolReadiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pool, required, state } = self;
        let optional = if *required { "" } else { " (not required)" };
        write!(f, "{pool}{optional}: {state}")
    }
}

impl fmt::Display for ReadyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadyState::Open(1) => f.write_str("1 connection is open"),
            ReadyState::Open(count) => write!(f, "{count} connections are open"),
            ReadyState::Reachable => f.write_str("reachable"),
            ReadyState::Unknown => f.write_str("no connection is open"),
            ReadyState::Unusable(reason) => write!(f, "failed to {reason}"),
            ReadyState::Unhealthy(reason) => f.write_str(reason),
            ReadyState::Paused => f.write_str("paused"),
            ReadyState::Closed => f.write_str("closed"),
            ReadyState::Missing => f.write_str("missing: the configuration has it, and it was removed"),
        }
    }
}

/// Looks at a pool, and if it has no connection and must have one, tries to get one; unless the monitor has something
/// `against` it.
pub(crate) async fn look(pool: &AnyPool, required: bool, against: Option<&HealthReport>) -> ReadyState {
    let control: &dyn PoolControl = pool.control();
    if control.is_closed() {
        return ReadyState::Closed;
    }
    if control.is_paused() {
        return ReadyState::Paused;
    }
    if let Some(report) = against {
        return ReadyState::Unhealthy(verdict(report));
    }
    match control.stats().healthy() {
        0 if !required => ReadyState::Unknown,
        0 => match control.check().await {
            Ok(_) => ReadyState::Reachable,
            Err(error) => ReadyState::Unusable(error.to_string()),
        },
        open => ReadyState::Open(open),
    }
}

/// What a report says, without the name of its pool.
fn verdict(report: &HealthReport) -> String {
    let mut verdict = format!("{} for {}", report.status, Span(report.since));
    for (index, issue) in report.issues.iter().enumerate() {
        let separator = if index == 0 { ": " } else { "; " };
        verdict.push_str(&format!("{separator}{issue}"));
    }
    verdict
}
