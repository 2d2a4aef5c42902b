//! Databases in memory: shared by all connections of one connector, and by nobody else.

use std::time::Duration;

use pool_core::Pool;
use pool_drivers::sqlite::SqliteConnector;
use sqlx::Executor as _;

use crate::harness::{ask, pool_of, pool_of_one, pool_with_items, tell};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_tasks_share_a_database_in_memory() {
    let pool = pool_of(SqliteConnector::memory(), 5).build().unwrap();
    tell(&mut pool.acquire().await.unwrap(), "CREATE TABLE item (task INTEGER, step INTEGER)").await;
    let tasks: Vec<_> = (0..20_i64)
        .map(|task| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for step in 0..10_i64 {
                    let mut connection = pool.acquire().await.unwrap();
                    sqlx::query("INSERT INTO item VALUES (?, ?)")
                        .bind(task)
                        .bind(step)
                        .execute(&mut *connection)
                        .await
                        .unwrap();
                    drop(connection);
                    let mut connection = pool.acquire().await.unwrap();
                    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM item WHERE task = ?")
                        .bind(task)
                        .fetch_one(&mut *connection)
                        .await
                        .unwrap();
                    assert_eq!(seen, step + 1, "task {task}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(ask::<i64>(&mut connection, "SELECT count(*) FROM item").await, 200);
    let counters = pool.counters();
    assert_eq!((counters.resets, counters.closed.total()), (0, 0));
}

#[tokio::test]
async fn data_in_memory_outlive_the_connections() {
    let connector = SqliteConnector::memory();
    let pool = pool_with_items(connector.clone()).await;
    tell(&mut pool.acquire().await.unwrap(), "INSERT INTO item VALUES ('lamp')").await;
    let report = pool.close(Duration::from_secs(10)).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(pool.stats().total, 0);
    drop(pool);

    let pool = pool_of_one(connector);
    assert_eq!(ask::<String>(&mut pool.acquire().await.unwrap(), "SELECT name FROM item").await, "lamp");
}

#[tokio::test]
async fn each_connector_has_a_database_of_its_own() {
    let first = pool_with_items(SqliteConnector::memory()).await;
    let second = pool_of_one(SqliteConnector::memory());
    let error = second.acquire().await.unwrap().execute("SELECT * FROM item").await.unwrap_err();
    assert!(error.to_string().contains("no such table"), "{error}");
    first.acquire().await.unwrap().execute("SELECT * FROM item").await.unwrap();
}

#[tokio::test]
async fn a_clone_reads_the_same_memory_read_only() {
    let connector = SqliteConnector::memory();
    let writers: Pool<_> = pool_with_items(connector.clone()).await;
    tell(&mut writers.acquire().await.unwrap(), "INSERT INTO item VALUES ('lamp')").await;
    let readers = pool_of_one(connector.read_only(true));
    let mut reader = readers.acquire().await.unwrap();
    assert_eq!(ask::<String>(&mut reader, "SELECT name FROM item").await, "lamp");
    assert!(reader.execute("DELETE FROM item").await.is_err());
}

#[tokio::test]
async fn a_locked_database_in_memory_is_waited_for_as_a_file_is() {
    let patience = Duration::from_millis(150);
    let pool = pool_of(SqliteConnector::memory().busy_timeout(patience), 2).build().unwrap();
    let (mut first, mut second) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    tell(&mut first, "CREATE TABLE item (name TEXT)").await;
    // So that it knows the table: who cannot read the schema does not see that it is locked.
    tell(&mut second, "SELECT * FROM item").await;
    tell(&mut first, "BEGIN IMMEDIATE").await;
    let begun = tokio::time::Instant::now();
    let error = second.execute("INSERT INTO item VALUES ('x')").await.unwrap_err();
    assert!(begun.elapsed() >= patience, "gave up after {:?}", begun.elapsed());
    assert!(error.to_string().contains("locked"), "{error}");
    tell(&mut first, "COMMIT").await;
    tell(&mut second, "INSERT INTO item VALUES ('x')").await;
}
