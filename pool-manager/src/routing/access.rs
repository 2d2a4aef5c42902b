//! What a caller wants of a group, and who may give it.

use std::fmt;

use pool_config::Role;

/// What a connection is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Access {
    /// To read: from a replica, or else the primary.
    Read,
    /// To write: from the primary.
    Write,
    /// To read much: from an analytics member, or else a replica, or else the primary.
    Analytics,
}

impl Access {
    /// Who may give it; the first is asked first.
    pub(super) fn roles(self) -> &'static [Role] {
        match self {
            Access::Read => &[Role::Replica, Role::Primary],
            Access::Write => &[Role::Primary],
            Access::Analytics => &[Role::Analytics, Role::Replica, Role::Primary],
        }
    }
}

/// The word for a role, as in the configuration.
pub(super) fn word(role: Role) -> &'static str {
    match role {
        Role::Primary => "primary",
        Role::Replica => "replica",
        Role::Analytics => "analytics",
    }
}

/// Shows it as the purpose in a sentence: `for reading`.
impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Access::Read => "for reading",
            Access::Write => "for writing",
            Access::Analytics => "for analytics",
        })
    }
}
