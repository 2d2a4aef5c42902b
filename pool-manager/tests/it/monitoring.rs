//! The monitor of a manager: what the configuration says of it, it does, and what goes on in the pools it tells.

use std::sync::{Arc, Mutex};

use axum::Json;
use axum::http::Uri;
use pool_manager::{PoolManager, ReloadError};
use pool_monitor::{Acknowledgement, AlertDispatcher, AlertState, DispatcherSettings, Metric, VerbError};
use tokio::sync::Semaphore;

use crate::support::{PATIENCE, config, manager, until};

const ORDERS: &str = "{name: orders, driver: sqlite, database: ':memory:', min_connections: 0, max_connections: 10, connection_timeout_ms: 5000}";

/// Collects only when it is asked to.
const SELDOM: &str = " monitoring: {collection_interval_ms: 3600000, retention_period_ms: 7200000}";

/// The names of the alerts of pool `orders` that fire.
fn firing(manager: &PoolManager) -> Vec<String> {
    let alerts = manager.monitor().alerts();
    alerts
        .iter()
        .filter(|alert| alert.pool.as_deref() == Some("orders"))
        .map(|alert| alert.rule.to_string())
        .collect()
}

async fn until_it_was_measured(manager: &PoolManager) {
    until("it was measured", || manager.monitor().metrics("orders").is_some()).await;
}

#[tokio::test]
async fn every_pool_is_measured_unless_the_configuration_says_otherwise() {
    let manager = manager(&format!("{SELDOM}, pools: [{ORDERS}]")).await;
    assert!(manager.monitor().is_running());
    until_it_was_measured(&manager).await;
    let text = manager.prometheus_text();
    assert!(
        text.contains("db_client_connection_max{db_client_connection_pool_name=\"orders\"} 10"),
        "{text}"
    );

    manager.reload(config(&format!(" monitoring: {{enabled: false}}, pools: [{ORDERS}]"))).await.unwrap();
    assert!(!manager.monitor().is_running());
    manager.monitor().collect();
    assert!(manager.monitor().metrics("orders").is_some(), "it may be asked all the same");
}

/// The seed's behaviour: 9 of 10 in use is over 0.8, and 8 of 10 is not below the recovery threshold.
#[tokio::test]
async fn utilization_over_the_threshold_fires_at_the_first_collection_and_ends_below_the_recovery_threshold()
{
    let manager = manager(&format!("{SELDOM}, pools: [{ORDERS}]")).await;
    until_it_was_measured(&manager).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let (triggered, resolved) = (Arc::clone(&told), Arc::clone(&told));
    manager
        .monitor()
        .on_alert_triggered(move |alert| triggered.lock().unwrap().push(format!("triggered {}", alert.rule)));
    manager
        .monitor()
        .on_alert_resolved(move |alert| resolved.lock().unwrap().push(format!("resolved {}", alert.rule)));

    let mut held = Vec::new();
    for _ in 0..9 {
        held.push(manager.acquire("orders").await.unwrap());
    }
    manager.monitor().collect();
    assert_eq!(firing(&manager), ["PoolUtilizationHigh"]);
    let alert = manager.monitor().alerts().remove(0);
    assert_eq!((alert.value, alert.threshold, alert.severity.as_str()), (0.9, 0.8, "warning"));

    held.truncate(8);
    manager.monitor().collect();
    assert_eq!(firing(&manager), ["PoolUtilizationHigh"], "0.8 is above 0.72");
    assert_eq!(manager.monitor().alert(alert.id).unwrap().state, AlertState::Recovering);
    held.truncate(7);
    manager.monitor().collect();
    assert_eq!(firing(&manager), [""; 0]);
    assert_eq!(manager.monitor().alert(alert.id).unwrap().state, AlertState::Resolved);
    assert_eq!(*told.lock().unwrap(), ["triggered PoolUtilizationHigh", "resolved PoolUtilizationHigh"]);
}

#[tokio::test]
async fn an_error_rate_is_judged_only_of_enough_acquires() {
    let sections = SELDOM.replace('}', ", error_rate_min_requests: 10}");
    let pool = ORDERS
        .replace("min_connections: 0, max_connections: 10", "min_connections: 1, max_connections: 1")
        .replace("_ms: 5000", "_ms: 20");
    let manager = manager(&format!("{sections}, pools: [{pool}]")).await;
    until_it_was_measured(&manager).await;
    manager.pool("orders").unwrap().control().warm_up().await.unwrap();
    let held = manager.acquire("orders").await.unwrap();
    let fail = async |times: usize| {
        for _ in 0..times {
            assert!(manager.acquire("orders").await.is_err());
        }
        manager.monitor().collect();
    };
    let has_error_rate = || firing(&manager).iter().any(|rule| rule == "PoolErrorRateHigh");
    fail(5).await;
    assert!(!has_error_rate(), "six acquires say little");
    fail(10).await;
    assert!(has_error_rate());
    drop(held);
}

/// Without it whoever is woken by the alert has to look for both elsewhere.
#[cfg(feature = "redis")]
#[tokio::test]
async fn an_alert_of_a_target_that_is_down_names_it_and_the_last_error_and_no_secret() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let port = address.port();
    let manager = manager(&format!(
        "health_monitoring: {{fast_interval_ms: 10, unhealthy_threshold: 1}},{SELDOM},
         pools: [{{name: orders, driver: redis, host: 127.0.0.1, port: {port}, user: me, password: canary,
                   connection_timeout_ms: 1000}}]"
    ))
    .await;
    until_it_was_measured(&manager).await;
    let down = || {
        manager.monitor().collect();
        manager.monitor().alerts().into_iter().find(|alert| &*alert.rule == "PoolTargetDown")
    };
    until("it is known why it is down", || down().is_some_and(|alert| alert.message.contains("refused")))
        .await;
    let alert = down().unwrap();
    let message = &alert.message;
    assert!(message.starts_with("orders: the target is down: "), "{message}");
    assert_eq!(message.matches(&address.to_string()).count(), 1, "{message}");
    assert!(alert.annotations.get("description").contains("refused"), "{:?}", alert.annotations);
    assert!(!format!("{:?}", manager.monitor().all_alerts()).contains("canary"), "{alert:?}");
}

#[tokio::test]
async fn an_alert_is_acknowledged_and_only_one_that_is_over_is_cleared() {
    let manager = manager(&format!("{SELDOM}, pools: [{ORDERS}]")).await;
    until_it_was_measured(&manager).await;
    manager.monitor().set_alert_threshold("PoolUtilizationHigh", 0.05).unwrap();
    let held = manager.acquire("orders").await.unwrap();
    manager.monitor().collect();
    let alert = manager.monitor().alerts().remove(0);
    assert_eq!((&*alert.rule, alert.threshold), ("PoolUtilizationHigh", 0.05), "set at run time");

    let known = Acknowledgement::new("me", "on it", std::time::SystemTime::now());
    manager.monitor().acknowledge_alert(alert.id, known).unwrap();
    let acknowledged = manager.monitor().alert(alert.id).unwrap();
    assert_eq!(acknowledged.acknowledgement.as_ref().map(|known| known.by.as_str()), Some("me"));
    let error = manager.monitor().clear_alert(alert.id).unwrap_err();
    assert!(matches!(error, VerbError::StillActive { .. }), "{error}");

    drop(held);
    manager.monitor().collect();
    manager.monitor().clear_alert(alert.id).unwrap();
    assert!(manager.monitor().alert(alert.id).is_none());
    assert!(manager.monitor().clear_alert(alert.id).unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_reload_changes_rules_and_thresholds_and_leaves_alone_what_it_does_not_name() {
    let manager = manager(&format!("{SELDOM}, pools: [{ORDERS}]")).await;
    until_it_was_measured(&manager).await;
    manager.monitor().set_alert_threshold("PoolUtilizationHigh", 0.5).unwrap();
    let threshold = |name: &str| {
        let rules = manager.monitor().alert_rules();
        rules.iter().find(|rule| rule.name == name).map(|rule| rule.threshold())
    };
    let pools = format!("pools: [{}]", ORDERS.replace("max_connections: 10", "max_connections: 9"));
    manager.reload(config(&format!("{SELDOM}, {pools}"))).await.unwrap();
    assert_eq!(threshold("PoolUtilizationHigh"), Some(0.5), "no edit named it");

    let rules = "alerts: {rules: [{name: OrdersIdle, metric: idle, comparison: '<', threshold: 1}, {name: PoolExhausted, enabled: false}]}";
    let monitoring = SELDOM.replace('}', &format!(", connection_utilization_threshold: 0.6, {rules}}}"));
    let report = manager.reload(config(&format!("{monitoring}, {pools}"))).await.unwrap();
    assert!(!report.is_unchanged());
    assert_eq!(threshold("PoolUtilizationHigh"), Some(0.6));
    assert_eq!((threshold("OrdersIdle"), threshold("PoolExhausted")), (Some(1.0), None));
    manager.monitor().collect();
    assert_eq!(firing(&manager), ["OrdersIdle"]);

    let off = SELDOM.replace('}', ", enable_alerts: false}");
    manager.reload(config(&format!("{off}, {pools}"))).await.unwrap();
    assert_eq!(firing(&manager), [""; 0]);
    assert!(manager.monitor().is_running() && manager.monitor().alert_rules().is_empty());
}

#[tokio::test]
async fn what_monitoring_cannot_have_refuses_a_reload_and_a_start() {
    let manager = manager(&format!("{SELDOM}, pools: [{ORDERS}]")).await;
    let receivers = "alerts: {receivers: [{name: chat, type: webhook, url_file: /nowhere/canary}]}";
    let bad = config(&format!("{}, pools: [{ORDERS}]", SELDOM.replace('}', &format!(", {receivers}}}"))));
    let error = manager.reload(bad.clone()).await.unwrap_err();
    let ReloadError::Monitoring(errors) = &error else { panic!("{error}") };
    assert_eq!(errors.problems[0].key, r#"monitoring.alerts.receivers["chat"].url_file"#);
    assert!(PoolManager::from_config(bad).await.is_err());
    assert!(manager.monitor().is_running());
}

/// J10, and what an alert makes of it.
#[tokio::test]
async fn the_metrics_of_a_pool_that_is_removed_are_gone_and_its_alerts_are_over() {
    let manager = manager(&format!("{SELDOM}, pools: [{ORDERS}]")).await;
    until_it_was_measured(&manager).await;
    manager.monitor().set_alert_threshold("PoolUtilizationHigh", 0.05).unwrap();
    let held = manager.acquire("orders").await.unwrap();
    manager.monitor().collect();
    let alert = manager.monitor().alerts().remove(0);
    drop(held);
    manager.remove("orders", PATIENCE).await.unwrap();
    assert!(manager.monitor().metrics("orders").is_none(), "at once");
    assert_eq!(manager.monitor().read("orders", Metric::Active, None), None);
    manager.monitor().collect();
    assert_eq!(manager.monitor().alert(alert.id).unwrap().reason.as_str(), "pool_removed");
    assert!(!manager.prometheus_text().contains("db_client_connection_pool_name=\"orders\""));
}

#[tokio::test]
async fn alerts_and_who_knows_of_them_outlive_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alerts.json");
    let state = format!(", alerts: {{state_file: '{}'}}}}", file.display());
    let sections = format!(
        "{}, pools: [{}]",
        SELDOM.replace('}', &format!(", connection_utilization_threshold: 0.05{state}")),
        ORDERS
    );
    let before = manager(&sections).await;
    until_it_was_measured(&before).await;
    let held = before.acquire("orders").await.unwrap();
    before.monitor().collect();
    let alert = before.monitor().alerts().remove(0);
    let known = Acknowledgement::new("me", "on it", std::time::SystemTime::now());
    before.monitor().acknowledge_alert(alert.id, known).unwrap();
    drop(held);
    before.close(PATIENCE).await;
    drop(before);

    let after = manager(&sections).await;
    let restored = after.monitor().alert(alert.id).expect("it goes on");
    assert_eq!(restored.acknowledgement.as_ref().map(|known| known.comment.as_str()), Some("on it"));
    after.close(PATIENCE).await;

    std::fs::write(&file, "not what was written").unwrap();
    let fresh = manager(&sections).await;
    assert!(fresh.monitor().alerts().is_empty(), "a file of no use is no reason not to start");
    fresh.close(PATIENCE).await;
}

#[tokio::test]
async fn closing_ends_the_monitor_and_raises_no_alert() {
    let manager = manager(&format!(
        "monitoring: {{collection_interval_ms: 20, retention_period_ms: 2000}}, pools: [{ORDERS}]"
    ))
    .await;
    until_it_was_measured(&manager).await;
    manager.close(PATIENCE).await;
    assert!(!manager.monitor().is_running());
    assert!(manager.monitor().all_alerts().is_empty());
}

/// What was posted to webhooks, in order: paths with what the notification says.
#[derive(Clone, Default)]
struct Letters(Arc<Mutex<Vec<(String, serde_json::Value)>>>);

impl Letters {
    /// Takes letters at an address of its own.
    async fn open(&self) -> std::net::SocketAddr {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let letters = self.clone();
        let service = axum::Router::new().fallback(move |uri: Uri, Json(letter)| async move {
            letters.0.lock().unwrap().push((uri.path().to_owned(), letter));
        });
        tokio::spawn(async move { axum::serve(listener, service).await });
        address
    }

    fn statuses(&self, path: &str) -> Vec<String> {
        let letters = self.0.lock().unwrap();
        let to_path = letters.iter().filter(|(to, _)| to == path);
        to_path.map(|(_, letter)| letter["status"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn what_is_told_while_the_manager_closes_is_not_told_again_by_the_next_process() {
    // A receiver that answers when it may.
    let (asked, may_answer) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asks, may) = (Arc::clone(&asked), Arc::clone(&may_answer));
    let service = axum::Router::new().fallback(move || async move {
        asks.add_permits(1);
        may.acquire().await.unwrap().forget();
    });
    tokio::spawn(async move { axum::serve(listener, service).await });

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alerts.json");
    let keys = format!(
        ", connection_utilization_threshold: 0.05, alerts: {{state_file: '{}', group_wait_ms: 0,
         receivers: [{{name: slow, type: webhook, url: 'http://{address}/'}}]}}}}",
        file.display()
    );
    let manager = manager(&format!("{}, pools: [{ORDERS}]", SELDOM.replace('}', &keys))).await;
    until_it_was_measured(&manager).await;
    let held = manager.acquire("orders").await.unwrap();
    manager.monitor().collect();
    drop(held);
    drop(asked.acquire().await.unwrap());
    let told = || {
        let text = std::fs::read_to_string(&file).unwrap();
        let state: serde_json::Value = serde_json::from_str(&text).unwrap();
        !state["alerts"][0]["open"]["told_ago_ms"].is_null()
    };
    let answer = async {
        until("the state is kept", || file.exists()).await;
        assert!(!told(), "nobody knows whether it will be");
        may_answer.add_permits(1);
    };
    tokio::join!(manager.close(PATIENCE), answer);
    assert!(told());
}

#[tokio::test]
async fn who_switches_monitoring_off_ends_what_fires_and_tells_so() {
    let letters = Letters::default();
    let address = letters.open().await;
    let sections = |enabled: bool| {
        let alerts = format!(
            "alerts: {{group_wait_ms: 0, group_interval_ms: 1000, receivers: [{{name: hook, type: webhook, url: 'http://{address}/hook'}}]}}"
        );
        let keys = format!(", connection_utilization_threshold: 0.05, enabled: {enabled}, {alerts}}}");
        format!("{}, pools: [{ORDERS}]", SELDOM.replace('}', &keys))
    };
    let manager = manager(&sections(true)).await;
    until_it_was_measured(&manager).await;
    let over = Arc::new(Mutex::new(0));
    let count = Arc::clone(&over);
    manager.monitor().on_alert_resolved(move |_| *count.lock().unwrap() += 1);
    let held = manager.acquire("orders").await.unwrap();
    manager.monitor().collect();
    until("it is told", || letters.statuses("/hook") == ["firing"]).await;

    manager.reload(config(&sections(false))).await.unwrap();
    assert_eq!((firing(&manager), *over.lock().unwrap()), (Vec::new(), 1));
    until("that it is over is told, too", || letters.statuses("/hook") == ["firing", "resolved"]).await;
    manager.monitor().collect();
    assert_eq!(firing(&manager), [""; 0], "by hand it is measured, and not judged");
    assert!(manager.prometheus_text().contains("pool_uptime_seconds{pool=\"orders\"}"));

    manager.reload(config(&sections(true))).await.unwrap();
    manager.monitor().collect();
    assert_eq!(firing(&manager), ["PoolUtilizationHigh"]);
    drop(held);
}

#[tokio::test]
async fn a_reload_that_changes_one_receiver_leaves_the_others_alone() {
    let letters = Letters::default();
    let address = letters.open().await;
    let sections = |max_alerts: usize| {
        let receivers = format!(
            "{{name: stays, type: webhook, url: 'http://{address}/stays'}},
             {{name: changes, type: webhook, url: 'http://{address}/changes', max_alerts: {max_alerts}}}"
        );
        let alerts =
            format!("alerts: {{group_wait_ms: 0, group_interval_ms: 1000, receivers: [{receivers}]}}");
        let keys =
            format!(", connection_utilization_threshold: 0.05, external_labels: {{replica: a}}, {alerts}}}");
        format!("{}, pools: [{ORDERS}]", SELDOM.replace('}', &keys))
    };
    let manager = manager(&sections(5)).await;
    until_it_was_measured(&manager).await;
    let held = manager.acquire("orders").await.unwrap();
    manager.monitor().collect();
    let told = |path: &str, statuses: &[&str]| letters.statuses(path) == statuses;
    until("both are told", || told("/stays", &["firing"]) && told("/changes", &["firing"])).await;

    manager.reload(config(&sections(6))).await.unwrap();
    until("who is new is told", || told("/changes", &["firing", "firing"])).await;
    drop(held);
    manager.monitor().collect();
    until("both know that it is over", || {
        letters.statuses("/stays").contains(&"resolved".to_owned())
            && told("/changes", &["firing", "firing", "resolved"])
    })
    .await;
    assert_eq!(letters.statuses("/stays"), ["firing", "resolved"], "nothing is told anew");

    let own = Arc::new(AlertDispatcher::start([], DispatcherSettings::default()));
    assert!(manager.monitor().set_alert_dispatcher(Some(Arc::clone(&own))).is_some());
    let held = manager.acquire("orders").await.unwrap();
    manager.reload(config(&sections(7))).await.unwrap();
    manager.monitor().collect();
    until("the program's own is replaced", || told("/stays", &["firing", "resolved", "firing"])).await;
    assert!(own.stats().is_empty(), "it is left as it is");
    drop(held);
    let letters = letters.0.lock().unwrap();
    assert!(letters.iter().all(|(_, letter)| letter["alerts"][0]["labels"]["replica"] == "a"), "{letters:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_callback_that_a_reload_calls_may_wait_for_a_reload() {
    let sections =
        format!("{}, pools: [{ORDERS}]", SELDOM.replace('}', ", connection_utilization_threshold: 0.05}"));
    let manager = manager(&sections).await;
    until_it_was_measured(&manager).await;
    let held = manager.acquire("orders").await.unwrap();
    manager.monitor().collect();
    assert_eq!(firing(&manager), ["PoolUtilizationHigh"]);

    let (outcome, runtime) = (Arc::new(Mutex::new(None)), tokio::runtime::Handle::current());
    let (heard, again) = (Arc::clone(&outcome), manager.clone());
    manager.monitor().on_alert_resolved(move |_| {
        let reload = tokio::time::timeout(PATIENCE, again.reload(config(&sections)));
        *heard.lock().unwrap() = Some(runtime.block_on(reload).is_ok());
    });
    let off = SELDOM.replace('}', ", enable_alerts: false}");
    manager.reload(config(&format!("{off}, pools: [{ORDERS}]"))).await.unwrap();
    assert_eq!(*outcome.lock().unwrap(), Some(true), "it did not wait in vain");
    assert!(!manager.monitor().alert_rules().is_empty(), "what it wanted is in force");
    drop(held);
    manager.close(PATIENCE).await;
}
