//! The pool of sqlx, and what it has in common with ours over its connections.
//!
//! sqlx's pool tells nobody of its connects. But it is generic over its `Database`, and this one differs from
//! `sqlx::Postgres` in nothing that the pool sees, except that connects are noted.

use std::fmt;
use std::future::ready;
use std::io;
use std::str::FromStr;
use std::time::{Duration, Instant};

use log::LevelFilter;
use pool_drivers::sql::SqlConnection;
use sqlx::PgConnection;
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx_core::Url;
use sqlx_core::connection::{ConnectOptions, Connection};
use sqlx_core::database::Database;
use sqlx_core::error::Error;
use sqlx_core::pool::{Pool, PoolConnection, PoolOptions};
use sqlx_core::transaction::Transaction;

use crate::outage::contender::{ACQUIRE, Contender, Defaults, Failure, Link, Place, QUERY, SIZE, Settings};
use crate::outage::dial::{Dial, DialError};
use crate::outage::stage::{NAME, PASSWORD};
use crate::pools::sqlx::hollow::hollow_database;

/// Where the server is, for sqlx. It has no keepalives of TCP.
pub(super) fn options(place: &Place) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .host(&place.address.ip().to_string())
        .port(place.address.port())
        .username(NAME)
        .password(PASSWORD)
        .database(NAME)
        .ssl_mode(PgSslMode::Disable)
}

/// Runs the query, in one round trip, over a connection of ours.
pub(super) async fn ask_ours(connection: &mut SqlConnection<sqlx::Postgres>) -> Result<(), Failure> {
    answer(sqlx::raw_sql(QUERY).execute(connection).await)
}

fn answer<T>(answered: Result<T, Error>) -> Result<(), Failure> {
    answered.map(drop).map_err(|error| Failure::explained(format!("query: {}", kind(&error))))
}

/// What an error is, in a few words.
fn kind(error: &Error) -> String {
    match error {
        Error::Io(error) => format!("io {:?}", error.kind()),
        Error::Database(error) => format!("server {}", error.code().unwrap_or_default()),
        error => error.to_string(),
    }
}

/// PostgreSQL, as far as a pool has to do with it.
#[derive(Debug)]
pub(crate) struct Postgres;

/// A connection of sqlx to PostgreSQL.
pub(crate) type PgLink = Link<PgConnection>;

/// Opens connections, and notes each attempt; limits it, since the pool has no limit for a connect.
#[derive(Clone)]
pub(crate) struct Dialing {
    options: PgConnectOptions,
    dial: Dial,
}

/// Without the options, which hold a password.
impl fmt::Debug for Dialing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialing").finish_non_exhaustive()
    }
}

hollow_database!(Postgres, PgLink, "noted");

impl Connection for PgLink {
    type Database = Postgres;
    type Options = Dialing;

    fn close(self) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        self.raw.close()
    }

    fn close_hard(self) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        self.raw.close_hard()
    }

    fn ping(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        self.raw.ping()
    }

    fn begin(&mut self) -> impl Future<Output = Result<Transaction<'_, Postgres>, Error>> + Send + '_ {
        Transaction::begin(self, None)
    }

    fn shrink_buffers(&mut self) {
        self.raw.shrink_buffers();
    }

    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        self.raw.flush()
    }

    fn should_flush(&self) -> bool {
        self.raw.should_flush()
    }
}

/// Why an address is all that is had from a URL: nobody gives one.
fn no_url() -> Error {
    Error::Configuration("connections of this database are not opened by a URL".into())
}

impl FromStr for Dialing {
    type Err = Error;

    fn from_str(_url: &str) -> Result<Self, Error> {
        Err(no_url())
    }
}

impl ConnectOptions for Dialing {
    type Connection = PgLink;

    fn from_url(_url: &Url) -> Result<Self, Error> {
        Err(no_url())
    }

    async fn connect(&self) -> Result<PgLink, Error> {
        match self.dial.limited(self.options.connect()).await {
            Ok(connection) => Ok(Link::new(connection)),
            Err(DialError::Failed(error)) => Err(error),
            // As a driver says it that has such a limit.
            Err(DialError::TooLong(_)) => Err(Error::Io(io::ErrorKind::TimedOut.into())),
        }
    }

    fn log_statements(self, _level: LevelFilter) -> Self {
        self
    }

    fn log_slow_statements(self, _level: LevelFilter, _duration: Duration) -> Self {
        self
    }
}

/// The pool of sqlx.
#[derive(Clone)]
pub(crate) struct Sqlx(Pool<Postgres>);

impl Contender for Sqlx {
    const NAME: &'static str = "sqlx";
    const DRIVER: &'static str = "sqlx";
    const EQUAL: &'static str = "min_connections = max_connections = 10, acquire_timeout 2 s, test_before_acquire, connect 1 s by its options, no \
        idle timeout, no maximum lifetime";
    const DEFAULT: &'static str = "max_connections 10, acquire_timeout 30 s, test_before_acquire";
    const DEFAULTS: Defaults = Defaults { acquire: Some(Duration::from_secs(30)) };
    type Held = PoolConnection<Postgres>;

    async fn open(place: &Place) -> anyhow::Result<Self> {
        let size = u32::try_from(SIZE)?;
        let mut pool = PoolOptions::new().max_connections(size);
        if place.settings == Settings::Equal {
            pool = pool
                .min_connections(size)
                .acquire_timeout(ACQUIRE)
                .test_before_acquire(true)
                .idle_timeout(None)
                .max_lifetime(None);
        }
        Ok(Sqlx(pool.connect_lazy_with(Dialing { options: options(place), dial: place.dial.clone() })))
    }

    async fn acquire(&self) -> Result<Self::Held, Failure> {
        self.0.acquire().await.map_err(|error| match error {
            Error::PoolTimedOut => Failure::unexplained("acquire: timeout"),
            error => Failure::explained(format!("acquire: {}", kind(&error))),
        })
    }

    fn rested(held: &mut Self::Held) -> &mut Instant {
        &mut held.rested
    }

    async fn ask(held: &mut Self::Held) -> Result<(), Failure> {
        answer(sqlx::raw_sql(QUERY).execute(&mut held.raw).await)
    }

    async fn close(self) {
        // It waits for the server's goodbye, and the server may be of no mind to say it.
        drop(tokio::time::timeout(Duration::from_secs(2), self.0.close()).await);
    }
}
