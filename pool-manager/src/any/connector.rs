//! A connector of any driver: what a pool is built of, and what a running one is given instead of what it had.

use std::sync::Arc;

use pool_core::{BuildError, ConnectGate, Connector, Observer, Pool, PoolOptions, Target};
#[cfg(feature = "_any")]
use pool_drivers::Replaceable;
#[cfg(feature = "http")]
use pool_drivers::http::HttpConnector;
#[cfg(feature = "mysql")]
use pool_drivers::mysql::MySqlConnector;
#[cfg(feature = "postgres")]
use pool_drivers::postgres::PgConnector;
#[cfg(feature = "redis")]
use pool_drivers::redis::RedisConnector;
#[cfg(feature = "sqlite")]
use pool_drivers::sqlite::SqliteConnector;
#[cfg(feature = "websocket")]
use pool_drivers::websocket::WebSocketConnector;

use super::{AnyPool, each};

/// A connector of any driver.
#[derive(Debug, Clone)]
pub(crate) enum AnyConnector {
    #[cfg(feature = "postgres")]
    Postgres(PgConnector),
    #[cfg(feature = "mysql")]
    MySql(MySqlConnector),
    #[cfg(feature = "sqlite")]
    Sqlite(SqliteConnector),
    #[cfg(feature = "redis")]
    Redis(RedisConnector),
    #[cfg(feature = "http")]
    Http(HttpConnector),
    #[cfg(feature = "websocket")]
    WebSocket(WebSocketConnector),
}

/// How a pool is built, besides what its connector is.
pub(crate) struct Setup<'a> {
    pub(crate) name: &'a str,
    pub(crate) options: PoolOptions,
    pub(crate) gate: Arc<dyn ConnectGate>,
    pub(crate) observers: &'a [Arc<dyn Observer>],
}

impl Setup<'_> {
    fn build<C: Connector>(self, connector: C) -> Result<Pool<C>, BuildError> {
        let builder = Pool::builder(connector).name(self.name).options(self.options).gate(self.gate);
        let add = |builder: pool_core::PoolBuilder<C>, observer: &Arc<dyn Observer>| {
            builder.shared_observer(Arc::clone(observer))
        };
        self.observers.iter().fold(builder, add).build()
    }
}

impl AnyConnector {
    /// Opens a pool, which connects in its own time.
    pub(crate) fn open(self, setup: Setup<'_>) -> Result<AnyPool, BuildError> {
        Ok(match self {
            #[cfg(feature = "postgres")]
            AnyConnector::Postgres(connector) => AnyPool::Postgres(setup.build(connector)?.into()),
            #[cfg(feature = "mysql")]
            AnyConnector::MySql(connector) => AnyPool::MySql(setup.build(connector)?.into()),
            #[cfg(feature = "sqlite")]
            AnyConnector::Sqlite(connector) => AnyPool::Sqlite(setup.build(connector)?.into()),
            #[cfg(feature = "redis")]
            AnyConnector::Redis(connector) => AnyPool::Redis(setup.build(connector)?),
            #[cfg(feature = "http")]
            AnyConnector::Http(connector) => AnyPool::Http(setup.build(connector)?),
            #[cfg(feature = "websocket")]
            AnyConnector::WebSocket(connector) => AnyPool::WebSocket(setup.build(connector)?),
        })
    }

    /// Makes it the one that opens further connections of a pool. Returns whether the pool is one of its driver.
    pub(crate) fn succeed_in(self, pool: &AnyPool) -> bool {
        /// Replaces the connector in the pool, if both are of one driver.
        #[cfg(feature = "_any")]
        fn replace<C: Replaceable>(pool: Option<&Pool<C>>, next: C) -> bool {
            let Some(pool) = pool else { return false };
            pool.connector().replace_with(next);
            true
        }
        match self {
            #[cfg(feature = "postgres")]
            AnyConnector::Postgres(next) => replace(pool.as_postgres().map(|pool| &**pool), next),
            #[cfg(feature = "mysql")]
            AnyConnector::MySql(next) => replace(pool.as_mysql().map(|pool| &**pool), next),
            #[cfg(feature = "sqlite")]
            AnyConnector::Sqlite(next) => replace(pool.as_sqlite().map(|pool| &**pool), next),
            #[cfg(feature = "redis")]
            AnyConnector::Redis(next) => replace(pool.as_redis(), next),
            #[cfg(feature = "http")]
            AnyConnector::Http(next) => replace(pool.as_http(), next),
            #[cfg(feature = "websocket")]
            AnyConnector::WebSocket(next) => replace(pool.as_websocket(), next),
        }
    }

    /// What it connects to.
    pub(crate) fn target(&self) -> Option<Target> {
        each!(AnyConnector, *self, connector => connector.target())
    }
}
