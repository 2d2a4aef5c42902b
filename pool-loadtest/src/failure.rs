//! Why a cycle failed, in the closed list of kinds that a result knows.

use std::error::Error;
use std::io;

use pool_core::{AcquireError, ConnectError, ConnectFailure, ErrorClass};
use serde::Serialize;

use crate::redact::redact;

/// The step of a cycle that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Waiting for a connection.
    Acquire,
    /// Opening one: the acquire was refused because the target is down.
    Connect,
    /// The query.
    Use,
}

/// What went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum ErrorKind {
    /// No connection came free in time.
    AcquireTimeout,
    /// The pool was closed.
    PoolClosed,
    /// Nobody listens at the target.
    ConnectRefused,
    /// Connecting took too long.
    ConnectTimeout,
    /// The target refuses the login.
    AuthFailed,
    /// The target has no room for another connection.
    TooManyConnections,
    /// A new connection did not pass its first check.
    ValidationFailed,
    /// The query took too long.
    QueryTimeout,
    /// The connection broke.
    ConnectionLost,
    /// The database is locked by another.
    Busy,
    /// The query was chosen as a deadlock's victim.
    Deadlock,
    /// The query failed otherwise.
    QueryError,
    /// The encrypted channel could not be set up.
    Tls,
    /// The other side does not speak as it should.
    Protocol,
    /// The caller gave up.
    Cancelled,
    /// None of the above, such as a full queue or a panic.
    Other,
}

/// One failed step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) phase: Phase,
    pub(crate) waited: bool,
    pub(crate) message: String,
}

impl Failure {
    /// A query that failed. Secrets in the message are masked.
    pub fn of_use(kind: ErrorKind, message: &str) -> Self {
        Failure { kind, phase: Phase::Use, waited: false, message: redact(message) }
    }

    /// An acquire that failed. A timeout counts as a wait of its length; any other error was none.
    pub fn of_acquire(error: &AcquireError) -> Self {
        let (kind, phase) = match error {
            AcquireError::Timeout(_) | AcquireError::Paused(_) => (ErrorKind::AcquireTimeout, Phase::Acquire),
            AcquireError::Closed(_) => (ErrorKind::PoolClosed, Phase::Acquire),
            AcquireError::Unavailable(diagnosis) => {
                let failure = diagnosis.last_connect_failure.as_ref();
                (failure.map_or(ErrorKind::Other, kind_of_connect), Phase::Connect)
            }
            // `QueueFull`, and whatever pool-core may add: the message tells.
            _ => (ErrorKind::Other, Phase::Acquire),
        };
        let waited = error.is_timeout() || error.is_paused();
        Failure { kind, phase, waited, message: redact(&error.to_string()) }
    }

    pub(crate) fn panicked(phase: Phase) -> Self {
        let message = String::from("the thread panicked");
        Failure { kind: ErrorKind::Other, phase, waited: false, message }
    }

    /// What went wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The step that failed.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The message, without secrets.
    pub fn message(&self) -> &str {
        &self.message
    }
}

fn kind_of_connect(failure: &ConnectFailure) -> ErrorKind {
    match (&failure.cause, failure.class) {
        (ConnectError::TimedOut(_), _) => ErrorKind::ConnectTimeout,
        (ConnectError::Unusable(_), _) => ErrorKind::ValidationFailed,
        (_, ErrorClass::Auth) => ErrorKind::AuthFailed,
        (_, ErrorClass::Capacity) => ErrorKind::TooManyConnections,
        (ConnectError::Failed(error), _) => match io_error_kind(&**error) {
            Some(io::ErrorKind::ConnectionRefused) => ErrorKind::ConnectRefused,
            Some(io::ErrorKind::TimedOut) => ErrorKind::ConnectTimeout,
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof,
            ) => ErrorKind::ConnectionLost,
            _ => ErrorKind::Other,
        },
        _ => ErrorKind::Other,
    }
}

/// The operating system's word on an error, however deep it lies.
pub(crate) fn io_error_kind(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        current = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use pool_core::Pool;
    use pool_core::fake::{Act, FakeConnector};

    use super::*;

    async fn failed(connector: FakeConnector, spoil: impl AsyncFnOnce(&Pool<FakeConnector>)) -> Failure {
        let pool = Pool::builder(connector)
            .max_connections(1)
            .min_connections(0)
            .acquire_timeout(Duration::from_secs(2))
            .connect_timeout(Duration::from_millis(50))
            .max_waiting(1)
            .build()
            .unwrap();
        spoil(&pool).await;
        Failure::of_acquire(&pool.acquire().await.unwrap_err())
    }

    #[tokio::test(start_paused = true)]
    async fn a_timeout_is_a_wait() {
        let failure = failed(FakeConnector::new(), async |pool: &Pool<FakeConnector>| {
            std::mem::forget(pool.acquire().await.unwrap());
        });
        let failure = failure.await;
        assert_eq!((failure.kind, failure.phase), (ErrorKind::AcquireTimeout, Phase::Acquire));
        assert!(failure.waited);
        assert!(failure.message.contains("none within 2s"), "{}", failure.message);
    }

    #[tokio::test(start_paused = true)]
    async fn a_paused_pool_times_out() {
        let failure = failed(FakeConnector::new(), async |pool: &Pool<FakeConnector>| pool.pause()).await;
        assert_eq!(failure.kind, ErrorKind::AcquireTimeout);
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_pool_refuses_without_a_wait() {
        let failure = failed(FakeConnector::new(), async |pool: &Pool<FakeConnector>| {
            pool.close(Duration::from_secs(1)).await;
        });
        let failure = failure.await;
        assert_eq!(failure.kind, ErrorKind::PoolClosed);
        assert!(!failure.waited);
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_that_is_down_is_a_failed_connect() {
        for (act, kind) in [
            (Act::FailAs(ErrorClass::Auth, "password refused"), ErrorKind::AuthFailed),
            (Act::Hang, ErrorKind::ConnectTimeout),
            (Act::Fail("out of order"), ErrorKind::Other),
        ] {
            let connector = FakeConnector::new();
            connector.connects().always(act.clone());
            let failure = failed(connector, async |_: &Pool<FakeConnector>| {}).await;
            assert_eq!((failure.kind, failure.phase), (kind, Phase::Connect), "{act:?}: {}", failure.message);
        }
    }

    #[test]
    fn the_systems_word_is_found_below_other_errors() {
        #[derive(Debug, thiserror::Error)]
        #[error("open the connection")]
        struct Above(#[source] io::Error);
        let error = Above(io::ErrorKind::ConnectionRefused.into());
        assert_eq!(io_error_kind(&error), Some(io::ErrorKind::ConnectionRefused));
        assert_eq!(io_error_kind(&std::fmt::Error), None);
    }
}
