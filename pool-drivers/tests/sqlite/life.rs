//! From the first connect to the last file handle.

use std::time::Duration;

use pool_core::Connector as _;
use pool_drivers::sqlite::SqliteConnector;
use tokio::runtime::Runtime;

use crate::harness::{ENDLESS, Home, ask, poll_and_drop, pool_of, pool_of_one, pool_with_items, tell};

/// REQUIREMENTS E2.
#[tokio::test]
async fn closing_a_pool_closes_its_files() {
    let home = Home::new();
    let pool = pool_of(home.connector(), 3).min_connections(3).build().unwrap();
    pool.warm_up().await.unwrap();
    tell(&mut pool.acquire().await.unwrap(), "CREATE TABLE item (name TEXT)").await;
    assert!(home.handles().len() >= 3, "{:?}", home.handles());
    let report = pool.close(Duration::from_secs(10)).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(home.handles(), Vec::<std::path::PathBuf>::new());
}

#[tokio::test]
async fn a_cancelled_connect_closes_what_it_opened() {
    let home = Home::new();
    let mut cancelled = 0;
    for polls in 0..30 {
        let connector = home.connector();
        let connect = connector.connect();
        let finished = poll_and_drop(
            async {
                // Cancels it only when the file is open.
                let mut connect = std::pin::pin!(connect);
                while home.handles().is_empty() {
                    assert!(!poll_and_drop(connect.as_mut(), 1), "it finished without opening the file");
                }
                connect.await.map(drop)
            },
            polls + 1,
        );
        cancelled += usize::from(!finished);
        home.all_handles_closed().await;
    }
    assert!(cancelled > 0, "every connect finished");
}

#[tokio::test]
async fn a_connection_in_the_middle_of_an_endless_query_can_be_closed() {
    let home = Home::new();
    let pool = pool_of_one(home.connector());
    let mut connection = pool.acquire().await.unwrap();
    assert!(!poll_and_drop(connection.run(ENDLESS), 1));
    let closing = tokio::spawn({
        let pool = pool.clone();
        async move { pool.close(Duration::from_secs(10)).await }
    });
    while !pool.is_closed() {
        tokio::task::yield_now().await;
    }
    drop(connection);
    let report = closing.await.unwrap();
    assert!(report.is_complete() && report.took < Duration::from_secs(4), "{report}");
    home.all_handles_closed().await;
}

#[tokio::test]
async fn an_idle_connection_is_validated() {
    let pool = pool_of(SqliteConnector::memory(), 1).validate_after_idle(Duration::ZERO).build().unwrap();
    for _ in 0..3 {
        assert_eq!(ask::<i64>(&mut pool.acquire().await.unwrap(), "SELECT 1").await, 1);
    }
    let counters = pool.counters();
    assert_eq!((counters.created, counters.validations_failed), (1, 0));
    assert!(counters.validations >= 2, "{}", counters.validations);
}

/// ACCEPTANCE C7. sqlx's own pool panics here.
#[test]
fn a_guard_may_be_dropped_outside_the_runtime() {
    let runtime = Runtime::new().unwrap();
    let pool = runtime.block_on(pool_with_items(SqliteConnector::memory()));
    for dirty in [false, true] {
        let mut guard = runtime.block_on(pool.acquire()).unwrap();
        if dirty {
            runtime.block_on(tell(&mut guard, "BEGIN; INSERT INTO item VALUES ('x')"));
        }
        std::thread::spawn(move || drop(guard)).join().expect("dropping the guard does not panic");
        runtime.block_on(async {
            let mut next = pool.acquire().await.unwrap();
            assert_eq!(ask::<i64>(&mut next, "SELECT count(*) FROM item").await, 0);
        });
    }
    assert_eq!((pool.counters().created, pool.counters().resets), (1, 1));
}

/// ACCEPTANCE C7.
#[test]
fn a_guard_may_outlive_the_runtime() {
    let home = Home::new();
    let runtime = Runtime::new().unwrap();
    let pool = runtime.block_on(async {
        let pool = pool_of(home.connector(), 2).build().unwrap();
        tell(&mut pool.acquire().await.unwrap(), "CREATE TABLE item (name TEXT)").await;
        pool
    });
    let (clean, mut dirty) =
        runtime.block_on(async { (pool.acquire().await.unwrap(), pool.acquire().await.unwrap()) });
    runtime.block_on(tell(&mut dirty, "BEGIN; INSERT INTO item VALUES ('x')"));
    drop(runtime);
    drop(clean);
    drop(dirty);
    drop(pool);
    Runtime::new().unwrap().block_on(home.all_handles_closed());
}

// With a write-ahead log SQLite itself never notices: it would go on writing to a file that nobody can reach.
#[tokio::test]
async fn validation_finds_a_file_that_was_replaced_and_nobody_gets_its_connections() {
    let home = Home::new();
    let pool = pool_of(home.connector(), 3).validate_after_idle(Duration::ZERO).build().unwrap();
    let old =
        [pool.acquire().await.unwrap(), pool.acquire().await.unwrap()].map(|connection| connection.id());
    let restored = Home::new();
    let other = restored.connector().connect().await.unwrap();
    pool.connector().close(other).await;
    std::fs::rename(restored.path(), home.path()).unwrap();
    let next = pool.acquire().await.unwrap();
    assert!(!old.contains(&next.id()));
    assert_eq!((pool.stats().total, pool.counters().flushes), (1, 1), "{:?}", pool.counters());
    drop(next);
    assert!(!old.contains(&pool.acquire().await.unwrap().id()));
    assert_eq!(pool.counters().created, 3, "what is in its place is let alone");
}
