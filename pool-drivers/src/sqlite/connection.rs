//! The connection that holders get: sqlx's own, in a shell that notices what they leave behind.

use std::fmt;
use std::future::{Future, poll_fn, ready};
use std::ops::{Deref, DerefMut};
use std::pin::Pin;

use sqlx::sqlite::SqliteTransactionManager;
use sqlx::{Acquire, Connection as _, Executor as _, Sqlite, Transaction};
use sqlx_core::transaction::{TransactionManager as _, begin_ansi_transaction_sql};

use super::error::SqliteError;
use super::snapshot::Snapshot;
use super::traces::Traces;

/// A connection to a SQLite database.
///
/// `&mut SqliteConnection` is a [`sqlx::Executor`], so `&mut *guard` goes wherever sqlx wants one.
/// [`begin`](Self::begin) and [`begin_with`](Self::begin_with) are those of sqlx, but for what they return.
///
/// For everything else, such as migrations and hooks, it dereferences to [`sqlx::SqliteConnection`]. Borrowing
/// that mutably has the connection reset when it comes back: nobody knows what was done with it. A reset
/// takes some hundred microseconds in the background. Statements through `&mut *guard` cause one only if
/// their text gives reason, transactions only if they were not ended.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use pool_core::Pool;
/// # use pool_drivers::sqlite::SqliteConnector;
/// # let pool = Pool::builder(SqliteConnector::memory()).build()?;
/// let mut connection = pool.acquire().await?;
/// let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&mut *connection).await?;
///
/// let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
/// sqlx::raw_sql("CREATE TABLE item (name TEXT)").execute(&mut *transaction).await?;
/// transaction.commit().await?;
/// # assert_eq!(one, 1);
/// # Ok(())
/// # }
/// ```
pub struct SqliteConnection {
    pub(super) raw: sqlx::SqliteConnection,
    pub(super) traces: Traces,
    /// The settings it had when it was new.
    birth: Snapshot,
}

impl SqliteConnection {
    pub(super) fn new(raw: sqlx::SqliteConnection, traces: Traces, birth: Snapshot) -> Self {
        SqliteConnection { raw, traces, birth }
    }

    /// Runs one or several statements, and returns how many rows came back.
    ///
    /// For code that does not want to know sqlx. The statements are prepared once for each connection.
    ///
    /// # Errors
    ///
    /// Fails with the first statement that fails; what the ones before it did stays done.
    ///
    /// # Cancel safety
    ///
    /// After dropping the future, it is unknown which of the statements were run. The connection can be used
    /// further; see the [module](super) for the statement under way.
    pub async fn run(&mut self, sql: &'static str) -> Result<u64, sqlx::Error> {
        let mut steps = self.fetch_many(sqlx::query(sql));
        let mut rows = 0;
        while let Some(step) = poll_fn(|cx| steps.as_mut().poll_next(cx)).await {
            rows += u64::from(step?.is_right());
        }
        Ok(rows)
    }

    /// Whether it must be reset before somebody else may have it.
    pub(super) fn is_dirty(&self) -> bool {
        !self.traces.is_clean() || self.raw.is_in_transaction()
    }

    /// Makes it as good as new, or fails.
    pub(super) async fn reset(&mut self) -> Result<(), SqliteError> {
        let SqliteConnection { raw, traces, birth } = self;
        if traces.was_lent() {
            // First of all, lest a handler or hook of somebody else has a say in the rest.
            traces.stop().install(raw).await?;
        }
        // Usually there is none, which is an error to SQLite. If it fails for any other reason, the next
        // statement will tell. It waits for its turn, so whatever was still running has ended by then.
        drop(raw.execute("ROLLBACK").await);
        traces.stop().withdraw();
        mend_count(raw).await?;
        // Proves that no transaction is left.
        raw.execute("BEGIN; ROLLBACK").await?;
        if traces.of_session() {
            birth.restore(raw).await?;
        }
        traces.wipe();
        Ok(())
    }

    /// Closes it, and returns when the file is closed.
    pub(super) async fn close(self) -> Result<(), sqlx::Error> {
        let SqliteConnection { raw, traces, .. } = self;
        let closed = raw.close().await;
        // Not earlier: `PRAGMA optimize`, if asked for, is part of closing.
        drop(traces);
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

impl Deref for SqliteConnection {
    type Target = sqlx::SqliteConnection;

    fn deref(&self) -> &sqlx::SqliteConnection {
        &self.raw
    }
}

impl DerefMut for SqliteConnection {
    fn deref_mut(&mut self) -> &mut sqlx::SqliteConnection {
        self.traces.lend();
        &mut self.raw
    }
}

/// For functions that take any [`sqlx::Acquire`], such as `sqlx::migrate::Migrator::run`.
impl<'c> Acquire<'c> for &'c mut SqliteConnection {
    type Database = Sqlite;
    type Connection = &'c mut sqlx::SqliteConnection;

    fn acquire(self) -> Boxed<'c, Self::Connection> {
        Box::pin(ready(Ok(&mut **self)))
    }

    fn begin(self) -> Boxed<'c, Transaction<'c, Sqlite>> {
        Box::pin(sqlx::Connection::begin(&mut **self))
    }
}

/// What sqlx's traits return.
pub(super) type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'a>>;

impl fmt::Debug for SqliteConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteConnection").field("traces", &self.traces).finish_non_exhaustive()
    }
}
