//! Groups as a configuration names them.

use std::path::Path;

use pool_config::Role;
use pool_manager::LookupError;
use tokio::time::timeout;

use crate::support::{PATIENCE, config, manager, ms, until};

/// A primary and a replica, each a file of its own so that it shows who was asked.
fn shop(folder: &Path, more: &str) -> String {
    let pool = |name: &str, role: &str, more: &str| {
        let file = folder.join(name).display().to_string();
        format!("{{name: {name}, driver: sqlite, database: '{file}', group: shop, role: {role}, {more}}}")
    };
    format!("pools: [{}, {}]", pool("main", "primary", ""), pool("copy", "replica", more))
}

#[tokio::test]
async fn reads_go_to_the_replica_and_writes_to_the_primary() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&shop(folder.path(), "")).await;
    let shop = manager.sqlite_group("shop").unwrap();
    assert_eq!(shop.read().await.unwrap().pool_name(), "copy");
    assert_eq!(shop.write().await.unwrap().pool_name(), "main");
    let stats = &manager.group_stats()["shop"];
    let counts: Vec<_> = stats.iter().map(|member| (&*member.name, member.reads, member.writes)).collect();
    assert_eq!(counts, [("copy", 1, 0), ("main", 0, 1)]);
}

#[tokio::test]
async fn a_handle_follows_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&shop(folder.path(), "weight: 5")).await;
    let shop_group = manager.sqlite_group("shop").unwrap();
    let weights = || shop_group.members().len();
    assert_eq!(weights(), 2);

    // Another role: it takes no reads any more.
    let other = shop(folder.path(), "").replace("role: replica", "role: analytics");
    manager.reload(config(&other)).await.unwrap();
    assert_eq!(shop_group.read().await.unwrap().pool_name(), "main");
    assert_eq!(shop_group.analytics().await.unwrap().pool_name(), "copy");

    // Other rules.
    let rules = format!("routing: {{read_your_writes_ms: 700}}, {}", shop(folder.path(), ""));
    manager.reload(config(&rules)).await.unwrap();
    assert_eq!(shop_group.routing().read_your_writes.as_millis(), 700);
    assert_eq!(shop_group.read().await.unwrap().pool_name(), "copy");

    // The replica goes: by the program, and then by the configuration.
    manager.remove("copy", PATIENCE).await.unwrap();
    assert_eq!(shop_group.read().await.unwrap().pool_name(), "main");
    manager.reload(config(&rules)).await.unwrap();
    assert_eq!(shop_group.read().await.unwrap().pool_name(), "copy", "a reload makes it again");
    manager.reload(config("pools: []")).await.unwrap();
    assert!(matches!(manager.sqlite_group("shop"), Err(LookupError::UnknownGroup { .. })));
}

#[tokio::test]
async fn what_the_program_makes_joins_its_group() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&shop(folder.path(), "")).await;
    let mut third = manager.config().pool("copy").unwrap().clone();
    third.name = "third".to_owned();
    third.role = Role::Analytics;
    manager.create(third).unwrap();
    let shop = manager.sqlite_group("shop").unwrap();
    assert_eq!(shop.analytics().await.unwrap().pool_name(), "third");
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_driver_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&shop(folder.path(), "")).await;
    let error = manager.sqlite_group("shob").err().unwrap();
    insta::assert_snapshot!(error, @"find group `shob`: no pool names it; did you mean `shop`?");
    let error = manager.postgres_group("shop").err().unwrap();
    insta::assert_snapshot!(error, @r#"use group `shop` as one of postgres: its pools are of sqlite; ask for it with `sqlite_group("shop")`"#);
}

#[tokio::test]
async fn a_group_keeps_no_pool_open_that_was_removed() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&shop(folder.path(), "")).await;
    let copy = manager.sqlite("copy").unwrap();
    drop(copy.acquire().await.unwrap());
    manager.reload(config(&shop(folder.path(), "enabled: false"))).await.unwrap();
    assert!(copy.is_closed());
    assert!(manager.close(PATIENCE).await.is_complete());
}

#[tokio::test]
async fn a_handle_of_a_group_that_went_and_came_back_is_good_again() {
    let folder = tempfile::tempdir().unwrap();
    let text = shop(folder.path(), "");
    let manager = manager(&text).await;
    let shop_group = manager.sqlite_group("shop").unwrap();

    manager.reload(config("pools: []")).await.unwrap();
    let error = shop_group.read().await.unwrap_err();
    insta::assert_snapshot!(error, @"acquire a connection for reading from group `shop`: it has no member in the role replica or primary");
    assert!(!manager.group_stats().contains_key("shop"));
    manager.reload(config(&text)).await.unwrap();
    assert_eq!(shop_group.read().await.unwrap().pool_name(), "copy");

    manager.clear(PATIENCE).await;
    assert!(matches!(manager.sqlite_group("shop"), Err(LookupError::UnknownGroup { .. })));
    manager.reload(config(&text)).await.unwrap();
    assert_eq!(shop_group.read().await.unwrap().pool_name(), "copy");
    let again = manager.sqlite_group("shop").unwrap();
    assert_eq!(again.read().await.unwrap().pool_name(), "copy");
    assert_eq!(shop_group.stats()[0].reads, again.stats()[0].reads, "they are handles of one group");
}

#[tokio::test]
async fn a_handle_of_a_group_that_no_pool_names_any_more_leads_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let text = shop(folder.path(), "");
    let manager = manager(&text).await;
    let shop_group = manager.sqlite_group("shop").unwrap();
    manager.reload(config(&text.replace("group: shop", "group: store"))).await.unwrap();
    assert!(shop_group.members().is_empty());
    assert!(shop_group.write().await.is_err());
    assert_eq!(manager.sqlite_group("store").unwrap().read().await.unwrap().pool_name(), "copy");
}

#[tokio::test]
async fn the_deadline_of_a_group_is_that_of_the_options_in_force() {
    let folder = tempfile::tempdir().unwrap();
    let text = |millis: u32| {
        let pools = shop(folder.path(), "");
        format!("default_pool: {{max_connections: 1, connection_timeout_ms: {millis}}}, {pools}")
    };
    let manager = manager(&text(60_000)).await;
    let shop_group = manager.sqlite_group("shop").unwrap();
    let _held = [manager.acquire("main").await.unwrap(), manager.acquire("copy").await.unwrap()];
    manager.reload(config(&text(100))).await.unwrap();
    let error = timeout(PATIENCE, shop_group.read()).await.unwrap().unwrap_err();
    assert!(error.is_timeout(), "{error}");

    // And when the program sets them.
    manager.reload(config(&text(60_000))).await.unwrap();
    for name in ["main", "copy"] {
        let pool = manager.pool(name).unwrap();
        let options = pool_core::PoolOptions { acquire_timeout: ms(100), ..pool.control().options() };
        pool.control().set_options(options).unwrap();
    }
    let error = timeout(PATIENCE, shop_group.read()).await.unwrap().unwrap_err();
    assert!(error.is_timeout(), "{error}");
}

#[tokio::test]
async fn a_member_that_leads_elsewhere_since_a_reload_starts_clean() {
    let folder = tempfile::tempdir().unwrap();
    let rules = "routing: {ejection_time_ms: 600000, max_ejection_time_ms: 600000}";
    let good = format!("{rules}, {}", shop(folder.path(), "connection_timeout_ms: 5000"));
    let bad = good.replace(&folder.path().join("copy").display().to_string(), "/nowhere/copy.db");
    let manager = manager(&bad).await;
    let shop_group = manager.sqlite_group("shop").unwrap();
    let ejected = || shop_group.stats().iter().any(|member| member.ejected_for.is_some());
    assert_eq!(shop_group.read().await.unwrap().pool_name(), "main");
    assert!(ejected());

    // Another reload that leaves its target alone leaves the ejection alone.
    manager.reload(config(&bad.replace("5000", "4000"))).await.unwrap();
    assert!(ejected());
    manager.reload(config(&good)).await.unwrap();
    assert!(!ejected());
    let copy = manager.pool("copy").unwrap();
    until("the copy is open", || copy.control().outage().is_none()).await;
    assert_eq!(shop_group.read().await.unwrap().pool_name(), "copy");
}

#[tokio::test]
async fn no_pool_of_another_driver_joins_a_group() {
    let folder = tempfile::tempdir().unwrap();
    let manager = manager(&shop(folder.path(), "")).await;
    let stranger =
        "pools: [{name: aaa, driver: redis, port: 1, min_connections: 0, group: shop, role: replica}]";
    let stranger = config(stranger).pools[0].clone();
    let error = manager.create(stranger.clone()).unwrap_err();
    insta::assert_snapshot!(error, @"create pool `aaa`: it is one of redis, and group `shop` has pools of sqlite, such as `copy`; choose another group");
    assert_eq!(manager.sqlite_group("shop").unwrap().read().await.unwrap().pool_name(), "copy");

    // When the others are gone, the name is free, and an old handle takes no part in it.
    let old = manager.sqlite_group("shop").unwrap();
    manager.clear(PATIENCE).await;
    manager.create(stranger).unwrap();
    assert!(manager.redis_group("shop").is_ok());
    assert!(matches!(manager.sqlite_group("shop"), Err(LookupError::GroupDriver { .. })));
    assert!(old.members().is_empty());
}
