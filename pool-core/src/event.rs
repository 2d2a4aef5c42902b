//! What happens in a pool, told to whoever wants to know.
//!
//! The state machine records [`PoolEvent`]s under its lock; after the lock is released they are given to
//! every [`Observer`], on the thread that caused them. So an observer may call back into the pool, and one
//! that panics harms nobody: the panic is caught and counted. One that blocks, blocks its caller only.
//!
//! Events of one thread come in order; those of different threads may pass each other.

use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use crate::connection::{CloseReason, ConnectionId, Holder, Owner, Span};
use crate::error::{AcquireError, ConnectFailure};
use crate::panic::catch;
use crate::pool_id::PoolId;
use crate::sizing::SizingAdvice;
use crate::stats::PoolStats;

/// What a connection is validated for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Occasion {
    /// A caller is to have it: `validate_after_idle`, or one who demands it.
    Acquire,
    /// A caller gave it back: `validate_on_return`.
    Return,
    /// It is idle: `keepalive_interval`, or [`evict_invalid`](crate::PoolControl::evict_invalid).
    Idle,
}

impl Occasion {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Occasion::Acquire => "acquire",
            Occasion::Return => "return",
            Occasion::Idle => "idle",
        }
    }
}

/// Something that happened in a pool.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PoolEvent {
    /// A caller got a connection.
    Acquired {
        /// Which one.
        connection: ConnectionId,
        /// Time since the call.
        waited: Duration,
        /// The line of code that called.
        site: &'static Location<'static>,
    },
    /// A caller got an error instead. Not told of [`Pool::check`](crate::Pool::check), which is no caller.
    AcquireFailed {
        /// The error it got.
        error: AcquireError,
    },
    /// A connection came back, or its holder discarded it.
    Released {
        /// Which one.
        connection: ConnectionId,
        /// How long it was held.
        used: Duration,
    },
    /// A connection was opened.
    Created {
        /// Which one.
        connection: ConnectionId,
        /// How long connecting took.
        took: Duration,
    },
    /// A connect failed.
    ConnectFailed {
        /// Why.
        failure: ConnectFailure,
        /// Failures in a row, this one included.
        failures: u32,
        /// Time until the next attempt, if one is wanted.
        retry_in: Duration,
    },
    /// A connection is gone.
    Closed {
        /// Which one.
        connection: ConnectionId,
        /// Why.
        reason: CloseReason,
        /// How old it was.
        age: Duration,
    },
    /// A validation began.
    ValidationStarted {
        /// Of which connection.
        connection: ConnectionId,
    },
    /// A validation ended.
    ValidationCompleted {
        /// Of which connection.
        connection: ConnectionId,
        /// What it was done for.
        occasion: Occasion,
        /// How long it took.
        took: Duration,
        /// What was wrong; `None` = the connection works.
        problem: Option<String>,
    },
    /// A connection that came back dirty could not be reset.
    ResetFailed {
        /// Which one.
        connection: ConnectionId,
        /// Why.
        problem: String,
    },
    /// A connection is held for longer than `leak_detection_threshold`.
    Leaked {
        /// Which one, by whom, from where, for how long.
        holder: Holder,
    },
    /// A connection that was reported as leaked came back.
    Unleaked {
        /// Which one, by whom, from where, for how long.
        holder: Holder,
    },
    /// A caller waits for a connection while its own task holds one: enough such callers wait for ever. Branches
    /// of one task, such as those of `join!`, are not told apart; for them it may be harmless.
    NestedAcquire {
        /// Where it acquires.
        site: &'static Location<'static>,
        /// Who it is.
        owner: Owner,
        /// What it holds.
        holds: Holder,
    },
    /// One connection was found dead, so all idle ones of its generation were closed.
    Flushed {
        /// The dead one.
        dead: ConnectionId,
        /// How many idle ones went with it.
        closed: usize,
    },
    /// The target is down: connects fail and no connection lives.
    OutageStarted {
        /// What the last connect died of.
        cause: ConnectFailure,
    },
    /// An outage outlasted `max_retries` times `retry_delay`. Reconnecting goes on.
    RecoveryExhausted {
        /// Time since the outage began.
        lasted: Duration,
        /// What the last connect died of.
        cause: ConnectFailure,
    },
    /// The first connect after an outage succeeded.
    OutageEnded {
        /// Time since the outage began.
        lasted: Duration,
    },
    /// Housekeeping ran much too late: the process was stopped or its runtime starved. Idle connections
    /// are validated before use; nobody is called a leak for the lost time.
    Starved {
        /// How late.
        late: Duration,
    },
    /// The size that the pool recommends, or takes, has changed.
    SizingAdvised {
        /// The size, and why.
        advice: SizingAdvice,
    },
    /// The pool stopped handing out connections.
    Paused,
    /// The pool hands out connections again.
    Resumed,
    /// The pool began to close.
    Closing,
    /// The last connection of a closing pool is gone.
    PoolClosed,
    /// The options were replaced.
    Reconfigured,
    /// Housekeeping ran; this is how the pool is.
    StatsUpdated {
        /// The gauges.
        stats: PoolStats,
    },
    /// A panic in a connector, an observer, or the drop of a connection was caught.
    Panicked {
        /// What panicked, such as `validate`.
        place: &'static str,
        /// Its message.
        message: String,
    },
}

impl PoolEvent {
    /// The text for `on_error` and the log, for events that mean trouble.
    pub fn trouble(&self) -> Option<String> {
        Some(match self {
            PoolEvent::AcquireFailed { error } => format!("failed to {error}"),
            PoolEvent::ConnectFailed { failure, failures, retry_in } => {
                format!(
                    "connect failed ({failures} in a row, next attempt in {}): {}",
                    Span(*retry_in),
                    failure.cause
                )
            }
            PoolEvent::ValidationCompleted { connection, problem: Some(problem), .. } => {
                format!("connection {connection} failed validation: {problem}")
            }
            PoolEvent::ResetFailed { connection, problem } => {
                format!("connection {connection} could not be reset: {problem}")
            }
            PoolEvent::Leaked { holder } => format!("possible leak: connection {holder}"),
            PoolEvent::NestedAcquire { site, owner, holds } => format!(
                "{owner} waits at {}:{} while it holds connection {}, acquired at {}:{}; a task that needs k \
                 connections at once needs a pool of at least tasks * (k - 1) + 1",
                site.file(),
                site.line(),
                holds.connection,
                holds.site.file(),
                holds.site.line()
            ),
            PoolEvent::Flushed { dead, closed } => {
                format!("connection {dead} was found dead; closed all {closed} idle ones of its generation")
            }
            PoolEvent::OutageStarted { cause } => format!("the target is down: {}", cause.cause),
            PoolEvent::RecoveryExhausted { lasted, cause } => format!(
                "the target is still down after {}, reconnecting goes on: {}",
                Span(*lasted),
                cause.cause
            ),
            PoolEvent::Starved { late } => {
                format!(
                    "housekeeping ran {} late: the process was stopped or its runtime starved",
                    Span(*late)
                )
            }
            PoolEvent::Panicked { place, message } => format!("caught a panic in {place}: {message}"),
            _ => return None,
        })
    }
}

/// Is told what happens in a pool. Every method does nothing unless implemented.
///
/// Implement single methods, or [`event`](Observer::event) to receive everything in one place.
/// All are called without a lock, on the thread that caused the event; calling back into the pool is
/// allowed.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use std::time::Duration;
/// use pool_core::{ConnectionId, Observer};
///
/// #[derive(Default)]
/// struct LongWaits(AtomicU64);
///
/// impl Observer for LongWaits {
///     fn acquired(&self, _pool: &str, _connection: ConnectionId, waited: Duration) {
///         if waited > Duration::from_millis(100) {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: Send + Sync + 'static {
    /// Receives every event, with the pool that it is about: for those who keep something for each pool, since of two that
    /// are there at the same time, one may be on its way out and the other have its name. The default leaves that to
    /// [`event`](Observer::event). An observer that passes events on to others passes these on.
    fn event_of(&self, id: PoolId, pool: &str, event: &PoolEvent) {
        let _ = id;
        self.event(pool, event);
    }

    /// Receives every event. The default calls the other methods.
    fn event(&self, pool: &str, event: &PoolEvent) {
        match event {
            PoolEvent::Acquired { connection, waited, .. } => self.acquired(pool, *connection, *waited),
            PoolEvent::Released { connection, used } => self.released(pool, *connection, *used),
            PoolEvent::Created { connection, took } => self.created(pool, *connection, *took),
            PoolEvent::Closed { connection, reason, .. } => self.closed(pool, *connection, *reason),
            PoolEvent::ValidationStarted { connection } => self.validation_started(pool, *connection),
            PoolEvent::ValidationCompleted { connection, took, problem, .. } => {
                self.validation_completed(pool, *connection, *took, problem.as_deref());
            }
            PoolEvent::StatsUpdated { stats } => self.stats_updated(pool, stats),
            _ => {}
        }
        if let Some(message) = event.trouble() {
            self.error(pool, &message);
        }
    }

    /// Whether it wants to be told of every acquire and release: [`PoolEvent::Acquired`] and [`PoolEvent::Released`].
    /// The default says yes.
    ///
    /// Each of them then goes through the pool's lock, which takes some ten times as long as without. One that
    /// does not need them should say so; [`Pool::counters`](crate::Pool::counters) and
    /// [`Pool::histograms`](crate::Pool::histograms) count them anyway. Asked once, when the pool is built.
    fn wants_uses(&self) -> bool {
        true
    }

    /// A caller got a connection after waiting this long.
    fn acquired(&self, pool: &str, connection: ConnectionId, waited: Duration) {
        let _ = (pool, connection, waited);
    }

    /// A connection came back after being held this long.
    fn released(&self, pool: &str, connection: ConnectionId, used: Duration) {
        let _ = (pool, connection, used);
    }

    /// A connection was opened; connecting took this long.
    fn created(&self, pool: &str, connection: ConnectionId, took: Duration) {
        let _ = (pool, connection, took);
    }

    /// A connection is gone.
    fn closed(&self, pool: &str, connection: ConnectionId, reason: CloseReason) {
        let _ = (pool, connection, reason);
    }

    /// A validation of this connection began.
    fn validation_started(&self, pool: &str, connection: ConnectionId) {
        let _ = (pool, connection);
    }

    /// A validation ended. `problem` is `None` when the connection works.
    fn validation_completed(
        &self,
        pool: &str,
        connection: ConnectionId,
        took: Duration,
        problem: Option<&str>,
    ) {
        let _ = (pool, connection, took, problem);
    }

    /// Housekeeping ran, every `maintenance_interval` while the pool has connections.
    fn stats_updated(&self, pool: &str, stats: &PoolStats) {
        let _ = (pool, stats);
    }

    /// Something went wrong: a failed connect, acquire, validation or reset, a leak, an outage, a panic.
    fn error(&self, pool: &str, message: &str) {
        let _ = (pool, message);
    }
}

/// One observer of several pools. All but these methods are called by the observer itself.
impl<O: Observer + ?Sized> Observer for Arc<O> {
    fn event_of(&self, id: PoolId, pool: &str, event: &PoolEvent) {
        (**self).event_of(id, pool, event);
    }

    fn event(&self, pool: &str, event: &PoolEvent) {
        (**self).event(pool, event);
    }

    fn wants_uses(&self) -> bool {
        (**self).wants_uses()
    }
}

/// A plain function called with the pool's name and a connection.
type OnConnection = Box<dyn Fn(&str, ConnectionId) + Send + Sync>;
/// A plain function called with the pool's name and a message.
type OnError = Box<dyn Fn(&str, &str) + Send + Sync>;

/// An observer made of plain closures.
pub(crate) enum Callback {
    Acquired(OnConnection),
    Released(OnConnection),
    Error(OnError),
}

impl Observer for Callback {
    fn wants_uses(&self) -> bool {
        !matches!(self, Callback::Error(_))
    }

    fn event(&self, pool: &str, event: &PoolEvent) {
        match (self, event) {
            (Callback::Acquired(call), PoolEvent::Acquired { connection, .. })
            | (Callback::Released(call), PoolEvent::Released { connection, .. }) => call(pool, *connection),
            (Callback::Error(call), event) => {
                if let Some(message) = event.trouble() {
                    call(pool, &message);
                }
            }
            _ => {}
        }
    }
}

/// All observers of one pool.
#[derive(Clone, Default)]
pub(crate) struct Observers(Vec<Arc<dyn Observer>>);

impl Observers {
    pub(crate) fn add(&mut self, observer: Arc<dyn Observer>) {
        self.0.push(observer);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether any of them wants to be told of every acquire and release. One that panics when asked is taken to.
    pub(crate) fn want_uses(&self) -> bool {
        self.0.iter().any(|observer| catch("observer", || observer.wants_uses()).unwrap_or(true))
    }

    /// Logs the event and tells every observer. Returns the message of each panic in that: of an observer, of
    /// a subscriber of the log, or of an error that cannot be displayed.
    pub(crate) fn tell(&self, id: PoolId, pool: &str, event: &PoolEvent) -> Vec<String> {
        let logged = catch("log", || log(pool, event)).err();
        let tell = |observer: &Arc<dyn Observer>| catch("observer", || observer.event_of(id, pool, event));
        let told = self.0.iter().filter_map(|observer| tell(observer).err());
        logged.into_iter().chain(told).map(|caught| caught.message).collect()
    }
}

/// Writes what an operator should see to the log. Per-acquire events are left to observers.
fn log(pool: &str, event: &PoolEvent) {
    match event {
        // The caller gets the error itself.
        PoolEvent::AcquireFailed { .. } => {}
        PoolEvent::OutageStarted { .. } | PoolEvent::RecoveryExhausted { .. } => {
            if let Some(message) = event.trouble() {
                tracing::error!(pool, "{message}");
            }
        }
        PoolEvent::OutageEnded { lasted } => {
            tracing::info!(pool, "the target is back after {}", Span(*lasted));
        }
        PoolEvent::Unleaked { holder } => {
            tracing::info!(pool, "a connection reported as leaked came back: {holder}");
        }
        PoolEvent::SizingAdvised { advice } => tracing::info!(pool, "{advice}"),
        PoolEvent::Closing => tracing::debug!(pool, "closing"),
        PoolEvent::PoolClosed => tracing::debug!(pool, "closed"),
        PoolEvent::Created { connection, took } => {
            tracing::debug!(pool, %connection, took = %Span(*took), "connection opened");
        }
        PoolEvent::Closed { connection, reason, age } => {
            tracing::debug!(pool, %connection, %reason, age = %Span(*age), "connection closed");
        }
        event => {
            if let Some(message) = event.trouble() {
                tracing::warn!(pool, "{message}");
            }
        }
    }
}
