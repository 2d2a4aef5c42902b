//! What speaks through tokio-postgres: deadpool-postgres, bb8-postgres, our pool, and connections without a pool.

use bb8::ManageConnection;
use bb8_postgres::PostgresConnectionManager;
use deadpool_postgres::{Manager, ManagerConfig, RecyclingMethod};
use pool_core::{Condition, Connector, Pool};
use tokio_postgres::config::SslMode;
use tokio_postgres::{Config, Error, NoTls, Row, Statement};

use crate::sql::client::{CONNECTIONS, Caller, Client, Driver};
use crate::sql::place::{NAME, Way};
use crate::sql::question::{ANSWERS, Asked, PRICE};

const ONE: &str = "SELECT 1";
const BY_KEY: &str = "SELECT name, price FROM item WHERE id = $1";

fn config(way: &Way) -> Config {
    let mut config = Config::new();
    config.user(NAME).password(NAME).dbname(NAME).ssl_mode(SslMode::Disable);
    match way {
        Way::Socket { path, port } => config.host_path(path).port(*port),
        Way::Tcp { port } => config.host("127.0.0.1").port(*port),
        Way::File { .. } => unreachable!("PostgreSQL is a server"),
    };
    config
}

/// Looks at the answer to `SELECT 1`.
fn check_one(row: &Row) {
    assert_eq!(row.get::<_, i32>(0), 1);
}

/// Looks at a row of the table. The name becomes a `String`, as with sqlx.
fn check_item(row: &Row, key: i32) {
    let (name, price): (String, i32) = (row.get(0), row.get(1));
    assert!(!name.is_empty() && price == PRICE * key);
}

/// A connection with its statements.
pub(crate) struct Prepared {
    client: tokio_postgres::Client,
    one: Statement,
    by_key: Statement,
}

impl Prepared {
    async fn new(client: tokio_postgres::Client) -> Result<Self, Error> {
        let (one, by_key) = (client.prepare(ONE).await?, client.prepare(BY_KEY).await?);
        Ok(Prepared { client, one, by_key })
    }

    async fn connect(config: &Config) -> Result<Self, Error> {
        let (client, connection) = config.connect(NoTls).await?;
        // Ends with the client. Its errors are those of the queries that they end.
        tokio::spawn(async move { drop(connection.await) });
        Prepared::new(client).await
    }

    async fn ask(&self, asked: Asked) {
        match asked {
            Asked::One => check_one(&self.client.query_one(&self.one, &[]).await.expect(ANSWERS)),
            Asked::Key(key) => {
                check_item(&self.client.query_one(&self.by_key, &[&key]).await.expect(ANSWERS), key);
            }
        }
    }
}

/// Connections of tokio-postgres.
pub(crate) struct TokioPostgresBare(Prepared);

impl Client for TokioPostgresBare {
    const NAME: &'static str = "tokio-postgres-unpooled";
    const DRIVER: Driver = Driver::TokioPostgres;
    const SETTINGS: &'static str = "tokio-postgres connections, one for each of 8 tasks, no pool";
    type Caller = Self;

    async fn open(way: &Way, callers: usize) -> Vec<Self> {
        let config = config(way);
        let mut all = Vec::new();
        for _ in 0..callers.min(CONNECTIONS) {
            all.push(TokioPostgresBare(Prepared::connect(&config).await.expect(ANSWERS)));
        }
        all
    }
}

impl Caller for TokioPostgresBare {
    async fn ask(&mut self, asked: Asked) {
        self.0.ask(asked).await;
    }
}

/// Opens connections of tokio-postgres for our pool.
pub(crate) struct Opener(Config);

impl Connector for Opener {
    type Connection = Prepared;
    type Error = Error;

    async fn connect(&self) -> Result<Prepared, Error> {
        Prepared::connect(&self.0).await
    }

    async fn validate(&self, connection: &mut Prepared) -> Result<(), Error> {
        connection.client.check_connection().await
    }

    fn condition(&self, connection: &mut Prepared) -> Condition {
        if connection.client.is_closed() { Condition::Broken } else { Condition::Clean }
    }
}

/// Our pool over tokio-postgres.
#[derive(Clone)]
pub(crate) struct OursTokioPostgres(Pool<Opener>);

impl Client for OursTokioPostgres {
    const NAME: &'static str = "ours-tokio-postgres";
    const DRIVER: Driver = Driver::TokioPostgres;
    const SETTINGS: &'static str = "as ours; statements prepared at each connect";
    type Caller = Self;

    async fn open(way: &Way, callers: usize) -> Vec<Self> {
        let pool = Pool::builder(Opener(config(way)))
            .name("bench")
            .max_connections(CONNECTIONS)
            .min_connections(CONNECTIONS)
            .build()
            .expect("the options are valid and this is inside a runtime");
        pool.warm_up().await.expect(ANSWERS);
        vec![OursTokioPostgres(pool); callers]
    }
}

impl Caller for OursTokioPostgres {
    async fn ask(&mut self, asked: Asked) {
        let guard = self.0.acquire().await.expect(ANSWERS);
        guard.ask(asked).await;
    }
}

/// deadpool-postgres.
#[derive(Clone)]
pub(crate) struct DeadpoolPostgres(deadpool_postgres::Pool);

impl Client for DeadpoolPostgres {
    const NAME: &'static str = "deadpool-postgres";
    const DRIVER: Driver = Driver::TokioPostgres;
    const SETTINGS: &'static str =
        "defaults but max_size = 8, RecyclingMethod::Fast: no limit of time, statements from its cache";
    type Caller = Self;

    async fn open(way: &Way, callers: usize) -> Vec<Self> {
        let recycling = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(config(way), NoTls, recycling);
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(CONNECTIONS)
            .build()
            .expect("nothing that it does needs a runtime");
        let mut guards = Vec::with_capacity(CONNECTIONS);
        for _ in 0..CONNECTIONS {
            guards.push(pool.get().await.expect(ANSWERS));
        }
        drop(guards);
        vec![DeadpoolPostgres(pool); callers]
    }
}

impl Caller for DeadpoolPostgres {
    async fn ask(&mut self, asked: Asked) {
        let guard = self.0.get().await.expect(ANSWERS);
        match asked {
            Asked::One => {
                let statement = guard.prepare_cached(ONE).await.expect(ANSWERS);
                check_one(&guard.query_one(&statement, &[]).await.expect(ANSWERS));
            }
            Asked::Key(key) => {
                let statement = guard.prepare_cached(BY_KEY).await.expect(ANSWERS);
                check_item(&guard.query_one(&statement, &[&key]).await.expect(ANSWERS), key);
            }
        }
    }
}

/// bb8-postgres, which has no cache of statements: they are prepared at each connect.
pub(crate) struct Prepares(PostgresConnectionManager<NoTls>);

impl ManageConnection for Prepares {
    type Connection = Prepared;
    type Error = Error;

    async fn connect(&self) -> Result<Prepared, Error> {
        Prepared::new(self.0.connect().await?).await
    }

    async fn is_valid(&self, connection: &mut Prepared) -> Result<(), Error> {
        self.0.is_valid(&mut connection.client).await
    }

    fn has_broken(&self, connection: &mut Prepared) -> bool {
        self.0.has_broken(&mut connection.client)
    }
}

/// bb8-postgres.
#[derive(Clone)]
pub(crate) struct Bb8Postgres(bb8::Pool<Prepares>);

impl Client for Bb8Postgres {
    const NAME: &'static str = "bb8-postgres";
    const DRIVER: Driver = Driver::TokioPostgres;
    const SETTINGS: &'static str = "defaults but max_size = min_idle = 8, test_on_check_out(false): limit of 30 s on; \
        statements prepared at each connect";
    type Caller = Self;

    async fn open(way: &Way, callers: usize) -> Vec<Self> {
        let size = u32::try_from(CONNECTIONS).expect("it is a small number");
        let pool = bb8::Pool::builder()
            .max_size(size)
            .min_idle(size)
            .test_on_check_out(false)
            .build(Prepares(PostgresConnectionManager::new(config(way), NoTls)))
            .await
            .expect(ANSWERS);
        vec![Bb8Postgres(pool); callers]
    }
}

impl Caller for Bb8Postgres {
    async fn ask(&mut self, asked: Asked) {
        let guard = self.0.get().await.expect(ANSWERS);
        guard.ask(asked).await;
    }
}
