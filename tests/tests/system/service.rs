//! The example service of `pool-manager` as a process of its own, on real servers, of which some fail.

mod program;

use std::time::Duration;

use pool_tests::shop::Shop;
pub(crate) use program::as_from_a_shell;
use program::{Service, example};
use rustix::process::Signal;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::root;

const LAMPS: &str = r#"{"item": "lamp", "pieces": 3}"#;

async fn shop() -> Shop {
    let schema = std::fs::read_to_string(example().join("schema.sql")).unwrap();
    Shop::launch(&schema).await.unwrap()
}

/// Lets nobody read the orders until it is dropped or closed.
async fn lock_orders(shop: &Shop) -> PgConnection {
    let mut connection = PgConnection::connect(&shop.url()).await.unwrap();
    sqlx::raw_sql("BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE")
        .execute(&mut connection)
        .await
        .unwrap();
    connection
}

#[tokio::test]
async fn the_service_takes_orders_and_reports_them() {
    let shop = shop().await;
    let service = Service::start(&shop).await;
    let mut answers = Vec::new();
    for order in [LAMPS, r#"{"item": "lamp", "pieces": 98}"#, r#"{"item": "desk", "pieces": 1}"#] {
        answers.push(service.post("/orders", order).await);
    }
    for path in ["/orders", "/report", "/items/lamp", "/items/lamp", "/items/chair", "/alerts", "/-/healthy"]
    {
        answers.push(service.get(path).await);
    }
    insta::assert_debug_snapshot!(answers, @r#"
    [
        201 {"id":1,"item":"lamp","pieces":3},
        409 {"error":"not that many are left"},
        201 {"id":2,"item":"desk","pieces":1},
        200 [{"id":2,"item":"desk","pieces":1},{"id":1,"item":"lamp","pieces":3}],
        200 [{"item":"desk","orders":1,"pieces":1},{"item":"lamp","orders":1,"pieces":3}],
        200 {"name":"lamp","pieces":97,"from":"database"},
        200 {"name":"lamp","pieces":97,"from":"cache"},
        404 {"error":"not found"},
        200 {"alerts":[]},
        200 ok,
    ]
    "#);
    assert_eq!(service.post("/orders", r#"{"item": "lamp", "pieces": 0}"#).await.status, 422);
    let ready = service.get("/-/ready").await;
    assert!(ready.status == 200 && ready.text.starts_with("ready\n"), "{ready:?}");
    for pool in ["orders", "reports", "cache"] {
        assert_eq!(service.number(&format!("/pools/{pool}/active")).await, 0, "{pool}");
    }
    service.log();
}

#[tokio::test]
async fn the_service_reloads_what_has_changed_and_refuses_what_is_wrong() {
    let shop = shop().await;
    let service = Service::start(&shop).await;
    assert_eq!(service.get("/orders").await.status, 200);
    let created = service.number("/pools/orders/created").await;

    service.edit("max_connections: 8", "max_connections: 5");
    service.signal(Signal::HUP);
    service.until("/configuration/generation", 1).await;
    assert_eq!(service.number("/pools/orders/max").await, 5);
    assert_eq!(service.number("/pools/cache/max").await, 5);

    service.edit("max_connections: 5", "max_connections: 0");
    service.signal(Signal::HUP);
    service.until("/configuration/refused", 1).await;
    assert_eq!(service.number("/pools/orders/max").await, 5);
    assert_eq!(service.number("/configuration/generation").await, 1);
    let stats = service.get("/stats").await.json();
    let reason = stats.pointer("/configuration/last_error").unwrap().as_str().unwrap();
    assert!(reason.contains("connection_pool.yaml:21:24"), "{reason}");
    service.until_logged(reason).await;

    // Nobody tells it of this one.
    service.edit("max_connections: 0", "max_connections: 6");
    service.until("/configuration/generation", 2).await;
    assert_eq!(service.number("/pools/orders/max").await, 6);
    // None of that has cost a connection.
    assert_eq!(service.number("/pools/orders/created").await, created);
    assert_eq!(service.get("/orders").await.status, 200);
}

#[tokio::test]
async fn without_redis_the_cached_route_asks_the_database() {
    let shop = shop().await;
    let service = Service::start(&shop).await;
    let from = async || {
        let answer = service.get("/items/lamp").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["from"].as_str().unwrap().to_owned()
    };
    assert_eq!([from().await, from().await], ["database", "cache"]);

    shop.redis.kill().await.unwrap();
    for _ in 0..20 {
        assert_eq!(from().await, "database");
    }
    assert_eq!(service.get("/-/ready").await.status, 200);
    let log = service.log();
    // Its alert says so as well, half a minute later.
    let told = log.lines().filter(|line| !line.contains("PoolTargetDown"));
    assert_eq!(told.filter(|line| line.contains("the target is down: connect to")).count(), 1, "{log}");

    shop.redis.start().await.unwrap();
    let begun = Instant::now();
    while from().await != "cache" {
        assert!(begun.elapsed() < program::PATIENCE, "the cache is not used again");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn without_postgres_the_service_lives_and_is_not_ready() {
    let shop = shop().await;
    let service = Service::start(&shop).await;
    assert_eq!(service.get("/items/lamp").await.status, 200);
    assert_eq!(service.get("/-/ready").await.status, 200);

    // A pool that nobody uses finds out in this time.
    service.edit("keepalive_interval_ms: 30000", "keepalive_interval_ms: 200");
    service.signal(Signal::HUP);
    service.until("/configuration/generation", 1).await;

    shop.postgres.kill().await.unwrap();
    let ready = service.until_status("/-/ready", 503).await;
    assert!(ready.text.starts_with("not ready\n"), "{ready:?}");
    assert!(ready.text.contains("orders: failed to acquire a connection from pool `orders`: "), "{ready:?}");
    assert!(ready.text.contains("Connection refused"), "{ready:?}");
    assert_eq!(service.get("/-/healthy").await.status, 200);
    assert_eq!(service.post("/orders", LAMPS).await.status, 503);

    let begun = Instant::now();
    let is_down = |alert: &Value| alert["alertname"] == "PoolTargetDown" && alert["pool"] == "orders";
    while !service.get("/alerts").await.json()["alerts"].as_array().unwrap().iter().any(is_down) {
        assert!(begun.elapsed() < program::PATIENCE, "{:?}", service.get("/alerts").await);
        sleep(Duration::from_millis(100)).await;
    }
    let metrics = service.get("/metrics").await.text;
    assert!(metrics.contains("pool_target_down{pool=\"orders\"} 1\n"), "{metrics}");

    shop.postgres.start().await.unwrap();
    service.until_status("/-/ready", 200).await;
    assert_eq!(service.post("/orders", LAMPS).await.status, 201);
}

#[tokio::test]
async fn a_request_in_flight_is_answered_before_the_service_ends() {
    let shop = shop().await;
    let mut service = Service::start(&shop).await;
    assert_eq!(service.post("/orders", LAMPS).await.status, 201);
    let lock = lock_orders(&shop).await;
    let request = service.begin("/orders");
    service.until("/pools/orders/active", 1).await;

    service.signal(Signal::TERM);
    service.until_it_takes_nobody().await;
    assert!(!request.is_finished());
    lock.close().await.unwrap();
    insta::assert_debug_snapshot!(request.await.unwrap().unwrap(), @r#"200 [{"id":1,"item":"lamp","pieces":3}]"#);
    assert!(service.ended().await.success(), "{}", service.log());
    assert!(service.log().contains("closed 3 of 3 pools"), "{}", service.log());
}

#[tokio::test]
async fn a_request_that_does_not_end_is_named_and_holds_up_nobody() {
    let shop = shop().await;
    let mut service = Service::start(&shop).await;
    let _lock = lock_orders(&shop).await;
    let request = service.begin("/report");
    service.until("/pools/reports/active", 1).await;

    let begun = Instant::now();
    service.signal(Signal::TERM);
    let status = service.ended().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
    assert!(status.success(), "{}", service.log());
    let log = service.log();
    assert!(log.contains("requests are still running after 4s"), "{log}");
    assert!(log.contains("closed 2 of 3 pools") && log.contains("examples/service/shop.rs:"), "{log}");
    assert!(request.await.unwrap().is_err());
}

/// What a reader types, to the letter, in a folder for temporary files that must be empty afterwards.
#[tokio::test]
async fn the_script_starts_everything_and_leaves_nothing_behind() {
    let temporary = tempfile::tempdir().unwrap();
    // Servers run as other users, who must be able to pass through it.
    let pass = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    std::fs::set_permissions(temporary.path(), pass).unwrap();
    let mut script = Command::new(root().join("scripts/example_service.sh"));
    as_from_a_shell(&mut script).env("TMPDIR", temporary.path());
    let mut service = Service::run(script, tempfile::tempdir().unwrap()).await;
    assert_eq!(service.get("/-/ready").await.status, 200);
    assert_eq!(service.post("/orders", LAMPS).await.status, 201);

    service.signal(Signal::INT);
    assert!(service.ended().await.success(), "{}", service.log());
    let begun = Instant::now();
    while std::fs::read_dir(temporary.path()).unwrap().next().is_some() {
        assert!(begun.elapsed() < program::PATIENCE, "something is left");
        sleep(Duration::from_millis(20)).await;
    }
}
