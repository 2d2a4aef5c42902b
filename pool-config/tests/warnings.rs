//! What is allowed and hardly meant: who writes it is told, and nobody is told of a default.

use pool_config::{Loader, Severity};

/// The warnings of a file, as `path: found, expected`.
fn warnings(text: &str) -> Vec<String> {
    let loaded =
        Loader::without_variables().load_text(text, "a.yaml").unwrap_or_else(|error| panic!("{error}"));
    assert!(
        loaded
            .warnings
            .iter()
            .all(|problem| problem.severity == Severity::Warning && !problem.help.is_empty())
    );
    loaded
        .warnings
        .iter()
        .map(|problem| format!("{}: {}, {}", problem.path, problem.found, problem.expected))
        .collect()
}

fn of_pool(keys: &str) -> Vec<String> {
    let text = format!("connection_pool: {{pools: [{{name: a, database: a, {keys}}}]}}");
    let warned = warnings(&text);
    warned.into_iter().map(|warning| warning.replace(r#"pools["a"]."#, "")).collect()
}

#[test]
fn nobody_is_warned_of_a_default() {
    assert_eq!(warnings("connection_pool:"), [""; 0]);
    assert_eq!(
        warnings(
            "connection_pool: {pools: [{name: a, database: a}, {name: b, driver: sqlite, database: b}]}"
        ),
        [""; 0]
    );
    assert_eq!(warnings(include_str!("fixtures/seed.yaml")), [""; 0]);
}

#[test]
fn each_hint_is_given_where_it_applies() {
    let pools = [
        "max_lifetime_ms: 0",
        "idle_timeout_ms: 9999",
        "min_connections: 5, max_connections: 5, idle_timeout_ms: 60000",
        "keepalive_interval_ms: 29999",
        "connection_timeout_ms: 60001",
        "connection_timeout_ms: 249, validation_timeout_ms: 100, connect_timeout_ms: 100",
        "connect_timeout_ms: 5001, connection_timeout_ms: 5000, validation_timeout_ms: 100",
        "leak_detection_threshold_ms: 1999",
        "lifetime_jitter: 0",
        "max_retries: 31",
        "retry_delay_ms: 10001",
        "password: canary",
        "role: replica",
        "circuit_breaker: {failure_rate: 0.3}",
        "circuit_breaker: {enabled: true, slow_rate: 0.3}",
        "circuit_breaker: {enabled: true, half_open_max_ms: 4999}",
        "circuit_breaker: {enabled: true}, connect_timeout_ms: 10001",
        "circuit_breaker: {enabled: true, slow_connect_ms: 5001}",
    ];
    let mut text = String::new();
    for keys in pools {
        let warned = of_pool(keys);
        assert!(!warned.is_empty(), "{keys}");
        text += &format!("{keys}\n  {}\n", warned.join("\n  "));
    }
    insta::assert_snapshot!(text);
}

#[test]
fn what_is_just_right_is_not_warned_of() {
    for keys in [
        "idle_timeout_ms: 10000",
        "idle_timeout_ms: 0",
        "keepalive_interval_ms: 30000",
        "keepalive_interval_ms: 0",
        "connection_timeout_ms: 60000",
        "leak_detection_threshold_ms: 2000",
        "lifetime_jitter: 0, max_connections: 4",
        "max_retries: 30",
        "password: '${A:-canary}'",
        "password_file: a",
        "group: shop, role: primary",
        "circuit_breaker: {enabled: true, failure_rate: 0.3}",
        "circuit_breaker: {enabled: false, failure_rate: 0.3}",
        "circuit_breaker: {enabled: true, slow_rate: 0.3, slow_connect_ms: 500}",
        "circuit_breaker: {enabled: true, half_open_max_ms: 5000, slow_connect_ms: 5000}",
        "circuit_breaker: {enabled: true, half_open_max_ms: 0}",
        "circuit_breaker: {enabled: false, half_open_max_ms: 1}",
        "max_waiting: auto",
    ] {
        assert_eq!(of_pool(keys), [""; 0], "{keys}");
    }
}

#[test]
fn a_breaker_that_is_set_for_all_pools_may_be_switched_on_by_some() {
    let text = "connection_pool: {default_pool: {circuit_breaker: {failure_rate: 0.3}}, pools: [
        {name: a, database: a, circuit_breaker: {enabled: true}}, {name: b, database: b}]}";
    assert_eq!(warnings(text), [""; 0]);
}

#[test]
fn times_of_a_breaker_that_never_come_are_told_where_it_is_switched_on_and_once() {
    let inherited = |pools: &str| {
        warnings(&format!(
            "connection_pool: {{default_pool: {{circuit_breaker: {{half_open_max_ms: 100}}}}, pools: [{pools}]}}"
        ))
    };
    assert_eq!(inherited("{name: a, database: a}"), [""; 0], "it has none");
    let found = inherited(
        "{name: a, database: a, circuit_breaker: {enabled: true}}, {name: b, database: b, connect_timeout_ms: 50}",
    );
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with(r#"pools["a"].circuit_breaker.enabled: "#), "{found:?}");
    let of_all = "connection_pool: {default_pool: {circuit_breaker: {enabled: true, half_open_max_ms: 100}},
        pools: [{name: a, database: a}, {name: b, database: b}]}";
    let found = warnings(of_all);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("default_pool.circuit_breaker.half_open_max_ms: "), "{found:?}");
    let refused = "connection_pool: {default_pool: {connect_timeout_ms: no, circuit_breaker: {enabled: true, half_open_max_ms: 100}}}";
    let error = Loader::without_variables().load_text(refused, "a.yaml").unwrap_err();
    assert_eq!(error.problems().len(), 1, "what was refused is not judged: {error}");
}

#[test]
fn of_two_intervals_for_all_pools_it_is_told_which_one_counts() {
    let both = |of_each: u32, of_all: u32| {
        warnings(&format!(
            "connection_pool: {{default_pool: {{health_check_interval_ms: {of_each}}},
             health_monitoring: {{check_interval_ms: {of_all}}}}}"
        ))
    };
    insta::assert_snapshot!(both(5000, 10000).join("\n"), @"health_monitoring.check_interval_ms: 10000 while default_pool.health_check_interval_ms is 5000, one of the two: every pool inherits that of default_pool, and this one counts for none");
    assert_eq!(both(5000, 5000), [""; 0], "they agree");
    let exception = "connection_pool: {health_monitoring: {check_interval_ms: 10000},
        pools: [{name: a, database: a, health_check_interval_ms: 5000}]}";
    assert_eq!(warnings(exception), [""; 0], "one pool is another matter");
}

#[test]
fn the_watch_over_health_is_judged_where_it_is_written() {
    let health = |keys: &str| warnings(&format!("connection_pool: {{health_monitoring: {{{keys}}}}}"));
    insta::assert_snapshot!(
        [
            health("connection_timeout_ms: 60001"),
            health("fast_interval_ms: 60001"),
            health("slow_check_ms: 5001"),
            health("unhealthy_threshold: 301"),
        ]
        .concat()
        .join("\n")
    );
    for keys in [
        "connection_timeout_ms: 60000",
        "fast_interval_ms: 60000, unhealthy_threshold: 5",
        "check_interval_ms: 999, connection_timeout_ms: 500",
        "slow_check_ms: 5000",
        "unhealthy_threshold: 300",
    ] {
        assert_eq!(health(keys), [""; 0], "{keys}");
    }
}

#[test]
fn pools_are_judged_together() {
    let pools = |pools: &str| warnings(&format!("connection_pool: {{pools: [{pools}]}}"));
    insta::assert_snapshot!(
        [
            pools("{name: a, database: x}, {name: b, database: x, max_connections: 5}"),
            pools("{name: a, database: a, max_connections: 50, server_max_connections: 100}, {name: b, database: b, max_connections: 40}"),
            pools("{name: a, database: a, group: g, role: replica}"),
            pools("{name: a, database: a, group: g}, {name: b, database: b, group: g}"),
            warnings("connection_pool: {security: {ssl: {verify_peer: false}}}"),
            warnings("connection_pool: {health_monitoring: {check_interval_ms: 1000, connection_timeout_ms: 2000}}"),
        ]
        .concat()
        .join("\n")
    );
    assert_eq!(pools("{name: a, database: x}, {name: b, database: x}"), [""; 0], "alike");
    assert_eq!(
        pools(
            "{name: a, database: a, max_connections: 80, server_max_connections: 100}, {name: b, driver: redis, max_connections: 80}"
        ),
        [""; 0],
        "another server"
    );
}

#[test]
fn a_rule_for_a_pool_that_is_not_in_the_file_is_told() {
    let rule = |pools: &str| {
        warnings(&format!(
            "connection_pool: {{pools: [{{name: orders, database: a}}], \
             monitoring: {{alerts: {{rules: [{{name: Slow, metric: wait_p99, threshold: 1, pools: [{pools}]}}]}}}}}}"
        ))
    };
    assert_eq!(rule("orders"), [""; 0]);
    assert_eq!(
        rule("orders, oders"),
        [
            r#"monitoring.alerts.rules["Slow"].pools: the pool "oders", which is not in this configuration, names of pools"#
        ]
    );
}

#[test]
fn a_threshold_beyond_every_wait_is_told() {
    let rule = |keys: &str| {
        warnings(&format!(
            "connection_pool: {{default_pool: {{connection_timeout_ms: 10000}},
             pools: [{{name: orders, database: a}}, {{name: jobs, database: b, connection_timeout_ms: 20000}},
                     {{name: old, database: c, connection_timeout_ms: 50000, enabled: false}}],
             monitoring: {{alerts: {{rules: [{{{keys}}}]}}}}}}"
        ))
    };
    let told = [
        "name: Slow, metric: wait_p99, threshold: 250",
        "name: Slow, metric: oldest_wait, threshold: 20.1, comparison: '>='",
        "name: Slow, metric: wait_p50, threshold: 11, pools: [orders]",
        "name: PoolWaitP99High, threshold: 500",
    ];
    let told = told.map(|keys| format!("{keys}\n  {}\n", rule(keys).join("\n  "))).concat();
    insta::assert_snapshot!(told, @r#"
    name: Slow, metric: wait_p99, threshold: 250
      monitoring.alerts.rules["Slow"].threshold: 250 while connection_timeout_ms is at most 20000, seconds: no wait is longer than connection_timeout_ms
    name: Slow, metric: oldest_wait, threshold: 20.1, comparison: '>='
      monitoring.alerts.rules["Slow"].threshold: 20.1 while connection_timeout_ms is at most 20000, seconds: no wait is longer than connection_timeout_ms
    name: Slow, metric: wait_p50, threshold: 11, pools: [orders]
      monitoring.alerts.rules["Slow"].threshold: 11 while connection_timeout_ms is at most 10000, seconds: no wait is longer than connection_timeout_ms
    name: PoolWaitP99High, threshold: 500
      monitoring.alerts.rules["PoolWaitP99High"].threshold: 500 while connection_timeout_ms is at most 20000, seconds: no wait is longer than connection_timeout_ms
    "#);
    for keys in [
        "name: Slow, metric: wait_p99, threshold: 20",
        "name: Slow, metric: wait_p99, threshold: 20, pools: [jobs, orders]",
        "name: Slow, metric: wait_p99, threshold: 250, comparison: '<'",
        "name: Slow, metric: use_p99, threshold: 250",
        "name: Slow, metric: waiting, threshold: 250",
        "name: PoolLeakSuspected, threshold: 250",
    ] {
        assert_eq!(rule(keys), [""; 0], "{keys}");
    }
    let alone = "connection_pool: {monitoring: {alerts: {rules: [{name: PoolWaitP99High, threshold: 31}]}}}";
    assert_eq!(warnings(alone).len(), 1, "pools of the program begin with default_pool");
    let refused = "connection_pool: {default_pool: {connection_timeout_ms: no},
        monitoring: {alerts: {rules: [{name: PoolWaitP99High, threshold: 31}]}}}";
    let error = Loader::without_variables().load_text(refused, "a.yaml").unwrap_err();
    assert_eq!(error.problems().len(), 1, "what was refused is not judged: {error}");
}

#[test]
fn a_label_or_rule_that_no_alert_has_is_told() {
    let alerts = |keys: &str| {
        let rules = "rules: [{name: Slow, metric: wait_p99, threshold: 1, labels: {team: core}}]";
        warnings(&format!("connection_pool: {{monitoring: {{alerts: {{{rules}, {keys}}}}}}}"))
    };
    let told = [
        "group_by: [alertname, pool, tema]",
        "group_by: [datacenter, host]",
        "inhibit: [{source: {alertname: PoolTargetDwon}, target: {alertname: Slow}}]",
        "inhibit: [{source: {alertname: Slow}, target: {severity: warning}}, {source: {pool: a}, target: {alertname: Paused}}]",
    ];
    let told = told.map(|keys| format!("{keys}\n  {}\n", alerts(keys).join("\n  "))).concat();
    insta::assert_snapshot!(told, @r#"
    group_by: [alertname, pool, tema]
      monitoring.alerts.group_by: the label "tema", which no rule gives its alerts, labels that alerts have
    group_by: [datacenter, host]
      monitoring.alerts.group_by: the label "datacenter", which no rule gives its alerts, labels that alerts have
      monitoring.alerts.group_by: the label "host", which no rule gives its alerts, labels that alerts have
    inhibit: [{source: {alertname: PoolTargetDwon}, target: {alertname: Slow}}]
      monitoring.alerts.inhibit[0].source: the alertname "PoolTargetDwon", which no rule has, the name of a rule
    inhibit: [{source: {alertname: Slow}, target: {severity: warning}}, {source: {pool: a}, target: {alertname: Paused}}]
      monitoring.alerts.inhibit[1].target: the alertname "Paused", which no rule has, the name of a rule
    "#);
    for keys in [
        "group_by: ['...']",
        "group_by: [alertname, pool, severity, family, team]",
        "inhibit: [{source: {alertname: PoolTargetDown, pool: a}, target: {alertname: Slow}}, {source: {team: core}, target: {pool: b}}]",
    ] {
        assert_eq!(alerts(keys), [""; 0], "{keys}");
    }
}

#[test]
fn alerts_that_are_switched_off_beside_rules_and_receivers_are_told() {
    let of =
        |keys: &str| warnings(&format!("connection_pool: {{monitoring: {{enable_alerts: false, {keys}}}}}"));
    let told = [
        of("alerts: {rules: [{name: PoolFlapping, enabled: false}], receivers: [{name: log, type: log}]}"),
        of("alerts: {receivers: [{name: log, type: log}]}"),
    ];
    insta::assert_snapshot!(told.concat().join("\n"), @r"
    monitoring.enable_alerts: false beside alerts.rules and alerts.receivers, true: nothing is judged, and nobody is told
    monitoring.enable_alerts: false beside alerts.receivers, true: nothing is judged, and nobody is told
    ");
    for keys in ["alerts: {rules: [], receivers: []}", "alerts: {for_ms: 1000}"] {
        assert_eq!(of(keys), [""; 0], "{keys}");
    }
    let by_variable = "connection_pool: {monitoring: {enable_alerts: '${ALERTS:-false}',
        alerts: {receivers: [{name: log, type: log}]}}}";
    let loaded = Loader::new().variables([]).load_text(by_variable, "a.yaml").unwrap();
    assert_eq!(loaded.warnings, [], "another environment has another value");
}

#[test]
fn a_group_is_repeated_no_more_often_than_it_is_looked_at() {
    let alerts = |keys: &str| warnings(&format!("connection_pool: {{monitoring: {{alerts: {{{keys}}}}}}}"));
    assert_eq!(alerts("repeat_interval_ms: 300000"), [""; 0]);
    assert_eq!(alerts("repeat_interval_ms: 60000").len(), 1);
    assert_eq!(alerts("repeat_interval_ms: 60000, group_interval_ms: 60000"), [""; 0]);
}

#[test]
fn a_history_that_does_not_reach_as_far_as_built_in_rules_look_is_told_where_it_is_written() {
    let of = |keys: &str| warnings(&format!("connection_pool: {{monitoring: {{{keys}}}}}"));
    let told = [
        "retention_period_ms: 600000",
        "retention_period_ms: 7200000, tiers: [{step_ms: 60000, retention_ms: 14400000}]",
        "retention_period_ms: 30000",
        "retention_period_ms: 600000, alerts: {rules: [{name: PoolErrorBudgetSlowBurn, enabled: false}]}",
    ];
    let told = told.map(|keys| format!("{keys}\n  {}\n", of(keys).join("\n  "))).concat();
    insta::assert_snapshot!(told, @r#"
    retention_period_ms: 600000
      monitoring.retention_period_ms: 600000 while rules look farther back: PoolErrorBudgetFastBurn 3600000, PoolErrorBudgetSlowBurn 21600000, a history that reaches as far back: they are judged by what is kept
    retention_period_ms: 7200000, tiers: [{step_ms: 60000, retention_ms: 14400000}]
      monitoring.tiers: 14400000 while rules look farther back: PoolErrorBudgetSlowBurn 21600000, a history that reaches as far back: they are judged by what is kept
    retention_period_ms: 30000
      monitoring.retention_period_ms: 30000 while rules look farther back: PoolUtilizationCritical 60000, PoolAcquireTimeouts 300000, PoolErrorBudgetFastBurn 3600000, PoolErrorBudgetSlowBurn 21600000, PoolConnectFailures 300000, PoolWaitP99High 300000, PoolRecoveryExhausted 300000, a history that reaches as far back: they are judged by what is kept
    retention_period_ms: 600000, alerts: {rules: [{name: PoolErrorBudgetSlowBurn, enabled: false}]}
      monitoring.retention_period_ms: 600000 while rules look farther back: PoolErrorBudgetFastBurn 3600000, a history that reaches as far back: they are judged by what is kept
    "#);
    for keys in [
        "retention_period_ms: 3600000",
        "retention_period_ms: 900000",
        "retention_period_ms: 21600000",
        "retention_period_ms: 600000, enable_alerts: false",
        "retention_period_ms: 600000, enabled: false",
        "tiers: [{step_ms: 60000, retention_ms: 21600000}]",
        "retention_period_ms: 600000, alerts: {rules: [{name: PoolErrorBudgetFastBurn, enabled: false},
            {name: PoolErrorBudgetSlowBurn, window_ms: 600000}]}",
    ] {
        assert_eq!(of(keys), [""; 0], "{keys}");
    }
}
