//! A connection of any driver, in its holder's hands.

use std::any::Any;
use std::fmt;

use pool_config::Driver;
use pool_core::{ConnectionId, Pooled};
#[cfg(feature = "http")]
use pool_drivers::http::{HttpConnection, HttpConnector};
#[cfg(feature = "mysql")]
use pool_drivers::mysql::{MySqlConnection, MySqlConnector};
#[cfg(feature = "postgres")]
use pool_drivers::postgres::{PgConnection, PgConnector};
#[cfg(feature = "redis")]
use pool_drivers::redis::{RedisConnection, RedisConnector};
#[cfg(feature = "sqlite")]
use pool_drivers::sqlite::{SqliteConnection, SqliteConnector};
#[cfg(feature = "websocket")]
use pool_drivers::websocket::{WebSocketConnection, WebSocketConnector};

use super::{driver_of, each};

/// A connection of any driver, which goes back to its pool when dropped.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let text = "connection_pool: {pools: [{name: orders, driver: sqlite, database: \":memory:\"}]}";
/// # let config = pool_config::Config::from_yaml(text, "connection_pool.yaml")?;
/// # let manager = pool_manager::PoolManager::from_config(config).await?;
/// let mut connection = manager.acquire("orders").await?;
/// if let Some(sqlite) = connection.as_sqlite() {
///     sqlite.run("CREATE TABLE item (name TEXT)").await?;
/// }
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
#[non_exhaustive]
pub enum AnyConnection {
    /// To PostgreSQL.
    #[cfg(feature = "postgres")]
    Postgres(Pooled<PgConnector>),
    /// To MySQL or MariaDB.
    #[cfg(feature = "mysql")]
    MySql(Pooled<MySqlConnector>),
    /// To a SQLite database.
    #[cfg(feature = "sqlite")]
    Sqlite(Pooled<SqliteConnector>),
    /// To Redis.
    #[cfg(feature = "redis")]
    Redis(Pooled<RedisConnector>),
    /// To an HTTP service.
    #[cfg(feature = "http")]
    Http(Pooled<HttpConnector>),
    /// To a WebSocket service.
    #[cfg(feature = "websocket")]
    WebSocket(Pooled<WebSocketConnector>),
}

/// Takes the guard out if it is of this type; otherwise gives the connection back as it was.
macro_rules! into_typed {
    ($connection:expr; $($feature:literal $variant:ident,)*) => {
        match $connection {
            $(
                #[cfg(feature = $feature)]
                AnyConnection::$variant(guard) => {
                    let mut place = Some(guard);
                    match (&mut place as &mut dyn Any).downcast_mut::<Option<T>>() {
                        Some(typed) => Ok(typed.take().expect("put there just now")),
                        None => Err(AnyConnection::$variant(place.expect("of another type, so nobody took it"))),
                    }
                }
            )*
        }
    };
}

/// What can be asked of each variant.
macro_rules! accessors {
    ($($feature:literal $name:literal $as_it:ident $into_it:ident $connection:ty, $connector:ty;)*) => {
        $(
            #[doc = concat!("The connection, if it is one to ", $name, ".")]
            #[cfg(feature = $feature)]
            pub fn $as_it(&mut self) -> Option<&mut $connection> {
                self.typed_mut::<Pooled<$connector>>().map(|guard| &mut **guard)
            }

            #[doc = concat!("The guard, if it is one of a connection to ", $name, ".")]
            ///
            /// # Errors
            ///
            /// If it is not, gives the connection back.
            #[cfg(feature = $feature)]
            pub fn $into_it(self) -> Result<Pooled<$connector>, Self> {
                self.into_typed()
            }
        )*
    };
}

impl AnyConnection {
    /// The connection's id in its pool.
    pub fn id(&self) -> ConnectionId {
        each!(AnyConnection, *self, guard => guard.id())
    }

    /// The name of the pool that it belongs to.
    pub fn pool_name(&self) -> &str {
        each!(AnyConnection, *self, guard => guard.pool_name())
    }

    /// The driver that has opened it.
    pub fn driver(&self) -> Driver {
        driver_of!(AnyConnection, *self)
    }

    accessors! {
        "postgres" "PostgreSQL" as_postgres into_postgres PgConnection, PgConnector;
        "mysql" "MySQL or MariaDB" as_mysql into_mysql MySqlConnection, MySqlConnector;
        "sqlite" "a SQLite database" as_sqlite into_sqlite SqliteConnection, SqliteConnector;
        "redis" "Redis" as_redis into_redis RedisConnection, RedisConnector;
        "http" "an HTTP service" as_http into_http HttpConnection, HttpConnector;
        "websocket" "a WebSocket service" as_websocket into_websocket WebSocketConnection, WebSocketConnector;
    }

    fn typed_mut<T: 'static>(&mut self) -> Option<&mut T> {
        match *self {
            #[cfg(feature = "postgres")]
            AnyConnection::Postgres(ref mut guard) => (guard as &mut dyn Any).downcast_mut(),
            #[cfg(feature = "mysql")]
            AnyConnection::MySql(ref mut guard) => (guard as &mut dyn Any).downcast_mut(),
            #[cfg(feature = "sqlite")]
            AnyConnection::Sqlite(ref mut guard) => (guard as &mut dyn Any).downcast_mut(),
            #[cfg(feature = "redis")]
            AnyConnection::Redis(ref mut guard) => (guard as &mut dyn Any).downcast_mut(),
            #[cfg(feature = "http")]
            AnyConnection::Http(ref mut guard) => (guard as &mut dyn Any).downcast_mut(),
            #[cfg(feature = "websocket")]
            AnyConnection::WebSocket(ref mut guard) => (guard as &mut dyn Any).downcast_mut(),
        }
    }

    fn into_typed<T: 'static>(self) -> Result<T, Self> {
        into_typed! { self;
            "postgres" Postgres,
            "mysql" MySql,
            "sqlite" Sqlite,
            "redis" Redis,
            "http" Http,
            "websocket" WebSocket,
        }
    }
}

/// As the guard itself: pool and id.
impl fmt::Debug for AnyConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(AnyConnection, *self, guard => guard.fmt(f))
    }
}
