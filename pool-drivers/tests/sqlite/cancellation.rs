//! Futures dropped in the middle of a query.

use std::future::poll_fn;
use std::time::Duration;

use pool_core::Pool;
use pool_drivers::sqlite::SqliteConnector;
use sqlx::{Connection as _, Executor as _};

use crate::harness::{ENDLESS, Held, Home, ask, poll_and_drop, pool_of, pool_with_items, tell};

/// Starts a query in a task, lets it get under way, and aborts it.
async fn abort_mid_query<F>(pool: &Pool<SqliteConnector>, query: impl FnOnce(Held) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let (begun, seen) = tokio::sync::oneshot::channel();
    let query = query(pool.acquire().await.unwrap());
    let task = tokio::spawn(async move {
        let mut query = std::pin::pin!(query);
        let mut begun = Some(begun);
        poll_fn(|cx| {
            let poll = query.as_mut().poll(cx);
            // From its first poll on the query is with sqlx's thread.
            if let Some(begun) = begun.take() {
                begun.send(()).unwrap();
            }
            poll
        })
        .await;
    });
    seen.await.unwrap();
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
}

/// ACCEPTANCE C8. The endless query must be stopped: the reset of a connection waits for it.
#[tokio::test]
async fn a_task_aborted_mid_query_leaves_no_rows_and_no_runaway_query() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    for _ in 0..5 {
        abort_mid_query(&pool, |mut connection| async move {
            connection.run(ENDLESS).await.unwrap();
        })
        .await;
        let mut next = pool.acquire_timeout(Duration::from_secs(4)).await.unwrap();
        assert_eq!(ask::<i64>(&mut next, "SELECT 42").await, 42);
        let answers: Vec<i64> =
            sqlx::query_scalar("SELECT 1 UNION SELECT 2").fetch_all(&mut *next).await.unwrap();
        assert_eq!(answers, [1, 2]);
    }
    let counters = pool.counters();
    assert_eq!((counters.created, counters.resets), (1, 5));
}

/// ACCEPTANCE C8, E8: through a transaction of sqlx, whose statements do not pass by us.
#[tokio::test]
async fn a_task_aborted_in_a_transaction_leaves_no_runaway_query() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    abort_mid_query(&pool, |mut connection| async move {
        let mut transaction = (**connection).begin_with("BEGIN IMMEDIATE").await.unwrap();
        transaction.execute("INSERT INTO item VALUES ('uncommitted')").await.unwrap();
        transaction.execute(ENDLESS).await.unwrap();
    })
    .await;
    let mut next = pool.acquire_timeout(Duration::from_secs(4)).await.unwrap();
    assert_eq!(ask::<i64>(&mut next, "SELECT count(*) FROM item").await, 0);
    tell(&mut next, "BEGIN IMMEDIATE; ROLLBACK").await;
}

/// A write that is stopped ends its transaction by itself; sqlx's count is wrong from then on.
#[tokio::test]
async fn a_task_aborted_while_it_writes_in_a_transaction_leaves_a_usable_pool() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    abort_mid_query(&pool, |mut connection| async move {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let endless = "INSERT INTO item WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                       SELECT 'x' FROM n";
        transaction.execute(endless).await.unwrap();
    })
    .await;
    let mut next = pool.acquire_timeout(Duration::from_secs(4)).await.unwrap();
    assert_eq!(ask::<i64>(&mut next, "SELECT count(*) FROM item").await, 0);
    let transaction = next.begin_with("BEGIN IMMEDIATE").await.expect("sqlx counts no transaction");
    transaction.commit().await.unwrap();
    drop(next);
    let counters = pool.counters();
    assert_eq!((counters.created, counters.resets_failed), (1, 0));
}

/// ACCEPTANCE C8.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_dropped_half_read_leaves_no_rows() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    let many =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 100000) SELECT i FROM n";
    for taken in [0, 1, 2, 49, 50, 51, 500] {
        let mut connection = pool.acquire().await.unwrap();
        let mut rows = connection.fetch(many);
        for _ in 0..taken {
            poll_fn(|cx| rows.as_mut().poll_next(cx)).await.unwrap().unwrap();
        }
        drop(rows);
        // The same holder goes on: its next answer is its own.
        assert_eq!(ask::<String>(&mut connection, "SELECT 'mine'").await, "mine");
        let mut rows = connection.fetch(many);
        poll_fn(|cx| rows.as_mut().poll_next(cx)).await.unwrap().unwrap();
        drop(rows);
        drop(connection);
        let mut next = pool.acquire().await.unwrap();
        assert_eq!(ask::<String>(&mut next, "SELECT 'next'").await, "next");
    }
    let counters = pool.counters();
    assert_eq!((counters.created, counters.resets), (1, 7));
}

/// Takes a while, so that dropping it after its first poll cancels it.
const LONG: &str =
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 300000) SELECT max(i) FROM n";

/// The end of a later command tells that of an earlier one.
#[tokio::test]
async fn a_cancelled_query_followed_by_a_finished_one_needs_no_reset() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    let mut connection = pool.acquire().await.unwrap();
    assert!(!poll_and_drop(connection.run(LONG), 1));
    connection.run("SELECT 2").await.unwrap();
    drop(connection);
    drop(pool.acquire().await.unwrap());
    assert_eq!(pool.counters().resets, 0);
}

/// ACCEPTANCE C8: whatever a query is cancelled at, the next answer is right.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_cancelled_at_any_point_leaves_a_usable_connection() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    for round in 0..300 {
        let mut connection = pool.acquire().await.unwrap();
        let query = if round % 10 == 0 { LONG } else { "SELECT 'first' UNION ALL SELECT 'second'" };
        poll_and_drop(connection.run(query), round % 7 + 1);
        drop(connection);
        let mut next = pool.acquire().await.unwrap();
        assert_eq!(ask::<String>(&mut next, "SELECT 'third'").await, "third");
    }
    let counters = pool.counters();
    assert_eq!((counters.created, counters.resets_failed), (1, 0));
    assert!(counters.resets >= 10, "only {} were cancelled", counters.resets);
}

#[tokio::test]
async fn a_connection_discarded_mid_write_gives_its_lock_and_its_file_back() {
    let home = Home::new();
    let pool = pool_of(home.connector(), 2).build().unwrap();
    let mut connection = pool.acquire().await.unwrap();
    tell(&mut connection, "CREATE TABLE item (name TEXT)").await;
    let endless = "INSERT INTO item WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) \
                   SELECT 'x' FROM n";
    assert!(!poll_and_drop(connection.run(endless), 1));
    connection.discard();

    let mut other = pool.acquire().await.unwrap();
    // Fails after five seconds if the lock is not given back.
    tell(&mut other, "INSERT INTO item VALUES ('y')").await;
    assert_eq!(ask::<i64>(&mut other, "SELECT count(*) FROM item").await, 1);
    drop(other);
    pool.close(Duration::from_secs(10)).await;
    home.all_handles_closed().await;
}
