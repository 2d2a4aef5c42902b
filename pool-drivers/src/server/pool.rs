//! How pools of a server are opened in one call, as those of sqlx are.

use super::connector::ServerConnector;
use super::dialect::{OptionsOf, Server};
use crate::sql::{SqlPool, SqlPoolError};

impl<D: Server> SqlPool<D> {
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
        SqlPool::open(ServerConnector::from_url(url).map_err(SqlPoolError::Url)?).await
    }

    /// [`connect`](Self::connect) without waiting.
    ///
    /// # Errors
    ///
    /// Fails if the URL cannot be understood.
    pub fn connect_lazy(url: &str) -> Result<Self, SqlPoolError> {
        SqlPool::open_lazily(ServerConnector::from_url(url).map_err(SqlPoolError::Url)?)
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
    pub async fn connect_with(options: OptionsOf<D>) -> Result<Self, SqlPoolError> {
        SqlPool::open(ServerConnector::from_options(options)).await
    }
}
