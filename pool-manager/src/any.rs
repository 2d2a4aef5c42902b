//! A pool and a connection of any driver.
//!
//! Code that knows its driver works with the typed pool, such as
//! [`PgPool`](pool_drivers::postgres::PgPool); what concerns pools as such goes through [`AnyPool::control`]. Which
//! variants there are depends on the features of this crate, as in the drivers'.

mod connection;
mod connector;

use std::any::Any;
use std::fmt;
use std::panic::Location;

use pool_config::Driver;
use pool_core::{AcquireError, Connector, DuplicateName, Pool, PoolControl, PoolSet};
#[cfg(feature = "http")]
use pool_drivers::http::HttpPool;
#[cfg(feature = "mysql")]
use pool_drivers::mysql::MySqlPool;
#[cfg(feature = "postgres")]
use pool_drivers::postgres::PgPool;
#[cfg(feature = "redis")]
use pool_drivers::redis::RedisPool;
#[cfg(feature = "sqlite")]
use pool_drivers::sqlite::SqlitePool;
#[cfg(feature = "websocket")]
use pool_drivers::websocket::WebSocketPool;

pub use connection::AnyConnection;
pub(crate) use connector::{AnyConnector, Setup};

/// Does the same with what is inside, whichever variant it is.
///
/// The value is matched by its place, so that of an enum without variants, as when no driver is compiled in, no arm is
/// needed.
macro_rules! each {
    ($type:ident, $value:expr, $inner:ident => $body:expr) => {
        match $value {
            #[cfg(feature = "postgres")]
            $type::Postgres(ref $inner) => $body,
            #[cfg(feature = "mysql")]
            $type::MySql(ref $inner) => $body,
            #[cfg(feature = "sqlite")]
            $type::Sqlite(ref $inner) => $body,
            #[cfg(feature = "redis")]
            $type::Redis(ref $inner) => $body,
            #[cfg(feature = "http")]
            $type::Http(ref $inner) => $body,
            #[cfg(feature = "websocket")]
            $type::WebSocket(ref $inner) => $body,
        }
    };
}

/// The driver of a value, by its variant.
macro_rules! driver_of {
    ($type:ident, $value:expr) => {
        match $value {
            #[cfg(feature = "postgres")]
            $type::Postgres(_) => Driver::Postgres,
            #[cfg(feature = "mysql")]
            $type::MySql(_) => Driver::Mysql,
            #[cfg(feature = "sqlite")]
            $type::Sqlite(_) => Driver::Sqlite,
            #[cfg(feature = "redis")]
            $type::Redis(_) => Driver::Redis,
            #[cfg(feature = "http")]
            $type::Http(_) => Driver::Http,
            #[cfg(feature = "websocket")]
            $type::WebSocket(_) => Driver::Websocket,
        }
    };
}
use driver_of;
pub(crate) use each;

/// A pool of any driver. Clones are handles of the same pool.
#[derive(Clone)]
#[non_exhaustive]
pub enum AnyPool {
    /// PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(PgPool),
    /// MySQL and MariaDB.
    #[cfg(feature = "mysql")]
    MySql(MySqlPool),
    /// SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(SqlitePool),
    /// Redis.
    #[cfg(feature = "redis")]
    Redis(RedisPool),
    /// An HTTP service.
    #[cfg(feature = "http")]
    Http(HttpPool),
    /// A WebSocket service.
    #[cfg(feature = "websocket")]
    WebSocket(WebSocketPool),
}

impl AnyPool {
    /// Everything about the pool but its connections.
    pub fn control(&self) -> &dyn PoolControl {
        /// A typed pool is one, or dereferences to one.
        fn as_control<C: Connector>(pool: &Pool<C>) -> &dyn PoolControl {
            pool
        }
        each!(AnyPool, *self, pool => as_control(pool))
    }

    /// The driver that opens the connections.
    pub fn driver(&self) -> Driver {
        driver_of!(AnyPool, *self)
    }

    /// Waits for a connection, for at most the pool's `acquire_timeout`.
    ///
    /// # Errors
    ///
    /// As [`Pool::acquire`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Result<AnyConnection, AcquireError>> + Send + '_ {
        self.acquire_at(Location::caller())
    }

    /// [`acquire`](Self::acquire), put down to another line of code.
    pub(crate) async fn acquire_at(
        &self,
        site: &'static Location<'static>,
    ) -> Result<AnyConnection, AcquireError> {
        match *self {
            #[cfg(feature = "postgres")]
            AnyPool::Postgres(ref pool) => pool.acquire().at(site).await.map(AnyConnection::Postgres),
            #[cfg(feature = "mysql")]
            AnyPool::MySql(ref pool) => pool.acquire().at(site).await.map(AnyConnection::MySql),
            #[cfg(feature = "sqlite")]
            AnyPool::Sqlite(ref pool) => pool.acquire().at(site).await.map(AnyConnection::Sqlite),
            #[cfg(feature = "redis")]
            AnyPool::Redis(ref pool) => pool.acquire().at(site).await.map(AnyConnection::Redis),
            #[cfg(feature = "http")]
            AnyPool::Http(ref pool) => pool.acquire().at(site).await.map(AnyConnection::Http),
            #[cfg(feature = "websocket")]
            AnyPool::WebSocket(ref pool) => pool.acquire().at(site).await.map(AnyConnection::WebSocket),
        }
    }

    /// Puts a handle of the pool into a set, under its type: `Pool<PgConnector>` and the like.
    pub(crate) fn insert_into(&self, set: &PoolSet) -> Result<(), DuplicateName> {
        fn insert<C: Connector>(pool: &Pool<C>, set: &PoolSet) -> Result<(), DuplicateName> {
            set.insert(pool.clone())
        }
        each!(AnyPool, *self, pool => insert(pool, set))
    }

    /// How many handles of the pool there are.
    pub(crate) fn handles(&self) -> usize {
        each!(AnyPool, *self, pool => pool.handles())
    }

    /// The pool below the typed one, if its connector is of this type.
    pub(crate) fn inner<C: Connector>(&self) -> Option<&Pool<C>> {
        fn as_any<C: Connector>(pool: &Pool<C>) -> &dyn Any {
            pool
        }
        let inner: &dyn Any = each!(AnyPool, *self, pool => as_any(pool));
        inner.downcast_ref()
    }

    /// The pool, if it is of this type.
    pub(crate) fn typed<P: 'static>(&self) -> Option<&P> {
        each!(AnyPool, *self, pool => (pool as &dyn Any).downcast_ref())
    }

    /// The pool, if it is one of PostgreSQL.
    #[cfg(feature = "postgres")]
    pub fn as_postgres(&self) -> Option<&PgPool> {
        self.typed()
    }

    /// The pool, if it is one of MySQL or MariaDB.
    #[cfg(feature = "mysql")]
    pub fn as_mysql(&self) -> Option<&MySqlPool> {
        self.typed()
    }

    /// The pool, if it is one of SQLite.
    #[cfg(feature = "sqlite")]
    pub fn as_sqlite(&self) -> Option<&SqlitePool> {
        self.typed()
    }

    /// The pool, if it is one of Redis.
    #[cfg(feature = "redis")]
    pub fn as_redis(&self) -> Option<&RedisPool> {
        self.typed()
    }

    /// The pool, if it is one of an HTTP service.
    #[cfg(feature = "http")]
    pub fn as_http(&self) -> Option<&HttpPool> {
        self.typed()
    }

    /// The pool, if it is one of a WebSocket service.
    #[cfg(feature = "websocket")]
    pub fn as_websocket(&self) -> Option<&WebSocketPool> {
        self.typed()
    }
}

/// As the pool itself: name and gauges.
impl fmt::Debug for AnyPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(AnyPool, *self, pool => pool.fmt(f))
    }
}
