//! The one trait a backend implements: how to open, check, clean and close a connection.

use std::error::Error;
use std::future::Future;
use std::time::Duration;

use crate::target::Target;

/// What an error of the backend says about the connection and its siblings.
///
/// | class | from `connect` | from `validate` or `reset` | reported by a holder |
/// |---|---|---|---|
/// | `Transient` | retried with back-off; an outage when it goes on | connection closed, idle ones flushed | connection stays |
/// | `FatalThis` | as `Transient` | connection closed | connection closed on return |
/// | `FatalAll` | as `Transient` | connection closed, idle ones flushed | closed on return, idle ones flushed |
/// | `Capacity` | growth stops for a while; not an outage | connection closed | connection stays |
/// | `Auth` | an outage at once, retried slowly | connection closed | connection closed on return |
///
/// A failed `reset` never flushes: the connection was alive a moment ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorClass {
    /// May well work the next time: a refused connection, a timeout, a constraint violation.
    Transient,
    /// This connection is of no more use; it says nothing about the others.
    FatalThis,
    /// All connections opened so far are of no more use: the server shut down, or became read-only.
    FatalAll,
    /// The server lives and has no room for another connection.
    Capacity,
    /// The server refuses the credentials. Trying again soon may lock the account.
    Auth,
}

/// What can be seen of a connection that comes back, without asking the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Condition {
    /// Ready for the next caller.
    #[default]
    Clean,
    /// Needs [`reset`](Connector::reset) before the next caller may have it.
    Dirty,
    /// Of no more use: closed by the peer, or in the middle of an exchange that cannot be ended.
    Broken,
    /// Of no more use, for a reason that concerns all connections of its age, as
    /// [`ErrorClass::FatalAll`]: the idle ones are closed, the busy ones validated before anyone else gets them.
    AllBroken,
}

/// Opens, checks, cleans and closes connections of one backend.
///
/// The pool calls these methods outside all its locks. A panic in any of them is caught and counted, and
/// treated as a failure of that one call.
///
/// # Examples
///
/// ```
/// use pool_core::{Condition, Connector};
///
/// struct Echo;
///
/// impl Connector for Echo {
///     type Connection = Vec<u8>;
///     type Error = std::io::Error;
///
///     async fn connect(&self) -> Result<Vec<u8>, std::io::Error> {
///         Ok(Vec::new())
///     }
///
///     async fn validate(&self, _connection: &mut Vec<u8>) -> Result<(), std::io::Error> {
///         Ok(())
///     }
///
///     fn condition(&self, connection: &mut Vec<u8>) -> Condition {
///         if connection.is_empty() { Condition::Clean } else { Condition::Dirty }
///     }
///
///     async fn reset(&self, connection: &mut Vec<u8>) -> Result<(), std::io::Error> {
///         connection.clear();
///         Ok(())
///     }
/// }
/// ```
pub trait Connector: Send + Sync + 'static {
    /// What callers work with.
    type Connection: Send + 'static;
    /// The backend's own error.
    type Error: Error + Send + Sync + 'static;

    /// Opens a connection and makes it ready for use: login, session settings, first statements.
    ///
    /// Called by the pool's keeper, never inside a caller's `acquire`, under `connect_timeout`. Whatever
    /// it has opened when it fails, it closes.
    ///
    /// # Cancel safety
    ///
    /// The future is dropped when `connect_timeout` passes or the pool closes. Dropping it must close
    /// what it had opened.
    fn connect(&self) -> impl Future<Output = Result<Self::Connection, Self::Error>> + Send;

    /// Asks the server whether the connection still works; one cheap round trip.
    ///
    /// Called in a caller's `acquire` when the connection was idle for `validate_after_idle`, and by the
    /// keeper for `keepalive_interval`, `validate_on_return` and `evict_invalid`; always under
    /// `validation_timeout`, in `acquire` also under the caller's deadline. On failure the connection
    /// is dropped without [`close`](Connector::close), and others follow as [`ErrorClass`] tells.
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any await; the connection is then dropped as well, never reused.
    fn validate(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send;

    /// Makes a [dirty](Condition::Dirty) connection as good as new: rolls back, restores settings.
    ///
    /// Called by the keeper after a dirty connection came back, under `reset_timeout`. On failure the
    /// connection is dropped without [`close`](Connector::close). The default does nothing.
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any await; the connection is then dropped as well, never reused.
    fn reset(
        &self,
        connection: &mut Self::Connection,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send {
        let _ = connection;
        std::future::ready(Ok(()))
    }

    /// What the connection is like when its holder gives it back.
    ///
    /// Called when a guard is dropped, on the holder's thread: it must not block and does no I/O. The
    /// default calls every connection clean. A panic counts as [`Condition::Broken`].
    fn condition(&self, connection: &mut Self::Connection) -> Condition {
        let _ = connection;
        Condition::Clean
    }

    /// Says goodbye to the server and closes the connection.
    ///
    /// Called by the keeper for connections that still work, for at most five seconds; dead ones are
    /// dropped instead. The default drops it.
    ///
    /// # Cancel safety
    ///
    /// The future may be dropped at any await. Dropping it must close the connection.
    fn close(&self, connection: Self::Connection) -> impl Future<Output = ()> + Send {
        drop(connection);
        std::future::ready(())
    }

    /// Tells what an error means for the pool. The default calls everything [`ErrorClass::Transient`].
    fn classify(&self, error: &Self::Error) -> ErrorClass {
        let _ = error;
        ErrorClass::Transient
    }

    /// How long to wait before the next connect, if the error tells: an HTTP `Retry-After`, an open circuit breaker.
    ///
    /// Called by the keeper after a failed connect. The next one is begun then, never earlier, and later by a tenth or a second at most,
    /// instead of after the pool's own back-off; a refused login also waits for that. Less than 25 ms counts as 25 ms, more
    /// than an hour as an hour. From half a second on, the outage is known at once, so that callers fail fast with this
    /// error instead of waiting for the next attempt. A refusal for want of room ([`ErrorClass::Capacity`]) is no outage: who may still be
    /// served waits, and only who could not be in time fails fast, since no connection lives and his deadline comes before the
    /// next attempt. The default leaves it to the back-off.
    fn retry_after(&self, error: &Self::Error) -> Option<Duration> {
        let _ = error;
        None
    }

    /// What this connector connects to, if that can be said.
    fn target(&self) -> Option<Target> {
        None
    }
}
