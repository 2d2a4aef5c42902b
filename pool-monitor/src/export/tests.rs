//! What is exported of samples with known numbers.

#[cfg(feature = "otel")]
mod otel;

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use pool_core::{PoolCounters, PoolHistograms, PoolStats, Target};
use tokio::time::Instant;

use super::*;
use crate::alert::{
    AlertId, AlertManager, AlertSettings, AlertState, DefaultRules, Labels, Reason, RefusedAlerts, Severity,
};
use crate::condition::Readings;
use crate::target::{BreakerState, TargetHealth};
use crate::{Comparison, Metric};

/// The nine of OpenTelemetry, as its tables have them: name, type, unit, attributes.
const CONVENTIONS: &str = include_str!("tests/semantic_conventions.tsv");

fn stats() -> PoolStats {
    let mut stats = PoolStats::default();
    (stats.total, stats.idle, stats.active, stats.creating) = (8, 2, 5, 1);
    (stats.waiting, stats.pending, stats.oldest_wait) = (3, 3, Duration::from_millis(1_250));
    (stats.unhealthy, stats.max, stats.min) = (1, 10, 2);
    stats
}

fn counters() -> PoolCounters {
    let mut counters = PoolCounters::default();
    (counters.requests, counters.acquired, counters.timed_out) = (1_010, 1_000, 7);
    (counters.released, counters.created, counters.connect_failed) = (995, 9, 4);
    (counters.validations, counters.validations_failed) = (50, 2);
    (counters.recovery_exhausted, counters.elapsed) = (1, Duration::from_secs(600));
    counters.wait_time = Duration::from_micros(2_500_750);
    counters.use_time = Duration::from_secs(40);
    counters.connect_time = Duration::from_millis(180);
    counters
}

fn histograms() -> PoolHistograms {
    let mut histograms = PoolHistograms::default();
    (0..990).for_each(|_| histograms.wait.record(Duration::from_nanos(300)));
    (0..10).for_each(|_| histograms.wait.record(Duration::from_millis(250)));
    (0..995).for_each(|_| histograms.usage.record(Duration::from_millis(40)));
    (0..9).for_each(|_| histograms.connect.record(Duration::from_millis(20)));
    histograms
}

fn sample(pool: &str) -> Sample {
    Sample {
        pool: pool.into(),
        measured_at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_800_000_000_250),
        target: Some(Target::new("postgres", "shop").at("db", 5432).as_user("app")),
        stats: stats(),
        counters: counters(),
        histograms: Arc::new(histograms()),
        acquire_timeout: Duration::from_secs(30),
        paused: false,
        outage: false,
        health: TargetHealth::Degraded,
        breaker: Some(BreakerState::Closed),
        flapping: false,
        last_error: None,
        peak_active: 9,
        average_utilization: 0.625,
        violation: None,
        took: Duration::from_micros(4),
    }
}

fn alert(rule: &str, state: AlertState, extra: &str) -> Arc<Alert> {
    let labels = Labels::new().with("alertname", rule).with("pool", "orders").with("extra", extra);
    Arc::new(Alert {
        id: AlertId { fingerprint: labels.fingerprint(), episode: 1 },
        rule: rule.into(),
        pool: Some("orders".into()),
        severity: Severity::Warning,
        state,
        reason: Reason::Threshold,
        labels,
        annotations: Labels::new(),
        message: String::new(),
        value: 0.9,
        metric: Metric::Utilization,
        comparison: Comparison::Above,
        threshold: 0.8,
        recovery_threshold: None,
        active_at: SystemTime::UNIX_EPOCH,
        started_at: None,
        keep_firing_since: None,
        ended_at: None,
        updated_at: SystemTime::UNIX_EPOCH,
        acknowledgement: None,
        silenced_by: Vec::new(),
        inhibited_by: Vec::new(),
        flapping: false,
        occurrences: 0,
        transitions: Vec::new(),
    })
}

/// What a manager has refused that may have but one alert of each rule.
fn refused() -> Vec<RefusedAlerts> {
    struct Full;
    impl Readings for Full {
        fn read(&self, metric: Metric, _window: Option<Duration>) -> Option<f64> {
            Some(if metric == Metric::Utilization { 0.9 } else { 0.0 })
        }
    }
    let settings = AlertSettings { max_active_per_rule: 1, ..AlertSettings::default() };
    let rules = DefaultRules::default().rules();
    let mut manager = AlertManager::new(rules[..2].to_vec(), settings).unwrap();
    manager.evaluate(Instant::now(), SystemTime::UNIX_EPOCH, &[("orders", &Full), ("users", &Full)]);
    manager.refused()
}

/// One of each family.
fn everything() -> String {
    let orders = sample("orders");
    let alerts = [
        alert("PoolUtilizationHigh", AlertState::Firing, "a"),
        alert("PoolUtilizationHigh", AlertState::Firing, "b"),
        alert("PoolExhausted", AlertState::Pending, ""),
        alert("PoolFlapping", AlertState::Resolved, ""),
    ];
    let mut sink = SinkStats { name: "on-call".to_owned(), ..SinkStats::default() };
    (sink.delivered, sink.failed, sink.dropped) = (12, 1, 0);
    let samples = [Arc::new(orders)];
    let refused = refused();
    Exposition::of(&samples).alerts(&alerts).refused(&refused).sinks(&[sink]).prometheus_text()
}

#[test]
fn everything_is_told_in_prometheus_text_format() {
    insta::assert_snapshot!(everything());
}

#[test]
fn every_family_has_its_place_in_the_text() {
    let text = everything();
    for family in Family::all() {
        let name = family.prometheus_name();
        let head = format!("# TYPE {name} {}\n", family.kind().prometheus_type());
        assert_eq!(text.matches(&head).count(), 1, "{name}");
    }
}

#[test]
fn no_series_is_told_twice() {
    let text = everything();
    let mut seen = BTreeSet::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (series, _) = line.rsplit_once(' ').unwrap();
        assert!(seen.insert(series), "twice: {series}");
    }
}

#[test]
fn the_nine_of_opentelemetry_are_as_its_tables_have_them() {
    let nine = Family::all().iter().filter(|family| family.name().starts_with("db.client.connection."));
    let row = |family: &Family| {
        let attributes = family.labels().join(" ");
        format!("{}\t{}\t{}\t{attributes}", family.name(), family.kind().as_str(), family.unit())
    };
    let ours: BTreeSet<_> = nine.map(row).collect();
    let theirs: BTreeSet<_> = CONVENTIONS.lines().skip(1).map(str::to_owned).collect();
    assert_eq!(ours, theirs);
    assert_eq!(ours.len(), 9);
}

#[test]
fn names_for_prometheus_are_made_by_the_rules_of_opentelemetry() {
    let names: Vec<_> = Family::all().iter().map(Family::prometheus_name).collect();
    insta::assert_snapshot!(names.join("\n"));
    let all: BTreeSet<_> = names.iter().collect();
    assert_eq!(all.len(), names.len());
}

#[test]
fn what_stands_in_a_label_cannot_break_the_text() {
    let mut odd = sample("a \"b\" \\ c\nd");
    odd.target = None;
    let text = Exposition::of(&[Arc::new(odd)]).prometheus_text();
    let line = text.lines().find(|line| line.starts_with("db_client_connection_max{")).unwrap();
    assert_eq!(line, r#"db_client_connection_max{db_client_connection_pool_name="a \"b\" \\ c\nd"} 10"#);
}

#[test]
fn nobody_learns_the_user_from_what_is_exported() {
    let mut sample = sample("orders");
    sample.target = sample.target.map(|target| target.as_user("canary"));
    let samples = [Arc::new(sample)];
    assert!(!Exposition::of(&samples).prometheus_text().contains("canary"));
}

#[test]
fn buckets_grow_and_end_with_all() {
    let text = everything();
    let buckets =
        text.lines().filter(|line| line.starts_with("db_client_connection_wait_time_seconds_bucket"));
    let counts: Vec<u64> = buckets.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap()).collect();
    assert!(counts.is_sorted(), "{counts:?}");
    assert_eq!((counts[0], counts.last()), (990, Some(&1_000)));
}

#[test]
fn without_a_pool_there_is_still_something_to_tell() {
    insta::assert_snapshot!(Exposition::of(&[]).prometheus_text(), @r#"
    # HELP pool_build_info Always 1; the label tells the version.
    # TYPE pool_build_info gauge
    pool_build_info{version="0.1.0"} 1
    "#);
}

#[test]
fn everything_is_told_as_json() {
    let samples = [Arc::new(sample("orders"))];
    insta::assert_json_snapshot!(Exposition::of(&samples).json());
}

#[tokio::test(start_paused = true)]
async fn metrics_of_a_real_pool_are_told_as_json() {
    let pools = pool_core::PoolSet::new();
    let builder = pool_core::Pool::builder(pool_core::fake::FakeConnector::new());
    let pool = builder.name("orders").min_connections(0).build().unwrap();
    pools.insert(pool.clone()).unwrap();
    let monitor = crate::PoolMonitor::new(pools, crate::MonitorSettings::default()).unwrap();
    let held = pool.acquire().await.unwrap();
    monitor.collect();
    drop(held);
    let json = metrics_json(&[monitor.metrics("orders").unwrap()]);
    assert_eq!(json[0]["now"]["active"], 1);
    assert_eq!(json[0]["sinceStart"]["successfulRequests"], 1);
    assert_eq!(json[0]["inInterval"]["peakActive"], 1);
    // What ended, and why, is told of real pools as well.
    pool.evict_all();
    tokio::time::sleep(Duration::from_secs(1)).await;
    monitor.collect();
    let text = Exposition::of(&monitor.samples()).prometheus_text();
    assert!(text.contains("pool_connections_closed_total{pool=\"orders\",reason=\"evicted\"} 1\n"), "{text}");
}
