//! The databases: a server of its own for each run, or a file, with one table.

use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;
use pool_tests::mariadb::MariaDb;
use pool_tests::postgres::Postgres;
use pool_tests::process::Server;
use serde::Serialize;
use tempfile::TempDir;

use super::client::Database;
use super::clients::Sqlx;

/// The user, the password and the database.
pub(crate) const NAME: &str = "bench";

/// How a database is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Transport {
    Socket,
    Tcp,
    #[value(skip)]
    File,
}

impl Transport {
    /// Its name in tables.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Transport::Socket => "Unix socket",
            Transport::Tcp => "TCP",
            Transport::File => "file",
        }
    }
}

/// Where a database is.
#[derive(Debug, Clone)]
pub(crate) enum Way {
    /// The socket itself, or the folder of PostgreSQL's.
    Socket {
        path: PathBuf,
        port: u16,
    },
    /// On 127.0.0.1.
    Tcp {
        port: u16,
    },
    File {
        path: PathBuf,
    },
}

impl Way {
    pub(crate) fn transport(&self) -> Transport {
        match self {
            Way::Socket { .. } => Transport::Socket,
            Way::Tcp { .. } => Transport::Tcp,
            Way::File { .. } => Transport::File,
        }
    }
}

/// A database that is there as long as this is.
pub(crate) struct Place {
    pub(crate) database: Database,
    /// The server's own words.
    pub(crate) version: String,
    pub(crate) ways: Vec<Way>,
    _kept: Kept,
}

#[expect(dead_code, reason = "a server lives as long as its handle, a folder as long as its name")]
enum Kept {
    Postgres(Server<Postgres>),
    MariaDb(Server<MariaDb>),
    Folder(TempDir),
}

impl Place {
    /// Starts what is needed and fills the table.
    ///
    /// # Errors
    ///
    /// A server is not installed or does not start.
    pub(crate) async fn open(database: Database) -> anyhow::Result<Self> {
        let (ways, kept) = match database {
            Database::Postgres => {
                let server = Postgres::new().launch().await.context("start PostgreSQL")?;
                server.create_user(NAME, NAME).await.context("create a user")?;
                let socket = Way::Socket { path: server.socket_dir().to_path_buf(), port: server.port() };
                (vec![socket, Way::Tcp { port: server.port() }], Kept::Postgres(server))
            }
            Database::Mariadb => {
                let server = MariaDb::new().launch().await.context("start MariaDB")?;
                server.create_user(NAME, NAME).await.context("create a user")?;
                let socket = Way::Socket { path: server.socket(), port: server.port() };
                (vec![socket, Way::Tcp { port: server.port() }], Kept::MariaDb(server))
            }
            Database::Sqlite => {
                let folder = TempDir::with_prefix("bench-peers-").context("create a folder")?;
                (vec![Way::File { path: folder.path().join("bench.db") }], Kept::Folder(folder))
            }
        };
        let fill = match database {
            Database::Postgres => sqlx::Postgres::fill(&ways[0]).await,
            Database::Mariadb => sqlx::MySql::fill(&ways[0]).await,
            Database::Sqlite => sqlx::Sqlite::fill(&ways[0]).await,
        };
        Ok(Place { database, version: fill.context("fill the table")?, ways, _kept: kept })
    }
}

/// Makes the table and fills it. 10,000 numbers are four digits.
pub(crate) const TABLE: &str = "
    CREATE TABLE item (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(40) NOT NULL, price INTEGER NOT NULL);
    INSERT INTO item
    WITH digit AS (
        SELECT 0 AS n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4
        UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9
    ), number AS (SELECT 1 + a.n + 10 * b.n + 100 * c.n + 1000 * d.n AS id FROM digit a, digit b, digit c, digit d)
    SELECT id, 'a lamp with three legs', 3 * id FROM number;";
