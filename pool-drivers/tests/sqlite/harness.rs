//! What the tests share.

use std::path::{Path, PathBuf};

use pool_core::{Pool, PoolBuilder, Pooled};
use pool_drivers::sqlite::{SqliteConnection, SqliteConnector};
use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Executor as _, Row as _, Sqlite, Type};
use tempfile::TempDir;

/// A connection in a holder's hands.
pub(crate) type Held = Pooled<SqliteConnector>;

/// A directory with the path of a database in it.
pub(crate) struct Home {
    directory: TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Home { directory: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("orders.db")
    }

    pub(crate) fn connector(&self) -> SqliteConnector {
        SqliteConnector::file(self.path())
    }

    /// The files of the database that this process has open.
    pub(crate) fn handles(&self) -> Vec<PathBuf> {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
            .filter(|path| path.starts_with(self.directory()))
            .collect()
    }

    /// Waits until none is left.
    pub(crate) async fn all_handles_closed(&self) {
        let begun = tokio::time::Instant::now();
        while !self.handles().is_empty() {
            assert!(begun.elapsed().as_secs() < 20, "still open: {:?}", self.handles());
            tokio::task::yield_now().await;
        }
    }
}

/// A pool that opens connections only when asked.
pub(crate) fn pool_of(connector: SqliteConnector, max_connections: usize) -> PoolBuilder<SqliteConnector> {
    Pool::builder(connector).name("orders").max_connections(max_connections).min_connections(0)
}

/// A pool of one connection: who comes next, gets the connection that was used last.
pub(crate) fn pool_of_one(connector: SqliteConnector) -> Pool<SqliteConnector> {
    pool_of(connector, 1).build().unwrap()
}

/// The single value that a query yields; never from the statement cache, which keeps answers of pragmas.
pub(crate) async fn ask<T>(connection: &mut SqliteConnection, sql: &'static str) -> T
where
    T: for<'r> Decode<'r, Sqlite> + Type<Sqlite>,
{
    let row: SqliteRow = connection.fetch_one(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
    row.try_get_unchecked(0).unwrap()
}

/// Runs statements through the connection, as any holder would.
pub(crate) async fn tell(connection: &mut SqliteConnection, sql: &'static str) {
    connection.execute(sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
}

/// A pool of one connection with an empty table `item (name TEXT)`.
pub(crate) async fn pool_with_items(connector: SqliteConnector) -> Pool<SqliteConnector> {
    let pool = pool_of_one(connector);
    tell(&mut pool.acquire().await.unwrap(), "CREATE TABLE item (name TEXT)").await;
    pool
}

/// A query that never ends by itself, and yields no row.
pub(crate) const ENDLESS: &str =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n";

/// Polls a future a few times and drops it. Returns whether it had finished.
pub(crate) fn poll_and_drop<F: Future>(future: F, polls: usize) -> bool {
    let mut future = std::pin::pin!(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    (0..polls).any(|_| {
        std::thread::yield_now();
        future.as_mut().poll(&mut context).is_ready()
    })
}
