//! A thousand pools. How long they take, `cargo bench -p pool-manager` tells.

use tokio::runtime::Handle;

use crate::support::{PATIENCE, manager, until};

/// Of all drivers that need no server to be built.
fn a_thousand(max: usize) -> String {
    let pool = |number: usize| match number % 3 {
        0 => format!("{{name: p{number}, driver: sqlite, database: ':memory:', max_connections: {max}}}"),
        1 => format!("{{name: p{number}, database: d{number}, max_connections: {max}}}"),
        _ => format!("{{name: p{number}, driver: redis, max_connections: {max}}}"),
    };
    let pools: Vec<_> = (0..1000).map(pool).collect();
    format!("default_pool: {{min_connections: 0}}, pools: [{}]", pools.join(","))
}

#[tokio::test]
async fn a_thousand_lazy_pools_cost_no_task() {
    let config = crate::support::config(&a_thousand(10));
    let tasks = Handle::current().metrics().num_alive_tasks();
    let manager = pool_manager::PoolManager::from_config(config).await.unwrap();
    assert_eq!(manager.names().len(), 1000);
    assert_eq!(Handle::current().metrics().num_alive_tasks(), tasks);

    // One that is used has its keeper, until it is of no use any more.
    drop(manager.acquire("p0").await.unwrap());
    assert!(Handle::current().metrics().num_alive_tasks() > tasks);
    assert!(manager.close(PATIENCE).await.is_complete());
}

#[tokio::test]
async fn a_thousand_lazy_pools_under_watch_cost_one_task() {
    let sections = a_thousand(10) + ", health_monitoring: {check_interval_ms: 200}";
    let config = crate::support::config(&sections);
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let manager = pool_manager::PoolManager::from_config(config).await.unwrap();
    assert!(manager.health().is_running());
    // A check that is left out ends with its first poll.
    until("only the monitor is left", || tasks() == before + 1).await;
    assert!(manager.snapshots().values().all(|snapshot| snapshot.counters.requests == 0));
    assert!(manager.close(PATIENCE).await.is_complete());
}

/// One that collects, and one that tells.
#[tokio::test]
async fn a_thousand_lazy_pools_that_are_measured_cost_two_tasks() {
    let sections = a_thousand(10)
        + ", monitoring: {collection_interval_ms: 50, retention_period_ms: 1000, max_memory_bytes: 1000000000}";
    let config = crate::support::config(&sections);
    let tasks = || Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let manager = pool_manager::PoolManager::from_config(config).await.unwrap();
    until("all were measured", || manager.monitor().all_metrics().len() == 1000).await;
    assert_eq!(tasks(), before + 2);
    assert!(manager.snapshots().values().all(|snapshot| snapshot.counters.requests == 0));
    assert!(manager.close(PATIENCE).await.is_complete());
}

#[tokio::test]
async fn a_reload_of_a_thousand_pools_touches_the_one_that_differs() {
    let manager = manager(&a_thousand(10)).await;
    let before = manager.snapshots();
    let new = a_thousand(10).replace("database: d1,", "database: d1, host: db-2,");
    let report = manager.reload(crate::support::config(&new)).await.unwrap();
    assert_eq!((report.drained.as_slice(), report.unchanged), (["p1".to_owned()].as_slice(), 999));
    assert_eq!(manager.snapshots().len(), before.len());
}
