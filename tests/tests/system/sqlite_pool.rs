//! The integration tests that the base design asks for (REQUIREMENTS A11), on embedded SQLite.

use std::time::Duration;

use pool_core::{CloseReason, Pool, PoolBuilder};
use pool_drivers::sqlite::SqliteConnector;

const SECOND: Duration = Duration::from_secs(1);

fn memory() -> PoolBuilder<SqliteConnector> {
    Pool::builder(SqliteConnector::memory()).name("memory").max_connections(10).min_connections(0)
}

#[tokio::test]
async fn one_connection_goes_from_active_to_idle() {
    let pool = memory().build().unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let one: i64 = sqlx::query_scalar("select 1").fetch_one(&mut *connection).await.unwrap();
    assert_eq!(one, 1);
    assert_eq!((pool.stats().active, pool.stats().idle), (1, 0));
    drop(connection);
    assert_eq!((pool.stats().active, pool.stats().idle), (0, 1));
}

#[tokio::test]
async fn ten_of_ten_are_handed_out_and_come_back() {
    let pool = memory().build().unwrap();
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(pool.acquire().await.unwrap());
    }
    assert_eq!((pool.stats().active, pool.stats().idle, pool.stats().total), (10, 0, 10));
    let error = pool.acquire_timeout(Duration::from_millis(50)).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    drop(held);
    assert_eq!((pool.stats().active, pool.stats().idle), (0, 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_threads_with_twenty_operations_each_all_succeed() {
    let pool = memory().max_connections(3).build().unwrap();
    let mut setup = pool.acquire().await.unwrap();
    sqlx::query("create table done (worker int, operation int)").execute(&mut *setup).await.unwrap();
    drop(setup);
    let runtime = tokio::runtime::Handle::current();
    let workers: Vec<_> = (0..5)
        .map(|worker| {
            let (pool, runtime) = (pool.clone(), runtime.clone());
            std::thread::spawn(move || {
                for operation in 0..20 {
                    let mut connection = pool.acquire_blocking().unwrap();
                    let insert = sqlx::query("insert into done values (?, ?)").bind(worker).bind(operation);
                    runtime.block_on(insert.execute(&mut *connection)).unwrap();
                }
            })
        })
        .collect();
    tokio::task::spawn_blocking(|| workers.into_iter().for_each(|worker| worker.join().unwrap()))
        .await
        .unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let done: i64 =
        sqlx::query_scalar("select count(*) from done").fetch_one(&mut *connection).await.unwrap();
    assert_eq!(done, 100);
    assert_eq!(pool.counters().acquired, 102);
    assert_eq!(pool.counters().failed(), 0);
}

#[tokio::test]
async fn checks_keep_a_healthy_connection() {
    let pool = memory()
        .keepalive_interval(Duration::from_millis(50))
        .maintenance_interval(Duration::from_millis(10))
        .build()
        .unwrap();
    let id = pool.acquire().await.unwrap().id();
    while pool.counters().validations < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let report = pool.check().await.unwrap();
    assert_eq!(report.connection, id);
    assert_eq!((pool.counters().created, pool.counters().validations_failed), (1, 0));
}

#[tokio::test]
async fn a_connection_that_was_closed_behind_the_pools_back_is_replaced() {
    let pool = memory().validate_after_idle(Duration::ZERO).build().unwrap();
    let first = pool.acquire().await.unwrap();
    let id = first.id();
    drop(first);
    pool.evict(id);
    let second = pool.acquire().await.unwrap();
    assert_ne!(second.id(), id);
    assert_eq!(pool.counters().closed[CloseReason::Evicted], 1);
}

#[tokio::test]
async fn the_file_of_a_closed_pool_may_be_removed_and_the_pool_says_closed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("orders.db");
    let pool = Pool::builder(SqliteConnector::file(&path)).name("orders").min_connections(2).build().unwrap();
    pool.warm_up().await.unwrap();
    let report = pool.close(5 * SECOND).await;
    assert!(report.is_complete(), "{report}");
    assert!(pool.acquire().await.unwrap_err().is_closed());
    folder.close().unwrap();
}

#[tokio::test]
async fn a_missing_folder_is_told_in_the_error_of_the_acquire() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("missing").join("orders.db");
    let pool = Pool::builder(SqliteConnector::file(&path)).name("orders").min_connections(0).build().unwrap();
    let error = pool.acquire_timeout(5 * SECOND).await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(error.to_string().contains("orders.db"), "{error}");
    std::fs::create_dir(folder.path().join("missing")).unwrap();
    tokio::time::timeout(5 * SECOND, async {
        while pool.acquire().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
    .expect("the pool finds out by itself that the folder is there");
}
