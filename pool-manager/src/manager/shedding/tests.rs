//! What comes between listing the pools whose limit is to be found and looking at them.
#![cfg(feature = "sqlite")]

use std::time::Duration;

use pool_config::Config;

use super::*;
use crate::PoolManager;

/// One pool of one connection. In a thousandth of the time for which a caller may wait, somebody is served.
fn config(keys: &str) -> Config {
    let text = format!(
        "connection_pool: {{health_monitoring: {{enabled: false}}, pools: [{{name: orders, driver: sqlite,
         database: ':memory:', max_connections: 1, connection_timeout_ms: 2000, precise_timing: true, {keys}}}]}}"
    );
    Config::from_yaml(&text, "connection_pool.yaml").unwrap()
}

async fn use_it(manager: &PoolManager) {
    for _ in 0..3 {
        let connection = manager.acquire("orders").await.unwrap();
        sleep(Duration::from_millis(20)).await;
        drop(connection);
    }
}

fn max_waiting(manager: &PoolManager) -> usize {
    manager.pool("orders").unwrap().control().options().max_waiting
}

fn listed(manager: &PoolManager) -> Vec<(AnyPool, Arc<QueueLimit>)> {
    wanted(&manager.shared.read())
}

/// Looks twice, and in between the pool is used: that is enough to find a limit.
async fn look_at(pools: &[(AnyPool, Arc<QueueLimit>)], manager: &PoolManager) {
    for _ in 0..2 {
        use_it(manager).await;
        pools.iter().for_each(|(pool, limit)| look(pool, limit));
    }
}

#[tokio::test]
async fn a_limit_that_is_configured_while_a_round_is_under_way_stays() {
    let manager = PoolManager::from_config(config("max_waiting: auto")).await.unwrap();
    let pools = listed(&manager);
    look_at(&pools, &manager).await;
    let found = max_waiting(&manager);
    assert!((1..1_000).contains(&found), "{found}");
    manager.reload(config("max_waiting: 100000")).await.unwrap();
    look_at(&pools, &manager).await;
    assert_eq!(max_waiting(&manager), 100_000);
}

#[tokio::test]
async fn a_limit_of_before_does_not_bound_the_one_that_is_to_be_found() {
    let manager = PoolManager::from_config(config("max_waiting: 1")).await.unwrap();
    assert!(listed(&manager).is_empty());
    manager.reload(config("max_waiting: auto")).await.unwrap();
    assert_eq!(max_waiting(&manager), 0);
    look_at(&listed(&manager), &manager).await;
    let found = max_waiting(&manager);
    assert!(found > 1, "{found}");
    manager.reload(config("max_waiting: auto, max_uses: 1000")).await.unwrap();
    assert_eq!(max_waiting(&manager), found, "another option is no reason to begin anew");
    manager.reload(config("")).await.unwrap();
    assert_eq!(max_waiting(&manager), 0, "without a limit, as is configured");
}

#[tokio::test]
async fn another_pool_of_the_name_inherits_no_measurements() {
    let manager = PoolManager::from_config(config("max_waiting: auto")).await.unwrap();
    let before = listed(&manager);
    look_at(&before, &manager).await;
    manager.remove("orders", Duration::from_secs(20)).await.unwrap();
    manager.create(config("max_waiting: auto").pools.remove(0)).unwrap();
    let after = listed(&manager);
    assert!(!Arc::ptr_eq(&before[0].1, &after[0].1));
    use_it(&manager).await;
    before.iter().for_each(|(pool, limit)| look(pool, limit));
    assert_eq!(max_waiting(&manager), 0, "whoever looks at the old one does nothing to the new one");
}

#[tokio::test]
async fn the_task_ends_when_no_limit_is_to_be_found_any_more() {
    let manager = PoolManager::from_config(config("max_waiting: auto")).await.unwrap();
    assert!(manager.shared.shedding.is_running());
    manager.reload(config("max_waiting: 5")).await.unwrap();
    assert!(!round(&manager.shared));
    assert!(!manager.shared.shedding.is_running());
    manager.reload(config("max_waiting: auto")).await.unwrap();
    assert!(manager.shared.shedding.is_running());
}
