//! Reads to the replicas, writes to the primary, and on to the next when one of them is down.
//!
//! ```text
//! Group ── choose ─► Router ── equals ─► choice      two choices by load
//!   │                  └── per member ─► Ejection    left out after a failure
//!   └── acquire within a share of the deadline ─► Pool of the member ── outcome ─► Router
//! ```
//!
//! The router is a state machine without clock, lock or pool; the group asks it, asks the pools, and tells it what they
//! said. Nothing runs in the background: what is known of a member comes from callers and from its pool, which
//! reconnects by itself.

mod access;
mod choice;
mod degrade;
mod ejection;
mod error;
mod group;
mod member;
mod router;
mod session;
mod stats;

pub use access::Access;
pub use degrade::{Acquired, acquire_or_degrade};
pub use error::{Attempt, AttemptFailure, ReadError, RouteError};
pub use group::Group;
pub use member::Member;
pub use session::{Session, SessionWrite};
pub use stats::MemberStats;

#[cfg(test)]
mod tests;
