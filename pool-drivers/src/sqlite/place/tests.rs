use std::time::Duration;

use pool_core::Connector as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteError};
use sqlx::{ConnectOptions as _, Executor as _};

use super::*;
use crate::sqlite::{SqliteConnector, SqliteReadWritePool};

fn shared(name: &str) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(name).vfs("memdb")
}

#[tokio::test]
async fn a_database_in_memory_goes_away_with_the_last_who_may_come_for_it() {
    let memory = Arc::new(Memory::new());
    let options = shared(&memory.name);
    memory.hold(&options).await.unwrap();
    let mut visitor = options.connect().await.unwrap();
    visitor.execute("CREATE TABLE item (name TEXT)").await.unwrap();
    drop(visitor);

    let mut visitor = options.connect().await.unwrap();
    visitor.execute("SELECT * FROM item").await.expect("the anchor keeps the table");
    drop(visitor);

    drop(memory);
    until_gone(&options).await;
}

/// Waits until a visitor no longer finds the table.
async fn until_gone(options: &SqliteConnectOptions) {
    // The threads of the anchor and of the visitors close in their own time.
    let begun = tokio::time::Instant::now();
    loop {
        let mut visitor = options.connect().await.unwrap();
        if visitor.execute("SELECT * FROM item").await.is_err() {
            break;
        }
        drop(visitor);
        assert!(begun.elapsed().as_secs() < 20, "the database outlived its last user");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_database_in_memory_goes_away_with_the_pool_of_its_readers_and_writer() {
    let connector = SqliteConnector::memory();
    let Place::Memory(memory) = &connector.place else { panic!("it is in memory") };
    let options = shared(&memory.name);
    let pool = SqliteReadWritePool::builder(connector).build().unwrap();
    pool.acquire_write().await.unwrap().run("CREATE TABLE item (name TEXT)").await.unwrap();
    let report = pool.close(Duration::from_secs(20)).await;
    assert!(report.is_complete(), "{report}");
    let mut visitor = options.connect().await.unwrap();
    visitor.execute("SELECT * FROM item").await.expect("a handle of the pool is left");
    drop(visitor);
    drop(pool);
    until_gone(&options).await;
}

#[test]
fn two_databases_in_memory_have_different_names() {
    assert_ne!(Memory::new().name, Memory::new().name);
}

#[test]
fn a_file_name_is_only_a_name() {
    let here = std::env::current_dir().unwrap();
    for name in ["orders.db", ":memory:", "file:orders.db?mode=memory"] {
        let Place::File(path) = Place::file(Path::new(name)) else { panic!("{name} is a file") };
        assert_eq!(path, here.join(name));
    }
}

/// A real one: a connection that may not write, asked to.
async fn read_only_error(path: &Path) -> sqlx::Error {
    let writer = SqliteConnector::file(path).connect().await.unwrap();
    drop(writer);
    let mut reader = SqliteConnector::file(path).read_only(true).connect().await.unwrap();
    reader.execute("CREATE TABLE item (name TEXT)").await.unwrap_err()
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_called_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orders.db");
    let error = read_only_error(&path).await;
    assert!(
        error.as_database_error().unwrap().downcast_ref::<SqliteError>().to_string().contains("readonly")
    );
    assert_eq!(Place::file(&path).problem(&error, true), OpenProblem::ReadOnly);
}
