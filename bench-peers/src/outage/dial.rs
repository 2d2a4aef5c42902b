//! Every connect that a pool asks its driver for, noted when it begins.
//!
//! Why not at the server's door: a connect that the kernel refuses is seen by nobody but the client.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::time::timeout;

/// The notes of one pool. Clones share them.
#[derive(Debug, Clone)]
pub(crate) struct Dial(Arc<Notes>);

#[derive(Debug)]
struct Notes {
    epoch: Instant,
    limit: Option<Duration>,
    begun: Mutex<Vec<Duration>>,
}

/// Why a connect failed.
#[derive(Debug)]
pub(crate) enum DialError<E> {
    /// It was not done in time.
    TooLong(Duration),
    Failed(E),
}

impl Dial {
    /// Notes begin at `epoch`; `limit` is the time that [`limited`](Self::limited) gives each connect.
    pub(crate) fn new(epoch: Instant, limit: Option<Duration>) -> Self {
        Dial(Arc::new(Notes { epoch, limit, begun: Mutex::default() }))
    }

    /// A connect begins.
    pub(crate) fn note(&self) {
        self.lock().push(self.0.epoch.elapsed());
    }

    /// Notes a connect, and does it within the limit: for pools that have none of their own.
    ///
    /// # Errors
    ///
    /// It failed, or took too long.
    ///
    /// # Cancel safety
    ///
    /// As that of `connect`; it stays noted.
    pub(crate) async fn limited<T, E>(
        &self,
        connect: impl Future<Output = Result<T, E>>,
    ) -> Result<T, DialError<E>> {
        self.note();
        match self.0.limit {
            None => connect.await.map_err(DialError::Failed),
            Some(limit) => match timeout(limit, connect).await {
                Ok(done) => done.map_err(DialError::Failed),
                Err(_) => Err(DialError::TooLong(limit)),
            },
        }
    }

    /// When each connect began, in order.
    pub(crate) fn begun(&self) -> Vec<Duration> {
        self.lock().clone()
    }

    // A panic under the lock is impossible but for want of memory.
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Duration>> {
        self.0.begun.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E: fmt::Display> fmt::Display for DialError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            DialError::TooLong(limit) => write!(f, "connect within {limit:?}"),
            DialError::Failed(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error> std::error::Error for DialError<E> {}
