//! What can be known about one connection: its id, its state, who holds it, why it was closed.
//!
//! These are plain values for people and monitors to read. The pool's own record of a connection lives in
//! its state machine; everything here is derived from that record when asked.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::Location;
use std::thread::ThreadId;
use std::time::Duration;

/// Names one connection of one pool; never used again within that pool.
///
/// Counts from 1 in the order in which connects were begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub(crate) u64);

impl ConnectionId {
    /// The id as a number, for logs and metrics.
    pub fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// Where a connection is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionState {
    /// Open and free.
    Idle,
    /// In the hands of a caller.
    Active,
    /// Being validated or reset before it is used again.
    Validating,
    /// Being opened.
    Creating,
    /// Being closed.
    Destroying,
    /// In the hands of a caller, and known to be unusable: it is closed when it comes back.
    Error,
}

impl fmt::Display for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConnectionState::Idle => "idle",
            ConnectionState::Active => "active",
            ConnectionState::Validating => "validating",
            ConnectionState::Creating => "creating",
            ConnectionState::Destroying => "destroying",
            ConnectionState::Error => "error",
        })
    }
}

/// Why a connection left the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// [`Connector::condition`](crate::Connector::condition) said so when it came back.
    Broken,
    /// Validation failed or timed out.
    ValidationFailed,
    /// Resetting it failed or timed out.
    ResetFailed,
    /// Another connection of its generation was found dead, and all idle ones went with it.
    Flushed,
    /// It reached `max_lifetime`.
    MaxLifetime,
    /// It was not needed for `idle_timeout`.
    IdleTimeout,
    /// It was handed out `max_uses` times.
    MaxUses,
    /// Someone asked for it: `evict`, `evict_idle`, `evict_all`.
    Evicted,
    /// The pool was made smaller.
    Surplus,
    /// The pool closed.
    PoolClosed,
    /// Its holder called [`Pooled::discard`](crate::Pooled::discard) or reported a fatal error.
    Discarded,
    /// Its holder panicked.
    Panicked,
    /// What was under way with it was dropped: an acquire that validated it, or the pool's runtime.
    Cancelled,
    /// Its holder took it out of the pool with [`Pooled::detach`](crate::Pooled::detach).
    Detached,
    /// It was written off with [`PoolControl::abandon`](crate::PoolControl::abandon).
    Abandoned,
}

impl CloseReason {
    /// Every reason, in the order in which [`ClosedByReason`](crate::ClosedByReason) lists them.
    pub const ALL: [CloseReason; 15] = [
        CloseReason::Broken,
        CloseReason::ValidationFailed,
        CloseReason::ResetFailed,
        CloseReason::Flushed,
        CloseReason::MaxLifetime,
        CloseReason::IdleTimeout,
        CloseReason::MaxUses,
        CloseReason::Evicted,
        CloseReason::Surplus,
        CloseReason::PoolClosed,
        CloseReason::Discarded,
        CloseReason::Panicked,
        CloseReason::Cancelled,
        CloseReason::Detached,
        CloseReason::Abandoned,
    ];

    /// A stable name for logs, metrics and JSON, such as `max_lifetime`.
    pub fn as_str(self) -> &'static str {
        match self {
            CloseReason::Broken => "broken",
            CloseReason::ValidationFailed => "validation_failed",
            CloseReason::ResetFailed => "reset_failed",
            CloseReason::Flushed => "flushed",
            CloseReason::MaxLifetime => "max_lifetime",
            CloseReason::IdleTimeout => "idle_timeout",
            CloseReason::MaxUses => "max_uses",
            CloseReason::Evicted => "evicted",
            CloseReason::Surplus => "surplus",
            CloseReason::PoolClosed => "pool_closed",
            CloseReason::Discarded => "discarded",
            CloseReason::Panicked => "panicked",
            CloseReason::Cancelled => "cancelled",
            CloseReason::Detached => "detached",
            CloseReason::Abandoned => "abandoned",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who asked for a connection: the tokio task, or the thread when there is no task.
///
/// Made of the id of either, so that it can be compared with one that you know.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Owner(u64);

impl Owner {
    /// Set for threads. Neither tasks nor threads are ever that many.
    const THREAD: u64 = 1 << 63;

    #[inline]
    pub(crate) fn current() -> Self {
        match tokio::task::try_id() {
            Some(id) => Owner::from(id),
            None => Owner::current_thread(),
        }
    }

    fn current_thread() -> Self {
        // Asking for the current thread costs a reference count each time.
        thread_local!(static OWNER: Owner = Owner::from(std::thread::current().id()));
        OWNER.try_with(|owner| *owner).unwrap_or(Owner(Owner::THREAD))
    }

    pub(crate) fn as_number(self) -> u64 {
        self.0
    }

    pub(crate) fn from_number(number: u64) -> Self {
        Owner(number)
    }
}

impl From<tokio::task::Id> for Owner {
    #[inline]
    fn from(id: tokio::task::Id) -> Self {
        Owner(number_of(&id))
    }
}

impl From<ThreadId> for Owner {
    fn from(id: ThreadId) -> Self {
        Owner(number_of(&id) | Owner::THREAD)
    }
}

/// The number inside an id that gives it to nobody but hashers: it has to fit into one atomic.
#[inline]
fn number_of(id: &impl Hash) -> u64 {
    struct Number(u64);

    impl Hasher for Number {
        fn finish(&self) -> u64 {
            self.0
        }
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
            }
        }
        #[inline]
        fn write_u64(&mut self, number: u64) {
            self.0 = number;
        }
    }

    let mut number = Number(0);
    id.hash(&mut number);
    number.finish()
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.0 & !Owner::THREAD;
        if self.0 & Owner::THREAD == 0 { write!(f, "task {number}") } else { write!(f, "thread {number}") }
    }
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Owner({self})")
    }
}

/// Who holds a connection, since when, and the line of code that acquired it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The connection that is held.
    pub connection: ConnectionId,
    /// The task or thread that acquired it. A guard may since have moved elsewhere.
    pub owner: Owner,
    /// Where `acquire` was called.
    pub site: &'static Location<'static>,
    /// How long it has been held.
    pub held: Duration,
    /// Whether it was reported as leaked.
    pub leaked: bool,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} held {} by {} from {}:{}",
            self.connection,
            Span(self.held),
            self.owner,
            self.site.file(),
            self.site.line()
        )
    }
}

/// One live connection, as it is now.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Its id.
    pub id: ConnectionId,
    /// What it is doing.
    pub state: ConnectionState,
    /// Time since it was opened; while it is being opened, since that began.
    pub age: Duration,
    /// How long it has been idle; zero unless it is [`ConnectionState::Idle`].
    pub idle: Duration,
    /// How often it was handed out.
    pub uses: u64,
    /// Total time in the hands of callers, without the present one.
    pub used: Duration,
    /// Who holds it, if anyone does.
    pub holder: Option<Holder>,
}

impl ConnectionInfo {
    /// Whether it has been idle for longer than `idle_timeout`; zero means never.
    pub fn is_expired(&self, idle_timeout: Duration) -> bool {
        !idle_timeout.is_zero() && self.idle > idle_timeout
    }
}

/// Shows a duration for people: three significant digits and one unit, such as `1.50s` or `320ms`.
#[derive(Debug, Clone, Copy)]
pub struct Span(pub Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        let (value, unit) = match nanos {
            0 => return f.write_str("0s"),
            1..1_000 => (nanos as f64, "ns"),
            1_000..1_000_000 => (nanos as f64 / 1e3, "us"),
            1_000_000..1_000_000_000 => (nanos as f64 / 1e6, "ms"),
            _ => (self.0.as_secs_f64(), "s"),
        };
        let decimals = match value {
            _ if value.fract() == 0.0 => 0,
            0.0..10.0 => 2,
            10.0..100.0 => 1,
            _ => 0,
        };
        write!(f, "{value:.decimals$}{unit}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_one_unit_and_three_digits() {
        let shown = |nanos: u64| Span(Duration::from_nanos(nanos)).to_string();
        assert_eq!(shown(0), "0s");
        assert_eq!(shown(999), "999ns");
        assert_eq!(shown(1_500), "1.50us");
        assert_eq!(shown(320_000_000), "320ms");
        assert_eq!(shown(12_340_000_000), "12.3s");
        assert_eq!(shown(3_600_000_000_000), "3600s");
    }

    #[tokio::test]
    async fn an_owner_shows_the_number_of_its_task_or_thread() {
        let (owner, id) = tokio::spawn(async { (Owner::current(), tokio::task::id()) }).await.unwrap();
        assert_eq!(owner, Owner::from(id));
        assert_eq!(owner.to_string(), format!("task {id}"));
        let (owner, id) =
            std::thread::spawn(|| (Owner::current(), std::thread::current().id())).join().unwrap();
        assert_eq!(owner, Owner::from(id));
        let number: String = format!("{id:?}").chars().filter(char::is_ascii_digit).collect();
        assert_eq!(owner.to_string(), format!("thread {number}"));
    }

    #[test]
    fn every_close_reason_is_listed_once_and_at_its_own_index() {
        for (index, reason) in CloseReason::ALL.into_iter().enumerate() {
            assert_eq!(reason as usize, index, "{reason}");
        }
    }

    #[test]
    fn zero_idle_timeout_never_expires() {
        let info = ConnectionInfo {
            id: ConnectionId(1),
            state: ConnectionState::Idle,
            age: Duration::from_secs(10),
            idle: Duration::from_secs(10),
            uses: 0,
            used: Duration::ZERO,
            holder: None,
        };
        assert!(!info.is_expired(Duration::ZERO));
        assert!(info.is_expired(Duration::from_secs(9)));
        assert!(!info.is_expired(Duration::from_secs(10)));
    }
}
