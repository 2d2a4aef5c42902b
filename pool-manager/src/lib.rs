//! From a configuration to a running system of pools.

mod routing;

pub use routing::{
    Access, Acquired, Attempt, AttemptFailure, Group, Member, MemberStats, ReadError, RouteError, Session,
    SessionWrite, acquire_or_else,
};
