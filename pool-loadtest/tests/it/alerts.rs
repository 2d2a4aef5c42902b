//! The alerts that a load raises.

use std::time::Duration;

use pool_loadtest::{Charset, Controls, Plan, Request, run, write_text};

use crate::schema::violations;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_on_too_few_connections_raises_an_alert_that_is_in_the_result() {
    let request = Request {
        pool_size: Some(1),
        threads: 8,
        duration: Duration::from_secs(1),
        connections_per_thread: 1_000_000,
        alerts: true,
    };
    let result = run(&Plan::embedded(&request).unwrap(), Controls::none()).await.unwrap();
    let raised = result.alerts.iter().find(|alert| alert.alertname == "PoolUtilizationHigh");
    let raised = raised.unwrap_or_else(|| panic!("{:?}", result.alerts));
    assert_eq!((raised.severity, raised.limit), ("warning", 0.8));
    assert!(raised.raised_at_ms < 1_500.0 && raised.message.contains("embedded"), "{raised:?}");
    assert_eq!(violations(&serde_json::to_value(&result).unwrap()), [""; 0]);
    let mut page = Vec::new();
    write_text(&mut page, &result, Charset::Unicode).unwrap();
    let page = String::from_utf8(page).unwrap();
    assert!(page.contains("  Alerts     ") && page.contains("PoolUtilizationHigh (warning)"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_looks_for_alerts_unless_asked_to() {
    let request = Request { pool_size: Some(1), duration: Duration::from_millis(200), ..Request::default() };
    let result = run(&Plan::embedded(&request).unwrap(), Controls::none()).await.unwrap();
    assert!(result.alerts.is_empty() && !result.is_monitored);
    let mut page = Vec::new();
    write_text(&mut page, &result, Charset::Unicode).unwrap();
    assert!(!String::from_utf8(page).unwrap().contains("Alerts"));
}
