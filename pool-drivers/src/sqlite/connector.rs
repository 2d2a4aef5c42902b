//! How connections to one database are opened, checked, cleaned and closed.

use std::fmt;
use std::path::Path;
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use pool_core::{Condition, Connector, ErrorClass, Target};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tokio::time::{Instant, sleep};

use super::class::{classify, is_locked};
use super::connection::{Keep, SqliteConnection};
use super::error::{OpenProblem, SqliteError};
use super::pair::{Pair, Role};
use super::place::{MEMORY, Memory, Place};
use super::snapshot::Snapshot;
use super::stop::Stop;
use crate::sql::SqlConnection;
use crate::successor::{Replaceable, Successor};

/// How long setting up a connection waits for a database that somebody else has locked. Well within the
/// default `connect_timeout` of a pool, so that the error tells of the lock and not of a timeout.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a statement waits for a lock unless told otherwise; sqlx's own default as well.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a change of the journal mode is tried again: SQLite does not wait for that lock itself.
const JOURNAL_RETRY: Duration = Duration::from_millis(10);

/// Opens connections to one SQLite database.
///
/// Every connection gets the same settings, and gets them back when a holder changed them. Clones are
/// connectors of the same database, with settings of their own.
///
/// # Examples
///
/// ```no_run
/// # use pool_drivers::sqlite::SqliteConnector;
/// # use std::time::Duration;
/// let orders = SqliteConnector::file("data/orders.db").busy_timeout(Duration::from_secs(2));
/// let reports = orders.clone().read_only(true);
/// let scratch = SqliteConnector::memory();
/// ```
pub struct SqliteConnector {
    pub(super) place: Place,
    /// All settings but the ones below, and those where they say `None`.
    options: SqliteConnectOptions,
    /// Whether a user has set anything in the options.
    has_own_options: bool,
    busy_timeout: Option<Duration>,
    create_if_missing: Option<bool>,
    read_only: Option<bool>,
    journal_mode: Option<SqliteJournalMode>,
    synchronous: Option<SqliteSynchronous>,
    role: Role,
    successor: Successor<Self>,
}

impl SqliteConnector {
    fn at(place: Place) -> Self {
        SqliteConnector {
            place,
            options: SqliteConnectOptions::new(),
            has_own_options: false,
            busy_timeout: Some(BUSY_TIMEOUT),
            create_if_missing: Some(true),
            read_only: Some(false),
            journal_mode: Some(SqliteJournalMode::Wal),
            synchronous: Some(SqliteSynchronous::Normal),
            role: Role::Alone,
            successor: Successor::default(),
        }
    }

    /// The connectors of readers and of a writer that know of each other.
    pub(super) fn pair(self) -> (Self, Self) {
        let pair = Arc::new(Pair::new(self.clone()));
        let readers = self.clone().read_only(true);
        (
            SqliteConnector { role: Role::Reader(Arc::clone(&pair)), ..readers },
            SqliteConnector { role: Role::Writer(pair), ..self },
        )
    }

    /// A database in a file. A relative path is taken from the present working directory, now.
    ///
    /// The path is taken literally: `:memory:` is a file of that name here, and `file:x?mode=ro` as well.
    pub fn file(path: impl AsRef<Path>) -> Self {
        SqliteConnector::at(Place::file(path.as_ref()))
    }

    /// A database in memory, of which this connector and its clones are the only users.
    ///
    /// It is made at the first connect, and is gone when all clones of the connector, all pools of it and all
    /// connections are. Until then its data stay, even while no connection is open. It holds 1 GiB at most,
    /// and locks like a file without a write-ahead log: who writes, writes alone, and the others wait for
    /// `busy_timeout`.
    pub fn memory() -> Self {
        SqliteConnector::at(Place::Memory(Arc::new(Memory::new())))
    }

    /// What a configuration names: `:memory:` for [`memory`](Self::memory), anything else for
    /// [`file`](Self::file).
    pub fn from_database(database: &str) -> Self {
        if database == MEMORY { SqliteConnector::memory() } else { SqliteConnector::file(database) }
    }

    /// What a URL of sqlx names: `sqlite://data/orders.db` or `sqlite::memory:`, with `?mode=` `ro`, `rw` (the default),
    /// `rwc` to create the file if it is missing, or `memory`.
    ///
    /// # Errors
    ///
    /// Fails if sqlx cannot understand it.
    pub fn from_url(url: &str) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::from_str(url)?;
        // sqlx has read the same, and does not tell.
        let parameters = url.split_once('?').map_or("", |(_, parameters)| parameters);
        let mode = parameters.split('&').find_map(|parameter| parameter.strip_prefix("mode="));
        let place = match mode {
            Some("memory") => SqliteConnector::memory().place,
            _ => place_of(&options),
        };
        let connector = SqliteConnector { options, ..SqliteConnector::at(place) };
        Ok(connector.read_only(mode == Some("ro")).create_if_missing(matches!(mode, Some("rwc" | "memory"))))
    }

    /// What options of sqlx name: their file, or a database in memory. Everything in them stays as it is, unless a
    /// method of this type changes it; so the defaults are those of sqlx, which leave the journal as the file has it
    /// and create no file.
    pub fn from_options(options: SqliteConnectOptions) -> Self {
        // sqlx tells it in no other way.
        let url = options.to_url_lossy();
        let read_only = url.query_pairs().any(|(name, value)| name == "mode" && value == "ro");
        SqliteConnector {
            place: place_of(&options),
            options,
            has_own_options: true,
            busy_timeout: None,
            create_if_missing: None,
            read_only: read_only.then_some(true),
            journal_mode: None,
            synchronous: None,
            role: Role::Alone,
            successor: Successor::default(),
        }
    }

    /// How long a statement waits for a database that is locked. Default 5 s; 0 = not at all.
    ///
    /// Rounded up to milliseconds, 24 days at most. Longer than the callers' own patience it is of no use:
    /// a statement that waits for a lock cannot be interrupted.
    #[must_use]
    pub fn busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = Some(timeout);
        self
    }

    /// Whether foreign keys are enforced. Default on.
    #[must_use]
    pub fn foreign_keys(mut self, on: bool) -> Self {
        self.options = self.options.foreign_keys(on);
        self
    }

    /// The journal of a file. Default [`Wal`](SqliteJournalMode::Wal): readers and the one writer do not
    /// wait for each other.
    ///
    /// It is stored in the file. A file that cannot have it is not opened. Databases in memory and
    /// `read_only` connections leave it as it is.
    #[must_use]
    pub fn journal_mode(mut self, mode: SqliteJournalMode) -> Self {
        self.journal_mode = Some(mode);
        self
    }

    /// How often SQLite waits for the disk. Default [`Normal`](SqliteSynchronous::Normal): with a write-ahead
    /// log a loss of power may undo the last commits, and harms nothing else.
    #[must_use]
    pub fn synchronous(mut self, synchronous: SqliteSynchronous) -> Self {
        self.synchronous = Some(synchronous);
        self
    }

    /// Whether a file that does not exist is created. Its directory is not. Default on.
    #[must_use]
    pub fn create_if_missing(mut self, on: bool) -> Self {
        self.create_if_missing = Some(on);
        self
    }

    /// Whether the connections may only read. Default off.
    #[must_use]
    pub fn read_only(mut self, on: bool) -> Self {
        self.read_only = Some(on);
        self
    }

    /// Changes anything else that sqlx can set: pragmas, collations, the statement cache, logging.
    ///
    /// What has a method here is overridden by it, and so is the file name. sqlx logs pragmas like any statement: for
    /// one that holds a key, switch that off (`disable_statement_logging`).
    ///
    /// # Examples
    ///
    /// ```
    /// # use pool_drivers::sqlite::SqliteConnector;
    /// let connector = SqliteConnector::memory()
    ///     .options(|options| options.pragma("cache_size", "-8000").statement_cache_capacity(500));
    /// ```
    #[must_use]
    pub fn options(mut self, change: impl FnOnce(SqliteConnectOptions) -> SqliteConnectOptions) -> Self {
        self.options = change(self.options);
        self.has_own_options = true;
        self
    }

    pub(super) fn is_read_only(&self) -> bool {
        self.read_only == Some(true)
    }

    /// How long a statement waits for a lock.
    pub(super) fn patience(&self) -> Duration {
        self.busy_timeout.unwrap_or(BUSY_TIMEOUT)
    }

    /// Whether the database has a write-ahead log, so that who writes keeps nobody from reading.
    pub(super) fn has_log(&self) -> bool {
        matches!(self.place, Place::File(_)) && self.journal_mode == Some(SqliteJournalMode::Wal)
    }

    /// Leaves the file tidy when all connections of readers and writer are gone.
    pub(super) async fn finish(&self) {
        if let Some(pair) = self.role.pair() {
            pair.finish().await;
        }
    }

    /// Opens a connection when it is its role's turn.
    async fn connect_in_turn(&self) -> Result<SqliteConnection, SqliteError> {
        let _turn = match self.role.pair() {
            // A connect reads, and shall not lose against writers either.
            Some(pair) if pair.takes_turns() => pair.turn_within(true, self.patience().min(PATIENCE)).await,
            _ => None,
        };
        match &self.role {
            Role::Alone => self.connect_alone().await,
            Role::Writer(pair) => pair.opened_by(self.connect_alone()).await,
            Role::Reader(pair) => pair.opened_before(self.connect_alone()).await,
        }
    }

    /// Opens a connection, whatever its role.
    pub(super) async fn connect_alone(&self) -> Result<SqliteConnection, SqliteError> {
        // Before it is opened: if it is replaced in between, validation fails, and not the one after it.
        let before = self.place.file_id().await;
        // Cancel: sqlx's thread closes the database when it finds its other end gone.
        let mut raw = self.open().await?;
        match self.set_up(&mut raw).await {
            Ok((stop, birth)) => {
                let pair = self.role.pair().filter(|pair| pair.takes_turns()).cloned();
                let file = match before {
                    None => self.place.file_id().await,
                    found => found,
                };
                let (read_only, place) = (self.is_read_only(), self.place.clone());
                let keep = Keep { stop, birth, read_only, pair, turn: None, place, file };
                Ok(SqlConnection::new(raw, keep))
            }
            Err(error) => {
                // The error to tell of is the first one.
                drop(raw.close().await);
                Err(error)
            }
        }
    }

    async fn open(&self) -> Result<sqlx::SqliteConnection, SqliteError> {
        if matches!(&self.place, Place::File(path) if path.as_os_str().is_empty()) {
            return Err(self.refused(OpenProblem::EmptyPath, None));
        }
        let mut options = self.place.locate(self.options.clone());
        if let Some(timeout) = self.busy_timeout {
            options = options.busy_timeout(timeout.min(PATIENCE));
        }
        if let Some(on) = self.create_if_missing {
            options = options.create_if_missing(on);
        }
        if let Some(on) = self.read_only {
            options = options.read_only(on);
        }
        if let (true, Some(mode)) = (self.has_own_options, self.journal_to_set()) {
            // They may ask for another one, which sqlx would set first: connections would fight for the file.
            options = options.journal_mode(mode);
        }
        let begun = Instant::now();
        loop {
            let opened = async {
                if let Place::Memory(memory) = &self.place {
                    memory.hold(&options).await?;
                }
                options.connect().await
            };
            match opened.await {
                // As when the journal is switched below.
                Err(error) if self.has_own_options && is_locked(&error) && begun.elapsed() < PATIENCE => {
                    sleep(JOURNAL_RETRY).await;
                }
                outcome => return outcome.map_err(|error| self.explained(error, begun)),
            }
        }
    }

    /// Applies what sqlx was not asked to: whatever may fail because of the file, so that it can be closed
    /// properly then. sqlx merely drops a connection whose pragmas fail.
    async fn set_up(&self, raw: &mut sqlx::SqliteConnection) -> Result<(Stop, Snapshot), SqliteError> {
        let begun = Instant::now();
        let settled = async {
            if let Some(mode) = self.journal_to_set() {
                switch_journal(raw, mode, begun).await?;
            }
            let mut pragmas = String::new();
            if let Some(synchronous) = self.synchronous {
                pragmas += &format!("PRAGMA synchronous = {synchronous:?};");
            }
            if let Some(timeout) = self.busy_timeout {
                let millis = i32::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i32::MAX);
                pragmas += &format!("PRAGMA busy_timeout = {millis}");
            }
            raw.execute(AssertSqlSafe(pragmas)).await?;
            let stop = Stop::default();
            stop.install(raw).await?;
            Ok((stop, Snapshot::take(raw).await?))
        };
        let (stop, birth) = settled.await.map_err(|error| self.explained(error, begun))?;
        // SQLite leaves a mode that cannot be had as it was, without an error.
        if let Some(mode) = self.journal_to_set() {
            let (wanted, actual) = (format!("{mode:?}"), birth.value("journal_mode"));
            if !actual.eq_ignore_ascii_case(&wanted) {
                let problem = OpenProblem::JournalMode { wanted, actual: actual.to_owned() };
                return Err(self.refused(problem, None));
            }
        }
        Ok((stop, birth))
    }

    /// The journal that a connection has to see to.
    fn journal_to_set(&self) -> Option<SqliteJournalMode> {
        let may_set = matches!(self.place, Place::File(_)) && !self.is_read_only();
        self.journal_mode.filter(|_| may_set)
    }

    fn explained(&self, error: sqlx::Error, begun: Instant) -> SqliteError {
        let problem = if is_locked(&error) {
            OpenProblem::Locked(Duration::from_millis(begun.elapsed().as_millis() as u64))
        } else {
            self.place.problem(&error, self.create_if_missing == Some(true) && !self.is_read_only())
        };
        self.refused(problem, Some(error))
    }

    fn refused(&self, problem: OpenProblem, source: Option<sqlx::Error>) -> SqliteError {
        SqliteError::Open { database: self.place.to_string(), problem, source }
    }
}

/// Where the database of these options is.
fn place_of(options: &SqliteConnectOptions) -> Place {
    let path = options.get_filename();
    // The name that sqlx gives to what was `:memory:`.
    let in_memory = path.to_str().is_some_and(|path| path.starts_with("file:sqlx-in-memory-"));
    if in_memory { SqliteConnector::memory().place } else { Place::file(path) }
}

/// Sets the journal mode. If the file does not have it yet that takes a lock for which SQLite does not
/// wait, so of two first connections one would fail.
async fn switch_journal(
    raw: &mut sqlx::SqliteConnection,
    mode: SqliteJournalMode,
    begun: Instant,
) -> Result<(), sqlx::Error> {
    let pragma = format!("PRAGMA journal_mode = {mode:?}");
    loop {
        match raw.execute(AssertSqlSafe(pragma.as_str())).await {
            Err(error) if is_locked(&error) && begun.elapsed() < PATIENCE => sleep(JOURNAL_RETRY).await,
            outcome => return outcome.map(drop),
        }
    }
}

impl Connector for SqliteConnector {
    type Connection = SqliteConnection;
    type Error = SqliteError;

    async fn connect(&self) -> Result<SqliteConnection, SqliteError> {
        match self.successor.get() {
            Some(next) => next.connect_in_turn().await,
            None => self.connect_in_turn().await,
        }
    }

    /// `SELECT 1`: it proves that the connection's thread and SQLite answer. It takes no lock, so a busy
    /// database does not look like a dead one, and reads no page, so damage goes unseen. Then a look at whether
    /// the path still leads to the file that is open.
    async fn validate(&self, connection: &mut SqliteConnection) -> Result<(), SqliteError> {
        connection.raw.execute(sqlx::query("SELECT 1")).await?;
        let Keep { place, file, .. } = &connection.keep;
        if file.is_some() && place.file_id().await != *file {
            return Err(SqliteError::Moved { database: place.to_string() });
        }
        Ok(())
    }

    async fn reset(&self, connection: &mut SqliteConnection) -> Result<(), SqliteError> {
        connection.reset().await
    }

    fn condition(&self, connection: &mut SqliteConnection) -> Condition {
        let condition = connection.condition();
        match condition {
            Condition::Clean => connection.keep.turn = None,
            // The holder has gone, so nobody waits for what may still run.
            Condition::Dirty => connection.keep.stop.request(),
            _ => {}
        }
        condition
    }

    async fn close(&self, connection: SqliteConnection) {
        let place = connection.keep.place.clone();
        if let Err(error) = connection.shut().await {
            tracing::warn!(database = %place, %error, "closing a connection failed");
        }
    }

    fn classify(&self, error: &SqliteError) -> ErrorClass {
        match error.sqlx() {
            Some(error) => classify(error, self.successor.ask(self, SqliteConnector::is_read_only)),
            None if matches!(error, SqliteError::Moved { .. }) => ErrorClass::FatalAll,
            // A refused path or journal mode: no better the next time, but retried like any failed connect.
            None => ErrorClass::FatalThis,
        }
    }

    fn target(&self) -> Option<Target> {
        Some(Target::new("sqlite", self.successor.ask(self, |latest| latest.place.to_string())))
    }
}

impl Clone for SqliteConnector {
    fn clone(&self) -> Self {
        self.successor.ask(self, |latest| SqliteConnector {
            place: latest.place.clone(),
            options: latest.options.clone(),
            has_own_options: latest.has_own_options,
            busy_timeout: latest.busy_timeout,
            create_if_missing: latest.create_if_missing,
            read_only: latest.read_only,
            journal_mode: latest.journal_mode,
            synchronous: latest.synchronous,
            role: latest.role.clone(),
            successor: Successor::default(),
        })
    }
}

/// Not for the two connectors of a [`SqliteReadWritePool`](super::SqliteReadWritePool), which belong together.
///
/// A database in memory that is replaced lives on with the pool, although nobody can see it any more.
impl Replaceable for SqliteConnector {
    fn replace_with(&self, next: Self) {
        self.successor.set(next.clone());
    }
}

/// Shows where the database is, never the settings: a pragma may hold a key.
impl fmt::Debug for SqliteConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteConnector")
            .field(
                "database",
                &format_args!("{}", self.successor.ask(self, |latest| latest.place.to_string())),
            )
            .finish_non_exhaustive()
    }
}
