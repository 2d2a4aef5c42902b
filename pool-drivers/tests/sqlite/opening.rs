//! Databases that cannot be opened: the error names the path and the reason.

use std::error::Error as _;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use pool_core::{Connector as _, ErrorClass};
use pool_drivers::sqlite::{OpenProblem, SqliteConnector, SqliteError, SqliteReadWritePool};
use sqlx::sqlite::SqliteJournalMode;

use crate::harness::{Home, pool_of_one};

/// What connecting fails with, and the reason given.
async fn refusal(connector: SqliteConnector) -> (SqliteError, OpenProblem) {
    let error = connector.connect().await.unwrap_err();
    let SqliteError::Open { problem, .. } = &error else { panic!("{error}") };
    let problem = problem.clone();
    (error, problem)
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let home = Home::new();
    let path = home.directory().join("missing").join("orders.db");
    let (error, problem) = refusal(SqliteConnector::file(&path)).await;
    assert_eq!(problem, OpenProblem::NoDirectory(home.directory().join("missing")));
    let expected = format!(
        "open SQLite database `{}`: its directory `{}` does not exist",
        path.display(),
        home.directory().join("missing").display()
    );
    assert_eq!(error.to_string(), expected);
    let source = error.source().unwrap().to_string();
    assert!(source.contains("unable to open database file"), "{source}");
}

#[tokio::test]
async fn a_directory_is_no_database() {
    let home = Home::new();
    let (error, problem) = refusal(SqliteConnector::file(home.directory())).await;
    assert_eq!(problem, OpenProblem::IsDirectory);
    assert!(error.sqlx().is_some());
}

#[tokio::test]
async fn a_file_of_something_else_is_no_database() {
    let home = Home::new();
    std::fs::write(home.path(), "name,price\nlamp,12\n".repeat(100)).unwrap();
    for connector in [home.connector(), home.connector().read_only(true)] {
        let (error, problem) = refusal(connector.clone()).await;
        assert_eq!(problem, OpenProblem::NotADatabase);
        assert_eq!(connector.classify(&error), ErrorClass::FatalAll);
    }
}

#[tokio::test]
async fn a_missing_file_is_not_created_unless_it_may_be() {
    let home = Home::new();
    for connector in [home.connector().create_if_missing(false), home.connector().read_only(true)] {
        let (_, problem) = refusal(connector).await;
        assert_eq!(problem, OpenProblem::NoFile);
    }
    assert!(!home.path().exists());
    home.connector().connect().await.unwrap();
    assert!(home.path().exists());
}

#[tokio::test]
async fn an_empty_path_is_refused() {
    let (error, problem) = refusal(SqliteConnector::file("")).await;
    assert_eq!(problem, OpenProblem::EmptyPath);
    assert_eq!(error.to_string(), "open SQLite database ``: the path is empty");
}

#[tokio::test]
async fn a_journal_mode_that_cannot_be_had_is_an_error() {
    let home = Home::new();
    let connector = home.connector().journal_mode(SqliteJournalMode::Wal);
    // This file system has no shared memory, which the write-ahead log needs.
    let connector = connector.options(|options| options.vfs("unix-dotfile"));
    let (error, problem) = refusal(connector).await;
    let expected = OpenProblem::JournalMode { wanted: "Wal".into(), actual: "delete".into() };
    assert_eq!(problem, expected, "{error}");
    home.all_handles_closed().await;
}

#[tokio::test]
async fn a_connect_that_fails_leaves_no_file_open() {
    let home = Home::new();
    std::fs::write(home.path(), "no database".repeat(1000)).unwrap();
    for _ in 0..10 {
        home.connector().connect().await.unwrap_err();
        assert_eq!(home.handles(), Vec::<std::path::PathBuf>::new());
    }
}

#[tokio::test]
async fn a_pool_tells_why_it_cannot_connect() {
    let pool = pool_of_one(SqliteConnector::file("/nowhere/at/all/orders.db"));
    let error = pool.acquire().await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(error.to_string().contains("its directory `/nowhere/at/all` does not exist"), "{error}");
}

/// Set for the copy of this test program that runs as a user without rights.
const UNWRITABLE: &str = "POOL_DRIVERS_TEST_UNWRITABLE";

#[tokio::test]
async fn a_file_that_may_not_be_written_is_refused_unless_opened_read_only() {
    if let Some(path) = std::env::var_os(UNWRITABLE) {
        return assert_unwritable(Path::new(&path)).await;
    }
    let home = Home::new();
    let connector = home.connector().journal_mode(SqliteJournalMode::Delete);
    drop(connector.connect().await.unwrap());
    home.all_handles_closed().await;
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o444)).unwrap();
    std::fs::set_permissions(home.directory(), PermissionsExt::from_mode(0o755)).unwrap();
    if std::fs::OpenOptions::new().write(true).open(home.path()).is_err() {
        return assert_unwritable(&home.path()).await;
    }
    // Root may write everything, so let somebody else try. The program moves to where others can run it.
    let program = home.directory().join("tests");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let name = format!("{}::a_file_that_may_not_be_written", module_path!().split_once("::").unwrap().1);
    let output = Command::new(&program)
        .arg(name)
        .env(UNWRITABLE, home.path())
        .current_dir(home.directory())
        .uid(65534)
        .gid(65534)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

async fn assert_unwritable(path: &Path) {
    let (error, problem) = refusal(SqliteConnector::file(path)).await;
    assert_eq!(problem, OpenProblem::ReadOnly, "{error}");
    let mut reader = SqliteConnector::file(path).read_only(true).connect().await.unwrap();
    assert_eq!(reader.run("SELECT * FROM sqlite_schema").await.unwrap(), 0);

    let pool = SqliteReadWritePool::builder(SqliteConnector::file(path)).build().unwrap();
    for error in [pool.acquire_read().await.unwrap_err(), pool.acquire_write().await.unwrap_err()] {
        assert!(error.to_string().contains("it cannot be written; open it with `read_only`"), "{error}");
    }
}
