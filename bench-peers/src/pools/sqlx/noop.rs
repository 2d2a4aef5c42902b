//! A database for sqlx without I/O: connecting, pinging and closing do nothing, and there is nothing to query.

use std::future::ready;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use log::LevelFilter;
use sqlx_core::Url;
use sqlx_core::connection::{ConnectOptions, Connection};
use sqlx_core::database::Database;
use sqlx_core::error::Error;
use sqlx_core::transaction::Transaction;

use super::hollow::hollow_database;
use crate::connection::{Conn, Opener};

/// The database.
#[derive(Debug)]
pub(crate) struct Noop;

/// What opens its connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct NoopOptions(Arc<Opener>);

hollow_database!(Noop, Conn, "noop");

impl Connection for Conn {
    type Database = Noop;
    type Options = NoopOptions;

    fn close(self) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        ready(Ok(()))
    }

    fn close_hard(self) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        ready(Ok(()))
    }

    fn ping(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        ready(Ok(()))
    }

    fn begin(&mut self) -> impl Future<Output = Result<Transaction<'_, Noop>, Error>> + Send + '_ {
        Transaction::begin(self, None)
    }

    fn shrink_buffers(&mut self) {}

    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        ready(Ok(()))
    }

    fn should_flush(&self) -> bool {
        false
    }
}

impl FromStr for NoopOptions {
    type Err = Error;

    fn from_str(_url: &str) -> Result<Self, Error> {
        Ok(Self::default())
    }
}

impl ConnectOptions for NoopOptions {
    type Connection = Conn;

    fn from_url(_url: &Url) -> Result<Self, Error> {
        Ok(Self::default())
    }

    fn connect(&self) -> impl Future<Output = Result<Conn, Error>> + Send + '_ {
        ready(Ok(self.0.open()))
    }

    fn log_statements(self, _level: LevelFilter) -> Self {
        self
    }

    fn log_slow_statements(self, _level: LevelFilter, _duration: Duration) -> Self {
        self
    }
}
