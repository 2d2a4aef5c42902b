//! Groups as a configuration names them.

use std::path::Path;

use pool_config::Role;
use pool_manager::LookupError;

use crate::support::{PATIENCE, config, manager};

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
