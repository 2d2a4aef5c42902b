//! What speaks through sqlx: our pool and sqlx's own, and connections without a pool.

use pool_core::{Connector as _, Pool};
use pool_drivers::mysql::MySqlConnector;
use pool_drivers::postgres::PgConnector;
use pool_drivers::sql::{Dialect, SqlConnection, SqlPool};
use pool_drivers::sqlite::SqliteConnector;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection, Executor};

use crate::sql::client::{CONNECTIONS, Caller, Client, Driver};
use crate::sql::place::{NAME, TABLE, Way};
use crate::sql::question::{ANSWERS, Asked, PRICE};

/// How connections to a kind of database are configured.
type Options<D> = <<D as sqlx::Database>::Connection as Connection>::Options;

/// A database that sqlx and our drivers know.
pub(crate) trait Sqlx: Dialect {
    /// How to connect, without TLS. The statement cache is sqlx's default.
    fn options(way: &Way) -> Options<Self>;

    /// What opens connections for our pool.
    fn connector(options: Options<Self>) -> Self::Connector;

    /// Asks.
    fn ask<'e>(executor: impl Executor<'e, Database = Self>, asked: Asked)
    -> impl Future<Output = ()> + Send;

    /// Asks over a connection of sqlx. (Why not a bound on `Sqlx`: see "One shell around the connections of sqlx" in
    /// `docs/decisions.md`.)
    fn ask_bare(connection: &mut Self::Connection, asked: Asked) -> impl Future<Output = ()> + Send;

    /// Makes the table; returns what the database calls its version.
    fn fill(way: &Way) -> impl Future<Output = sqlx::Result<String>> + Send;
}

/// Implements [`Sqlx`] but for the ways to connect. The text of a query has to be known when the program is built.
macro_rules! questions {
    ($by_key:literal, $version:literal, $tidy:literal) => {
        async fn ask<'e>(executor: impl Executor<'e, Database = Self>, asked: Asked) {
            match asked {
                Asked::One => {
                    let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(executor).await.expect(ANSWERS);
                    assert_eq!(one, 1);
                }
                Asked::Key(key) => {
                    let query = sqlx::query_as($by_key).bind(key);
                    let (name, price): (String, i32) = query.fetch_one(executor).await.expect(ANSWERS);
                    assert!(!name.is_empty() && price == PRICE * key);
                }
            }
        }

        async fn ask_bare(connection: &mut Self::Connection, asked: Asked) {
            Self::ask(connection, asked).await;
        }

        async fn fill(way: &Way) -> sqlx::Result<String> {
            let mut connection = Self::Connection::connect_with(&Self::options(way)).await?;
            sqlx::raw_sql(TABLE).execute(&mut connection).await?;
            sqlx::raw_sql($tidy).execute(&mut connection).await?;
            let version = sqlx::query_scalar($version).fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(version)
        }
    };
}

impl Sqlx for sqlx::Postgres {
    fn options(way: &Way) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .username(NAME)
            .password(NAME)
            .database(NAME)
            .ssl_mode(PgSslMode::Disable);
        match way {
            Way::Socket { path, port } => options.socket(path).port(*port),
            Way::Tcp { port } => options.host("127.0.0.1").port(*port),
            Way::File { .. } => unreachable!("PostgreSQL is a server"),
        }
    }

    fn connector(options: PgConnectOptions) -> PgConnector {
        PgConnector::from_options(options)
    }

    questions!("SELECT name, price FROM item WHERE id = $1", "SELECT version()", "VACUUM ANALYZE item");
}

impl Sqlx for sqlx::MySql {
    fn options(way: &Way) -> MySqlConnectOptions {
        let options = MySqlConnectOptions::new()
            .username(NAME)
            .password(NAME)
            .database(NAME)
            .ssl_mode(MySqlSslMode::Disabled);
        match way {
            Way::Socket { path, .. } => options.socket(path),
            Way::Tcp { port } => options.host("127.0.0.1").port(*port),
            Way::File { .. } => unreachable!("MariaDB is a server"),
        }
    }

    fn connector(options: MySqlConnectOptions) -> MySqlConnector {
        MySqlConnector::from_options(options)
    }

    questions!("SELECT name, price FROM item WHERE id = ?", "SELECT VERSION()", "ANALYZE TABLE item");
}

impl Sqlx for sqlx::Sqlite {
    fn options(way: &Way) -> SqliteConnectOptions {
        let Way::File { path } = way else { unreachable!("SQLite is a file") };
        // As our connector has it.
        SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
    }

    fn connector(options: SqliteConnectOptions) -> SqliteConnector {
        SqliteConnector::from_options(options)
    }

    questions!("SELECT name, price FROM item WHERE id = $1", "SELECT sqlite_version()", "ANALYZE");
}

/// Our pool; an operation acquires, queries over the guard, and drops it.
pub(crate) struct Ours<D: Sqlx>(SqlPool<D>);

/// Our pool; an operation is a query through `&pool`.
pub(crate) struct OursExecutor<D: Sqlx>(SqlPool<D>);

/// The connections of our pool without a pool: what the shell around those of sqlx costs.
pub(crate) struct OursBare<D: Sqlx>(SqlConnection<D>);

/// Connections of sqlx.
pub(crate) struct Bare<D: Sqlx>(D::Connection);

/// The pool of sqlx, doing as little as it can.
pub(crate) struct SqlxEqualised<D: Sqlx>(sqlx::Pool<D>);

/// The pool of sqlx as it is.
pub(crate) struct SqlxDefaults<D: Sqlx>(sqlx::Pool<D>);

/// Our pool, its connections open.
async fn our_pool<D: Sqlx>(way: &Way) -> SqlPool<D> {
    let pool = Pool::builder(D::connector(D::options(way)))
        .name("bench")
        .max_connections(CONNECTIONS)
        .min_connections(CONNECTIONS)
        .build()
        .expect("the options are valid and this is inside a runtime");
    pool.warm_up().await.expect(ANSWERS);
    pool.into()
}

/// The pool of sqlx, its connections open.
async fn pool_of_sqlx<D: Sqlx>(options: PoolOptions<D>, way: &Way) -> sqlx::Pool<D> {
    let pool = options
        .max_connections(u32::try_from(CONNECTIONS).expect("it is a small number"))
        .connect_with(D::options(way))
        .await
        .expect(ANSWERS);
    // Connections come back in tasks of their own: the second round waits for these.
    let mut guards = Vec::with_capacity(CONNECTIONS);
    for _ in 0..2 {
        guards.clear();
        for _ in 0..CONNECTIONS {
            guards.push(pool.acquire().await.expect(ANSWERS));
        }
    }
    drop(guards);
    pool
}

impl<D: Sqlx> Client for Ours<D> {
    const NAME: &'static str = "ours";
    const DRIVER: Driver = Driver::Sqlx;
    const SETTINGS: &'static str = "defaults but max_connections = min_connections = 8: limit of 30 s on, holders \
        tracked, validation after 500 ms idle";
    type Caller = Self;

    async fn open(way: &Way, callers: usize) -> Vec<Self> {
        let pool = our_pool(way).await;
        (0..callers).map(|_| Ours(pool.clone())).collect()
    }
}

impl<D: Sqlx> Caller for Ours<D> {
    async fn ask(&mut self, asked: Asked) {
        let mut guard = self.0.acquire().await.expect(ANSWERS);
        let connection: &mut SqlConnection<D> = &mut guard;
        D::ask(connection, asked).await;
    }
}

impl<D: Sqlx> Client for OursExecutor<D> {
    const NAME: &'static str = "ours-executor";
    const DRIVER: Driver = Driver::Sqlx;
    const SETTINGS: &'static str = "as ours; a query through `&pool`";
    type Caller = Self;

    async fn open(way: &Way, callers: usize) -> Vec<Self> {
        let pool = our_pool(way).await;
        (0..callers).map(|_| OursExecutor(pool.clone())).collect()
    }
}

impl<D: Sqlx> Caller for OursExecutor<D> {
    async fn ask(&mut self, asked: Asked) {
        D::ask(&self.0, asked).await;
    }
}

impl<D: Sqlx> Client for OursBare<D> {
    const NAME: &'static str = "ours-unpooled";
    const DRIVER: Driver = Driver::Sqlx;
    const SETTINGS: &'static str = "our connections, one for each of 8 tasks, no pool";
    type Caller = Self;

    async fn open(way: &Way, callers: usize) -> Vec<Self> {
        let connector = D::connector(D::options(way));
        let mut all = Vec::new();
        for _ in 0..callers.min(CONNECTIONS) {
            all.push(OursBare(connector.connect().await.expect(ANSWERS)));
        }
        all
    }
}

impl<D: Sqlx> Caller for OursBare<D> {
    async fn ask(&mut self, asked: Asked) {
        D::ask(&mut self.0, asked).await;
    }
}

impl<D: Sqlx> Client for Bare<D> {
    const NAME: &'static str = "sqlx-unpooled";
    const DRIVER: Driver = Driver::Sqlx;
    const SETTINGS: &'static str = "sqlx connections, one for each of 8 tasks, no pool";
    type Caller = Self;

    async fn open(way: &Way, callers: usize) -> Vec<Self> {
        let mut all = Vec::new();
        for _ in 0..callers.min(CONNECTIONS) {
            all.push(Bare(D::Connection::connect_with(&D::options(way)).await.expect(ANSWERS)));
        }
        all
    }
}

impl<D: Sqlx> Caller for Bare<D> {
    async fn ask(&mut self, asked: Asked) {
        D::ask_bare(&mut self.0, asked).await;
    }
}

impl<D: Sqlx> Client for SqlxEqualised<D> {
    const NAME: &'static str = "sqlx-equalised";
    const DRIVER: Driver = Driver::Sqlx;
    const SETTINGS: &'static str = "max_connections = 8, no test before acquire, no idle timeout, no maximum lifetime; \
        limit of 30 s on";
    type Caller = Self;

    async fn open(way: &Way, callers: usize) -> Vec<Self> {
        let options = PoolOptions::new().test_before_acquire(false).idle_timeout(None).max_lifetime(None);
        let pool = pool_of_sqlx(options, way).await;
        (0..callers).map(|_| SqlxEqualised(pool.clone())).collect()
    }
}

impl<D: Sqlx> Caller for SqlxEqualised<D> {
    async fn ask(&mut self, asked: Asked) {
        let mut guard = self.0.acquire().await.expect(ANSWERS);
        D::ask_bare(&mut guard, asked).await;
    }
}

impl<D: Sqlx> Client for SqlxDefaults<D> {
    const NAME: &'static str = "sqlx-defaults";
    const DRIVER: Driver = Driver::Sqlx;
    const SETTINGS: &'static str = "defaults but max_connections = 8: a ping before each acquire";
    type Caller = Self;

    async fn open(way: &Way, callers: usize) -> Vec<Self> {
        let pool = pool_of_sqlx(PoolOptions::new(), way).await;
        (0..callers).map(|_| SqlxDefaults(pool.clone())).collect()
    }
}

impl<D: Sqlx> Caller for SqlxDefaults<D> {
    async fn ask(&mut self, asked: Asked) {
        let mut guard = self.0.acquire().await.expect(ANSWERS);
        D::ask_bare(&mut guard, asked).await;
    }
}
