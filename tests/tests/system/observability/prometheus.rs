//! A real Prometheus scrapes the example.

use std::collections::BTreeMap;

use pool_monitor::{Family, FamilyKind};
use pool_tests::prometheus::Prometheus;

use super::{Monitored, tool, until};

/// As many scrapes as would be in two minutes, a second apart.
const SCRAPES: f64 = 120.0;

/// The convention's name for the number of connections, a gauge, ends in `_count`, which `promtool` wants to see in histograms alone.
/// Nothing else may be said.
const ONLY_REMARK: &str =
    "db_client_connection_count non-histogram and non-summary metrics should not have \"_count\" suffix";

#[tokio::test]
async fn promtool_has_nothing_to_say_but_to_the_name_of_a_convention() {
    let example = Monitored::start(&[]).await;
    let text = until(
        "connections",
        || example.get("/metrics"),
        |text| text.contains("pool_connections_created_total"),
    )
    .await;
    let verdict = tool("promtool", &["check", "metrics"], &text).await;
    let remarks: Vec<_> = verdict.text.lines().filter(|line| !line.trim().is_empty()).collect();
    assert_eq!(remarks, [ONLY_REMARK], "{text}");
    // The same without that family: no remark at all.
    let others: Vec<_> = text.lines().filter(|line| !line.contains("db_client_connection_count")).collect();
    let verdict = tool("promtool", &["check", "metrics"], &(others.join("\n") + "\n")).await;
    assert!(verdict.is_content && verdict.text.is_empty(), "{}", verdict.text);
}

#[tokio::test]
async fn prometheus_scrapes_the_example_for_long_and_sees_what_the_tables_say() {
    let example = Monitored::start(&[]).await;
    let prometheus = Prometheus::new().scrape("example", example.address).launch().await.unwrap();
    until(
        "scrapes",
        async || prometheus.number("count_over_time(up{job='example'}[10m])").await.unwrap_or(0.0),
        |scrapes| *scrapes >= SCRAPES,
    )
    .await;
    // Each of them succeeded.
    assert_eq!(prometheus.number("min_over_time(up{job='example'}[10m])").await, Some(1.0));

    // Names and types of the nine, as Prometheus has them.
    let metadata = prometheus.api("/api/v1/metadata").await["data"].clone();
    let types: BTreeMap<_, _> = Family::all()
        .iter()
        .filter(|family| family.name().starts_with("db.client.connection."))
        .map(|family| (family.prometheus_name(), family.kind()))
        .collect();
    assert_eq!(types.len(), 9);
    for (name, kind) in types {
        assert_eq!(metadata[&name][0]["type"], kind.prometheus_type(), "{name}: {metadata}");
        let series = if kind == FamilyKind::Histogram { format!("{name}_count") } else { name };
        let found = prometheus.query(&format!("last_over_time({series}[10m])")).await;
        assert!(!found.is_empty(), "{series} has no series");
        for one in found {
            assert!(one["metric"]["db_client_connection_pool_name"].is_string(), "{one}");
        }
    }

    // The numbers agree with each other: what is in the states is all there is, and counters never went back.
    let beyond =
        "sum without(db_client_connection_state) (db_client_connection_count) > db_client_connection_max";
    assert_eq!(prometheus.query(beyond).await, Vec::<serde_json::Value>::new());
    for counter in Family::all().iter().filter(|family| family.kind() == FamilyKind::Counter) {
        let resets = prometheus.query(&format!("resets({}[10m]) > 0", counter.prometheus_name())).await;
        assert!(resets.is_empty(), "{resets:?}");
    }
    // And with what it computes of them: the quantiles are those of the buckets.
    let p99 =
        "histogram_quantile(0.99, sum by (le) (rate(db_client_connection_use_time_seconds_bucket[1m])))";
    let p99 = prometheus.number(p99).await.unwrap();
    assert!(p99 > 0.0 && p99.is_finite(), "{p99}");
}
