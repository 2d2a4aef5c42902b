//! Every connection has the settings that the connector promises, and keeps them.

use std::time::Duration;

use pool_core::{Connector as _, Pool, Target};
use pool_drivers::sqlite::{SqliteConnector, SqlitePool};
use sqlx::Executor as _;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};

use crate::harness::{Home, ask, pool_of, pool_of_one, tell};

#[tokio::test]
async fn settings_are_the_same_on_every_connection() {
    let home = Home::new();
    let pool = pool_of(home.connector(), 4).build().unwrap();
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(pool.acquire().await.unwrap());
    }
    for connection in &mut held {
        assert_eq!(ask::<i64>(connection, "PRAGMA foreign_keys").await, 1);
        assert_eq!(ask::<i64>(connection, "PRAGMA busy_timeout").await, 5000);
        assert_eq!(ask::<String>(connection, "PRAGMA journal_mode").await, "wal");
        assert_eq!(ask::<i64>(connection, "PRAGMA synchronous").await, 1);
        assert_eq!(ask::<i64>(connection, "PRAGMA query_only").await, 0);
    }
    assert_eq!(pool.counters().created, 4);
}

#[tokio::test]
async fn every_setting_can_be_changed() {
    let home = Home::new();
    let connector = home
        .connector()
        .foreign_keys(false)
        .busy_timeout(Duration::from_micros(1_500))
        .journal_mode(SqliteJournalMode::Truncate)
        .synchronous(SqliteSynchronous::Full)
        .options(|options| options.pragma("cache_size", "-123"));
    let pool = pool_of_one(connector);
    for _ in 0..2 {
        let mut connection = pool.acquire().await.unwrap();
        assert_eq!(ask::<i64>(&mut connection, "PRAGMA foreign_keys").await, 0);
        assert_eq!(ask::<i64>(&mut connection, "PRAGMA busy_timeout").await, 2);
        assert_eq!(ask::<String>(&mut connection, "PRAGMA journal_mode").await, "truncate");
        assert_eq!(ask::<i64>(&mut connection, "PRAGMA synchronous").await, 2);
        assert_eq!(ask::<i64>(&mut connection, "PRAGMA cache_size").await, -123);
        // The second round sees what a reset makes of them.
        tell(&mut connection, "PRAGMA foreign_keys = 1; PRAGMA cache_size = 7; PRAGMA busy_timeout = 9")
            .await;
    }
    assert_eq!(pool.counters().created, 1);
}

#[tokio::test]
async fn a_busy_timeout_beyond_all_measure_is_cut_down() {
    let pool = pool_of_one(SqliteConnector::memory().busy_timeout(Duration::MAX));
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(ask::<i64>(&mut connection, "PRAGMA busy_timeout").await, i64::from(i32::MAX));
}

#[tokio::test]
async fn foreign_keys_are_enforced() {
    let pool = pool_of_one(SqliteConnector::memory());
    let mut connection = pool.acquire().await.unwrap();
    tell(&mut connection, "CREATE TABLE parent (id INTEGER PRIMARY KEY)").await;
    tell(&mut connection, "CREATE TABLE child (parent INTEGER REFERENCES parent (id))").await;
    let error = connection.execute("INSERT INTO child VALUES (1)").await.unwrap_err();
    assert!(error.as_database_error().unwrap().is_foreign_key_violation(), "{error}");
}

#[tokio::test]
async fn a_read_only_connection_reads_and_survives_an_attempt_to_write() {
    let home = Home::new();
    let writers = pool_of_one(home.connector());
    tell(&mut writers.acquire().await.unwrap(), "CREATE TABLE item (name TEXT)").await;

    let readers = pool_of_one(home.connector().read_only(true));
    let mut reader = readers.acquire().await.unwrap();
    assert_eq!(ask::<i64>(&mut reader, "SELECT count(*) FROM item").await, 0);
    let error = reader.execute("INSERT INTO item VALUES ('x')").await.unwrap_err();
    assert!(error.to_string().contains("readonly"), "{error}");
    drop(reader);
    drop(readers.acquire().await.unwrap());
    assert_eq!(readers.counters().created, 1);
}

#[test]
fn the_target_is_the_file_or_memory() {
    let home = Home::new();
    let path = home.path().display().to_string();
    assert_eq!(home.connector().target(), Some(Target::new("sqlite", path.clone())));
    assert_eq!(SqliteConnector::from_database(&path).target(), Some(Target::new("sqlite", path)));
    assert_eq!(SqliteConnector::from_database(":memory:").target(), Some(Target::new("sqlite", ":memory:")));
}

#[test]
fn debug_shows_the_database_and_no_setting() {
    let connector = SqliteConnector::memory().options(|options| options.pragma("key", "s3cret"));
    assert_eq!(format!("{connector:?}"), "SqliteConnector { database: :memory:, .. }");
}

#[tokio::test]
async fn run_counts_the_rows_that_come_back() {
    let pool = pool_of_one(SqliteConnector::memory());
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(connection.run("CREATE TABLE item (name TEXT)").await.unwrap(), 0);
    assert_eq!(connection.run("INSERT INTO item VALUES ('a'), ('b')").await.unwrap(), 0);
    assert_eq!(connection.run("SELECT * FROM item").await.unwrap(), 2);
    assert_eq!(connection.run("SELECT 1; SELECT * FROM item").await.unwrap(), 3);
    assert_eq!(connection.run("DELETE FROM item RETURNING name").await.unwrap(), 2);
    assert!(connection.run("SELECT nothing").await.is_err());
}

#[tokio::test]
async fn options_of_sqlx_stay_as_they_are() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("orders.db");
    let options = SqliteConnectOptions::new().filename(&path);
    let missing = SqliteConnector::from_options(options.clone()).connect().await.map(drop).unwrap_err();
    assert!(missing.to_string().contains("does not exist"), "{missing}");
    assert!(!path.exists());

    // It has a write-ahead log, which must go before the second connection comes.
    let wal = Pool::builder(SqliteConnector::file(&path)).build().unwrap();
    wal.acquire().await.unwrap().run("CREATE TABLE item (name TEXT)").await.unwrap();
    assert!(wal.close(Duration::from_secs(5)).await.is_complete());
    for round in 0..20 {
        let journal = if round % 2 == 0 { SqliteJournalMode::Delete } else { SqliteJournalMode::Wal };
        let options = options.clone().journal_mode(journal).busy_timeout(Duration::from_millis(1234));
        let pool: SqlitePool = Pool::builder(SqliteConnector::from_options(options))
            .max_connections(2)
            .min_connections(2)
            .build()
            .unwrap()
            .into();
        pool.warm_up().await.unwrap();
        let mut connection = pool.acquire().await.unwrap();
        assert!(
            ask::<String>(&mut connection, "PRAGMA journal_mode")
                .await
                .eq_ignore_ascii_case(&format!("{journal:?}"))
        );
        assert_eq!(ask::<i64>(&mut connection, "PRAGMA busy_timeout").await, 1234);
        drop(connection);
        assert!(pool.close(Duration::from_secs(5)).await.is_complete());
    }

    let reader = SqlitePool::connect_with(options.read_only(true)).await.unwrap();
    let error = sqlx::query("INSERT INTO item VALUES ('lamp')").execute(&reader).await.unwrap_err();
    assert!(error.to_string().contains("readonly"), "{error}");
}

#[tokio::test]
async fn a_setting_of_ours_goes_before_the_same_of_sqlx() {
    let directory = tempfile::tempdir().unwrap();
    let connector = SqliteConnector::file(directory.path().join("orders.db"))
        .options(|options| options.journal_mode(SqliteJournalMode::Delete));
    let pool = Pool::builder(connector).max_connections(4).min_connections(4).build().unwrap();
    pool.warm_up().await.unwrap();
    assert_eq!(ask::<String>(&mut pool.acquire().await.unwrap(), "PRAGMA journal_mode").await, "wal");
}
