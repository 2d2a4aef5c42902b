//! Transactions that leave no suspicion behind.
//!
//! sqlx's own [`Transaction`](sqlx::Transaction) hands out the sqlx connection, with which anything can be
//! done unseen; a connection that served one must be reset. This one hands out our connection, so a committed
//! transaction of plain statements leaves nothing to reset.

use std::ops::{Deref, DerefMut};

use sqlx::sqlite::SqliteTransactionManager;
use sqlx::{SqlSafeStr, SqlStr};
use sqlx_core::transaction::TransactionManager as _;

use super::connection::SqliteConnection;

/// A transaction, or a savepoint in one. Rolled back when dropped, unless it was committed.
///
/// It is used like [`sqlx::Transaction`]: queries go through `&mut *transaction`.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use pool_core::Pool;
/// # use pool_drivers::sqlite::SqliteConnector;
/// # let pool = Pool::builder(SqliteConnector::memory()).build()?;
/// # let mut connection = pool.acquire().await?;
/// # sqlx::raw_sql("CREATE TABLE item (name TEXT)").execute(&mut *connection).await?;
/// let mut order = connection.begin_with("BEGIN IMMEDIATE").await?;
/// sqlx::query("INSERT INTO item VALUES ('lamp')").execute(&mut *order).await?;
///
/// let mut extra = order.begin().await?; // a savepoint
/// sqlx::query("INSERT INTO item VALUES ('shade')").execute(&mut *extra).await?;
/// extra.rollback().await?;
///
/// order.commit().await?;
/// # let items: i64 = sqlx::query_scalar("SELECT count(*) FROM item").fetch_one(&mut *connection).await?;
/// # assert_eq!(items, 1);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a transaction that is dropped is rolled back"]
pub struct SqliteTransaction<'c> {
    connection: &'c mut SqliteConnection,
    open: bool,
}

impl SqliteConnection {
    /// Begins a transaction, or sets a savepoint in the one that is open. It is `DEFERRED`: it takes the
    /// write lock at its first write, and that fails if somebody else wrote since its first read.
    ///
    /// # Errors
    ///
    /// Fails as its statement fails. A transaction that was open before stays open.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no transaction has begun.
    pub async fn begin(&mut self) -> Result<SqliteTransaction<'_>, sqlx::Error> {
        self.enter(None).await
    }

    /// Begins a transaction by a statement of one's own: `BEGIN IMMEDIATE`, which takes the write lock at
    /// once, or `BEGIN EXCLUSIVE`, which without a write-ahead log also keeps readers out.
    ///
    /// # Errors
    ///
    /// Fails as the statement fails, if it begins no transaction, and if one is open already.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no transaction has begun.
    pub async fn begin_with(
        &mut self,
        statement: impl SqlSafeStr,
    ) -> Result<SqliteTransaction<'_>, sqlx::Error> {
        self.enter(Some(statement.into_sql_str())).await
    }

    async fn enter(&mut self, statement: Option<SqlStr>) -> Result<SqliteTransaction<'_>, sqlx::Error> {
        if let Some(statement) = &statement {
            self.traces.begin_statement(statement.as_str());
        }
        self.traces.begun();
        // Cancel: a `BEGIN` whose success nobody heard of, sqlx's thread takes back.
        let begun = SqliteTransactionManager::begin(&mut self.raw, statement).await;
        self.traces.ended(begun.as_ref().err());
        begun?;
        Ok(SqliteTransaction { connection: self, open: true })
    }
}

impl SqliteTransaction<'_> {
    /// Makes what was done permanent; of a savepoint, part of its transaction.
    ///
    /// # Errors
    ///
    /// If it fails, everything is rolled back.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, everything or nothing was committed.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.connection.traces.begun();
        let ended = SqliteTransactionManager::commit(&mut self.connection.raw).await;
        self.leave(ended)
    }

    /// Undoes what was done. Dropping the transaction does the same, without telling of errors.
    ///
    /// # Errors
    ///
    /// Fails if SQLite has rolled back by itself, as after a disk that was full.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, everything is undone all the same.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        self.connection.traces.begun();
        let ended = SqliteTransactionManager::rollback(&mut self.connection.raw).await;
        self.leave(ended)
    }

    fn leave(&mut self, ended: Result<(), sqlx::Error>) -> Result<(), sqlx::Error> {
        self.connection.traces.ended(ended.as_ref().err());
        self.open = ended.is_err();
        ended
    }
}

impl Drop for SqliteTransaction<'_> {
    fn drop(&mut self) {
        if self.open {
            // Only sends the command. sqlx counts the transaction until it is over, so if the guard is
            // dropped before that, the connection is seen to be dirty.
            SqliteTransactionManager::start_rollback(&mut self.connection.raw);
        }
    }
}

impl Deref for SqliteTransaction<'_> {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        self.connection
    }
}

impl DerefMut for SqliteTransaction<'_> {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        self.connection
    }
}
