//! What a group is told: who does what in it, and how long a failing member is left alone.

use std::fmt;
use std::time::Duration;

/// What a pool does in its group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Role {
    /// Takes writes, and reads when no replica can.
    #[default]
    Primary,
    /// Takes reads.
    Replica,
    /// Takes long reads, which would be in the way of others.
    Analytics,
}

impl Role {
    /// The word that the configuration uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::Primary => "primary",
            Role::Replica => "replica",
            Role::Analytics => "analytics",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How a group routes.
#[derive(Debug, Clone, PartialEq)]
pub struct Routing {
    /// How long after a write of a session its reads go to the primary. Zero = off, the default.
    pub read_your_writes: Duration,
    /// How long a member is left out after its first failure; after the second in a row twice as long, and so on.
    /// Default 1 s. Zero = members are never left out.
    pub ejection_time: Duration,
    /// The longest that a member is left out at a time. Default 30 s.
    pub max_ejection_time: Duration,
    /// How many of a hundred members of one role may be left out at the same time, rounded down, but one at least.
    /// Default 100. Zero = none.
    pub max_ejection_percent: u8,
}

impl Default for Routing {
    fn default() -> Self {
        Routing {
            read_your_writes: Duration::ZERO,
            ejection_time: Duration::from_secs(1),
            max_ejection_time: Duration::from_secs(30),
            max_ejection_percent: 100,
        }
    }
}
