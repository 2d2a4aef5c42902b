//! The load on SQLite: a pool of its connections, and a query that touches no table.

use std::collections::BTreeMap;
use std::sync::Arc;

use pool_core::{BuildError, Connector as _, ErrorClass, Pool};
use pool_drivers::sqlite::{SqliteConnection, SqliteConnector, SqliteError};
use tempfile::TempDir;

use crate::failure::ErrorKind;
use crate::plan::Plan;
use crate::redact::redact;
use crate::subject::{Description, PoolSubject, Workload};
use crate::witness::Witness;

/// Counts to a hundred: some work for the database, none of it on a user's tables, and nothing is written.
const QUERY: &str =
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) SELECT sum(i) FROM n";

/// Each answers with as many rows as one number of SQLite's version says: how many rows there are is all that a
/// connection tells without a client library.
const VERSION: [&str; 3] = [
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999) \
     SELECT i FROM n WHERE i <= CAST(sqlite_version() AS INTEGER)",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999), \
     v(rest) AS (SELECT substr(sqlite_version(), instr(sqlite_version(), '.') + 1)) \
     SELECT i FROM n, v WHERE i <= CAST(rest AS INTEGER)",
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 999), \
     v(rest) AS (SELECT substr(sqlite_version(), instr(sqlite_version(), '.') + 1)), \
     w(rest) AS (SELECT substr(rest, instr(rest, '.') + 1) FROM v) \
     SELECT i FROM n, w WHERE i <= CAST(rest AS INTEGER)",
];

/// Name of the temporary database.
const FILE: &str = "loadtest.db";

/// Where the database is.
#[derive(Debug)]
pub(crate) enum Place {
    /// In a directory that is removed when this value is dropped.
    Temporary(TempDir),
    /// Where a configuration says.
    Given(String),
}

impl Place {
    pub(crate) fn temporary() -> std::io::Result<Self> {
        tempfile::Builder::new().prefix("pool-loadtest-").tempdir().map(Place::Temporary)
    }

    fn connector(&self) -> SqliteConnector {
        match self {
            Place::Temporary(directory) => SqliteConnector::file(directory.path().join(FILE)),
            Place::Given(database) => SqliteConnector::from_database(database),
        }
    }

    fn description(&self) -> Description {
        let (database, url) = match self {
            Place::Temporary(directory) => {
                (String::from("temporary file"), format!("sqlite://{}/{FILE}", directory.path().display()))
            }
            Place::Given(database) if database == ":memory:" => {
                (String::from("in memory"), String::from("sqlite::memory:"))
            }
            Place::Given(database) => (redact(database), redact(&format!("sqlite://{database}"))),
        };
        let mut settings = BTreeMap::from([("database", database)]);
        if url != "sqlite::memory:" {
            // The connector refuses a file that cannot have this mode.
            settings.insert("journal_mode", String::from("wal"));
        }
        Description {
            backend: "sqlite",
            url,
            version: String::from("SQLite, version not told"),
            settings,
            // The database, its write-ahead log and the log's index.
            fds_per_connection: 3,
            threads_per_connection: 1,
        }
    }
}

/// The query, and what is known of the database.
#[derive(Debug)]
pub(crate) struct SqliteLoad {
    connector: SqliteConnector,
    description: Description,
}

impl Workload<SqliteConnector> for SqliteLoad {
    async fn run(&self, connection: &mut SqliteConnection) -> Result<(), SqliteError> {
        connection.run(QUERY).await?;
        Ok(())
    }

    fn kind(&self, error: &SqliteError) -> ErrorKind {
        if error.is_locked() {
            return ErrorKind::Busy;
        }
        match self.connector.classify(error) {
            ErrorClass::FatalThis | ErrorClass::FatalAll => ErrorKind::ConnectionLost,
            _ => ErrorKind::QueryError,
        }
    }

    fn description(&self) -> Description {
        self.description.clone()
    }
}

/// Builds the pool; opens nothing yet.
pub(crate) fn pool(
    place: &Place,
    plan: &Plan,
    witness: &Arc<Witness>,
) -> Result<Pool<SqliteConnector>, BuildError> {
    Pool::builder(place.connector())
        .name(&plan.pool)
        .options(plan.options.clone())
        .shared_observer(Arc::clone(witness) as _)
        .build()
}

/// Puts pool and query together. Asks an open connection for SQLite's version; what it cannot tell stays untold.
pub(crate) async fn subject(
    place: &Place,
    pool: Pool<SqliteConnector>,
) -> PoolSubject<SqliteConnector, SqliteLoad> {
    let mut description = place.description();
    if let Some(version) = version(&pool).await {
        description.version = version;
    }
    let connector = pool.connector().clone();
    PoolSubject::new(pool, SqliteLoad { connector, description })
}

async fn version(pool: &Pool<SqliteConnector>) -> Option<String> {
    let mut connection = pool.acquire().await.ok()?;
    let mut numbers = Vec::new();
    for query in VERSION {
        numbers.push(connection.run(query).await.ok()?.to_string());
    }
    Some(format!("SQLite {}", numbers.join(".")))
}
