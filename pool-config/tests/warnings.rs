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
