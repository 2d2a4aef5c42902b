//! Pools on demand.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pool_config::{Secret, SecretSource};
use pool_core::Target;
use pool_manager::{CreateError, PoolManager};
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::support::{PATIENCE, Recorder, config, manager, ms, until};

fn file(folder: &tempfile::TempDir, name: &str) -> Target {
    Target::new("sqlite", folder.path().join(name).display().to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_who_ask_for_a_new_target_at_once_get_one_pool() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::default();
    let manager = PoolManager::builder()
        .manager_observer(recorder.clone())
        .from_config(config("default_pool: {max_connections: 4, min_connections: 2}"))
        .await
        .unwrap();
    for round in 0..20 {
        let target = file(&folder, &format!("{round}.db"));
        let mut asking = JoinSet::new();
        for _ in 0..32 {
            let (manager, target) = (manager.clone(), target.clone());
            asking.spawn(async move { manager.acquire_target(&target, None).await.map(drop) });
        }
        while let Some(outcome) = asking.join_next().await {
            outcome.unwrap().unwrap();
        }
        let snapshot = &manager.snapshots()[&target.to_string()];
        assert_eq!(snapshot.counters.requests, 32, "all went through one pool");
        assert!(snapshot.stats.open() <= 4 && snapshot.stats.min == 0, "{snapshot:?}");
    }
    assert_eq!(manager.targets().len(), 20);
    assert_eq!(recorder.events().len(), 20, "{:?}", recorder.events());
    assert!(manager.names().is_empty(), "they have no names");
}

#[tokio::test]
async fn a_target_is_the_same_however_it_is_written_and_another_one_for_another_user() {
    let manager = manager("pools: []").await;
    let password = || Some(SecretSource::Text(Secret::new("canary-target")));
    let short = Target::new("postgresql", "orders").at("db.example", None).as_user("alice");
    let long = Target::new("postgres", "orders").at("db.example", 5432).as_user("alice");
    let bob = long.clone().as_user("bob");
    let [a, b, c] = [&short, &long, &bob].map(|target| manager.pool_for(target, password()).unwrap());
    assert_eq!(a.control().name(), "postgres://alice@db.example:5432/orders");
    assert_eq!(a.control().name(), b.control().name());
    assert_eq!(c.control().name(), "postgres://bob@db.example:5432/orders");
    assert_eq!(manager.targets().len(), 2);
    assert!(!format!("{manager:?} {:?}", manager.snapshots()).contains("canary"));
}

#[tokio::test]
async fn each_driver_is_known_by_the_name_in_its_targets() {
    let manager = manager("security: {ssl: {enabled: true, verify_peer: false}}").await;
    let at = |driver: &str, host: &str, port| Target::new(driver, "").at(host, port);
    for (asked, key) in [
        (Target::new("mysql", "d").at("h", 3307).as_user("u"), "mysql://u@h:3307/d"),
        (Target::new("mariadb", "d").at("h", None).as_user("u"), "mysql://u@h:3306/d"),
        (Target::new("redis", "2").at("h", 6380).as_user("u"), "redis://u@h:6380/2"),
        (at("redis", "h", None), "redis://h:6379/0"),
        (at("http", "h", Some(8080)), "http://h:8080/"),
        (at("https", "::1", Some(8443)), "https://::1:8443/"),
        (at("https", "h", None).as_user("alice"), "https://alice@h:443/"),
        (Target::new("ws", "feed/1").at("h", 81), "ws://h:81/feed/1"),
        (Target::new("wss", "feed").at("h", None), "wss://h:443/feed"),
    ] {
        assert_eq!(manager.pool_for(&asked, None).unwrap().control().name(), key, "{asked}");
    }
    let error = manager.pool_for(&Target::new("oracle", "d"), None).unwrap_err();
    assert!(matches!(error, CreateError::Driver { .. }));
    insta::assert_snapshot!(error, @"create a pool for `oracle:///d`: no driver is called `oracle`");
    let error = manager.pool_for(&Target::new("redis", "two"), None).unwrap_err();
    assert!(error.to_string().contains("a database of Redis is a number"), "{error}");
    assert_eq!(manager.targets().len(), 9, "what could not be had left nothing behind");
}

#[tokio::test]
async fn a_pool_that_nobody_needs_goes_and_comes_again_when_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::default();
    let manager = PoolManager::builder()
        .manager_observer(recorder.clone())
        .from_config(config("default_pool: {idle_timeout_ms: 60, maintenance_interval_ms: 10}"))
        .await
        .unwrap();
    let target = file(&folder, "tenant.db");
    let tasks = Handle::current().metrics().num_alive_tasks();

    let held = manager.acquire_target(&target, None).await.unwrap();
    sleep(ms(300)).await;
    assert_eq!(manager.targets().len(), 1, "somebody has a connection");
    drop(held);
    until("it is gone", || manager.targets().is_empty()).await;
    assert!(manager.pools().is_empty());
    until("no task is left for it", || Handle::current().metrics().num_alive_tasks() == tasks).await;

    let handle = manager.pool_for(&target, None).unwrap();
    sleep(ms(300)).await;
    assert_eq!(manager.targets().len(), 1, "somebody has a handle");
    handle.acquire().await.unwrap();
    drop(handle);
    until("it is gone again", || manager.targets().is_empty()).await;
    let key = target.to_string();
    let [added, removed] = [format!("added {key}"), format!("removed {key}")];
    assert_eq!(recorder.events(), [added.clone(), removed.clone(), added, removed]);
}

#[tokio::test]
async fn zero_keeps_pools_on_demand_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager("default_pool: {idle_timeout_ms: 0}").await;
    drop(manager.acquire_target(&file(&folder, "tenant.db"), None).await.unwrap());
    manager.pool_for(&file(&folder, "tenant.db"), None).unwrap().control().evict_idle();
    sleep(ms(200)).await;
    assert_eq!(manager.targets().len(), 1);
}

/// Removal and use race until fifty pools were removed; nobody sees an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_meets_the_removal_of_a_pool_sees_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::default();
    let manager = PoolManager::builder()
        .manager_observer(recorder.clone())
        .from_config(config(
            "default_pool: {idle_timeout_ms: 1, maintenance_interval_ms: 1, max_connections: 4}",
        ))
        .await
        .unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let uses = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for caller in 0..2u64 {
        let (manager, over, uses) = (manager.clone(), Arc::clone(&over), Arc::clone(&uses));
        let target = file(&folder, "tenant.db");
        callers.spawn(async move {
            while !over.load(Ordering::SeqCst) {
                drop(manager.acquire_target(&target, None).await.unwrap());
                let nth = uses.fetch_add(1, Ordering::SeqCst) as u64;
                // Now and then long enough for the pool to be removed.
                sleep(ms((nth * 7 + caller * 13) % 60)).await;
            }
        });
    }
    let removals = || recorder.events().iter().filter(|event| event.starts_with("removed")).count();
    until("fifty removals", || removals() >= 50).await;
    over.store(true, Ordering::SeqCst);
    while let Some(outcome) = callers.join_next().await {
        outcome.unwrap();
    }
    assert!(manager.close(PATIENCE).await.is_complete());
}

#[tokio::test]
async fn a_configuration_that_is_switched_off_makes_no_pool_on_demand() {
    let manager = manager("enabled: false").await;
    let error = manager.pool_for(&Target::new("sqlite", ":memory:"), None).unwrap_err();
    insta::assert_snapshot!(error, @"create a pool on demand: the configuration is disabled; set `enabled: true` for `connection_pool`");
}

#[tokio::test]
async fn a_host_that_may_hold_a_password_is_refused_and_not_shown() {
    let manager = manager("pools: []").await;
    for driver in ["https", "ws", "postgres", "mysql", "redis"] {
        for host in ["u:canary@h", "u:canary", "h/canary", "canary h"] {
            let error = manager.pool_for(&Target::new(driver, "x y").at(host, None), None).unwrap_err();
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("canary") && shown.contains("no host has"), "{shown}");
        }
    }
    for host in ["::1", "fe80::1%eth0", "db-1.example", "db.example."] {
        manager.pool_for(&Target::new("postgres", "orders").at(host, None).as_user("u"), None).unwrap();
    }
}

#[tokio::test]
async fn a_pool_that_somebody_has_closed_is_made_anew_when_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let recorder = Recorder::default();
    let manager = PoolManager::builder()
        .manager_observer(recorder.clone())
        .from_config(config("pools: []"))
        .await
        .unwrap();
    let target = file(&folder, "tenant.db");
    manager.pool_for(&target, None).unwrap().control().close(PATIENCE).await;
    manager.acquire_target(&target, None).await.unwrap();
    assert_eq!(manager.targets().len(), 1);
    let key = target.to_string();
    assert_eq!(recorder.events(), [format!("added {key}"), format!("removed {key}"), format!("added {key}")]);
}

#[tokio::test]
async fn a_pool_goes_with_all_that_led_to_it_and_with_nothing_else() {
    let manager = manager("default_pool: {idle_timeout_ms: 60}").await;
    let at = |host: &str, port| Target::new("redis", "0").at(host, port);
    let kept = manager.pool_for(&at("kept.example", None), None).unwrap();
    for target in [at("gone.example", None), at("gone.example", Some(6379))] {
        drop(manager.pool_for(&target, None).unwrap());
    }
    assert_eq!(manager.targets().len(), 2);
    until("one is gone", || manager.targets().len() == 1).await;
    let again = manager.pool_for(&at("kept.example", Some(6379)), None).unwrap();
    assert_eq!(kept.control().name(), again.control().name());
    assert_eq!(manager.targets().len(), 1);
    for target in [at("gone.example", Some(6379)), at("gone.example", None)] {
        drop(manager.pool_for(&target, None).unwrap());
        assert_eq!(manager.targets().len(), 2);
    }
}

#[test]
fn pools_nobody_needs_go_though_the_runtime_ended_that_the_first_was_made_on() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().unwrap()
    };
    let (first, second) = (runtime(), runtime());
    let target = |host: &str| Target::new("redis", "0").at(host, 1);
    let manager = second.block_on(manager("default_pool: {idle_timeout_ms: 20}"));
    first.block_on(async { drop(manager.pool_for(&target("a.example"), None).unwrap()) });
    drop(first);
    second.block_on(async {
        drop(manager.pool_for(&target("b.example"), None).unwrap());
        until("both are gone", || manager.targets().is_empty()).await;
    });
}

#[tokio::test]
async fn no_two_targets_have_a_pool_of_one_name() {
    let manager = manager("pools: []").await;
    let redis = |host: &str, user: &str| Target::new("redis", "0").at(host, 1).as_user(user);
    let name = |target: Target| manager.pool_for(&target, None).unwrap().control().name().to_owned();
    assert_eq!(name(redis("c", "a@b")), "redis://a%40b@c:1/0");
    assert_eq!(name(redis("c", "a%40b")), "redis://a%2540b@c:1/0");
    assert_eq!(name(redis("Db.Example", "a")), "redis://a@db.example:1/0");
    assert_eq!(name(redis("db.example", "a")), "redis://a@db.example:1/0");
    assert_eq!(name(redis("db.example", "A")), "redis://A@db.example:1/0", "the letters of a user count");
    assert_eq!(manager.targets().len(), 4);
}
