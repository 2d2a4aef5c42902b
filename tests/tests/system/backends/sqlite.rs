//! SQLite, which has no server: what comes nearest to each fault of one.
//!
//! | fault of a server | here |
//! |---|---|
//! | its sessions are killed, it restarts, connections are torn down | another file takes the place of the database |
//! | it is stopped, or refuses connections | the file is taken away |
//! | it is frozen, or a black hole | another connection has the database locked |
//! | it is slow | another connection has it locked half of the time |
//!
//! A file is exchanged while it is locked, as anybody must who exchanges one that is in use. With the rollback journal,
//! for which everybody has to wait while somebody writes.

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use pool_drivers::sqlite::{SqliteConnection, SqliteConnector};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{Connection as _, Executor as _};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::backend::{Backend, Hindrance, Mess, Outcome};

/// How long a statement waits for a locked database: longer than the writers of a test together.
const BUSY: Duration = Duration::from_secs(2);

/// A database in a file.
pub(crate) struct SqliteFile {
    folder: TempDir,
    hindrance: Mutex<Option<Held>>,
}

/// What keeps others from the database.
enum Held {
    Lock(sqlx::SqliteConnection),
    Contender(JoinHandle<()>),
    /// The file is elsewhere.
    Absence,
}

impl SqliteFile {
    fn database(&self) -> PathBuf {
        self.folder.path().join("orders.db")
    }

    /// An empty database that is never opened.
    fn template(&self) -> PathBuf {
        self.folder.path().join("template")
    }

    /// Where the file is while it is away.
    fn elsewhere(&self) -> PathBuf {
        self.folder.path().join("elsewhere")
    }

    /// Puts a new database in the place of the one that is there, if there is one.
    async fn replace(&self) {
        let lock = match self.database().exists() {
            true => Some(lock(&self.database()).await),
            false => None,
        };
        let next = self.folder.path().join("next");
        std::fs::copy(self.template(), &next).unwrap();
        std::fs::rename(&next, self.database()).unwrap();
        if let Some(lock) = lock {
            lock.close().await.unwrap();
        }
    }

    async fn take_away(&self) {
        let lock = lock(&self.database()).await;
        std::fs::rename(self.database(), self.elsewhere()).unwrap();
        lock.close().await.unwrap();
    }

    fn put(&self, held: Held) {
        let before = self.hindrance.lock().unwrap().replace(held);
        assert!(before.is_none(), "one hindrance at a time");
    }
}

/// Nobody else reads or writes until the connection is closed.
async fn lock(path: &Path) -> sqlx::SqliteConnection {
    let options = SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(20));
    let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
    connection.execute("BEGIN EXCLUSIVE").await.unwrap();
    connection
}

impl Backend for SqliteFile {
    type Connector = SqliteConnector;

    /// `READONLY_DBMOVED`.
    const FLUSHES_OF_A_KILL: u64 = 1;

    /// A database that somebody else has locked is no dead one; its use fails after `busy_timeout`.
    const VALIDATION_SEES_SILENCE: bool = false;

    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = SqliteFile { folder, hindrance: Mutex::default() };
        let options = SqliteConnectOptions::new().filename(file.template()).create_if_missing(true);
        let mut connection = sqlx::SqliteConnection::connect_with(&options).await.unwrap();
        let tables =
            "CREATE TABLE last (question TEXT); INSERT INTO last VALUES (''); CREATE TABLE kept (id INT)";
        connection.execute(tables).await.unwrap();
        connection.close().await.unwrap();
        file.replace().await;
        file
    }

    fn connector(&self) -> SqliteConnector {
        SqliteConnector::file(self.database())
            .create_if_missing(false)
            .journal_mode(SqliteJournalMode::Delete)
            .synchronous(SqliteSynchronous::Off)
            .busy_timeout(BUSY)
    }

    /// It writes, because one that only reads does not notice that its file has gone.
    async fn ask(connection: &mut SqliteConnection, question: &str) -> Outcome<String> {
        let write = sqlx::query_scalar("UPDATE last SET question = ? RETURNING question");
        let mut answers: Vec<String> = write.bind(question).fetch_all(connection).await?;
        Ok(answers.pop().unwrap_or_default())
    }

    async fn leave(connection: &mut SqliteConnection, mess: Mess) {
        match mess {
            Mess::Begun => drop(connection.execute("BEGIN; INSERT INTO kept VALUES (1)").await.unwrap()),
            Mess::Failed => {
                connection.execute("BEGIN; INSERT INTO kept VALUES (1)").await.unwrap();
                connection.execute("SELECT * FROM nowhere").await.unwrap_err();
            }
            Mess::Unread => {
                let many = "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number LIMIT 100000) \
                            SELECT n FROM number";
                let mut rows = connection.fetch(many);
                poll_fn(|cx| rows.as_mut().poll_next(cx)).await.unwrap().unwrap();
            }
        }
    }

    /// A row of an open transaction would be seen; and a transaction cannot begin inside another.
    async fn is_clean(connection: &mut SqliteConnection) -> bool {
        let kept: Result<i64, _> =
            sqlx::query_scalar("SELECT count(*) FROM kept").fetch_one(&mut *connection).await;
        kept.is_ok_and(|kept| kept == 0) && connection.execute("BEGIN; ROLLBACK").await.is_ok()
    }

    /// The descriptors of the database that this process has open, also of one that was replaced.
    async fn sessions(&self) -> usize {
        let ours = [self.database(), self.elsewhere()];
        let is_ours = |open: &Path| {
            let open = open.to_string_lossy();
            ours.iter().any(|path| open.trim_end_matches(" (deleted)") == path.to_string_lossy())
        };
        let all = std::fs::read_dir("/proc/self/fd").unwrap();
        all.filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
            .filter(|open| is_ours(open))
            .count()
    }

    async fn kill_sessions(&self) {
        self.replace().await;
    }

    async fn stop(&self) {
        self.take_away().await;
        std::fs::remove_file(self.elsewhere()).unwrap();
    }

    async fn start_again(&self) {
        self.replace().await;
    }

    async fn freeze(&self) {
        self.put(Held::Lock(lock(&self.database()).await));
    }

    async fn thaw(&self) {
        self.mend().await;
    }

    async fn hinder(&self, hindrance: Hindrance) {
        match hindrance {
            Hindrance::Blackhole => self.freeze().await,
            Hindrance::Latency(delay) => {
                let path = self.database();
                self.put(Held::Contender(tokio::spawn(async move {
                    loop {
                        let lock = lock(&path).await;
                        sleep(delay).await;
                        lock.close().await.unwrap();
                        sleep(delay).await;
                    }
                })));
            }
            Hindrance::Refuse => {
                self.take_away().await;
                self.put(Held::Absence);
            }
        }
    }

    async fn mend(&self) {
        let held = self.hindrance.lock().unwrap().take();
        match held {
            None => {}
            Some(Held::Lock(connection)) => connection.close().await.unwrap(),
            Some(Held::Contender(task)) => {
                task.abort();
                // It was told to end.
                drop(task.await);
            }
            Some(Held::Absence) => std::fs::rename(self.elsewhere(), self.database()).unwrap(),
        }
    }

    async fn reset(&self) {
        self.replace().await;
    }

    async fn shut(&self) {
        self.reset().await;
        self.hinder(Hindrance::Refuse).await;
    }
}

super::every_case!(SqliteFile);
