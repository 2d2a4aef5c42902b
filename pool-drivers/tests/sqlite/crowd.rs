//! A hundred callers who read and write at once, none of whom meets an error: REQUIREMENTS E4, E5.

use std::sync::Arc;
use std::time::Duration;

use pool_drivers::sqlite::{Begin, Retry, SqliteConnector, SqlitePool, SqliteReadWritePool};
use sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous};
use tokio::runtime::Runtime;

use crate::harness::{Home, ask, pool_of, tell};

const CALLERS: i64 = 100;
/// Of each caller; every fifth is a write.
const STEPS: i64 = 20;
const WRITES: i64 = STEPS / 5;

const CREATE: &str = "CREATE TABLE counter (value INTEGER NOT NULL); INSERT INTO counter VALUES (0); \
                      CREATE TABLE item (caller INTEGER NOT NULL, value INTEGER NOT NULL)";
const VALUE: &str = "SELECT value FROM counter";
const SET: &str = "UPDATE counter SET value = ?";
const INSERT: &str = "INSERT INTO item VALUES (?, ?)";

async fn pool(connector: SqliteConnector) -> SqliteReadWritePool {
    let pool = SqliteReadWritePool::builder(connector)
        .name("orders")
        .readers(|readers| readers.max_connections(6))
        .build()
        .unwrap();
    tell(&mut pool.acquire_write().await.unwrap(), CREATE).await;
    pool
}

/// Four reads to a write, in each of the ways there are.
async fn read_and_write(pool: &SqliteReadWritePool, caller: i64) {
    let mut last = 0;
    for step in 0..STEPS {
        let value = match (step + caller) % 5 {
            0 => add_one(pool, caller, step).await,
            1 => ask::<i64>(&mut pool.acquire_read().await.unwrap(), VALUE).await,
            2 => {
                let mut reading = pool.readers().begin().await.unwrap();
                let value = ask::<i64>(&mut reading, VALUE).await;
                // One state for the whole transaction.
                assert_eq!(ask::<i64>(&mut reading, "SELECT count(*) FROM item").await, value);
                reading.commit().await.unwrap();
                value
            }
            _ => sqlx::query_scalar(VALUE).fetch_one(pool.readers()).await.unwrap(),
        };
        assert!(value >= last, "caller {caller} saw {value} after {last}");
        last = value;
    }
}

/// Reads and then writes, which only a transaction that has the lock from its start may.
async fn add_one(pool: &SqliteReadWritePool, caller: i64, step: i64) -> i64 {
    let work = |mut order: pool_drivers::sql::Scope<sqlx::Sqlite>| async move {
        let value: i64 = sqlx::query_scalar(VALUE).fetch_one(&mut *order).await?;
        sqlx::query(SET).bind(value + 1).execute(&mut *order).await?;
        sqlx::query(INSERT).bind(caller).bind(value + 1).execute(&mut *order).await?;
        Ok::<_, sqlx::Error>(value + 1)
    };
    if step % 2 == 0 {
        // Not by `transaction`, which would run it again.
        let mut order = pool.begin().await.unwrap();
        let value: i64 = ask(&mut order, VALUE).await;
        sqlx::query(SET).bind(value + 1).execute(&mut *order).await.unwrap();
        sqlx::query(INSERT).bind(caller).bind(value + 1).execute(&mut *order).await.unwrap();
        order.commit().await.unwrap();
        return value + 1;
    }
    pool.transaction(work).await.unwrap()
}

/// Nothing was lost, doubled, closed or left.
async fn assert_all_done(pool: &SqliteReadWritePool) {
    let mut reader = pool.acquire_read().await.unwrap();
    assert_eq!(ask::<i64>(&mut reader, VALUE).await, CALLERS * WRITES);
    let distinct = "SELECT count(DISTINCT value) FROM item";
    assert_eq!(ask::<i64>(&mut reader, distinct).await, CALLERS * WRITES);
    let uneven = "SELECT count(*) FROM (SELECT caller FROM item GROUP BY caller HAVING count(*) <> 4)";
    assert_eq!((ask::<i64>(&mut reader, uneven).await, WRITES), (0, 4));
    drop(reader);
    for pool in [pool.readers(), pool.writer()] {
        let snapshot = pool.snapshot();
        assert_eq!((snapshot.stats.active, snapshot.stats.waiting), (0, 0), "{}", pool.name());
        assert_eq!((snapshot.counters.flushes, snapshot.counters.connect_failed), (0, 0), "{}", pool.name());
        assert_eq!(snapshot.counters.closed.total(), 0, "{}", pool.name());
    }
    let report = pool.close(Duration::from_secs(20)).await;
    assert!(report.is_complete(), "{report}");
}

async fn a_hundred_tasks(connector: SqliteConnector) {
    let pool = pool(connector).await;
    let tasks: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let pool = pool.clone();
            tokio::spawn(async move { read_and_write(&pool, caller).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_all_done(&pool).await;
}

fn a_hundred_threads(connector: SqliteConnector) {
    let runtime = Runtime::new().unwrap();
    let pool = runtime.block_on(pool(connector));
    std::thread::scope(|scope| {
        for caller in 0..CALLERS {
            let (pool, handle) = (&pool, runtime.handle());
            scope.spawn(move || handle.block_on(read_and_write(pool, caller)));
        }
    });
    runtime.block_on(assert_all_done(&pool));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_tasks_read_and_write_a_file() {
    let home = Home::new();
    a_hundred_tasks(home.connector()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_tasks_read_and_write_a_file_without_a_write_ahead_log() {
    let home = Home::new();
    // Locks are what this is about, not the disk.
    let connector = home.connector().synchronous(SqliteSynchronous::Off);
    a_hundred_tasks(connector.journal_mode(SqliteJournalMode::Truncate)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_tasks_read_and_write_memory() {
    a_hundred_tasks(SqliteConnector::memory()).await;
}

#[test]
fn a_hundred_threads_read_and_write_a_file() {
    let home = Home::new();
    a_hundred_threads(home.connector());
}

#[test]
fn a_hundred_threads_read_and_write_memory() {
    a_hundred_threads(SqliteConnector::memory());
}

/// Here SQLite's own lock decides who writes, and `BEGIN IMMEDIATE` waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_tasks_read_and_write_a_file_over_connections_that_are_all_alike() {
    let home = Home::new();
    let pool: SqlitePool = pool_of(home.connector(), 4).build().unwrap().into();
    tell(&mut pool.acquire().await.unwrap(), CREATE).await;
    let pool = Arc::new(pool);
    let tasks: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let pool = Arc::clone(&pool);
            tokio::spawn(async move {
                for step in 0..STEPS {
                    if (step + caller) % 5 != 0 {
                        let _value: i64 = sqlx::query_scalar(VALUE).fetch_one(&*pool).await.unwrap();
                        continue;
                    }
                    let added: Result<(), sqlx::Error> = pool
                        .transaction_with(Retry::default(), Begin::Immediate, |mut order| async move {
                            let value: i64 = sqlx::query_scalar(VALUE).fetch_one(&mut *order).await?;
                            sqlx::query(SET).bind(value + 1).execute(&mut *order).await?;
                            Ok(())
                        })
                        .await;
                    added.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(ask::<i64>(&mut pool.acquire().await.unwrap(), VALUE).await, CALLERS * WRITES);
    let counters = pool.counters();
    assert_eq!((counters.flushes, counters.closed.total()), (0, 0));
}
