//! The monitor of a configuration, on a real server: what goes on there is measured, raises alerts, and is told.

use pool_monitor::{Alert, AlertState};
use pool_tests::inbox::Inbox;
use pool_tests::postgres::Postgres;
use serde_json::Value;
use tokio::time::timeout;

use super::{PATIENCE, manager, until};

/// The seed's thresholds, a server that goes and comes back, and a webhook that hears of both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_does_raises_alerts_that_a_webhook_is_told_of() {
    let server = Postgres::new().launch().await.unwrap();
    server.create_user("app", "canary-monitor").await.unwrap();
    let inbox = Inbox::new().launch().unwrap();
    let manager = manager(&format!(
        "health_monitoring: {{check_interval_ms: 1000, fast_interval_ms: 100, down_interval_ms: 200,
             unhealthy_threshold: 1, connection_timeout_ms: 900}},
         monitoring: {{collection_interval_ms: 50, retention_period_ms: 60000,
             alerts: {{group_wait_ms: 0, group_interval_ms: 1000, receivers: [{{name: hook, type: webhook, url: '{}/canary'}}]}}}},
         pools: [{{name: orders, host: 127.0.0.1, port: {}, database: app, user: app, password: canary-monitor,
             min_connections: 1, max_connections: 5, connection_timeout_ms: 5000}}]",
        inbox.url(),
        server.port()
    ))
    .await;
    manager.warm_up().await.unwrap();
    let monitor = manager.monitor();
    let state = |rule: &str| {
        let find = |alert: &std::sync::Arc<Alert>| (&*alert.rule == rule).then_some(alert.state);
        monitor.all_alerts().iter().find_map(find)
    };
    let told = async |rule: &'static str, status: &'static str| {
        let is_it = move |json: &Value| {
            json["status"] == status
                && json["alerts"]
                    .as_array()
                    .is_some_and(|alerts| alerts.iter().any(|alert| alert["labels"]["alertname"] == rule))
        };
        timeout(PATIENCE, inbox.until_letters(1, |letter| is_it(&letter.json))).await.unwrap()
    };

    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(manager.acquire("orders").await.unwrap());
    }
    until("utilization is high", async || state("PoolUtilizationHigh") == Some(AlertState::Firing)).await;
    let metrics = monitor.metrics("orders").unwrap();
    assert!(metrics.utilization > 0.8, "{}", metrics.utilization);
    let letters = told("PoolUtilizationHigh", "firing").await;
    assert_eq!(letters[0].path, "/canary");
    held.clear();
    until("utilization is low", async || state("PoolUtilizationHigh") == Some(AlertState::Resolved)).await;

    server.stop_immediately().await.unwrap();
    until("the target is down", async || state("PoolTargetDown") == Some(AlertState::Firing)).await;
    told("PoolTargetDown", "firing").await;
    let text = manager.prometheus_text();
    assert!(text.contains("pool_target_down{pool=\"orders\"} 1"), "{text}");
    server.start().await.unwrap();
    until("the target is back", async || state("PoolTargetDown") == Some(AlertState::Resolved)).await;
    told("PoolTargetDown", "resolved").await;
    assert!(manager.close(PATIENCE).await.is_complete());
    let secret = |letter: &pool_tests::inbox::Letter| letter.json.to_string().contains("canary");
    assert!(!inbox.letters().iter().any(secret));
}
