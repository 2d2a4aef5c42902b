//! What it takes to have a changed key take effect in a running system.

use std::fmt;

/// What it takes to have a changed key take effect in a running system; the later, the more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReloadClass {
    /// It takes effect at the next use. A smaller pool closes what it has too much: idle connections at once, busy ones
    /// when they come back.
    Live,
    /// New connections use it; those there are get closed, idle ones at once, busy ones when they come back.
    Drain,
    /// It takes effect when the process starts anew. A reload that changes such a key is refused.
    Restart,
}

impl fmt::Display for ReloadClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Live => "live",
            Self::Drain => "drain",
            Self::Restart => "restart",
        })
    }
}
