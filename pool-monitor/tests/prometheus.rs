//! Prometheus as a judge: the rules it is given by us, over the same series, must have the same alerts pending and firing at every step.
//!
//! Needs `promtool` (Debian's package `prometheus`), as a child process that ends by itself; no server is started.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fmt::Write;
use std::process::Command;
use std::time::{Duration, SystemTime};

use pool_monitor::{
    AlertManager, AlertRule, AlertSettings, AlertState, Comparison, Condition, DefaultRules, Labels, Metric,
    NoData, Readings, RulesFile, RulesFileSettings, Severity,
};
use tokio::time::Instant;

const RULES: usize = 200;
const STEPS: usize = 90;
const INTERVAL: Duration = Duration::from_secs(10);

/// One pool with a rule of its own, and what is read of it at each step.
struct Case {
    pool: String,
    rule: AlertRule,
    values: Vec<Option<f64>>,
    /// What the guard reads, if the rule has one.
    waiting: Vec<Option<f64>>,
}

/// What is read of a pool at one step.
struct Step<'a>(&'a Case, usize);

impl Readings for Step<'_> {
    fn read(&self, metric: Metric, _window: Option<Duration>) -> Option<f64> {
        match metric {
            Metric::Waiting => self.0.waiting[self.1],
            _ => self.0.values[self.1],
        }
    }
}

impl Case {
    /// A rule and readings that often cross its thresholds, and sometimes are not there.
    fn random(random: &mut fastrand::Rng, number: usize) -> Self {
        let pool = format!("p{number}");
        let condition =
            |metric, comparison, threshold| Condition { metric, window: None, comparison, threshold };
        let comparison =
            random.choice([Comparison::Above, Comparison::AtLeast, Comparison::Below, Comparison::AtMost]);
        let comparison = comparison.expect("there are four");
        let grows = matches!(comparison, Comparison::Above | Comparison::AtLeast);
        let (threshold, recovery) = if grows { (0.8, 0.5) } else { (0.2, 0.5) };
        let patience = |random: &mut fastrand::Rng| match random.u64(0..4) {
            0 => Duration::ZERO,
            _ => Duration::from_secs(random.u64(1..70)),
        };
        let first = condition(Metric::Utilization, comparison, threshold);
        let mut rule = AlertRule {
            recovery_threshold: random.bool().then_some(recovery),
            hold: patience(random),
            keep_firing: patience(random),
            on_no_data: random
                .choice([NoData::KeepLast, NoData::Firing, NoData::Resolve])
                .expect("there are three"),
            pools: vec![pool.clone()],
            ..AlertRule::new(format!("R{number}"), Severity::Warning, first)
        };
        if random.u64(0..3) == 0 {
            rule = rule.and(condition(Metric::Waiting, Comparison::AtLeast, 1.0));
        }
        if random.bool() {
            rule.labels = Labels::new().with("team", "core");
        }
        // The first step of a series that begins with nothing is no series at all for Prometheus.
        let mut is_missing = false;
        let mut last = 0.0;
        let mut values = Vec::new();
        for step in 0..STEPS {
            let changes = random.u64(0..if is_missing { 2 } else { 12 }) == 0;
            is_missing = step > 0 && (is_missing != changes);
            // Values stay for a while, so that patient rules are met, too.
            if random.u64(0..3) == 0 {
                last = random.u64(0..=20) as f64 / 20.0;
            }
            let nothing_happened = random.u64(0..20) == 0;
            values.push((!is_missing).then_some(if nothing_happened { f64::NAN } else { last }));
        }
        // A collection finds everything or nothing.
        let guard = |value: &Option<f64>| value.map(|_| f64::from(random.u64(0..8) > 0));
        let waiting = values.iter().map(guard).collect();
        let mut case = Case { pool, rule, values, waiting };
        case.fill_gaps_while_pending();
        case
    }

    /// Of a pending alert Prometheus takes the last sample for a reading; the manager knows that it is none. There they differ, which
    /// has a test of its own.
    fn fill_gaps_while_pending(&mut self) {
        if self.rule.on_no_data != NoData::KeepLast {
            return;
        }
        let mut manager = AlertManager::new(vec![self.rule.clone()], AlertSettings::default()).unwrap();
        let start = Instant::now();
        for at in 0..STEPS {
            let is_pending = manager.all().first().is_some_and(|alert| alert.state == AlertState::Pending);
            if is_pending && self.values[at].is_none() {
                (self.values[at], self.waiting[at]) = (self.values[at - 1], self.waiting[at - 1]);
            }
            let now = start + INTERVAL * u32::try_from(at).unwrap();
            manager.evaluate(now, SystemTime::UNIX_EPOCH, &[(&self.pool, &Step(self, at))]);
        }
    }

    /// What Prometheus is given. A gap is no sample where the last one counts on, and the end of the series where it does not.
    fn series(&self) -> String {
        let gap = if self.rule.on_no_data == NoData::KeepLast { "_" } else { "stale" };
        let join = |values: &mut dyn Iterator<Item = String>| values.collect::<Vec<_>>().join(" ");
        let show = |value: &Option<f64>| value.map_or_else(|| gap.to_owned(), |value| value.to_string());
        let values = join(&mut self.values.iter().map(show));
        let waiting = join(&mut self.waiting.iter().map(show));
        let (pool, last) = (&self.pool, STEPS - 1);
        format!(
            "      - series: 'pool_utilization{{stat=\"now\", pool=\"{pool}\"}}'\n        values: '{values}'\n\
             \x20     - series: 'pool_last_collection_timestamp_seconds{{pool=\"{pool}\"}}'\n        values: '1x{last}'\n\
             \x20     - series: 'pool_uptime_seconds{{pool=\"{pool}\"}}'\n        values: '{values}'\n\
             \x20     - series: 'db_client_connection_pending_requests{{db_client_connection_pool_name=\"{pool}\"}}'\n        values: '{waiting}'\n"
        )
    }
}

/// `ALERTS` at each step, as our manager has it.
fn ours(cases: &[Case]) -> Vec<BTreeSet<String>> {
    let rules = cases.iter().map(|case| case.rule.clone()).collect();
    let mut manager = AlertManager::new(rules, AlertSettings::default()).unwrap();
    let start = Instant::now();
    (0..STEPS)
        .map(|at| {
            let steps: Vec<Step<'_>> = cases.iter().map(|case| Step(case, at)).collect();
            let pools: Vec<(&str, &dyn Readings)> =
                cases.iter().zip(&steps).map(|(case, step)| (case.pool.as_str(), step as _)).collect();
            let now = start + INTERVAL * u32::try_from(at).unwrap();
            manager.evaluate(now, SystemTime::UNIX_EPOCH, &pools);
            let open = manager.all().into_iter().filter(|alert| alert.state != AlertState::Resolved);
            open.map(|alert| {
                let state = if alert.is_active() { "firing" } else { "pending" };
                format!("ALERTS{}", alert.labels.clone().with("alertstate", state))
            })
            .collect()
        })
        .collect()
}

/// The test that promtool is to run.
fn unit_test(cases: &[Case], expected: &[BTreeSet<String>]) -> String {
    let mut text = String::from(
        "rule_files: [rules.yml]\nevaluation_interval: 10s\ntests:\n  - interval: 10s\n    input_series:\n",
    );
    text.extend(cases.iter().map(Case::series));
    text.push_str("    promql_expr_test:\n");
    for (at, alerts) in expected.iter().enumerate() {
        write!(text, "      - expr: ALERTS\n        eval_time: {}s\n        exp_samples:", at * 10).unwrap();
        text.push_str(if alerts.is_empty() { " []\n" } else { "\n" });
        for labels in alerts {
            write!(text, "          - labels: '{labels}'\n            value: 1\n").unwrap();
        }
    }
    text
}

/// Runs promtool in a folder with these files. Returns what it printed unless it found nothing wrong.
fn promtool(arguments: &[&str], files: &[(&str, &str)]) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let output = Command::new("promtool").args(arguments).current_dir(folder.path()).output();
    let output = output.expect("promtool is installed by scripts/test.sh --install");
    if output.status.success() {
        return Ok(());
    }
    Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn run(cases: &[Case], expected: &[BTreeSet<String>]) -> Result<(), String> {
    let rules: Vec<AlertRule> = cases.iter().map(|case| case.rule.clone()).collect();
    let settings = RulesFileSettings { interval: Some(INTERVAL), ..RulesFileSettings::default() };
    let rules = RulesFile::new(&rules, settings).to_string();
    promtool(
        &["test", "rules", "test.yml"],
        &[("rules.yml", rules.as_str()), ("test.yml", unit_test(cases, expected).as_str())],
    )
}

#[test]
fn prometheus_accepts_the_default_rules() {
    let settings = DefaultRules { keep_firing: Duration::from_secs(90), ..DefaultRules::default() };
    let file = RulesFile::new(&settings.rules(), RulesFileSettings::default()).to_string();
    promtool(&["check", "rules", "rules.yml"], &[("rules.yml", file.as_str())]).unwrap();
}

#[test]
fn prometheus_accepts_a_rule_of_every_metric_with_and_without_a_window() {
    let mut rules = Vec::new();
    for metric in Metric::ALL {
        for window in [None, Some(Duration::from_secs(300))] {
            let condition =
                Condition { metric: *metric, window, comparison: Comparison::Above, threshold: 0.5 };
            let name = format!("{} {window:?}", metric.name());
            let pools = vec!["a.b".to_owned(), "c\"d\\e".to_owned()];
            rules.push(AlertRule {
                recovery_threshold: Some(0.25),
                on_no_data: NoData::Firing,
                pools,
                ..AlertRule::new(name, Severity::Warning, condition)
                    .summary("\"{{ $labels.pool }}\": {{ $value }}")
            });
        }
    }
    let file = RulesFile::new(&rules, RulesFileSettings::default()).to_string();
    promtool(&["check", "rules", "rules.yml"], &[("rules.yml", file.as_str())]).unwrap();
}

#[test]
fn prometheus_and_the_manager_have_the_same_alerts_at_every_step() {
    let mut random = fastrand::Rng::with_seed(7);
    let cases: Vec<Case> = (0..RULES).map(|number| Case::random(&mut random, number)).collect();
    let expected = ours(&cases);
    let states = expected.iter().flatten().fold([0, 0], |[pending, firing], alert| {
        let is_firing = alert.contains("alertstate=\"firing\"");
        [pending + usize::from(!is_firing), firing + usize::from(is_firing)]
    });
    assert!(states.iter().all(|count| *count > 500), "too little happens to prove anything: {states:?}");
    run(&cases, &expected).unwrap();
}

#[test]
fn prometheus_lets_an_alert_fire_by_an_old_sample_and_the_manager_does_not() {
    let condition = Condition {
        metric: Metric::Utilization,
        window: None,
        comparison: Comparison::Above,
        threshold: 0.8,
    };
    let rule = AlertRule {
        hold: 3 * INTERVAL,
        pools: vec!["p".to_owned()],
        ..AlertRule::new("R", Severity::Warning, condition)
    };
    let mut values = vec![None; STEPS];
    (values[0], values[1], values[9]) = (Some(0.0), Some(0.9), Some(0.0));
    let case = Case { pool: "p".to_owned(), rule, waiting: values.clone(), values };
    let mut expected = ours(std::slice::from_ref(&case));
    let states: Vec<_> = expected.iter().map(BTreeSet::len).collect();
    assert_eq!(states[..11], [0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0]);
    assert!(expected.iter().flatten().all(|alert| alert.contains("pending")), "{expected:?}");
    for alerts in &mut expected[4..9] {
        *alerts = alerts.iter().map(|alert| alert.replace("pending", "firing")).collect();
    }
    run(&[case], &expected).unwrap();
}

/// Otherwise the test of all could agree with anything.
#[test]
fn prometheus_tells_when_the_manager_is_wrong_at_one_step() {
    let mut random = fastrand::Rng::with_seed(8);
    let cases: Vec<Case> = (0..10).map(|number| Case::random(&mut random, number)).collect();
    let mut expected = ours(&cases);
    run(&cases, &expected).unwrap();
    let step = expected.iter().position(|alerts| !alerts.is_empty()).unwrap();
    expected[step].pop_first();
    assert!(run(&cases, &expected).unwrap_err().contains("FAILED"));
}

/// What an alert says of itself, by us and by Prometheus: ours is what Prometheus is to find.
#[test]
fn prometheus_shows_in_annotations_and_labels_what_we_show() {
    let mut texts: Vec<String> = [
        "{{ $value }} of {{$labels.pool}}",
        "{{ $other }}",
        "{{",
        "{{{",
        "{{{{",
        "{{{ $value }}",
        "{ {{ $value }}",
        "a{{ $value }}}b",
        "{{ $labels.a-b }}",
        "{{- $value -}}",
        "{{/* nothing */}}",
        "{{ $value",
        "}}",
        "{{ query \"up\" }}",
        "{{ \"{{\" }}",
        "{{`{{`}}",
        "{{ $value | humanize }}",
        "{{{{ $value }}}}",
        "{{ end }}",
        "100 % {\"a\": {}}",
    ]
    .map(str::to_owned)
    .into();
    let mut random = fastrand::Rng::with_seed(9);
    let parts = ["{", "{{", "}}", " ", "$value", "$labels.pool", "-", "\"", "a", "{{ $value }}", "\\"];
    for _ in 0..300 {
        let drawn = (0..random.usize(1..9)).filter_map(|_| random.choice(parts)).collect::<String>();
        texts.push(format!("={drawn}="));
    }
    let condition = Condition {
        metric: Metric::Utilization,
        window: None,
        comparison: Comparison::Above,
        threshold: 0.5,
    };
    let named = |prefix: &str, texts: &[String]| -> Labels {
        texts.iter().enumerate().map(|(at, text)| (format!("{prefix}{at}"), text.as_str())).collect()
    };
    let rule = AlertRule {
        labels: named("label", &texts[..40]),
        annotations: named("text", &texts),
        ..AlertRule::new("Odd", Severity::Warning, condition)
    };
    let mut manager = AlertManager::new(vec![rule.clone()], AlertSettings::default()).unwrap();
    let full =
        Step(&Case { pool: String::new(), rule: rule.clone(), values: vec![Some(0.75)], waiting: vec![] }, 0);
    manager.evaluate(Instant::now(), SystemTime::UNIX_EPOCH, &[("orders", &full)]);
    let alert = &manager.alerts()[0];
    assert_eq!(alert.annotations.get("text0"), "0.75 of orders");
    let mut test = String::from(
        "rule_files: [rules.yml]\nevaluation_interval: 10s\ntests:\n  - interval: 10s\n    input_series:\n\
         \x20     - series: 'pool_utilization{stat=\"now\", pool=\"orders\"}'\n        values: '0.75'\n\
         \x20   alert_rule_test:\n      - eval_time: 0s\n        alertname: Odd\n        exp_alerts:\n",
    );
    for (key, labels) in [("- exp_labels", &alert.labels), ("  exp_annotations", &alert.annotations)] {
        writeln!(test, "          {key}:").unwrap();
        for (name, value) in labels.iter().filter(|(name, _)| *name != "alertname") {
            writeln!(test, "              {name}: {}", serde_json::Value::from(value)).unwrap();
        }
    }
    let file = RulesFile::new(&[rule], RulesFileSettings::default()).to_string();
    promtool(&["test", "rules", "test.yml"], &[("rules.yml", file.as_str()), ("test.yml", test.as_str())])
        .unwrap();
}
