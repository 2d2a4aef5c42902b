//! From a configuration to a running system of pools.

mod audit;
mod routing;
mod watch;

pub use audit::{Audit, AuditError, AuditStats};
pub use routing::{
    Access, Acquired, Attempt, AttemptFailure, Group, Member, MemberStats, ReadError, RouteError, Session,
    SessionWrite, acquire_or_else,
};
pub use watch::{ConfigWatcher, MissingFile, Noticed};
