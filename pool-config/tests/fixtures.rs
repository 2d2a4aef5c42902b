//! Whole files load, and mean what their authors expect.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pool_config::{
    Alerts, AuditLog, AuthenticationMethod, CircuitBreakerSettings, Config, ConfigError, Driver, Fairness,
    HealthMonitoring, MaxWaiting, Monitoring, PoolConfig, PoolSettings, Reuse, Security, SessionSettings,
    Sizing, Ssl,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn the_seed_file_loads_and_means_what_it_says() {
    let default_pool = PoolSettings {
        max_connections: 20,
        min_connections: 5,
        health_check_interval: Some(ms(60_000)),
        ..PoolSettings::default()
    };
    let ssl = Ssl {
        enabled: true,
        ca_certificate: Some("/etc/scratchrobin/ssl/ca.crt".into()),
        client_certificate: Some("/etc/scratchrobin/ssl/client.crt".into()),
        client_key: Some("/etc/scratchrobin/ssl/client.key".into()),
        ..Ssl::default()
    };
    let pool = |database: &str, settings| PoolConfig {
        name: database.replace("scratchbird", "scratchbird_main").replace("main_analytics", "analytics"),
        driver: Driver::Postgres,
        host: Some("localhost".to_owned()),
        port: Some(5432),
        database: Some(database.to_owned()),
        ssl: ssl.clone(),
        settings,
        ..PoolConfig::default()
    };
    let main = PoolSettings { max_connections: 15, min_connections: 3, ..default_pool.clone() };
    let analytics = PoolSettings {
        max_connections: 10,
        min_connections: 2,
        acquire_timeout: ms(60_000),
        idle_timeout: ms(600_000),
        ..default_pool.clone()
    };
    let expected = Config {
        pools: vec![pool("scratchbird", main), pool("scratchbird_analytics", analytics)],
        security: Security { ssl: ssl.clone(), ..Security::default() },
        default_pool,
        ..Config::default()
    };
    assert_eq!(Config::from_file(fixture("seed.yaml")).unwrap(), expected);
}

/// The seed file spells out what is also the default; the defaults themselves are pinned here.
#[test]
fn the_built_in_defaults_are_those_of_the_documentation() {
    let config = Config::default();
    assert_eq!(
        config.default_pool,
        PoolSettings {
            max_connections: 10,
            min_connections: 2,
            min_idle: 0,
            acquire_timeout: ms(30_000),
            connect_timeout: ms(5_000),
            validation_timeout: ms(5_000),
            validate_after_idle: ms(500),
            validate_on_return: false,
            idle_timeout: ms(300_000),
            max_lifetime: ms(1_800_000),
            lifetime_jitter: 0.2,
            max_uses: 0,
            keepalive_interval: ms(120_000),
            maintenance_interval: ms(1_000),
            leak_detection_threshold: ms(0),
            max_waiting: MaxWaiting::Callers(0),
            connect_concurrency: 2,
            max_retries: 3,
            retry_delay: ms(1_000),
            fail_fast: true,
            reuse: Reuse::Lifo,
            reserve_connections: 0,
            reset_timeout: ms(5_000),
            health_check_interval: None,
            circuit_breaker: CircuitBreakerSettings {
                enabled: false,
                failure_rate: 0.5,
                minimum_calls: 10,
                consecutive_failures: 5,
                window: ms(30_000),
                window_calls: 0,
                open: ms(250),
                open_max: ms(2_000),
                half_open_permits: 1,
                half_open_max: ms(10_000),
                slow_connect: ms(0),
                slow_rate: 1.0,
            },
            fairness: Fairness::Adaptive,
            sizing: Sizing::Off,
            precise_timing: false,
            session: SessionSettings {
                application_name: None,
                statement_timeout: ms(0),
                idle_in_transaction_timeout: ms(0),
                init_sql: Vec::new(),
                dns_max_ttl: ms(0),
                transaction_pooling: false,
                server_max_connections: 0,
            },
        }
    );
    assert_eq!(
        config.health_monitoring,
        HealthMonitoring {
            enabled: true,
            check_interval: ms(60_000),
            connection_timeout: ms(5_000),
            idle_timeout: ms(300_000),
            enable_automatic_recovery: true,
            max_recovery_attempts: 3,
            unhealthy_threshold: 3,
            healthy_threshold: 2,
            fast_interval: ms(1_000),
            down_interval: ms(5_000),
            interval_jitter: 0.1,
            max_concurrent_checks: 4,
            passive_errors: 5,
            slow_check: ms(0),
        }
    );
    assert_eq!(
        config.monitoring,
        Monitoring {
            enabled: true,
            collection_interval: ms(10_000),
            retention_period: ms(3_600_000),
            tiers: Vec::new(),
            enable_alerts: true,
            connection_utilization_threshold: 0.8,
            utilization_recovery_threshold: None,
            error_rate_threshold: 0.05,
            error_rate_recovery_threshold: None,
            error_rate_min_requests: 20,
            external_labels: BTreeMap::new(),
            alerts: Alerts {
                hold: ms(0),
                keep_firing: ms(0),
                retention: ms(24 * 3_600_000),
                max_history: 1_000,
                group_wait: ms(30_000),
                group_interval: ms(300_000),
                repeat_interval: ms(4 * 3_600_000),
                group_by: vec!["alertname".to_owned(), "pool".to_owned()],
                state_file: None,
                rules: Vec::new(),
                inhibit: Vec::new(),
                receivers: Vec::new(),
            },
            max_memory_bytes: 64 << 20,
            audit_log: AuditLog::default(),
        }
    );
    let ssl = &config.security.ssl;
    assert_eq!((ssl.enabled, ssl.verify_peer, &ssl.ca_certificate), (false, true, &None));
    assert_eq!(config.security.authentication.method, AuthenticationMethod::Database);
    assert_eq!(config.security.authentication.timeout, ms(30_000));
    assert!(config.enabled);
}

#[test]
fn an_empty_configuration_is_the_default_one() {
    for text in ["connection_pool:", "connection_pool: {}", "connection_pool: {pools: [], security: {ssl: }}"]
    {
        assert_eq!(Config::from_yaml(text, "empty.yaml").unwrap(), Config::default(), "{text}");
    }
}

/// A snapshot, to be read once: each value stands at its own field. That no key is left out of the file, a test of the
/// library sees to.
#[test]
fn every_key_reaches_its_own_field() {
    insta::assert_debug_snapshot!(Config::from_file(fixture("every_key.yaml")).unwrap());
}

#[test]
fn anchors_merge_keys_and_notes_are_understood() {
    let config = Config::from_file(fixture("anchors.yaml")).unwrap();
    assert_eq!(config.default_pool.acquire_timeout, ms(2_500));
    assert_eq!(config.default_pool.max_lifetime, ms(1_800_000));
    assert_eq!(config.pool("orders").unwrap().settings.max_connections, 12);
    let reports = &config.pool("reports").unwrap().settings;
    assert_eq!(reports.acquire_timeout, ms(60_000), "a written key wins over a merged one");
}

#[test]
fn the_shipped_example_loads_and_starts_with_a_pool_that_runs_anywhere() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/connection_pool.yaml");
    let config = Config::from_file(path).unwrap();
    let embedded = &config.pools[0];
    assert_eq!((embedded.name.as_str(), embedded.driver), ("embedded", Driver::Sqlite));
    assert_eq!(embedded.database.as_deref(), Some(":memory:"));
    assert_eq!((&embedded.host, embedded.port), (&None, None));
    let settings = &embedded.settings;
    assert_eq!((settings.max_connections, settings.min_connections), (8, 2));
    assert_eq!(settings.acquire_timeout, ms(5_000));
    assert!(config.pools.iter().all(|pool| pool.driver == Driver::Sqlite), "nothing in it needs a server");
    assert!(!config.security.ssl.enabled);
}

#[test]
fn the_commented_out_pool_of_the_shipped_example_is_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/connection_pool.yaml");
    let text = fs::read_to_string(path).unwrap();
    let uncommented: String = text
        .lines()
        .map(|line| match line.strip_prefix("    # ") {
            Some(rest) if rest.starts_with("- ") || rest.starts_with("  ") => format!("    {rest}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    let config = Config::from_yaml(&uncommented, "uncommented.yaml").unwrap();
    assert_eq!(config.pool("orders").unwrap().driver, Driver::Postgres);
}

#[test]
fn a_pool_that_nobody_described_is_not_found() {
    let config = Config::from_file(fixture("minimal.yaml")).unwrap();
    assert_eq!(config.pool("orders").unwrap().name, "orders");
    assert_eq!(config.pool("Orders"), None);
}

#[test]
fn an_address_left_out_is_that_of_a_local_server() {
    let pool = |driver: &str, rest: &str| {
        let text = format!("connection_pool: {{pools: [{{name: a, driver: {driver}, {rest}}}]}}");
        let config = Config::from_yaml(&text, "a.yaml").unwrap();
        (config.pools[0].host.clone(), config.pools[0].port)
    };
    let local = |port| (Some("localhost".to_owned()), Some(port));
    assert_eq!(pool("postgres", "database: a"), local(5432));
    assert_eq!(pool("mysql", "database: a"), local(3306));
    assert_eq!(pool("redis", ""), local(6379));
    assert_eq!(pool("sqlite", "database: a.db"), (None, None));
    assert_eq!(pool("http", "host: api"), (Some("api".to_owned()), None));
    assert_eq!(pool("websocket", "host: api, port: 8080"), (Some("api".to_owned()), Some(8080)));
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let missing = fixture("missing.yaml");
    let error = Config::from_file(&missing).unwrap_err();
    assert_eq!(error.to_string(), format!("read {}", missing.display()));
    assert!(error.problems().is_empty());
    let ConfigError::Io { path, source } = error else { panic!("an error of the file system") };
    assert_eq!(path, missing);
    assert_eq!(source.kind(), std::io::ErrorKind::NotFound);
}

#[test]
fn problems_of_a_file_name_it_as_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("bad.yaml");
    fs::write(&path, "connection_pool: 5").unwrap();
    let error = Config::from_file(&path).unwrap_err();
    assert_eq!(error.problems()[0].source_name, path.display().to_string());
}

#[test]
fn a_file_that_is_not_utf_8_is_refused_at_its_first_bad_byte() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("latin1.yaml");
    fs::write(&path, b"# \xc3\xa4\nname: \xe4\n").unwrap();
    let error = Config::from_file(&path).unwrap_err();
    let problem = &error.problems()[0];
    assert_eq!((problem.line, problem.column), (2, 7));
    assert_eq!(problem.found, "bytes that are not UTF-8");
}

#[test]
fn text_of_ten_mebibytes_loads_and_a_byte_more_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("large.yaml");
    let mut text = String::from("connection_pool:\n");
    while text.len() < 10 * 1024 * 1024 {
        text.push_str("# padding that a human would hardly write, but a broken template might\n");
    }
    text.truncate(10 * 1024 * 1024);
    assert_eq!(Config::from_yaml(&text, "large.yaml").unwrap(), Config::default());
    text.push('#');
    fs::write(&path, &text).unwrap();
    for error in [Config::from_yaml(&text, "large.yaml"), Config::from_file(&path)] {
        assert_eq!(error.unwrap_err().problems()[0].found, "more than 10485760 bytes");
    }
}
