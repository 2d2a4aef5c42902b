//! How a target is, and what ails it.

use std::fmt;
use std::time::Duration;

use pool_core::Span;

/// How a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum HealthStatus {
    /// Nothing is known yet.
    #[default]
    Unknown,
    /// It works.
    Healthy,
    /// It works, and something is wrong; the [`Issue`]s say what.
    Degraded,
    /// It does not work.
    Unhealthy,
    /// It did not work, and works again; not for long enough to rely on.
    Recovering,
}

impl HealthStatus {
    /// Every status, in the order of their declaration.
    pub const ALL: [HealthStatus; 5] = [
        HealthStatus::Unknown,
        HealthStatus::Healthy,
        HealthStatus::Degraded,
        HealthStatus::Unhealthy,
        HealthStatus::Recovering,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            HealthStatus::Unknown => "unknown",
            HealthStatus::Healthy => "healthy",
            HealthStatus::Degraded => "degraded",
            HealthStatus::Unhealthy => "unhealthy",
            HealthStatus::Recovering => "recovering",
        }
    }

    /// Whether it can be relied on to answer: it is healthy or degraded.
    pub fn is_up(self) -> bool {
        matches!(self, HealthStatus::Healthy | HealthStatus::Degraded)
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Something that is wrong with a target or its pool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Issue {
    /// The last check failed.
    CheckFailed {
        /// Why.
        cause: String,
    },
    /// Connects fail and no connection lives.
    Down {
        /// What the last connect died of.
        cause: String,
    },
    /// The connections there are work, and no new one can be opened: often a changed password, or a server that is full.
    NewConnectionsFail {
        /// What the last connect died of.
        cause: String,
    },
    /// More than a tenth of the connects since the last check failed.
    ConnectsFail {
        /// How many failed.
        failed: u64,
        /// Of how many.
        attempts: u64,
    },
    /// It answers slowly.
    Slow {
        /// How long the last round trip took.
        took: Duration,
        /// How long it takes as a rule.
        usual: Option<Duration>,
    },
    /// Every connection that the pool may have is in use, and callers wait or were refused.
    Exhausted {
        /// How many connections are in use.
        active: usize,
        /// How many callers wait.
        waiting: usize,
        /// Callers that got none since the last check, in time or at all.
        refused: u64,
    },
    /// The pool should have connections, and has none that nothing is known against.
    NoConnections,
    /// Connections are held for longer than `leak_detection_threshold`.
    Leaks {
        /// How many.
        connections: usize,
    },
    /// It was lost and came back so often lately that it must stay well for longer to count as recovered.
    Flapping {
        /// How often it was lost.
        losses: u32,
        /// For how long it must stay well.
        calm: Duration,
    },
    /// The pool is paused, so nothing can be found out.
    Paused,
}

impl Issue {
    /// A word for the kind of issue that never changes, for machines.
    pub fn kind(&self) -> &'static str {
        match self {
            Issue::CheckFailed { .. } => "check_failed",
            Issue::Down { .. } => "down",
            Issue::NewConnectionsFail { .. } => "new_connections_fail",
            Issue::ConnectsFail { .. } => "connects_fail",
            Issue::Slow { .. } => "slow",
            Issue::Exhausted { .. } => "exhausted",
            Issue::NoConnections => "no_connections",
            Issue::Leaks { .. } => "leaks",
            Issue::Flapping { .. } => "flapping",
            Issue::Paused => "paused",
        }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Issue::CheckFailed { cause } => write!(f, "the last check failed: {cause}"),
            Issue::Down { cause } => write!(f, "no connection can be opened and none lives: {cause}"),
            Issue::NewConnectionsFail { cause } => {
                write!(f, "old connections work, new ones fail: {cause}")
            }
            Issue::ConnectsFail { failed, attempts } => write!(f, "{failed} of {attempts} connects failed"),
            Issue::Slow { took, usual: Some(usual) } => {
                write!(f, "slow: a round trip took {}, usual are {}", Span(*took), Span(*usual))
            }
            Issue::Slow { took, usual: None } => write!(f, "slow: a round trip took {}", Span(*took)),
            Issue::Exhausted { active, waiting, refused } => {
                write!(f, "pool exhausted: {active} in use, {waiting} waiting, {refused} refused or too late")
            }
            Issue::NoConnections => f.write_str("no connections"),
            Issue::Leaks { connections } => write!(f, "{connections} connections are held for too long"),
            Issue::Flapping { losses, calm } => {
                write!(f, "lost {losses} times lately: must stay well for {}", Span(*calm))
            }
            Issue::Paused => f.write_str("the pool is paused"),
        }
    }
}
