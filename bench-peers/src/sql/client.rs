//! What is measured: a pool, or a driver without one.

use std::marker::PhantomData;

use clap::ValueEnum;
use serde::Serialize;

use super::place::Way;
use super::question::{Asked, Question};
use super::sample::{self, Sample};
use crate::runtime::Flavor;

/// How many connections everybody has.
pub(crate) const CONNECTIONS: usize = 8;

/// What speaks with the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) enum Driver {
    #[serde(rename = "sqlx")]
    Sqlx,
    #[serde(rename = "tokio-postgres")]
    TokioPostgres,
}

/// Kind of database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Database {
    Postgres,
    Mariadb,
    Sqlite,
}

impl Database {
    /// All of them, in the order of the tables.
    pub(crate) const ALL: [Database; 3] = [Database::Postgres, Database::Mariadb, Database::Sqlite];

    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Database::Postgres => "PostgreSQL",
            Database::Mariadb => "MariaDB",
            Database::Sqlite => "SQLite",
        }
    }
}

/// A task that asks, over and over.
pub(crate) trait Caller: Send + 'static {
    /// One operation, from acquiring a connection, where there is a pool, to giving it back.
    fn ask(&mut self, asked: Asked) -> impl Future<Output = ()> + Send;
}

/// A pool, or a driver without one.
pub(crate) trait Client: 'static {
    /// Its name in tables, JSON, and on the command line.
    const NAME: &'static str;
    /// What it is built on.
    const DRIVER: Driver;
    /// How it is configured, where that is not its default.
    const SETTINGS: &'static str;

    /// What its tasks work with.
    type Caller: Caller;

    /// So many callers of one pool with [`CONNECTIONS`] open connections; or a connection for each of at most
    /// [`CONNECTIONS`] callers where there is no pool.
    fn open(way: &Way, callers: usize) -> impl Future<Output = Vec<Self::Caller>>;
}

/// What one sample is taken of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) way: &'a Way,
    pub(crate) question: Question,
    pub(crate) tasks: usize,
    pub(crate) flavor: Flavor,
    pub(crate) windows: sample::Windows,
    pub(crate) seed: u64,
}

/// A client as the rounds see it.
pub(crate) trait Subject {
    fn name(&self) -> &'static str;
    fn driver(&self) -> Driver;
    fn settings(&self) -> &'static str;
    /// One sample, on a fresh runtime and fresh connections.
    fn sample(&self, load: &Load<'_>) -> Sample;
}

/// A client of a certain type.
pub(crate) struct Of<C>(PhantomData<fn() -> C>);

impl<C: Client> Of<C> {
    pub(crate) fn boxed() -> Box<dyn Subject> {
        Box::new(Self(PhantomData))
    }
}

impl<C: Client> Subject for Of<C> {
    fn name(&self) -> &'static str {
        C::NAME
    }

    fn driver(&self) -> Driver {
        C::DRIVER
    }

    fn settings(&self) -> &'static str {
        C::SETTINGS
    }

    fn sample(&self, load: &Load<'_>) -> Sample {
        sample::take::<C>(load)
    }
}
