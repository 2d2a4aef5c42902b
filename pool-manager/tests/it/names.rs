//! Pools by name.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use pool_config::{Driver, PoolConfig};
use pool_core::{ConnectionId, Observer, PoolEvent, Target};
use pool_manager::{AccessError, ManagerEvent, PoolManager};

use crate::support::{PATIENCE, Recorder, config, manager, open};

const TWO: &str = "pools: [
    {name: orders, driver: sqlite, database: ':memory:', min_connections: 0},
    {name: cache, driver: redis, host: 127.0.0.1, port: 1, min_connections: 0}]";

#[tokio::test]
async fn a_pool_is_had_by_its_name_and_used_as_one_of_its_driver() {
    let manager = manager(TWO).await;
    assert_eq!(manager.names(), ["cache", "orders"]);
    let orders = manager.sqlite("orders").unwrap();
    orders.acquire().await.unwrap().run("CREATE TABLE item (name TEXT)").await.unwrap();

    let mut connection = manager.acquire("orders").await.unwrap();
    assert_eq!((connection.pool_name(), connection.driver()), ("orders", Driver::Sqlite));
    assert!(connection.as_postgres().is_none());
    connection.as_sqlite().unwrap().run("INSERT INTO item VALUES ('lamp')").await.unwrap();
    let connection = connection.into_redis().expect_err("it is one of SQLite");
    let mut guard = connection.into_sqlite().expect("so it is given back as it was");
    guard.run("DELETE FROM item").await.unwrap();
    assert_eq!(manager.snapshots()["orders"].stats.active, 1);
}

#[tokio::test]
async fn a_wrong_name_or_driver_is_told_with_what_to_do() {
    let manager = manager(
        "pools: [
            {name: orders, driver: sqlite, database: ':memory:'},
            {name: archive, driver: sqlite, database: ':memory:', enabled: false}]",
    )
    .await;
    insta::assert_snapshot!(manager.sqlite("ordres").unwrap_err(), @"find pool `ordres`: there is none; did you mean `orders`?");
    insta::assert_snapshot!(manager.pool("invoices").unwrap_err(), @"find pool `invoices`: there is none");
    insta::assert_snapshot!(manager.sqlite("archive").unwrap_err(), @"find pool `archive`: it is disabled; set `enabled: true` for it, and for `connection_pool`");
    insta::assert_snapshot!(manager.postgres("orders").unwrap_err(), @r#"use pool `orders` as one of postgres: it is one of sqlite; ask for it with `sqlite("orders")`"#);
    let error = manager.acquire("ordres").await.unwrap_err();
    assert!(matches!(&error, AccessError::Lookup(_)) && !error.is_retryable(), "{error}");
}

#[tokio::test]
async fn a_configuration_that_is_switched_off_has_no_pools() {
    let manager = manager(&format!("enabled: false, {TWO}")).await;
    assert!(manager.names().is_empty() && manager.pools().is_empty());
    assert!(manager.pool("orders").unwrap_err().to_string().contains("it is disabled"));
}

#[tokio::test]
async fn only_pools_that_keep_connections_open_connect_before_they_are_asked() {
    let manager = manager(
        "pools: [
            {name: eager, driver: sqlite, database: ':memory:', min_connections: 2},
            {name: lazy, driver: sqlite, database: ':memory:', min_connections: 0}]",
    )
    .await;
    manager.warm_up().await.unwrap();
    let (eager, lazy) = (manager.pool("eager").unwrap(), manager.pool("lazy").unwrap());
    assert_eq!((open(&eager), open(&lazy)), (2, 0));
    assert_eq!(lazy.control().counters().requests, 0);
}

#[tokio::test]
async fn a_program_makes_and_removes_pools_of_its_own() {
    let recorder = Recorder::default();
    let manager =
        PoolManager::builder().manager_observer(recorder.clone()).from_config(config(TWO)).await.unwrap();
    let described = PoolConfig {
        name: "scratch".to_owned(),
        driver: Driver::Sqlite,
        database: Some(":memory:".to_owned()),
        ..PoolConfig::default()
    };
    let scratch = manager.create(described.clone()).unwrap();
    manager.acquire("scratch").await.unwrap();
    assert_eq!(manager.pools().names(), ["cache", "orders", "scratch"]);
    let taken = manager.create(described.clone()).unwrap_err();
    insta::assert_snapshot!(taken, @"create pool `scratch`: there is one of this name; remove it first or choose another name");

    let report = manager.remove("scratch", PATIENCE).await.unwrap();
    assert!(report.is_complete() && scratch.control().is_closed());
    assert_eq!(manager.pools().names(), ["cache", "orders"]);
    assert!(manager.remove("scratch", PATIENCE).await.is_err());
    manager.create(described).unwrap();

    assert!(manager.clear(PATIENCE).await.is_complete());
    assert!(manager.names().is_empty() && manager.pools().is_empty());
    let added = ["added cache", "added orders", "added scratch", "removed scratch", "added scratch"];
    assert_eq!(recorder.events()[..5], added);
    assert_eq!(recorder.events()[5..], ["removed cache", "removed orders", "removed scratch"]);
}

#[tokio::test]
async fn each_pool_has_a_name_of_its_own() {
    let mut twice = config("pools: [{name: orders, driver: sqlite, database: ':memory:'}]");
    twice.pools.push(twice.pools[0].clone());
    twice.pools.push(PoolConfig { name: String::new(), ..twice.pools[0].clone() });
    let error = PoolManager::from_config(twice).await.unwrap_err();
    insta::assert_snapshot!(error, @r"
    build the pools: 2 problems
    pool `orders`: name is orders: another pool has the same name
      help: choose another one
    pool ``: name is empty: a pool needs a name
      help: give it one
    ");
}

/// Asks the manager for something in each event.
struct Curious(Arc<OnceLock<PoolManager>>);

impl Observer for Curious {
    fn event(&self, _pool: &str, _event: &PoolEvent) {
        let Some(manager) = self.0.get() else { return };
        let target = Target::new("sqlite", ":memory:");
        assert!(manager.names().len() < 10 && manager.pools().len() < 10);
        drop((manager.snapshots(), manager.config(), manager.targets()));
        // Not of the events of this pool itself.
        if manager.targets().is_empty() {
            drop(manager.pool_for(&target, None));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_observer_may_call_back_into_the_manager() {
    let cell = Arc::new(OnceLock::new());
    let again = Arc::clone(&cell);
    let manager = PoolManager::builder()
        .observer(Curious(Arc::clone(&cell)))
        .manager_observer(move |_: &ManagerEvent| drop(again.get().map(PoolManager::names)))
        .from_config(config(TWO))
        .await
        .unwrap();
    assert!(cell.set(manager.clone()).is_ok());
    let all = async {
        drop(manager.acquire("orders").await.unwrap());
        let smaller = TWO.replace("min_connections: 0},", "min_connections: 1, max_connections: 2},");
        manager.reload(config(&smaller)).await.unwrap();
        manager.reload(config("pools: []")).await.unwrap();
        assert_eq!(manager.targets().len(), 1, "the observer has asked for it");
        manager.clear(PATIENCE).await;
        manager.close(PATIENCE).await;
    };
    tokio::time::timeout(PATIENCE, all).await.expect("nobody waits for himself");
}

#[tokio::test]
async fn when_a_pool_has_no_connection_to_give_the_fallback_is_asked() {
    let manager = manager(TWO).await;
    let connection =
        manager.acquire_or_else("orders", async |error| Err::<_, AccessError>(error)).await.unwrap();
    assert_eq!(connection.pool_name(), "orders");
    let fallback = |error: AccessError| {
        assert!(error.acquire().is_some_and(|error| error.is_unavailable()), "{error}");
        manager.acquire("orders")
    };
    let connection = manager.acquire_or_else("cache", fallback).await.unwrap();
    assert_eq!(connection.pool_name(), "orders");
}

/// Counts what is opened, and whether it was asked for its wishes under a lock of the manager.
#[derive(Default)]
struct Witness {
    created: AtomicUsize,
    asked: AtomicUsize,
}

impl Observer for Witness {
    fn wants_uses(&self) -> bool {
        self.asked.fetch_add(1, Ordering::SeqCst);
        false
    }

    fn created(&self, _pool: &str, _connection: ConnectionId, _took: std::time::Duration) {
        self.created.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn an_observer_sees_every_pool_and_is_asked_for_its_wishes_once() {
    let witness = Arc::new(Witness::default());
    let manager = PoolManager::builder()
        .shared_observer(Arc::<Witness>::clone(&witness))
        .from_config(config(
            "pools: [
                {name: a, driver: sqlite, database: ':memory:', min_connections: 1},
                {name: b, driver: sqlite, database: ':memory:', min_connections: 1}]",
        ))
        .await
        .unwrap();
    manager.warm_up().await.unwrap();
    assert_eq!(witness.created.load(Ordering::SeqCst), 2);
    assert_eq!(witness.asked.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn leak_reports_and_errors_name_the_line_that_asked() {
    let manager = manager(TWO).await;
    let _held = manager.acquire("orders").await.unwrap();
    let line = line!() - 1;
    let holders = manager.pool("orders").unwrap().control().holders();
    assert!(holders[0].site.file().ends_with("names.rs"), "{}", holders[0]);
    assert_eq!(holders[0].site.line(), line);
}

#[tokio::test]
async fn pools_outlive_the_manager_while_somebody_has_a_handle() {
    let manager = manager(TWO).await;
    let (orders, cache) = (manager.sqlite("orders").unwrap(), manager.pools());
    drop(manager);
    orders.acquire().await.unwrap().run("SELECT 1").await.unwrap();
    assert_eq!(orders.handles(), 2, "ours, and that of the set");
    drop(cache);
    assert_eq!(orders.handles(), 1);
}
