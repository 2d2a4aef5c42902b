//! The pool of PostgreSQL connections that is an executor.

use sqlx::Postgres;
use sqlx::postgres::PgConnectOptions;

use super::connector::PgConnector;
use crate::sql::{SqlPool, SqlPoolError, SqlTransaction};

/// A pool of PostgreSQL connections; `&PgPool` is a [`sqlx::Executor`].
pub type PgPool = SqlPool<Postgres>;

/// A transaction on a PostgreSQL connection.
pub type PgTransaction<'c> = SqlTransaction<'c, Postgres>;

impl SqlPool<Postgres> {
    /// Opens a pool with default options, and waits for its first connections.
    ///
    /// For other options build the pool and wrap it:
    /// `PgPool::from(Pool::builder(PgConnector::from_url(url)?).max_connections(20).build()?)`.
    ///
    /// # Errors
    ///
    /// Fails if the URL cannot be understood or the server not be reached, with the cause.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what it has opened.
    pub async fn connect(url: &str) -> Result<Self, SqlPoolError> {
        SqlPool::open(PgConnector::from_url(url).map_err(SqlPoolError::Url)?).await
    }

    /// [`connect`](Self::connect) without waiting.
    ///
    /// # Errors
    ///
    /// Fails if the URL cannot be understood.
    pub fn connect_lazy(url: &str) -> Result<Self, SqlPoolError> {
        SqlPool::open_lazily(PgConnector::from_url(url).map_err(SqlPoolError::Url)?)
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
    pub async fn connect_with(options: PgConnectOptions) -> Result<Self, SqlPoolError> {
        SqlPool::open(PgConnector::from_options(options)).await
    }
}
