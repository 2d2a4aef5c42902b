//! The pool of SQLite connections that is an executor, and its transactions.

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{SqlSafeStr, SqlStr, Sqlite};

use super::connector::SqliteConnector;
use crate::sql::{SqlPool, SqlPoolError, SqlTransaction};

/// A pool of SQLite connections; `&SqlitePool` is a [`sqlx::Executor`]. Its methods are those of [`SqlPool`] and, by way
/// of `Deref`, of [`Pool`](pool_core::Pool): `acquire`, `stats`, `close` and so on.
pub type SqlitePool = SqlPool<Sqlite>;

/// A transaction on a SQLite connection.
pub type SqliteTransaction<'c> = SqlTransaction<'c, Sqlite>;

/// When a transaction takes its locks (<https://www.sqlite.org/lang_transaction.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum Begin {
    /// At its first read and its first write. The write fails if somebody else wrote since the first read.
    #[default]
    Deferred,
    /// The write lock at once, for which it waits as long as `busy_timeout` says. For all that will write.
    Immediate,
    /// The write lock at once; without a write-ahead log it also keeps readers out.
    Exclusive,
}

impl SqlSafeStr for Begin {
    fn into_sql_str(self) -> SqlStr {
        let statement = match self {
            Begin::Deferred => "BEGIN DEFERRED",
            Begin::Immediate => "BEGIN IMMEDIATE",
            Begin::Exclusive => "BEGIN EXCLUSIVE",
        };
        statement.into_sql_str()
    }
}

impl SqlPool<Sqlite> {
    /// Opens a pool with default options on a database named by a URL of sqlx, such as `sqlite://data/orders.db` or
    /// `sqlite::memory:`, and waits for its first connections.
    ///
    /// # Errors
    ///
    /// Fails if the URL cannot be understood or the database not be opened, with the cause.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what it has opened.
    pub async fn connect(url: &str) -> Result<Self, SqlPoolError> {
        SqlPool::open(SqliteConnector::from_url(url).map_err(SqlPoolError::Url)?).await
    }

    /// [`connect`](Self::connect) without waiting.
    ///
    /// # Errors
    ///
    /// Fails if the URL cannot be understood.
    pub fn connect_lazy(url: &str) -> Result<Self, SqlPoolError> {
        SqlPool::open_lazily(SqliteConnector::from_url(url).map_err(SqlPoolError::Url)?)
    }

    /// Opens a pool with default options by options of sqlx, and waits for its first connections.
    ///
    /// They stay as they are; see [`SqliteConnector::from_options`].
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be opened, with the cause.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what it has opened.
    pub async fn connect_with(options: SqliteConnectOptions) -> Result<Self, SqlPoolError> {
        SqlPool::open(SqliteConnector::from_options(options)).await
    }
}
