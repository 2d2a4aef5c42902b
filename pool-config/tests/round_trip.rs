//! Whatever is accepted, `to_yaml` writes such that it is accepted again and means the same.

use pool_config::{Config, diff};
use proptest::prelude::*;
use proptest::strategy::ValueTree;

/// Keys of a pool's settings, each with values that are mostly allowed.
const SETTINGS: &[(&str, &[&str])] = &[
    ("max_connections", &["1", "2", "10", "500"]),
    ("min_connections", &["0", "1", "2", "3"]),
    ("min_idle", &["0", "1"]),
    ("connection_timeout_ms", &["250", "5000", "30000"]),
    ("validation_timeout_ms", &["100", "5000"]),
    ("idle_timeout_ms", &["0", "10000", "300000"]),
    ("max_lifetime_ms", &["0", "60000", "1800000", "7200000"]),
    ("lifetime_jitter", &["0", "0.2", "0.123456789012345"]),
    ("max_uses", &["0", "18446744073709551615"]),
    ("keepalive_interval_ms", &["0", "30000", "120000"]),
    ("fail_fast", &["true", "false"]),
    ("reuse", &["lifo", "fifo"]),
    ("fairness", &["strict", "adaptive", "throughput"]),
    ("reserve_connections", &["0", "1"]),
    ("application_name", &["shop", "'true'", "\"5\"", "'a: b # c'", "'it''s $$5'", "'{}'"]),
    ("init_sql", &["[]", "[\"SET a = 'x'\"]", "[\"SET a = 1;\\nSET b = 2\", \"SELECT '$$'\"]"]),
    ("statement_timeout_ms", &["0", "1"]),
    ("transaction_pooling", &["true", "false"]),
    ("max_waiting", &["0", "200", "auto"]),
    ("health_check_interval_ms", &["1000", "60000"]),
    (
        "circuit_breaker",
        &[
            "{enabled: true}",
            "{enabled: true, window_calls: 5, consecutive_failures: 0}",
            "{open_max_ms: 100}",
            "{window_ms: 5000, window_calls: 0}",
            "{minimum_calls: 4, slow_connect_ms: 250, slow_rate: 0.5}",
        ],
    ),
];

/// Keys of a pool alone.
const POOL: &[(&str, &[&str])] = &[
    ("driver", &["postgres", "mysql", "mariadb", "sqlite", "redis", "http", "websocket"]),
    ("host", &["db", "'::1'", "/run/postgresql"]),
    ("port", &["1", "65535"]),
    ("database", &["orders", "':memory:'", "'0'", "'a\\b'"]),
    ("url", &["'postgres://u:canary@h/d'", "'sqlite::memory:'", "'https://api'"]),
    ("user", &["app", "'null'"]),
    ("password", &["canary", "'canary: # $$1'", "' canary '"]),
    ("password_env", &["DB_PASSWORD"]),
    ("password_file", &["/run/secrets/db"]),
    ("password_command", &["[vault, read, canary]"]),
    ("role", &["primary", "replica", "analytics"]),
    ("group", &["shop"]),
    ("weight", &["1", "1000"]),
    ("enabled", &["true", "false"]),
    ("required", &["false"]),
    ("tags", &["{}", "{team: core, tier: '1'}"]),
    (
        "ssl",
        &[
            "{enabled: true}",
            "{enabled: false, verify_peer: false}",
            "{client_certificate: a, client_key: b}",
        ],
    ),
    ("authentication", &["{method: ldap}", "{timeout_ms: 5}", "{method: database}"]),
];

const SECTIONS: &[(&str, &[&str])] = &[
    ("enabled", &["true", "false"]),
    ("version", &["1"]),
    ("routing", &["{read_your_writes_ms: 500}", "{max_ejection_percent: 0}"]),
    ("reload", &["{watch: 'off'}", "{grace_ms: 1}"]),
    ("health_monitoring", &["{enabled: false, interval_jitter: 0.5}", "{check_interval_ms: 1000}"]),
    (
        "monitoring",
        &[
            "{error_rate_threshold: 1}",
            "{external_labels: {replica: 'orders-1', zone: '$$a: b'}}",
            "{audit_log: {path: a.jsonl, events: [create]}}",
            "{tiers: [{step_ms: 60000, retention_ms: 86400000}, {step_ms: 900000, retention_ms: 604800000}]}",
            "{alerts: {group_by: [...], for_ms: 5000, rules: [{name: PoolExhausted, enabled: false}]}}",
            "{alerts: {rules: [{name: a.b, metric: idle, comparison: <, threshold: 0.1234567890123, labels: {team: '$$a'}},
                {name: c, metric: wait_p99, threshold: 1, window_ms: 60000, pools: [p0], summary: 'a: \\\"b\\\"'}]}}",
            "{alerts: {inhibit: [{source: {alertname: a}, target: {severity: warning}, equal: [pool]}]}}",
            "{alerts: {receivers: [{name: a, type: log}, {name: b, type: webhook, url: 'https://h/canary', max_alerts: 3, send_resolved: false},
                {name: c, type: alertmanager, url_file: f, resend_ms: 5000}]}}",
        ],
    ),
    (
        "security",
        &[
            "{ssl: {enabled: true, ca_certificate: ca.crt}}",
            "{ssl: {enabled: true}, authentication: {method: ldap}}",
            "{authentication: {method: oauth2, oauth2: {token_url: 'https://t', client_id: c, client_secret: canary}}}",
        ],
    ),
];

/// Some of `keys`, at most one in `rarity` of them, as the inside of a flow mapping.
fn some(
    keys: &'static [(&'static str, &'static [&'static str])],
    rarity: u32,
) -> impl Strategy<Value = String> {
    let each: Vec<_> = keys
        .iter()
        .map(|(key, values)| {
            let written = prop::sample::select(*values).prop_map(move |value| format!("{key}: {value}, "));
            prop_oneof![rarity => Just(String::new()), 1 => written]
        })
        .collect();
    each.prop_map(|keys| keys.concat())
}

fn files() -> impl Strategy<Value = String> {
    let pools = prop::collection::vec((some(POOL, 5), some(SETTINGS, 4)), 0..3);
    (some(SECTIONS, 2), some(SETTINGS, 4), pools).prop_map(|(sections, defaults, pools)| {
        let entry = |(index, (own, settings)): (usize, (String, String))| {
            format!("{{name: p{index}, {own}{settings}}}, ")
        };
        let pools: String = pools.into_iter().enumerate().map(entry).collect();
        format!("connection_pool: {{{sections}default_pool: {{{defaults}}}, pools: [{pools}]}}")
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, ..ProptestConfig::default() })]

    #[test]
    fn an_accepted_configuration_comes_back_as_it_was(text in files()) {
        if let Ok(config) = Config::from_yaml(&text, "random.yaml") {
            let yaml = config.to_yaml();
            let back = Config::from_yaml(&yaml, "written.yaml").map_err(|error| TestCaseError::fail(format!("{error}\n{yaml}")))?;
            prop_assert_eq!(&back, &config, "{}", yaml);
            prop_assert!(diff(&config, &back).is_empty());
        }
    }
}

/// Otherwise the test above would show nothing.
#[test]
fn many_of_the_random_configurations_are_accepted() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut accepted = 0;
    for _ in 0..1_000 {
        let text = files().new_tree(&mut runner).unwrap().current();
        accepted += usize::from(Config::from_yaml(&text, "random.yaml").is_ok());
    }
    assert!(accepted > 200, "{accepted} of 1000");
}
