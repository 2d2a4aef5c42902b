//! Our pool, over connections of sqlx and of tokio-postgres.

use std::time::{Duration, Instant};

use pool_core::{AcquireError, Condition, Connector, ErrorClass, Pool, PoolOptions, Pooled, Target};
use pool_drivers::postgres::PgConnector;
use pool_drivers::sql::SqlConnection;
use sqlx::postgres::PgConnectOptions;
use tokio_postgres::{Client, NoTls};

use super::{sqlx as peer, tokio_postgres as driver};
use crate::outage::contender::{
    ACQUIRE, CHECK, CONNECT, Contender, Defaults, Failure, Link, Place, SIZE, Settings,
};
use crate::outage::dial::Dial;

const EQUAL: &str = "min = max = 10, acquire 2 s, connect 1 s, check 1 s, every hand-out checked (its own default: those idle for \
    500 ms), no idle timeout, no maximum lifetime";
const DEFAULT: &str =
    "min 2, max 10, acquire 30 s, connect 5 s, check 5 s, hand-outs checked after 500 ms idle";
const DEFAULTS: Defaults = Defaults { acquire: Some(Duration::from_secs(30)) };

/// Our pool over our connections to PostgreSQL.
#[derive(Clone)]
pub(crate) struct OverSqlx(Pool<Dialing<PgConnector>>);

/// Our pool over connections of tokio-postgres.
#[derive(Clone)]
pub(crate) struct OverTokioPostgres(Pool<Dialing<TokioPostgres>>);

/// A connector whose connects are noted. It does nothing else.
pub(crate) struct Dialing<C> {
    connector: C,
    dial: Dial,
}

impl<C: Connector> Connector for Dialing<C> {
    type Connection = Link<C::Connection>;
    type Error = C::Error;

    async fn connect(&self) -> Result<Self::Connection, C::Error> {
        self.dial.note();
        self.connector.connect().await.map(Link::new)
    }

    async fn validate(&self, connection: &mut Self::Connection) -> Result<(), C::Error> {
        self.connector.validate(&mut connection.raw).await
    }

    async fn reset(&self, connection: &mut Self::Connection) -> Result<(), C::Error> {
        self.connector.reset(&mut connection.raw).await
    }

    fn condition(&self, connection: &mut Self::Connection) -> Condition {
        self.connector.condition(&mut connection.raw)
    }

    async fn close(&self, connection: Self::Connection) {
        self.connector.close(connection.raw).await;
    }

    fn classify(&self, error: &C::Error) -> ErrorClass {
        self.connector.classify(error)
    }

    fn target(&self) -> Option<Target> {
        self.connector.target()
    }
}

/// Opens connections of tokio-postgres.
pub(crate) struct TokioPostgres(tokio_postgres::Config);

impl Connector for TokioPostgres {
    type Connection = Client;
    type Error = tokio_postgres::Error;

    async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let (client, connection) = self.0.connect(NoTls).await?;
        // Ends with the client. Its errors are those of the queries that they end.
        tokio::spawn(async move { drop(connection.await) });
        Ok(client)
    }

    async fn validate(&self, client: &mut Client) -> Result<(), tokio_postgres::Error> {
        client.check_connection().await
    }

    fn condition(&self, client: &mut Client) -> Condition {
        if client.is_closed() { Condition::Broken } else { Condition::Clean }
    }
}

fn open<C: Connector>(place: &Place, connector: C) -> anyhow::Result<Pool<Dialing<C>>> {
    let options = match place.settings {
        Settings::Equal => PoolOptions {
            min_connections: SIZE,
            max_connections: SIZE,
            acquire_timeout: ACQUIRE,
            connect_timeout: CONNECT,
            validation_timeout: CHECK,
            validate_after_idle: Duration::ZERO,
            idle_timeout: Duration::ZERO,
            max_lifetime: Duration::ZERO,
            ..PoolOptions::default()
        },
        Settings::Default => PoolOptions { max_connections: SIZE, ..PoolOptions::default() },
    };
    let connector = Dialing { connector, dial: place.dial.clone() };
    Ok(Pool::builder(connector).name("bench").options(options).build()?)
}

async fn acquire<C: Connector>(pool: &Pool<C>) -> Result<Pooled<C>, Failure> {
    pool.acquire().await.map_err(|error| {
        let kind = match &error {
            AcquireError::Unavailable(_) => "acquire: unavailable",
            AcquireError::Timeout(_) => "acquire: timeout",
            _ => "acquire: other",
        };
        let explained = error.diagnosis().last_connect_failure.is_some();
        Failure { kind: kind.to_owned(), explained }
    })
}

/// More than a pool needs whose connections nobody uses.
const CLOSING: Duration = Duration::from_secs(2);

impl Contender for OverSqlx {
    const NAME: &'static str = "ours";
    const DRIVER: &'static str = "sqlx";
    const EQUAL: &'static str = EQUAL;
    const DEFAULT: &'static str = DEFAULT;
    const DEFAULTS: Defaults = DEFAULTS;
    type Held = Pooled<Dialing<PgConnector>>;

    async fn open(place: &Place) -> anyhow::Result<Self> {
        let options: PgConnectOptions = peer::options(place);
        open(place, PgConnector::from_options(options)).map(OverSqlx)
    }

    async fn acquire(&self) -> Result<Self::Held, Failure> {
        acquire(&self.0).await
    }

    fn rested(held: &mut Self::Held) -> &mut Instant {
        &mut held.rested
    }

    async fn ask(held: &mut Self::Held) -> Result<(), Failure> {
        let connection: &mut SqlConnection<sqlx::Postgres> = &mut held.raw;
        peer::ask_ours(connection).await
    }

    async fn close(self) {
        self.0.close(CLOSING).await;
    }
}

impl Contender for OverTokioPostgres {
    const NAME: &'static str = "ours-tokio-postgres";
    const DRIVER: &'static str = "tokio-postgres";
    const EQUAL: &'static str = EQUAL;
    const DEFAULT: &'static str = DEFAULT;
    const DEFAULTS: Defaults = DEFAULTS;
    type Held = Pooled<Dialing<TokioPostgres>>;

    async fn open(place: &Place) -> anyhow::Result<Self> {
        open(place, TokioPostgres(driver::config(place))).map(OverTokioPostgres)
    }

    async fn acquire(&self) -> Result<Self::Held, Failure> {
        acquire(&self.0).await
    }

    fn rested(held: &mut Self::Held) -> &mut Instant {
        &mut held.rested
    }

    async fn ask(held: &mut Self::Held) -> Result<(), Failure> {
        driver::ask(&held.raw).await
    }

    async fn close(self) {
        self.0.close(CLOSING).await;
    }
}
