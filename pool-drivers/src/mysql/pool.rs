//! The pool of MySQL or MariaDB connections that is an executor.

use sqlx::MySql;
use sqlx::mysql::MySqlConnectOptions;

use super::connector::MySqlConnector;
use crate::sql::{SqlPool, SqlPoolError, SqlTransaction};

/// A pool of MySQL or MariaDB connections; `&MySqlPool` is a [`sqlx::Executor`].
pub type MySqlPool = SqlPool<MySql>;

/// A transaction on a MySQL or MariaDB connection.
pub type MySqlTransaction<'c> = SqlTransaction<'c, MySql>;

impl SqlPool<MySql> {
    /// Opens a pool with default options, and waits for its first connections.
    ///
    /// For other options build the pool and wrap it:
    /// `MySqlPool::from(Pool::builder(MySqlConnector::from_url(url)?).max_connections(20).build()?)`.
    ///
    /// # Errors
    ///
    /// Fails if the URL cannot be understood or the server not be reached, with the cause.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what it has opened.
    pub async fn connect(url: &str) -> Result<Self, SqlPoolError> {
        SqlPool::open(MySqlConnector::from_url(url).map_err(SqlPoolError::Url)?).await
    }

    /// [`connect`](Self::connect) without waiting.
    ///
    /// # Errors
    ///
    /// Fails if the URL cannot be understood.
    pub fn connect_lazy(url: &str) -> Result<Self, SqlPoolError> {
        SqlPool::open_lazily(MySqlConnector::from_url(url).map_err(SqlPoolError::Url)?)
    }

    /// Opens a pool with default options by options of sqlx, and waits for its first connections.
    ///
    /// # Errors
    ///
    /// Fails if the server cannot be reached, with the cause.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what it has opened.
    pub async fn connect_with(options: MySqlConnectOptions) -> Result<Self, SqlPoolError> {
        SqlPool::open(MySqlConnector::from_options(options)).await
    }
}
