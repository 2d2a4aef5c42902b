//! One writer and several readers of a database, behind one handle.

use std::fmt;
use std::num::NonZero;
use std::panic::Location;
use std::thread::available_parallelism;
use std::time::Duration;

use pool_core::{AcquireError, BuildError, CloseReport, Pool, PoolBuilder, PoolStats, Pooled, WarmUpError};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use tokio::time::{Instant, timeout};

use super::connector::SqliteConnector;
use super::pool::{Begin, SqlitePool, SqliteTransaction};
use crate::sql::{Retry, Scope, SqlPoolError};

/// A pool of one connection that writes, and one of several that only read, of the same database.
///
/// SQLite has room for one writer at a time. Here callers wait for it in the order they came, in the queue of the
/// pool, instead of polling a locked file. Readers cannot write: SQLite refuses it ("attempt to write a readonly
/// database"). See the [module](super#one-writer-and-several-readers).
///
/// [`readers`](Self::readers) and [`writer`](Self::writer) are pools of their own and [executors](sqlx::Executor):
/// which of them a query goes through says whether it writes. Nothing guesses that from its text.
///
/// Clones are handles of the same pools.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pool_drivers::sqlite::{SqliteConnector, SqliteReadWritePool};
/// use std::time::Duration;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("orders.db");
/// let pool = SqliteReadWritePool::builder(SqliteConnector::file(path))
///     .name("orders") // `orders.readers` and `orders.writer`
///     .readers(|readers| readers.max_connections(8))
///     .writer(|writer| writer.acquire_timeout(Duration::from_secs(60)))
///     .build()?;
/// pool.warm_up().await?;
///
/// let mut connection = pool.acquire_write().await?;
/// connection.run("CREATE TABLE item (name TEXT)").await?;
/// drop(connection);
///
/// let error = sqlx::query("DELETE FROM item").execute(pool.readers()).await.unwrap_err();
/// assert!(error.to_string().contains("readonly"));
///
/// let report = pool.close(Duration::from_secs(10)).await;
/// assert!(report.is_complete(), "{report}");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct SqliteReadWritePool {
    readers: SqlitePool,
    writer: SqlitePool,
}

/// One of each: of the readers' pool and of the writer's.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadWrite<T> {
    /// That of the readers.
    pub readers: T,
    /// That of the writer.
    pub writer: T,
}

impl SqliteReadWritePool {
    /// Begins to describe a pool.
    pub fn builder(connector: SqliteConnector) -> SqliteReadWriteBuilder {
        let read_only = connector.is_read_only();
        let (readers, writer) = connector.pair();
        let processors = available_parallelism().map_or(1, NonZero::get);
        SqliteReadWriteBuilder {
            name: String::from("default"),
            read_only,
            readers: Pool::builder(readers).max_connections(processors.max(LEAST_READERS)),
            writer: Pool::builder(writer),
        }
    }

    /// Opens a pool with default options on a database named by a URL of sqlx, such as
    /// `sqlite://data/orders.db?mode=rwc` or `sqlite::memory:`, and waits for its first connections.
    ///
    /// # Errors
    ///
    /// Fails if the URL cannot be understood or is one to read only, or the database cannot be opened, with the
    /// cause.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what it has opened.
    pub async fn connect(url: &str) -> Result<Self, SqlPoolError> {
        let pool = Self::connect_lazy(url)?;
        pool.warm_up().await?;
        Ok(pool)
    }

    /// [`connect`](Self::connect) without waiting.
    ///
    /// # Errors
    ///
    /// Fails if the URL cannot be understood or is one to read only.
    pub fn connect_lazy(url: &str) -> Result<Self, SqlPoolError> {
        Self::builder(SqliteConnector::from_url(url).map_err(SqlPoolError::Url)?).build()
    }

    /// Opens a pool with default options by options of sqlx, and waits for its first connections.
    ///
    /// The options stay as they are, but for the journal, which is a write-ahead log: without one, readers and
    /// writer take turns.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be opened, with the cause.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what it has opened.
    pub async fn connect_with(options: SqliteConnectOptions) -> Result<Self, SqlPoolError> {
        let pool = Self::builder(SqliteConnector::from_options(options).journal_mode(SqliteJournalMode::Wal))
            .build()?;
        pool.warm_up().await?;
        Ok(pool)
    }

    /// The pool of the readers.
    ///
    /// A connection from its own [`acquire`](Pool::acquire), and its kin, comes at once also where readers and writer
    /// [take turns](super#one-writer-and-several-readers); all else, queries included, waits for its turn.
    pub fn readers(&self) -> &SqlitePool {
        &self.readers
    }

    /// The pool of the one writer, of which the same is true as of the [`readers`](Self::readers).
    ///
    /// To give it a second connection gains nothing: SQLite lets only one of them write.
    pub fn writer(&self) -> &SqlitePool {
        &self.writer
    }

    /// Waits for a connection that reads, for at most the readers' `acquire_timeout`; where readers and writer take
    /// turns, then for its turn, for at most `busy_timeout`.
    ///
    /// # Errors
    ///
    /// As [`Pool::acquire`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[track_caller]
    pub fn acquire_read(
        &self,
    ) -> impl Future<Output = Result<Pooled<SqliteConnector>, AcquireError>> + Send + '_ {
        self.readers.lease(Location::caller())
    }

    /// Waits for the connection that writes, for at most the writer's `acquire_timeout`; where readers and writer take
    /// turns, then for its turn, for at most `busy_timeout`. Callers get it in the order they came.
    ///
    /// # Errors
    ///
    /// As [`Pool::acquire`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future at any point loses nothing.
    #[track_caller]
    pub fn acquire_write(
        &self,
    ) -> impl Future<Output = Result<Pooled<SqliteConnector>, AcquireError>> + Send + '_ {
        self.writer.lease(Location::caller())
    }

    /// Begins a transaction on the writer that has the write lock from the start ([`Begin::Immediate`]).
    ///
    /// For another kind, or for several reads that see the same state, there is `begin_with` and `begin` of the
    /// [`writer`](Self::writer) and the [`readers`](Self::readers).
    ///
    /// # Errors
    ///
    /// Fails if the connection cannot be acquired, and if another process keeps the database locked for longer than
    /// `busy_timeout`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no transaction has begun.
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<SqliteTransaction<'static>, sqlx::Error>> + Send + '_ {
        self.writer.begin_with(Begin::Immediate)
    }

    /// Runs `work` in a transaction as [`begin`](Self::begin) makes one, and commits it; as
    /// [`SqlPool::transaction`](crate::sql::SqlPool::transaction), runs it again when another process had the
    /// database locked.
    ///
    /// # Errors
    ///
    /// Fails with the last error of `work`, or of beginning or committing. Everything is rolled back then.
    ///
    /// # Panics
    ///
    /// If `work` panics; everything is rolled back then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, everything or nothing was committed.
    #[track_caller]
    pub fn transaction<T, E, F>(
        &self,
        work: impl FnMut(Scope<sqlx::Sqlite>) -> F,
    ) -> impl Future<Output = Result<T, E>>
    where
        E: From<sqlx::Error>,
        F: Future<Output = Result<T, E>>,
    {
        self.writer.transaction_with(Retry::default(), Begin::Immediate, work)
    }

    /// Waits until both pools have `min_connections` open, for at most the `acquire_timeout` of each.
    ///
    /// # Errors
    ///
    /// Fails as soon as the database is known to be out of reach, with the cause.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing: the pools go on opening connections.
    pub async fn warm_up(&self) -> Result<(), WarmUpError> {
        self.writer.warm_up().await?;
        self.readers.warm_up().await
    }

    /// How the two pools are now.
    pub fn stats(&self) -> ReadWrite<PoolStats> {
        ReadWrite { readers: self.readers.stats(), writer: self.writer.stats() }
    }

    /// Closes both pools at the same time, as [`Pool::close`] does. When all connections are gone, the write-ahead
    /// log is merged into the file, so that a copy of the file is a copy of the database.
    ///
    /// # Cancel safety
    ///
    /// Both are closing from the first poll on; dropping the future only ends the wait.
    pub async fn close(&self, deadline: Duration) -> ReadWrite<CloseReport> {
        let begun = Instant::now();
        let (readers, writer) = tokio::join!(self.readers.close(deadline), self.writer.close(deadline));
        let report = ReadWrite { readers, writer };
        if report.is_complete() {
            let left = deadline.saturating_sub(begun.elapsed());
            // Late or not, nothing is lost: who opens the file next finds the log.
            drop(timeout(left, self.writer.connector().finish()).await);
        }
        report
    }
}

impl ReadWrite<CloseReport> {
    /// Whether every connection is gone.
    pub fn is_complete(&self) -> bool {
        self.readers.is_complete() && self.writer.is_complete()
    }
}

impl fmt::Display for ReadWrite<CloseReport> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.readers, self.writer)
    }
}

/// The default of the readers' `max_connections` on a machine of few processors: some wait for the disk.
const LEAST_READERS: usize = 4;

/// Describes a [`SqliteReadWritePool`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct SqliteReadWriteBuilder {
    name: String,
    read_only: bool,
    readers: PoolBuilder<SqliteConnector>,
    writer: PoolBuilder<SqliteConnector>,
}

impl SqliteReadWriteBuilder {
    /// Sets the name, to which the pools add `.readers` and `.writer`. Default `default`.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Changes the pool of the readers, all but its name. Its options have the defaults of
    /// [`PoolOptions`](pool_core::PoolOptions), except that `max_connections` is the number of processors, and 4 at least.
    pub fn readers(
        mut self,
        change: impl FnOnce(PoolBuilder<SqliteConnector>) -> PoolBuilder<SqliteConnector>,
    ) -> Self {
        self.readers = change(self.readers);
        self
    }

    /// Changes the pool of the writer, all but its name and its `max_connections`, which is 1.
    pub fn writer(
        mut self,
        change: impl FnOnce(PoolBuilder<SqliteConnector>) -> PoolBuilder<SqliteConnector>,
    ) -> Self {
        self.writer = change(self.writer);
        self
    }

    /// Checks all options and makes the pools. Waits for nothing: connections are opened in the background.
    ///
    /// # Errors
    ///
    /// Fails as [`PoolBuilder::build`], and if the connector is one to read only.
    pub fn build(self) -> Result<SqliteReadWritePool, SqlPoolError> {
        let SqliteReadWriteBuilder { name, read_only, readers, writer } = self;
        if read_only {
            return Err(SqlPoolError::ReadOnly);
        }
        if name.is_empty() {
            return Err(BuildError::EmptyName.into());
        }
        let writer = writer.name(format!("{name}.writer")).max_connections(1).build()?;
        let readers = readers.name(format!("{name}.readers")).build()?;
        Ok(SqliteReadWritePool { readers: readers.into(), writer: writer.into() })
    }
}
