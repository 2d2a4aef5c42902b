//! The files of `docs/observability`, read by what they are for.

use std::collections::BTreeSet;
use std::fs;

use pool_config::{Loaded, Loader};
use pool_manager::{alert_rules, alert_settings, monitor_settings};
use pool_monitor::{DefaultRules, Family, FamilyKind, InhibitRule, RulesFile, RulesFileSettings, Severity};
use pool_tests::prometheus::Prometheus;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::process::Command;
use tokio::time::timeout;

use super::{Monitored, PATIENCE, program, tool};
use crate::root;

fn document(name: &str) -> String {
    fs::read_to_string(root().join("docs/observability").join(name)).unwrap()
}

/// The names of all series that are exported, those of histograms with their suffixes.
fn series() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for family in Family::all() {
        let name = family.prometheus_name();
        if family.kind() == FamilyKind::Histogram {
            names.extend(["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}")));
        } else {
            names.insert(name);
        }
    }
    names
}

/// The queries of the guide.
fn queries() -> Vec<String> {
    let guide = document("README.md");
    let blocks = guide.split("```promql\n").skip(1);
    blocks.filter_map(|block| Some(block.split("```").next()?.to_owned())).collect()
}

/// Every expression of the dashboard.
fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The words of an expression that look like names of ours.
fn names(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    let labels = ["db_client_connection_state", "db_client_connection_pool_name"];
    let ours = words.filter(|word| word.starts_with("pool_") || word.starts_with("db_client_"));
    ours.filter(|word| !labels.contains(word)).map(str::to_owned).collect()
}

#[test]
fn the_dashboard_shows_nothing_that_is_not_exported() {
    let dashboard: Value = serde_json::from_str(&document("grafana-dashboard.json")).unwrap();
    let known = series();
    let expressions = expressions(&dashboard);
    assert!(expressions.len() > 20, "{expressions:?}");
    for expression in &expressions {
        let names = names(expression);
        assert!(!names.is_empty(), "{expression} is about nothing of ours");
        let unknown: Vec<_> = names.difference(&known).collect();
        assert!(unknown.is_empty(), "{expression}: {unknown:?}");
    }
    let variable = dashboard["templating"]["list"][1]["query"]["query"].as_str().unwrap();
    assert!(names(variable).is_subset(&known), "{variable}");
}

#[tokio::test]
async fn a_real_prometheus_understands_every_panel_and_query() {
    let example = Monitored::start(&[]).await;
    let prometheus = Prometheus::new().scrape("example", example.address).launch().await.unwrap();
    super::until(
        "two scrapes",
        async || prometheus.number("count_over_time(pool_build_info[10m])").await.unwrap_or(0.0),
        |scrapes| *scrapes >= 2.0,
    )
    .await;
    let dashboard: Value = serde_json::from_str(&document("grafana-dashboard.json")).unwrap();
    let mut silent = Vec::new();
    let queries = queries();
    assert!(!queries.is_empty());
    for expression in expressions(&dashboard).into_iter().chain(queries) {
        let expression = expression.replace("$__rate_interval", "1m").replace("$pool", ".*");
        // Panics if it is no query.
        if prometheus.query(&expression).await.is_empty() {
            silent.push(expression);
        }
    }
    // The example has no circuit breaker, and may have no alert and no closed connection yet: nothing else has nothing to say.
    let may_be_silent = ["pool_breaker_state", "pool_alerts", "pool_connections_closed_total"];
    silent.retain(|expression| !may_be_silent.iter().any(|name| expression.contains(name)));
    assert!(silent.is_empty(), "{silent:?}");
}

#[test]
fn the_guide_names_every_family_and_no_other() {
    let guide = document("README.md");
    let named = names(&guide);
    let families: BTreeSet<_> = Family::all().iter().map(Family::prometheus_name).collect();
    let missing: Vec<_> = families.difference(&named).collect();
    assert!(missing.is_empty(), "not named: {missing:?}");
    // The words for all of ours, in the text.
    let others = ["pool_"];
    let unknown: Vec<_> =
        named.difference(&families).filter(|name| !others.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "not exported: {unknown:?}");
}

/// The labels in braces behind a name of ours; `pool` is the label of all of them, and of the version none.
#[test]
fn the_guide_names_the_labels_of_every_family_of_ours() {
    let guide = document("README.md");
    let spans = guide
        .lines()
        .filter(|line| line.starts_with("| `pool_"))
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let named: BTreeSet<_> = spans
        .map(|span| {
            let (name, labels) = span.split_once('{').unwrap_or((span, "}"));
            let labels = labels.trim_end_matches('}').split(", ").filter(|label| !label.is_empty());
            (name.to_owned(), labels.map(str::to_owned).collect::<BTreeSet<_>>())
        })
        .filter(|(name, _)| name.starts_with("pool_"))
        .collect();
    let ours = Family::all().iter().filter(|family| family.name().starts_with("pool."));
    let ours: BTreeSet<_> = ours
        .map(|family| {
            let labels = family.labels().iter().filter(|label| **label != "pool");
            (family.prometheus_name(), labels.map(|label| label.replace('.', "_")).collect::<BTreeSet<_>>())
        })
        .collect();
    assert_eq!(named, ours);
}

#[test]
fn the_guide_tells_of_every_built_in_rule_how_bad_it_is_and_what_to_do() {
    let guide = document("README.md");
    let mut rows = BTreeSet::new();
    for line in guide.lines().filter(|line| line.starts_with("| `Pool")) {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let [name, severity, family, when, cure] = cells[..] else { panic!("{line}") };
        assert!(when.len() > 10 && cure.len() > 10, "{line}");
        rows.insert([name.trim_matches('`'), severity, family].map(str::to_owned));
    }
    let rules = DefaultRules::default().rules();
    let built_in: BTreeSet<_> = rules
        .iter()
        .map(|rule| [&rule.name, rule.severity.as_str(), rule.labels.get("family")].map(str::to_owned))
        .collect();
    assert_eq!(rows, built_in);
}

#[test]
fn the_configuration_of_the_guide_loads_without_a_warning_and_every_part_of_it_counts() {
    let guide = document("README.md");
    let block = guide.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let loaded = Loader::without_variables().load_text(block, "docs/observability/README.md");
    let Loaded { config, warnings, .. } = loaded.unwrap_or_else(|error| panic!("failed to {error}"));
    assert!(warnings.is_empty(), "{warnings:?}");
    let monitoring = &config.monitoring;
    let rules = alert_rules(monitoring);
    let rule = |name: &str| rules.iter().find(|rule| rule.name == name);
    let own = rule("OrdersWaitLong").unwrap();
    assert_eq!((own.pools[0].as_str(), own.labels.get("team")), ("orders", "shop"));
    assert_eq!(rule("PoolUtilizationHigh").map(|rule| rule.severity), Some(Severity::Error));
    assert!(rule("PoolLeakSuspected").is_none());
    for rule in &rules {
        rule.check().unwrap();
    }
    monitor_settings(monitoring).check().unwrap();
    let settings = alert_settings(monitoring);
    settings.check().unwrap();
    assert_eq!(settings.inhibit.len(), InhibitRule::defaults().len() + 1);
    assert_eq!((monitoring.tiers.len(), monitoring.alerts.receivers.len()), (2, 3));
}

#[tokio::test]
async fn the_example_lists_what_it_answers() {
    let example = Monitored::start(&[]).await;
    let list = example.get("/").await;
    let paths: Vec<_> =
        list.lines().filter_map(|line| line.strip_prefix("GET ")?.split_whitespace().next()).collect();
    assert_eq!(paths, ["/metrics", "/metrics.json", "/alerts", "/api/v2/alerts"]);
    for path in paths {
        example.get(path).await;
    }
    assert!(list.contains("POST /busy") && list.contains("group_wait"), "{list}");
}

#[tokio::test]
async fn the_example_says_what_it_does_and_which_address_it_cannot_have() {
    let help = tool(&program().await.to_string_lossy(), &["--help"], "").await;
    assert!(
        help.is_content && help.text.contains("LISTEN") && !help.text.contains("listening"),
        "{}",
        help.text
    );

    let example = Monitored::start(&[]).await;
    let taken = example.address.to_string();
    let mut other = Command::new(program().await);
    other.env("LISTEN", &taken).kill_on_drop(true);
    let other = timeout(PATIENCE, other.output()).await.expect("it does not end").unwrap();
    let log = String::from_utf8(other.stderr).unwrap();
    assert!(!other.status.success() && log.contains(&format!("listen on {taken}: ")), "{log}");
}

#[tokio::test]
async fn the_example_ends_in_order_at_the_signals_of_a_terminal_and_of_a_supervisor() {
    for signal in [Signal::INT, Signal::TERM] {
        let mut example = Monitored::start(&[]).await;
        let process = example.process.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).unwrap();
        kill_process(process, signal).unwrap();
        let status = timeout(PATIENCE, example.process.wait()).await.expect("it does not end").unwrap();
        assert_eq!(status.code(), Some(0), "{signal:?}");
    }
}

#[tokio::test]
async fn amtool_accepts_the_alertmanager_configuration() {
    let file = root().join("docs/observability/alertmanager.yml");
    let verdict = tool("amtool", &["check-config", file.to_str().unwrap()], "").await;
    assert!(verdict.is_content, "{}", verdict.text);
    let inhibitions = format!("{} inhibit rules", InhibitRule::defaults().len());
    assert!(verdict.text.contains(&inhibitions) && verdict.text.contains("2 receivers"), "{}", verdict.text);
}

#[tokio::test]
async fn promtool_accepts_the_prometheus_configuration_once_the_rules_lie_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("prometheus.yml");
    fs::write(&file, document("prometheus.yml")).unwrap();
    let check = async || tool("promtool", &["check", "config", file.to_str().unwrap()], "").await;
    let verdict = check().await;
    assert!(!verdict.is_content && verdict.text.contains("pool-rules.yml"), "{}", verdict.text);

    let rules = DefaultRules::default().rules();
    let rules = RulesFile::new(&rules, RulesFileSettings::default()).to_string();
    fs::write(folder.path().join("pool-rules.yml"), rules).unwrap();
    let verdict = check().await;
    assert!(verdict.is_content, "{}", verdict.text);
}
