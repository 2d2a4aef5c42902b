//! What SQLite adds to a connection: how it is reset and closed.

use std::sync::Arc;

use sqlx::sqlite::SqliteTransactionManager;
use sqlx::{Connection as _, Executor as _, Sqlite};
use sqlx_core::transaction::{TransactionManager as _, begin_ansi_transaction_sql};
use tokio::sync::OwnedSemaphorePermit;

use super::class;
use super::connector::SqliteConnector;
use super::error::SqliteError;
use super::pair::Pair;
use super::place::{FileId, Place};
use super::snapshot::Snapshot;
use super::stop::Stop;
use super::words::left_by;
use crate::sql::{Dialect, Effect, Habits, SqlConnection, forward_to_sqlx};

/// A connection to a SQLite database.
pub type SqliteConnection = SqlConnection<Sqlite>;

/// What is kept beside the connection of sqlx.
#[derive(Debug)]
pub struct Keep {
    pub(super) stop: Stop,
    /// The settings it had when it was new.
    pub(super) birth: Snapshot,
    pub(super) read_only: bool,
    /// With whom it takes turns.
    pub(super) pair: Option<Arc<Pair>>,
    /// Its turn, for as long as somebody has the connection.
    pub(super) turn: Option<OwnedSemaphorePermit>,
    /// Where its database is.
    pub(super) place: Place,
    /// The file it opened; `None` in memory, and where files cannot be told apart.
    pub(super) file: Option<FileId>,
}

impl Dialect for Sqlite {
    type Connector = SqliteConnector;
}

impl Habits for Sqlite {
    type Keep = Keep;

    forward_to_sqlx!();

    fn effect_of(sql: &str) -> Effect {
        left_by(sql)
    }

    fn classify(error: &sqlx::Error, keep: &Keep, _asked_read_only: bool) -> pool_core::ErrorClass {
        class::classify(error, keep.read_only)
    }

    fn is_retryable(error: &sqlx::Error) -> bool {
        class::is_locked(error)
    }

    async fn take_turn(keep: &mut Keep) {
        if let Some(pair) = &keep.pair {
            keep.turn = pair.turn(keep.read_only).await;
        }
    }

    // sqlx's thread runs commands in order, each with a channel of its own.
    const SURVIVES_CANCELLATION: bool = true;
    const TAKES_BACK_BEGIN: bool = true;
    const MAY_END_ON_ERROR: bool = true;
    const ABORTS_ON_ERROR: bool = false;
    const LEAVES_ROWS: bool = false;
    const RESETS_SESSIONS: bool = true;
}

impl SqlConnection<Sqlite> {
    /// Makes it as good as new, or fails.
    pub(super) async fn reset(&mut self) -> Result<(), SqliteError> {
        let SqlConnection { raw, traces, keep: Keep { stop, birth, turn, .. } } = self;
        if traces.was_lent() {
            // First of all, lest a handler or hook of somebody else has a say in the rest.
            stop.install(raw).await?;
        }
        // Usually there is none, which is an error to SQLite. If it fails for any other reason, the next
        // statement will tell. It waits for its turn, so whatever was still running has ended by then.
        drop(raw.execute("ROLLBACK").await);
        stop.withdraw();
        mend_count(raw).await?;
        // Proves that no transaction is left.
        raw.execute("BEGIN; ROLLBACK").await?;
        if traces.of_session() {
            birth.restore(raw).await?;
        }
        traces.wipe();
        *turn = None;
        Ok(())
    }

    /// Closes it, and returns when the file is closed.
    pub(super) async fn shut(self) -> Result<(), sqlx::Error> {
        let SqlConnection { raw, keep, .. } = self;
        let closed = raw.close().await;
        // Not earlier: `PRAGMA optimize`, if asked for, is part of closing.
        drop(keep);
        closed
    }
}

/// Brings sqlx's count of nested transactions to zero.
///
/// sqlx does not learn of it when SQLite ends a transaction by itself, as after a failed or stopped write, or
/// when the text of a statement does. It counts down only by ending a transaction that is there, so it is
/// given as many as it counts.
async fn mend_count(raw: &mut sqlx::SqliteConnection) -> Result<(), sqlx::Error> {
    let depth = SqliteTransactionManager::get_transaction_depth(raw);
    for level in 0..depth {
        raw.execute(begin_ansi_transaction_sql(level)).await?;
    }
    for _ in 0..depth {
        SqliteTransactionManager::rollback(raw).await?;
    }
    Ok(())
}
