//! What the readers and the writer of one database have in common: which of them opens it first, and whose turn
//! it is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pool_core::Connector as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::connection::SqliteConnection;
use super::connector::SqliteConnector;
use super::error::SqliteError;

/// How many readers may have their turn at once: more than a pool can have connections.
const ALL: u32 = 1 << 20;

/// What a connector opens connections for.
#[derive(Clone)]
pub(super) enum Role {
    Alone,
    Reader(Arc<Pair>),
    Writer(Arc<Pair>),
}

impl Role {
    pub(super) fn pair(&self) -> Option<&Arc<Pair>> {
        match self {
            Role::Alone => None,
            Role::Reader(pair) | Role::Writer(pair) => Some(pair),
        }
    }
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Pair {
    /// Opens connections that may write, for nobody's use.
    founder: SqliteConnector,
    /// Whether a connection that may write has been open. Readers can neither make the file nor choose its journal.
    founded: AtomicBool,
    /// A writer takes all, a reader one; `None` with a write-ahead log, where they do not meet.
    ///
    /// Why not SQLite's own wait for a lock: each who waits looks again at times of its own, and nobody who comes
    /// first is kept a place. Between writers that follow each other closely a reader may never find it open.
    turns: Option<Arc<Semaphore>>,
}

impl Pair {
    pub(super) fn new(founder: SqliteConnector) -> Self {
        let turns = (!founder.has_log()).then(|| Arc::new(Semaphore::new(ALL as usize)));
        Pair { founder, founded: AtomicBool::new(false), turns }
    }

    pub(super) fn takes_turns(&self) -> bool {
        self.turns.is_some()
    }

    /// Waits for a turn as long as a statement waits for a lock.
    pub(super) async fn turn(&self, read_only: bool) -> Option<OwnedSemaphorePermit> {
        self.turn_within(read_only, self.founder.patience()).await
    }

    /// Waits for a turn, in order. `None` if it does not come in time: then SQLite's lock decides.
    pub(super) async fn turn_within(
        &self,
        read_only: bool,
        patience: Duration,
    ) -> Option<OwnedSemaphorePermit> {
        let turns = Arc::clone(self.turns.as_ref()?);
        let turn = turns.acquire_many_owned(if read_only { 1 } else { ALL });
        timeout(patience, turn).await.ok()?.ok()
    }

    /// Opens a connection that may write.
    pub(super) async fn opened_by(
        &self,
        connect: impl Future<Output = Result<SqliteConnection, SqliteError>>,
    ) -> Result<SqliteConnection, SqliteError> {
        let connection = connect.await?;
        // Ordering: the file itself is what others look for.
        self.founded.store(true, Ordering::Relaxed);
        Ok(connection)
    }

    /// Opens a reader's connection; before that, one that may write, if there has been none.
    pub(super) async fn opened_before(
        &self,
        connect: impl Future<Output = Result<SqliteConnection, SqliteError>>,
    ) -> Result<SqliteConnection, SqliteError> {
        if self.is_founded() {
            return connect.await;
        }
        let first = self.opened_by(self.founder.connect_alone()).await?;
        let connected = connect.await;
        // Not earlier: the last to close the file takes its log away.
        self.founder.close(first).await;
        connected
    }

    fn is_founded(&self) -> bool {
        self.founded.load(Ordering::Relaxed)
    }

    /// Merges the write-ahead log into the file, if the last to close the file was a reader, who cannot.
    pub(super) async fn finish(&self) {
        if !(self.founder.has_log() && self.is_founded()) {
            return;
        }
        match self.founder.clone().create_if_missing(false).connect_alone().await {
            Ok(last) => self.founder.close(last).await,
            Err(error) => {
                tracing::debug!(%error, "a write-ahead log is left for whoever opens the file next");
            }
        }
    }
}
