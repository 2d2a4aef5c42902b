//! What a group has done, member by member.

use std::sync::Arc;
use std::time::Duration;

use pool_config::Role;

/// One member of a group: what it was given to do since it joined, and whether it is left out now.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MemberStats {
    /// The name of its pool.
    pub name: Arc<str>,
    /// What it does in the group.
    pub role: Role,
    /// How large its share of the reads is meant to be, compared with the others of its role.
    pub weight: u32,
    /// Connections given to readers, since it joined.
    pub reads: u64,
    /// Connections given to writers, since it joined.
    pub writes: u64,
    /// Connections given for analytics, since it joined.
    pub analytics: u64,
    /// Acquires of it that failed, and connections of it that broke in [`read_with`](super::Group::read_with), since it
    /// joined.
    pub failures: u64,
    /// Times it was ejected, since it joined.
    pub ejections: u64,
    /// How long it is still left out, now; `None` = it is not.
    pub ejected_for: Option<Duration>,
    /// Whether its target was found unhealthy, by whoever watches that. It is left out then, too, as far as
    /// `max_ejection_percent` allows.
    pub unhealthy: bool,
    /// Its part of all connections given for reading and analytics by the members there are now, from 0 to 1; 0 when
    /// there were none.
    pub share: f64,
}
