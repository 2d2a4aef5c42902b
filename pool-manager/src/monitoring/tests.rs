use pool_config::{BuiltInRule, Config, MetricName};
use pool_monitor::{Comparison, Condition, Metric, NoData, Severity};

use super::*;

/// The section `monitoring` with these keys.
fn monitoring(keys: &str) -> Monitoring {
    let text = format!("connection_pool: {{monitoring: {{{keys}}}}}");
    Config::from_yaml(&text, "connection_pool.yaml").unwrap_or_else(|error| panic!("{error}")).monitoring
}

/// The rule of this name with these keys in the configuration.
fn rule(name: &str, keys: &str) -> AlertRule {
    let config = monitoring(&format!(
        "alerts: {{for_ms: 7000, keep_firing_for_ms: 8000, rules: [{{name: {name}, {keys}}}]}}"
    ));
    let found = alert_rules(&config).into_iter().find(|rule| rule.name == name);
    found.unwrap_or_else(|| panic!("{name} is missing"))
}

fn built_in(name: &str) -> AlertRule {
    let rules = DefaultRules {
        hold: Duration::from_secs(7),
        keep_firing: Duration::from_secs(8),
        ..DefaultRules::default()
    };
    rules.rules().into_iter().find(|rule| rule.name == name).expect("it is built in")
}

#[test]
fn the_defaults_of_a_file_are_those_of_a_monitor() {
    let config = Monitoring::default();
    let collecting = MonitorSettings { tiers: Vec::new(), ..monitor_settings(&config) };
    assert_eq!(collecting, MonitorSettings::default());
    assert_eq!(alert_settings(&config), AlertSettings::default());
    assert_eq!(alert_rules(&config), DefaultRules::default().rules());
}

#[test]
fn a_file_knows_every_metric_and_every_rule() {
    let known: Vec<_> = MetricName::all().map(MetricName::as_str).collect();
    let all: Vec<_> = Metric::ALL.iter().map(|metric| metric.name()).collect();
    assert_eq!(known, all);
    for name in MetricName::all() {
        let metric = rules::metric(name).expect("both lists are equal");
        assert_eq!(name.is_share(), metric.unit() == "1", "{name}");
        assert_eq!(name.is_flag(), metric.description().starts_with("1 while "), "{name}");
    }
    let rules = DefaultRules::default().rules();
    assert_eq!(BuiltInRule::ALL.len(), rules.len());
    for rule in rules {
        let first = rule.conditions[0];
        let known = BuiltInRule::named(&rule.name).expect("both lists are equal");
        assert_eq!(rules::metric(known.metric), Some(first.metric), "{}", rule.name);
        assert_eq!(rules::comparison(known.comparison), first.comparison, "{}", rule.name);
        assert_eq!((known.threshold, known.window), (first.threshold, first.window), "{}", rule.name);
        assert_eq!(rule.longest_window(), first.window, "{}", rule.name);
    }
}

#[test]
fn a_file_computes_the_memory_of_a_history_a_little_too_large() {
    for keys in [
        "",
        "collection_interval_ms: 1000, retention_period_ms: 86400000, max_memory_bytes: 1000000000",
        "tiers: [{step_ms: 60000, retention_ms: 86400000}, {step_ms: 900000, retention_ms: 604800000}]",
    ] {
        let config = monitoring(keys);
        let (computed, exact) =
            (config.history_bytes_per_pool(), monitor_settings(&config).memory_per_pool() as u64);
        assert!((exact..=exact + exact / 5).contains(&computed), "{keys}: {computed} for {exact}");
    }
}

#[test]
fn every_rule_that_is_built_in_sees_its_whole_window_by_default() {
    for keys in
        ["", "collection_interval_ms: 7000", "retention_period_ms: 900000", "retention_period_ms: 86400000"]
    {
        let config = monitoring(keys);
        let settings = monitor_settings(&config);
        assert_eq!(settings.check(), Ok(()), "{keys}");
        let kept =
            settings.tiers.iter().map(|tier| tier.retention).fold(settings.retention_period, Duration::max);
        let windows = alert_rules(&config).into_iter().flat_map(|rule| rule.conditions);
        let longest = windows.filter_map(|condition| condition.window).max().unwrap();
        assert!(kept >= longest, "{keys}: {kept:?} for {longest:?}");
    }
    // Too little to make coarser measurements of, or enough without.
    for keys in ["retention_period_ms: 899999", "retention_period_ms: 21600000"] {
        assert!(monitor_settings(&monitoring(keys)).tiers.is_empty(), "{keys}");
    }
}

#[test]
fn every_key_of_collecting_and_telling_arrives_under_its_own_name() {
    let config = monitoring(
        "collection_interval_ms: 1001, retention_period_ms: 2002000, max_memory_bytes: 104857603,
         tiers: [{step_ms: 4004, retention_ms: 4004000}],
         alerts: {alert_retention_ms: 5005, max_alert_history: 6, group_wait_ms: 7007, group_interval_ms: 8008,
                  repeat_interval_ms: 9009, group_by: [pool],
                  inhibit: [{source: {alertname: a}, target: {severity: warning}, equal: [pool]}]}",
    );
    insta::assert_debug_snapshot!(monitor_settings(&config));
    let AlertSettings { inhibit, .. } = AlertSettings::default();
    let settings = alert_settings(&config);
    assert_eq!(settings.inhibit[..inhibit.len()], inhibit);
    insta::assert_debug_snapshot!(AlertSettings {
        inhibit: settings.inhibit[inhibit.len()..].to_vec(),
        ..settings
    });
}

#[test]
fn the_two_thresholds_and_their_recovery_are_those_of_the_first_two_rules() {
    let config = monitoring(
        "connection_utilization_threshold: 0.6, utilization_recovery_threshold: 0.5,
         error_rate_threshold: 0.2, error_rate_recovery_threshold: 0.1, error_rate_min_requests: 7",
    );
    let rules = alert_rules(&config);
    let find = |name: &str| rules.iter().find(|rule| rule.name == name).expect("it is built in");
    let utilization = find("PoolUtilizationHigh");
    assert_eq!((utilization.threshold(), utilization.recovery_threshold), (0.6, Some(0.5)));
    let errors = find("PoolErrorRateHigh");
    assert_eq!((errors.threshold(), errors.recovery_threshold), (0.2, Some(0.1)));
    assert!(errors.conditions.iter().any(|guard| guard.metric == Metric::Requests && guard.threshold == 7.0));
    assert_eq!((utilization.hold, errors.hold), (Duration::ZERO, Duration::ZERO), "at the first collection");
    assert_eq!(alert_rules(&monitoring("enable_alerts: false")), []);
}

#[test]
fn a_rule_of_its_own_has_what_is_written_and_the_patience_of_all() {
    let found = rule(
        "Slow",
        "metric: wait_p99, threshold: 0.5, pools: [orders], labels: {team: shop}, summary: slow",
    );
    let condition =
        Condition { metric: Metric::WaitP99, window: None, comparison: Comparison::Above, threshold: 0.5 };
    let mut expected = AlertRule {
        hold: Duration::from_secs(7),
        keep_firing: Duration::from_secs(8),
        pools: vec!["orders".to_owned()],
        on_no_data: NoData::KeepLast,
        ..AlertRule::new("Slow", Severity::Warning, condition).summary("slow")
    };
    expected.labels.set("team", "shop");
    assert_eq!(found, expected);
    let impatient = rule("Slow", "metric: wait_p99, threshold: 0.5, for_ms: 0, keep_firing_for_ms: 1");
    assert_eq!((impatient.hold, impatient.keep_firing), (Duration::ZERO, Duration::from_millis(1)));
}

#[test]
fn a_rule_may_have_two_windows_and_a_least_number_of_acquires() {
    let found = rule(
        "Burn",
        "metric: error_rate, comparison: \">=\", threshold: 0.01, window_ms: 3600000, short_window_ms: 300000,
         min_requests: 50, severity: critical, recovery_threshold: 0.005",
    );
    let hour = Some(Duration::from_secs(3600));
    let condition =
        |metric, window, threshold| Condition { metric, window, comparison: Comparison::AtLeast, threshold };
    let expected = [
        condition(Metric::ErrorRate, hour, 0.01),
        condition(Metric::ErrorRate, Some(Duration::from_secs(300)), 0.01),
        condition(Metric::Requests, hour, 50.0),
    ];
    assert_eq!(found.conditions, expected);
    assert_eq!((found.severity, found.recovery_threshold), (Severity::Critical, Some(0.005)));
    assert_eq!(found.check(), Ok(()));
}

#[test]
fn a_rule_that_is_built_in_keeps_what_is_not_written() {
    let before = built_in("PoolErrorBudgetFastBurn");
    let changed = rule("PoolErrorBudgetFastBurn", "threshold: 0.05, severity: warning");
    let thresholds = |rule: &AlertRule, metric| -> Vec<f64> {
        let of = rule.conditions.iter().filter(|condition| condition.metric == metric);
        of.map(|condition| condition.threshold).collect()
    };
    assert_eq!(thresholds(&changed, Metric::ErrorRate), [0.05, 0.05], "over both windows");
    assert_eq!(thresholds(&changed, Metric::Requests), thresholds(&before, Metric::Requests));
    let windows =
        |rule: &AlertRule| rule.conditions.iter().map(|condition| condition.window).collect::<Vec<_>>();
    assert_eq!(windows(&changed), windows(&before));
    assert_eq!(
        (changed.hold, &changed.labels, &changed.annotations),
        (before.hold, &before.labels, &before.annotations)
    );
    assert_eq!(changed.severity, Severity::Warning);

    assert_eq!(rule("PoolExhausted", "enabled: true"), built_in("PoolExhausted"), "nothing is written");
    assert_eq!(rule("PoolExhausted", "for_ms: 1").hold, Duration::from_millis(1));
    let least = rule("PoolErrorRateHigh", "min_requests: 0");
    assert!(least.conditions.iter().all(|condition| condition.metric != Metric::Requests));
    let narrower = rule("PoolUtilizationHigh", "threshold: 0.5");
    assert_eq!((narrower.threshold(), narrower.recovery_threshold), (0.5, Some(0.45)), "in proportion");
}

#[test]
fn a_window_takes_along_what_was_compared_over_the_same_one() {
    let windows = |name: &str, keys: &str| -> Vec<Option<u64>> {
        rule(name, keys).conditions.iter().map(|it| it.window.map(|window| window.as_secs())).collect()
    };
    let minutes = |minutes: u64| Some(60 * minutes);
    assert_eq!(windows("PoolConnectFailures", "window_ms: 60000"), [minutes(1); 2]);
    assert_eq!(windows("PoolErrorRateHigh", "window_ms: 300000"), [minutes(5); 2]);
    assert_eq!(
        windows("PoolRecoveryExhausted", "window_ms: 60000"),
        [minutes(1), None],
        "the target is down now"
    );
    let burn = |keys: &str| windows("PoolErrorBudgetFastBurn", keys);
    assert_eq!(burn("window_ms: 1800000"), [Some(1_800), Some(150), Some(1_800)], "12 to 1");
    assert_eq!(burn("window_ms: 1800000, short_window_ms: 60000"), [minutes(30), minutes(1), minutes(30)]);
    assert_eq!(burn("short_window_ms: 60000"), [minutes(60), minutes(1), minutes(60)]);
    assert_eq!(burn("window_ms: 1800000, min_requests: 5"), [Some(1_800), Some(150), Some(1_800)]);
}

#[test]
fn a_comparison_the_other_way_round_leaves_no_recovery_threshold_behind() {
    let idle = rule("PoolUtilizationHigh", "comparison: \"<\", threshold: 0.1");
    assert_eq!((idle.recovery_threshold, idle.check()), (None, Ok(())));
    let same = rule("PoolUtilizationHigh", "comparison: \">=\"");
    assert_eq!((same.recovery_threshold, same.check()), (Some(0.72), Ok(())));
    let written = rule("PoolUtilizationHigh", "comparison: \"<\", threshold: 0.1, recovery_threshold: 0.2");
    assert_eq!((written.recovery_threshold, written.check()), (Some(0.2), Ok(())));
}

#[test]
fn another_metric_replaces_all_that_a_rule_compares() {
    let found = rule("PoolErrorRateHigh", "metric: failed, threshold: 3");
    let condition =
        Condition { metric: Metric::Failed, window: None, comparison: Comparison::Above, threshold: 3.0 };
    assert_eq!((found.conditions, found.recovery_threshold), (vec![condition], None));
}

#[test]
fn a_rule_that_is_switched_off_is_not_there() {
    let config = monitoring(
        "alerts: {rules: [{name: PoolExhausted, enabled: false}, {name: Own, metric: idle, threshold: 1, enabled: false}]}",
    );
    let names: Vec<_> = alert_rules(&config).into_iter().map(|rule| rule.name).collect();
    assert_eq!(names.len(), BuiltInRule::ALL.len() - 1);
    assert!(!names.iter().any(|name| name == "PoolExhausted" || name == "Own"));
}

#[test]
fn what_a_program_asks_for_in_code_and_no_file_may_hold_is_refused() {
    let config = Monitoring { collection_interval: Duration::ZERO, ..Monitoring::default() };
    let error = Prepared::of(&config).unwrap_err();
    assert_eq!(error.problems[0].key, "monitoring.collection_interval_ms");
    let mut config = monitoring("alerts: {rules: [{name: Slow, metric: idle, threshold: 1}]}");
    config.alerts.rules[0].threshold = Some(f64::NAN);
    let error = Prepared::of(&config).unwrap_err().to_string();
    assert!(error.contains("Slow"), "{error}");
}

#[cfg(feature = "push")]
#[test]
fn a_receiver_that_cannot_be_told_is_named_without_its_url() {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let file = folder.path().join("hook");
    let config = |file: &std::path::Path| {
        monitoring(&format!(
            "alerts: {{receivers: [{{name: chat, type: webhook, url_file: '{}'}}]}}",
            file.display()
        ))
    };
    let error = Prepared::of(&config(&file)).unwrap_err();
    assert_eq!(error.problems[0].key, r#"monitoring.alerts.receivers["chat"].url_file"#);
    std::fs::write(&file, "no URL of canary\n").unwrap();
    let error = Prepared::of(&config(&file)).unwrap_err().to_string();
    assert!(error.contains("url_file") && !error.contains("canary"), "{error}");
    std::fs::write(&file, "https://chat.example/canary\n").unwrap();
    let prepared = Prepared::of(&config(&file)).unwrap();
    assert!(!format!("{prepared:?}").contains("canary"));
    std::fs::write(&file, "https://chat.example/canary2\n").unwrap();
    assert_ne!(Prepared::of(&config(&file)).unwrap(), prepared, "a reload sees it");
}

#[cfg(not(feature = "push"))]
#[test]
fn a_receiver_that_takes_a_feature_which_is_missing_is_told_its_name() {
    let config = monitoring(
        "alerts: {receivers: [{name: log, type: log}, {name: am, type: alertmanager, url: 'https://am.test/canary'},
         {name: chat, type: webhook, url_file: /there/is/none}]}",
    );
    insta::assert_snapshot!(Prepared::of(&config).unwrap_err(), @r#"
    set up the monitoring: 2 problems
    monitoring.alerts.receivers["am"].type is alertmanager: this program was built without the feature that it takes
      help: enable the feature `push` of the crate `pool-manager`
    monitoring.alerts.receivers["chat"].type is webhook: this program was built without the feature that it takes
      help: enable the feature `push` of the crate `pool-manager`
    "#);
    assert!(Prepared::of(&for_a_while(&config, Duration::from_secs(1))).is_ok(), "nobody is told of it");
}

#[test]
fn who_looks_for_a_while_tells_nobody_and_collects_often() {
    let config = monitoring(
        "tiers: [{step_ms: 60000, retention_ms: 86400000}], alerts: {state_file: a, receivers: [{name: a, type: log}]}",
    );
    let short = for_a_while(&config, Duration::from_millis(100));
    assert_eq!(short.collection_interval, Duration::from_millis(50));
    assert!(short.alerts.receivers.is_empty() && short.alerts.state_file.is_none() && short.tiers.is_empty());
    let long = for_a_while(&config, Duration::from_secs(3600));
    assert_eq!(
        (long.collection_interval, long.retention_period),
        (Duration::from_secs(1), Duration::from_secs(3600))
    );
    let full =
        monitoring("retention_period_ms: 20000, collection_interval_ms: 10000, max_memory_bytes: 1048576");
    let grown = for_a_while(&full, Duration::from_secs(3600));
    let room = |config: &Monitoring| config.max_memory_bytes / config.history_bytes_per_pool();
    assert_eq!(room(&grown), room(&full), "for as many pools as before");
    for config in [short, long, grown, for_a_while(&config, Duration::from_secs(10))] {
        assert!(Prepared::of(&config).is_ok());
    }
}

#[test]
fn a_state_file_that_can_have_no_place_is_refused_at_once() {
    let folder = tempfile::tempdir().expect("there is room for temporary files");
    let refusal = |path: &std::path::Path| {
        let config = monitoring(&format!("alerts: {{state_file: '{}'}}", path.display()));
        let error = Prepared::of(&config).unwrap_err().to_string();
        error.replace(&folder.path().display().to_string(), "FOLDER")
    };
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    insta::assert_snapshot!(refusal(&folder.path().join("nowhere/alerts.json")), @r"
    set up the monitoring: 1 problem
    monitoring.alerts.state_file is FOLDER/nowhere/alerts.json: the folder FOLDER/nowhere is not there
      help: make the folder, or name a file in another one; without the key nothing is kept
    ");
    insta::assert_snapshot!(refusal(&file.join("alerts.json")), @r"
    set up the monitoring: 1 problem
    monitoring.alerts.state_file is FOLDER/file/alerts.json: FOLDER/file is no folder
      help: make the folder, or name a file in another one; without the key nothing is kept
    ");
    insta::assert_snapshot!(refusal(folder.path()), @r"
    set up the monitoring: 1 problem
    monitoring.alerts.state_file is FOLDER: it is a folder
      help: name a file in it
    ");
    let config = monitoring(&format!("alerts: {{state_file: '{}'}}", file.display()));
    assert!(Prepared::of(&config).is_ok());
}

#[cfg(feature = "push")]
#[test]
fn external_labels_are_those_of_whoever_is_pushed_to_and_concern_nobody_else() {
    let addressees = |labels: &str| {
        let config = monitoring(&format!(
            "external_labels: {{{labels}}}, alerts: {{receivers: [
                {{name: chat, type: webhook, url: 'http://chat.example/canary'}},
                {{name: mail, type: alertmanager, url: 'http://mail.example/canary'}},
                {{name: lines, type: log}}]}}"
        ));
        Prepared::of(&config).unwrap().addressees
    };
    let (before, after) = (addressees("replica: a"), addressees("replica: b"));
    let telling = receivers::telling(&before, &[]);
    let next = receivers::telling(&after, &telling);
    let stays = telling.iter().zip(&next).map(|((_, before), (_, after))| Arc::ptr_eq(before, after));
    assert_eq!(stays.collect::<Vec<_>>(), [false, false, true]);
    let next = receivers::telling(&before, &telling);
    assert!(telling.iter().zip(&next).all(|((_, before), (_, after))| Arc::ptr_eq(before, after)));
}
