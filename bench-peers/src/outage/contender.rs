//! What is measured: a pool of connections to PostgreSQL.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde::Serialize;

use super::dial::Dial;

/// How many connections each pool may have.
pub(crate) const SIZE: usize = 10;
/// How long an acquire may take, where settings are equal.
pub(crate) const ACQUIRE: Duration = Duration::from_secs(2);
/// How long a connect may take, where settings are equal.
pub(crate) const CONNECT: Duration = Duration::from_secs(1);
/// How long a check before a hand-out may take, where settings are equal and the pool has such a limit.
pub(crate) const CHECK: Duration = Duration::from_secs(1);
/// How long the application waits for the answer to its query, with all settings. Then it gives the connection back, as it is.
pub(crate) const QUERY_LIMIT: Duration = Duration::from_secs(1);
/// The query: the server holds the connection for 2 ms and has nothing to compute.
pub(crate) const QUERY: &str = "SELECT pg_sleep(0.002)";

/// How the pools are configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Settings {
    /// The same size, limits and checks for all, as far as a pool knows them
    Equal,
    /// What each pool does by itself; only the size is the same
    Default,
}

impl Settings {
    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Settings::Equal => "equal",
            Settings::Default => "default",
        }
    }

    /// A limit that holds only where settings are equal.
    pub(crate) fn limit(self, limit: Duration) -> Option<Duration> {
        (self == Settings::Equal).then_some(limit)
    }
}

/// Where a pool is opened, and how.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    pub(crate) settings: Settings,
    pub(crate) dial: Dial,
}

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What it was told, in a few words that are the same each time.
    pub(crate) kind: String,
    /// Whether it was told why there is no connection, and not only that there is none.
    pub(crate) explained: bool,
}

impl Failure {
    pub(crate) fn explained(kind: impl Into<String>) -> Self {
        Failure { kind: kind.into(), explained: true }
    }

    pub(crate) fn unexplained(kind: impl Into<String>) -> Self {
        Failure { kind: kind.into(), explained: false }
    }
}

/// A connection, and since when nobody has used it.
#[derive(Debug)]
pub(crate) struct Link<C> {
    pub(crate) raw: C,
    pub(crate) rested: Instant,
}

impl<C> Link<C> {
    /// A connection that was just opened.
    pub(crate) fn new(raw: C) -> Self {
        Link { raw, rested: crate::clock::now() }
    }
}

/// What a pool knows by itself, where settings are not equal.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Defaults {
    /// How long an acquire may take.
    pub(crate) acquire: Option<Duration>,
}

/// A pool. Clones are handles of it.
pub(crate) trait Contender: Clone + Send + Sync + 'static {
    /// Its name in tables, JSON, and on the command line.
    const NAME: &'static str;
    /// What speaks with the server.
    const DRIVER: &'static str;
    /// How it is configured where settings are equal.
    const EQUAL: &'static str;
    /// What its defaults are.
    const DEFAULT: &'static str;
    /// Of these, what figures are taken from.
    const DEFAULTS: Defaults;

    /// A connection in use; its drop gives it back.
    type Held: Send + 'static;

    /// Makes a pool; its connections may be opened later.
    fn open(place: &Place) -> impl Future<Output = anyhow::Result<Self>> + Send;

    /// Waits for a connection.
    fn acquire(&self) -> impl Future<Output = Result<Self::Held, Failure>> + Send;

    /// Since when nobody had used the connection when it was handed out; to be set before it is given back.
    fn rested(held: &mut Self::Held) -> &mut Instant;

    /// Runs [`QUERY`].
    fn ask(held: &mut Self::Held) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Closes the pool, as far as it can be closed.
    fn close(self) -> impl Future<Output = ()> + Send;
}
