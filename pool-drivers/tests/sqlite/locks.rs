//! Other connections that keep the database locked.

use std::time::Duration;

use pool_core::{Connector as _, ErrorClass};
use pool_drivers::sql::Scope;
use pool_drivers::sqlite::{Begin, Retry, SqliteConnection, SqliteError, SqliteReadWritePool};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode};
use sqlx::{ConnectOptions as _, Executor as _};

use crate::harness::{Home, ask, poll_and_drop, pool_of, pool_of_one, pool_with_items, tell};

/// REQUIREMENTS E4, E5.
#[tokio::test]
async fn a_locked_write_waits_then_fails_and_the_pool_stays_usable() {
    let home = Home::new();
    let patience = Duration::from_millis(200);
    let connector = home.connector().busy_timeout(patience);
    let pool = pool_with_items(connector.clone()).await;
    let mut other = connector.connect().await.unwrap();
    tell(&mut other, "BEGIN IMMEDIATE").await;

    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(ask::<i64>(&mut connection, "SELECT count(*) FROM item").await, 0, "readers do not wait");
    let begun = tokio::time::Instant::now();
    let error = connection.execute("INSERT INTO item VALUES ('x')").await.unwrap_err();
    let waited = begun.elapsed();
    assert!((patience..patience * 10).contains(&waited), "waited {waited:?}");
    assert_eq!(error.to_string(), "error returned from database: (code: 5) database is locked");
    let error = SqliteError::from(error);
    assert!(error.is_locked());
    assert_eq!(connection.report(&error), ErrorClass::Capacity);
    drop(connection);

    let mut connection = pool.acquire().await.unwrap();
    assert!(connection.begin_with("BEGIN IMMEDIATE").await.is_err());
    drop(connection);

    tell(&mut other, "COMMIT").await;
    let mut connection = pool.acquire().await.unwrap();
    tell(&mut connection, "INSERT INTO item VALUES ('x')").await;
    let counters = pool.counters();
    assert_eq!((counters.created, counters.resets, counters.flushes), (1, 0, 0));
}

/// Somebody who has the whole file to himself, as only a rollback journal allows.
async fn hog(home: &Home) -> SqliteConnection {
    let connector = home.connector().journal_mode(SqliteJournalMode::Delete);
    let mut hog = connector.connect().await.unwrap();
    tell(&mut hog, "CREATE TABLE item (name TEXT); BEGIN EXCLUSIVE").await;
    hog
}

#[tokio::test]
async fn a_connect_to_a_locked_file_names_the_lock() {
    let home = Home::new();
    let _hog = hog(&home).await;
    let connector = home.connector();
    let error = connector.connect().await.unwrap_err();
    assert!(error.is_locked());
    assert_eq!(connector.classify(&error), ErrorClass::Capacity);
    let message = error.to_string();
    let expected =
        format!("open SQLite database `{}`: another connection keeps it locked", home.path().display());
    assert!(message.starts_with(&expected), "{message}");
}

/// SQLite itself gives this up at once.
#[tokio::test]
async fn a_change_of_the_journal_mode_waits_for_a_writer() {
    let home = Home::new();
    let connector = home.connector().journal_mode(SqliteJournalMode::Delete);
    let mut writer = connector.connect().await.unwrap();
    tell(&mut writer, "CREATE TABLE item (name TEXT); BEGIN IMMEDIATE").await;
    let begun = tokio::time::Instant::now();
    let error = home.connector().connect().await.unwrap_err();
    assert!(error.is_locked(), "{error}");
    assert!(begun.elapsed() >= Duration::from_secs(1), "waited {:?} only", begun.elapsed());
    tell(&mut writer, "COMMIT").await;
    home.connector().connect().await.unwrap();
}

/// It may wait for its lock for as long as `busy_timeout`: the pool waits, not the next holder.
#[tokio::test]
async fn a_begin_cancelled_while_it_waits_for_a_lock_is_waited_for_by_the_pool() {
    let home = Home::new();
    let connector = home.connector().busy_timeout(Duration::from_millis(300));
    let pool = pool_with_items(connector.clone()).await;
    let mut other = connector.connect().await.unwrap();
    tell(&mut other, "BEGIN IMMEDIATE").await;
    let mut connection = pool.acquire().await.unwrap();
    assert!(!poll_and_drop(connection.begin_with("BEGIN IMMEDIATE"), 1));
    drop(connection);
    drop(pool.acquire().await.unwrap());
    assert_eq!(pool.counters().resets, 1);
}

/// REQUIREMENTS E5: reconnection after a locked database.
#[tokio::test]
async fn a_pool_recovers_when_the_lock_is_released() {
    let home = Home::new();
    let mut hog = hog(&home).await;
    let pool = pool_of_one(home.connector());
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { ask::<i64>(&mut pool.acquire().await.unwrap(), "SELECT count(*) FROM item").await }
    });
    while pool.counters().connect_failed == 0 {
        tokio::task::yield_now().await;
    }
    assert!(pool.outage().is_none(), "a locked database is not down");
    tell(&mut hog, "COMMIT").await;
    assert_eq!(waiting.await.unwrap(), 0);
}

/// Of two first connections that switch a new file to WAL, SQLite lets one fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn first_connections_to_a_new_file_do_not_get_in_each_others_way() {
    for _ in 0..20 {
        let home = Home::new();
        let pool = pool_of(home.connector(), 8).min_connections(8).connect_concurrency(8).build().unwrap();
        pool.warm_up().await.unwrap();
        let counters = pool.counters();
        assert_eq!((counters.created, counters.connect_failed), (8, 0));
        pool.close(Duration::from_secs(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_of_one_file_wait_for_each_other() {
    let home = Home::new();
    let pool = pool_of(home.connector(), 4).build().unwrap();
    tell(&mut pool.acquire().await.unwrap(), "CREATE TABLE item (name TEXT)").await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    let mut connection = pool.acquire().await.unwrap();
                    tell(&mut connection, "INSERT INTO item VALUES ('x')").await;
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(ask::<i64>(&mut pool.acquire().await.unwrap(), "SELECT count(*) FROM item").await, 200);
}

/// Somebody else's connection, by sqlx alone, that lets nobody write and, without a write-ahead log, nobody read.
async fn stranger(home: &Home) -> sqlx::SqliteConnection {
    let options = SqliteConnectOptions::new().filename(home.path()).create_if_missing(true);
    let mut stranger = options.connect().await.unwrap();
    stranger.execute("BEGIN EXCLUSIVE").await.unwrap();
    stranger
}

/// REQUIREMENTS E5.
#[tokio::test]
async fn a_writer_waits_for_a_stranger_then_fails_and_recovers_when_he_is_gone() {
    let home = Home::new();
    let patience = Duration::from_millis(200);
    let pool = SqliteReadWritePool::builder(home.connector().busy_timeout(patience)).build().unwrap();
    tell(&mut pool.acquire_write().await.unwrap(), "CREATE TABLE item (name TEXT)").await;
    let mut stranger = stranger(&home).await;

    let insert = "INSERT INTO item VALUES ('lamp')";
    let begun = tokio::time::Instant::now();
    let error = sqlx::query(insert).execute(pool.writer()).await.unwrap_err();
    assert!(begun.elapsed() >= patience, "gave up after {:?}", begun.elapsed());
    assert_eq!(error.to_string(), "error returned from database: (code: 5) database is locked");
    assert!(SqliteError::from(pool.begin().await.map(drop).unwrap_err()).is_locked());
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM item").fetch_one(pool.readers()).await.unwrap();
    assert_eq!(count, 0, "readers do not wait");

    // More patient: it is run again until he is gone.
    let patient = tokio::spawn({
        let pool = pool.clone();
        let retry = Retry { attempts: u32::MAX, budget: Duration::from_secs(60), ..Retry::default() };
        let work = move |mut order: Scope<sqlx::Sqlite>| async move {
            order.execute(insert).await.map(|done| done.rows_affected())
        };
        async move { pool.writer().transaction_with(retry, Begin::Immediate, work).await }
    });
    let before = pool.writer().counters().acquired;
    while pool.writer().counters().acquired < before + 2 {
        tokio::task::yield_now().await;
    }
    stranger.execute("COMMIT").await.unwrap();
    let done: Result<u64, sqlx::Error> = patient.await.unwrap();
    assert_eq!(done.unwrap(), 1);
    for counters in [pool.readers().counters(), pool.writer().counters()] {
        assert_eq!((counters.flushes, counters.closed.total(), counters.connect_failed), (0, 0, 0));
    }
}

/// REQUIREMENTS E5: here not even the first connections can be opened.
#[tokio::test]
async fn readers_and_writer_get_ready_when_a_stranger_lets_go_of_a_new_file() {
    let home = Home::new();
    let mut stranger = stranger(&home).await;
    let pool = SqliteReadWritePool::builder(home.connector()).build().unwrap();
    let ready = tokio::spawn({
        let pool = pool.clone();
        async move { pool.warm_up().await }
    });
    while pool.readers().counters().connect_failed == 0 || pool.writer().counters().connect_failed == 0 {
        tokio::task::yield_now().await;
    }
    assert!(pool.readers().outage().is_none() && pool.writer().outage().is_none(), "it is locked, not down");
    let error = pool.writer().acquire_timeout(Duration::from_millis(10)).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert!(error.to_string().contains("another connection keeps it locked"), "{error}");
    stranger.execute("CREATE TABLE item (name TEXT); COMMIT").await.unwrap();
    ready.await.unwrap().unwrap();
    tell(&mut pool.acquire_write().await.unwrap(), "INSERT INTO item VALUES ('lamp')").await;
    assert_eq!(ask::<i64>(&mut pool.acquire_read().await.unwrap(), "SELECT count(*) FROM item").await, 1);
}
