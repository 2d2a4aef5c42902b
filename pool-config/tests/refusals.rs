//! What a configuration may not say, and what the refusal says about it.

use pool_config::{Config, Problem, Severity};

/// Everything that is wrong; what is only worth a warning is not.
fn problems(text: &str) -> Vec<Problem> {
    match Config::from_yaml(text, "test.yaml") {
        Ok(_) => Vec::new(),
        Err(error) => {
            let errors = error.problems().iter().filter(|problem| problem.severity == Severity::Error);
            errors.cloned().collect()
        }
    }
}

/// Path and found of each problem of a PostgreSQL pool named `a` with these further keys.
fn pool(keys: &str) -> Vec<(String, String)> {
    let text = format!("connection_pool: {{pools: [{{name: a, database: a, {keys}}}]}}");
    problems(&text)
        .into_iter()
        .map(|p| (p.path.trim_start_matches("pools[\"a\"].").to_owned(), p.found))
        .collect()
}

/// The same for a pool of which everything but the name is given.
fn address(keys: &str) -> Vec<String> {
    let text = format!("connection_pool: {{pools: [{{name: a, {keys}}}]}}");
    problems(&text).into_iter().map(|p| format!("{}: expected {}", p.path, p.expected)).collect()
}

fn refused(key: &str, found: &str) -> Vec<(String, String)> {
    vec![(key.to_owned(), found.to_owned())]
}

/// Acceptance case J2: unknown key, min > max, zero, negative, keepalive >= lifetime, validation timeout >= acquire
/// timeout; each names pool, key, value and rule, and all come at once.
#[test]
fn j2_every_mistake_is_reported_at_once_with_pool_key_value_and_rule() {
    let text = r#"
connection_pool:
  pools:
    - name: orders
      database: orders
      max_conections: 20
      min_connections: 9
      max_connections: 8
      connect_timeout_ms: 0
      max_waiting: -1
    - name: reports
      database: reports
      keepalive_interval_ms: 60000
      max_lifetime_ms: 60000
      validation_timeout_ms: 5000
      connection_timeout_ms: 5000
"#;
    insta::assert_snapshot!(Config::from_yaml(text, "connection_pool.yaml").unwrap_err(), @r#"
    load connection_pool.yaml: 6 problems
    connection_pool.yaml:6:7: error: pools["orders"].max_conections: found unknown key "max_conections", expected a known key
      |
    6 |       max_conections: 20
      |       ^^^^^^^^^^^^^^
      |
      = help: did you mean `max_connections`?

    connection_pool.yaml:7:24: error: pools["orders"].min_connections: found 9 while max_connections is 8 (line 8), expected min_connections at most max_connections
      |
    7 |       min_connections: 9
      |                        ^
      |
      = help: lower min_connections or raise max_connections

    connection_pool.yaml:9:27: error: pools["orders"].connect_timeout_ms: found 0, expected whole milliseconds from 1 to 31536000000
      |
    9 |       connect_timeout_ms: 0
      |                           ^
      |
      = help: use 1 or more

    connection_pool.yaml:10:20: error: pools["orders"].max_waiting: found -1, expected `auto` or a whole number from 0 to 1000000 (0 = unbounded)
       |
    10 |       max_waiting: -1
       |                    ^^
       |
       = help: use 0 or more

    connection_pool.yaml:13:30: error: pools["reports"].keepalive_interval_ms: found 60000 while max_lifetime_ms is 60000 (line 14), expected keepalive_interval_ms below max_lifetime_ms
       |
    13 |       keepalive_interval_ms: 60000
       |                              ^^^^^
       |
       = help: lower keepalive_interval_ms or raise max_lifetime_ms

    connection_pool.yaml:15:30: error: pools["reports"].validation_timeout_ms: found 5000 while connection_timeout_ms is 5000 (line 16), expected validation_timeout_ms below connection_timeout_ms
       |
    15 |       validation_timeout_ms: 5000
       |                              ^^^^
       |
       = help: lower validation_timeout_ms or raise connection_timeout_ms
    "#);
}

#[test]
fn a_file_with_three_mistakes_reads_well() {
    let text = "\
connection_pool:
  default_pool:
    max_connections: twenty
  pools:
    - name: orders
      driver: postgress
      database: orders
  monitoring:
    error_rate_threshold: 5
";
    insta::assert_snapshot!(Config::from_yaml(text, "config/connection_pool.yaml").unwrap_err(), @r#"
    load config/connection_pool.yaml: 3 problems
    config/connection_pool.yaml:3:22: error: default_pool.max_connections: found "twenty", expected a whole number from 1 to 10000
      |
    3 |     max_connections: twenty
      |                      ^^^^^^
      |
      = help: write a number

    config/connection_pool.yaml:6:15: error: pools["orders"].driver: found "postgress", expected one of postgres, mysql, mariadb, sqlite, redis, http, websocket
      |
    6 |       driver: postgress
      |               ^^^^^^^^^
      |
      = help: did you mean `postgres`?

    config/connection_pool.yaml:9:27: error: monitoring.error_rate_threshold: found 5, expected a number above 0 and at most 1
      |
    9 |     error_rate_threshold: 5
      |                           ^
      |
      = help: 80 % is written 0.8, so 5 % is 0.05
    "#);
}

#[test]
fn one_mistake_is_one_problem() {
    insta::assert_snapshot!(Config::from_yaml("connection_pool: {enabled: yes}", "a.yaml").unwrap_err(), @r#"
    load a.yaml: 1 problem
    a.yaml:1:28: error: enabled: found "yes", expected true or false
      |
    1 | connection_pool: {enabled: yes}
      |                            ^^^
      |
      = help: write true, without quotes
    "#);
}

#[test]
fn broken_yaml_stands_alone() {
    let text = "connection_pool:\n  enabled: maybe\n  pools: [\n";
    insta::assert_snapshot!(Config::from_yaml(text, "a.yaml").unwrap_err(), @"
    load a.yaml: 1 problem
    a.yaml:3:10: error: found unclosed bracket '[', expected valid YAML
      |
    3 |   pools: [
      |          ^
      |
      = help: check indentation, quotes and brackets at and just above this place
    ");
}

#[test]
fn each_number_keeps_to_both_ends_of_its_range() {
    const YEAR: &str = "31536000000";
    let ranges = [
        ("port", "1", "65535"),
        ("max_connections", "1", "10000"),
        ("min_connections", "0", "10000"),
        ("min_idle", "0", "10000"),
        ("reserve_connections", "0", "9999"),
        ("connect_concurrency", "1", "10000"),
        ("max_waiting", "0", "1000000"),
        ("max_uses", "0", "18446744073709551615"),
        ("max_retries", "0", "4294967295"),
        ("connection_timeout_ms", "1", YEAR),
        ("connect_timeout_ms", "1", YEAR),
        ("validation_timeout_ms", "1", YEAR),
        ("validate_after_idle_ms", "0", YEAR),
        ("idle_timeout_ms", "0", YEAR),
        ("max_lifetime_ms", "0", YEAR),
        ("keepalive_interval_ms", "0", YEAR),
        ("maintenance_interval_ms", "1", YEAR),
        ("leak_detection_threshold_ms", "0", YEAR),
        ("retry_delay_ms", "1", YEAR),
        ("reset_timeout_ms", "1", YEAR),
        ("health_check_interval_ms", "1", YEAR),
    ];
    for (key, least, most) in ranges {
        // The widest pool there is, so that only the range of the key itself can be broken.
        let wide = if key == "max_connections" { "" } else { "max_connections: 10000, " };
        let with = |value: &str| pool(&format!("{wide}{key}: {value}"));
        let below = least.parse::<i128>().unwrap() - 1;
        let above = most.parse::<i128>().unwrap() + 1;
        assert_eq!(with(least), [], "{key}");
        assert_eq!(with(most), [], "{key}");
        assert_eq!(with(&below.to_string()), refused(key, &below.to_string()));
        assert_eq!(with(&above.to_string()).len(), 1, "{key}");
    }
}

#[test]
fn wrong_types_are_refused_for_every_kind_of_key() {
    assert_eq!(pool("max_connections: '20'"), refused("max_connections", r#""20""#));
    assert_eq!(pool("idle_timeout_ms: 30s"), refused("idle_timeout_ms", r#""30s""#));
    assert_eq!(pool("max_uses: 1.5"), refused("max_uses", "1.5"));
    assert_eq!(pool("max_uses:"), refused("max_uses", "nothing"));
    assert_eq!(pool("fail_fast: 1"), refused("fail_fast", "1"));
    assert_eq!(pool("reuse: random"), refused("reuse", r#""random""#));
    assert_eq!(pool("lifetime_jitter: high"), refused("lifetime_jitter", r#""high""#));
    assert_eq!(pool("host: 127"), refused("host", "127"));
    assert_eq!(pool("user: [a]"), refused("user", "a list"));
    assert_eq!(pool("lifetime_jitter: 0.6"), refused("lifetime_jitter", "0.6"));
    assert_eq!(pool("max_waiting: automatic"), refused("max_waiting", r#""automatic""#));
    assert_eq!(pool("max_waiting: true"), refused("max_waiting", "true"));
    assert_eq!(pool("circuit_breaker: true"), refused("circuit_breaker", "true"));
}

#[test]
fn each_number_of_a_breaker_keeps_to_both_ends_of_its_range() {
    let ranges = [
        ("failure_rate", None, "0", "1", "1.01"),
        ("slow_rate", None, "0", "1", "1.01"),
        ("minimum_calls", Some("1"), "0", "10000", "10001"),
        ("consecutive_failures", Some("0"), "-1", "10000", "10001"),
        ("window_ms", Some("30"), "29", "86400000", "86400001"),
        ("window_calls", Some("0"), "-1", "10000", "10001"),
        ("open_max_ms", Some("1"), "0", "86400000", "86400001"),
        ("half_open_permits", Some("1"), "0", "1000", "1001"),
        ("half_open_max_ms", Some("0"), "-1", "86400000", "86400001"),
        ("slow_connect_ms", Some("0"), "-1", "31536000000", "31536000001"),
    ];
    for (key, least, below, most, above) in ranges {
        let with = |value: &str| pool(&format!("circuit_breaker: {{enabled: true, {key}: {value}}}"));
        for allowed in least.into_iter().chain([most]) {
            assert_eq!(with(allowed), [], "{key}: {allowed}");
        }
        let path = format!("circuit_breaker.{key}");
        for refused_value in [below, above] {
            assert_eq!(with(refused_value), refused(&path, refused_value));
        }
    }
}

#[test]
fn relations_between_two_keys_are_kept() {
    let below = |key: &str, found: &str| refused(key, found);
    assert_eq!(
        pool("min_connections: 5, max_connections: 4"),
        below("min_connections", "5 while max_connections is 4 (line 1)")
    );
    assert_eq!(pool("min_connections: 4, max_connections: 4"), []);
    assert_eq!(
        pool("min_connections: 11"),
        below("min_connections", "11 while max_connections is 10 (built in)")
    );
    assert_eq!(pool("min_idle: 11"), below("min_idle", "11 while max_connections is 10 (built in)"));
    assert_eq!(pool("min_idle: 10"), []);
    assert_eq!(
        pool("reserve_connections: 10"),
        below("reserve_connections", "10 while max_connections is 10 (built in)")
    );
    assert_eq!(pool("reserve_connections: 9"), []);
    assert_eq!(
        pool("idle_timeout_ms: 5, max_lifetime_ms: 5"),
        below("idle_timeout_ms", "5 while max_lifetime_ms is 5 (line 1)")
    );
    assert_eq!(pool("idle_timeout_ms: 4, max_lifetime_ms: 5"), []);
    assert_eq!(
        pool("keepalive_interval_ms: 6, max_lifetime_ms: 5"),
        below("keepalive_interval_ms", "6 while max_lifetime_ms is 5 (line 1)")
    );
    assert_eq!(
        pool("validation_timeout_ms: 5, connection_timeout_ms: 5"),
        below("validation_timeout_ms", "5 while connection_timeout_ms is 5 (line 1)")
    );
    let breaker = |keys: &str| pool(&format!("circuit_breaker: {{enabled: true, {keys}}}"));
    assert_eq!(
        breaker("open_ms: 2001"),
        below("circuit_breaker.open_ms", "2001 while open_max_ms is 2000 (built in)")
    );
    assert_eq!(breaker("open_ms: 2000"), []);
    assert_eq!(breaker("open_max_ms: 10"), [], "what is built in gives way");
    assert_eq!(
        breaker("minimum_calls: 6, window_calls: 5"),
        below("circuit_breaker.minimum_calls", "6 while window_calls is 5 (line 1)")
    );
    assert_eq!(breaker("window_calls: 5"), [], "what is built in gives way");
    assert_eq!(breaker("window_calls: 0, minimum_calls: 6"), [], "the window is of time");
    assert_eq!(
        breaker("window_calls: 20, window_ms: 5000"),
        below("circuit_breaker.window_ms", "5000 while window_calls is 20")
    );
}

#[test]
fn a_time_that_is_off_breaks_no_relation() {
    assert_eq!(pool("keepalive_interval_ms: 0, max_lifetime_ms: 5, idle_timeout_ms: 0"), []);
    assert_eq!(pool("keepalive_interval_ms: 9, max_lifetime_ms: 0, idle_timeout_ms: 9"), []);
}

#[test]
fn a_relation_is_not_judged_with_a_value_that_was_refused() {
    assert_eq!(pool("min_connections: 20, max_connections: many"), refused("max_connections", r#""many""#));
    assert_eq!(pool("min_connections: -1, max_connections: 1"), refused("min_connections", "-1"));
}

#[test]
fn a_relation_broken_by_inheritance_is_reported_where_the_pool_breaks_it() {
    let text = "\
connection_pool:
  default_pool:
    min_connections: 5
  pools:
    - {name: a, database: a, max_connections: 4}
    - {name: b, database: b}
";
    let problems = problems(text);
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].line, problems[0].column), (5, 47));
    assert_eq!(problems[0].path, r#"pools["a"].max_connections"#);
    assert_eq!(problems[0].found, "4 while min_connections is 5 (line 3)");
    assert_eq!(problems[0].expected, "min_connections at most max_connections");
}

#[test]
fn a_relation_broken_in_the_default_pool_is_reported_once() {
    let text = "\
connection_pool:
  default_pool: {min_connections: 5, max_connections: 4}
  pools: [{name: a, database: a}, {name: b, database: b}]
";
    let paths: Vec<_> = problems(text).into_iter().map(|problem| problem.path).collect();
    assert_eq!(paths, ["default_pool.min_connections"]);
}

#[test]
fn a_file_without_its_main_section_is_refused() {
    for text in ["", "# nothing\n", "~", "x-note: 1"] {
        let problems = problems(text);
        assert_eq!(problems.len(), 1, "{text:?}");
        assert_eq!((problems[0].path.as_str(), problems[0].found.as_str()), ("connection_pool", "nothing"));
    }
    assert_eq!(problems("just text")[0].found, "text");
}

#[test]
fn a_pool_has_a_name_of_its_own() {
    let names = |pools: &str| -> Vec<_> {
        let problems = problems(&format!("connection_pool: {{pools: [{pools}]}}"));
        problems.into_iter().map(|p| format!("{}: {}", p.path, p.found)).collect()
    };
    assert_eq!(names("{database: a}"), ["pools[0].name: nothing"]);
    assert_eq!(names("{name: '', database: a}"), ["pools[0].name: empty text"]);
    assert_eq!(names("{name: 5, database: a}"), ["pools[0].name: 5"]);
    assert_eq!(
        names("{name: a, database: a}, {name: a, database: b}"),
        [r#"pools[1].name: "a", which line 1 has already"#]
    );
}

#[test]
fn an_address_holds_what_its_driver_needs_and_nothing_else() {
    let path = |key: &str, rest: &str| format!(r#"pools["a"].{key}: expected {rest}"#);
    let needs = |key: &str, driver: &str| vec![path(key, &format!("a {key}: driver {driver} needs one"))];
    let has_no = |key: &str, driver: &str| vec![path(key, &format!("no {key}: driver {driver} has none"))];
    assert_eq!(address("port: 5432"), needs("database", "postgres"));
    assert_eq!(address("driver: mariadb"), needs("database", "mysql"));
    assert_eq!(address("driver: sqlite"), needs("database", "sqlite"));
    assert_eq!(address("driver: http"), needs("host", "http"));
    assert_eq!(address("driver: websocket"), needs("host", "websocket"));
    assert_eq!(address("driver: redis, database: '3', user: u"), [""; 0]);
    assert_eq!(address("driver: sqlite, database: a, host: b"), has_no("host", "sqlite"));
    assert_eq!(address("driver: sqlite, database: a, port: 1"), has_no("port", "sqlite"));
    assert_eq!(address("driver: sqlite, database: a, user: b"), has_no("user", "sqlite"));
    assert_eq!(address("driver: http, host: a, database: b"), has_no("database", "http"));
    assert_eq!(address("driver: oracle").len(), 1, "the address of an unknown driver is not judged");
    assert_eq!(address("database: 5").len(), 1, "a database that was refused is not missing");
}

#[test]
fn credentials_are_refused_and_never_repeated() {
    let text = "connection_pool: {pools: [{name: a, database: a, user: [app], password: [canary]}, \
                'postgres://app:canary@db/a', {name: b, database: b, driver: 'postgres://app:canary@db/b'}, \
                {name: c, database: c, pasword: canary}]}";
    let error = Config::from_yaml(text, "a.yaml").unwrap_err();
    assert_eq!(error.problems().len(), 5, "{error}");
    assert!(!format!("{error} {error:?} {}", error.render(true)).contains("canary"), "{error}");
}

#[test]
fn unknown_keys_of_every_section_are_found() {
    let text = "
connections_pool: {}
connection_pool:
  enable: true
  default_pool: {max_conections: 5}
  health_monitoring: {checkInterval: 5}
  monitoring: {enable-alerts: true}
  security: {tls: {}, ssl: {ca_certficate: a}, authentication: {mode: ldap}}
";
    let found: Vec<_> = problems(text).into_iter().map(|p| format!("{} -> {}", p.path, p.help)).collect();
    assert_eq!(
        found,
        [
            "connections_pool -> did you mean `connection_pool`?",
            "enable -> did you mean `enabled`?",
            "default_pool.max_conections -> did you mean `max_connections`?",
            "health_monitoring.checkInterval -> did you mean `check_interval_ms`?",
            "monitoring.enable-alerts -> did you mean `enable_alerts`?",
            "security.tls -> remove it, or let its name start with `x-` to have it ignored",
            "security.ssl.ca_certficate -> did you mean `ca_certificate`?",
            "security.authentication.mode -> remove it, or let its name start with `x-` to have it ignored",
        ]
    );
}

#[test]
fn a_client_certificate_and_its_key_come_together() {
    let ssl = |keys: &str| -> Vec<_> {
        let problems = problems(&format!("connection_pool: {{security: {{ssl: {{{keys}}}}}}}"));
        problems.into_iter().map(|p| format!("{}: {}", p.path, p.found)).collect()
    };
    assert_eq!(ssl("client_certificate: a"), ["security.ssl.client_key: nothing"]);
    assert_eq!(ssl("client_key: a"), ["security.ssl.client_certificate: nothing"]);
    assert_eq!(ssl("client_key: a, client_certificate: b"), [""; 0]);
    assert_eq!(ssl("client_key: a, client_certificate: 5"), ["security.ssl.client_certificate: 5"]);
}

#[test]
fn the_other_sections_keep_to_their_ranges() {
    let found = |text: &str| -> Vec<_> {
        let problems = problems(&format!("connection_pool: {{{text}}}"));
        problems.into_iter().map(|p| format!("{}: {}", p.path, p.found)).collect()
    };
    for key in ["check_interval_ms", "connection_timeout_ms", "max_recovery_attempts"] {
        assert_eq!(
            found(&format!("health_monitoring: {{{key}: 0}}")),
            [format!("health_monitoring.{key}: 0")]
        );
    }
    assert_eq!(found("health_monitoring: {idle_timeout_ms: 0}"), [""; 0]);
    for key in ["collection_interval_ms", "retention_period_ms", "error_rate_threshold"] {
        assert_eq!(found(&format!("monitoring: {{{key}: 0}}")), [format!("monitoring.{key}: 0")]);
    }
    assert_eq!(
        found("monitoring: {connection_utilization_threshold: 1.1}"),
        ["monitoring.connection_utilization_threshold: 1.1"]
    );
    assert_eq!(
        found("security: {authentication: {method: kerberos}}"),
        [r#"security.authentication.method: "kerberos""#]
    );
    assert_eq!(
        found("security: {authentication: {timeout_ms: 0}}"),
        ["security.authentication.timeout_ms: 0"]
    );
}

#[test]
fn a_history_holds_at_least_two_measurements() {
    let found = |keys: &str| -> Vec<_> {
        let problems = problems(&format!("connection_pool: {{monitoring: {{{keys}}}}}"));
        problems.into_iter().map(|p| format!("{}: {}", p.path, p.found)).collect()
    };
    assert_eq!(found("retention_period_ms: 20000"), [""; 0]);
    assert_eq!(
        found("retention_period_ms: 19999"),
        ["monitoring.retention_period_ms: 19999 while collection_interval_ms is 10000"]
    );
    assert_eq!(
        found("collection_interval_ms: 1800001"),
        ["monitoring.collection_interval_ms: 1800001 while retention_period_ms is 3600000 (built in)"]
    );
    assert_eq!(found("collection_interval_ms: 1800001, retention_period_ms: 0").len(), 1);
}
