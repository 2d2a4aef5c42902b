//! Pools inherit key by key: from `default_pool`, then from what is built in.

use std::time::Duration;

use pool_config::{CircuitBreakerSettings, Config, PoolSettings};

/// The settings of the only pool of a file, given the keys of `default_pool` and of the pool.
fn resolved(default_pool: &str, pool: &str) -> PoolSettings {
    let text = format!(
        "connection_pool: {{default_pool: {{{default_pool}}}, pools: [{{name: a, database: a, {pool}}}]}}"
    );
    let config =
        Config::from_yaml(&text, "inheritance.yaml").unwrap_or_else(|error| panic!("{text}: {error}"));
    config.pools[0].settings.clone()
}

#[test]
fn a_pool_that_sets_nothing_has_the_built_in_defaults() {
    assert_eq!(resolved("", ""), PoolSettings::default());
}

#[test]
fn a_pool_inherits_each_key_it_does_not_set() {
    let settings = resolved("max_connections: 30, max_retries: 9, fail_fast: false", "max_connections: 40");
    let expected =
        PoolSettings { max_connections: 40, max_retries: 9, fail_fast: false, ..PoolSettings::default() };
    assert_eq!(settings, expected);
}

#[test]
fn a_pool_may_go_back_to_a_value_that_is_also_the_default() {
    assert_eq!(resolved("max_uses: 5, reuse: fifo", "max_uses: 0, reuse: lifo"), PoolSettings::default());
}

#[test]
fn pools_do_not_inherit_from_each_other() {
    let text = "connection_pool: {pools: [{name: a, database: a, max_uses: 5}, {name: b, database: b}]}";
    let config = Config::from_yaml(text, "inheritance.yaml").unwrap();
    assert_eq!(config.pool("b").unwrap().settings.max_uses, 0);
}

#[test]
fn a_minimum_that_nobody_wrote_follows_a_smaller_maximum() {
    assert_eq!(resolved("", "max_connections: 1").min_connections, 1);
    assert_eq!(resolved("max_connections: 1", "").min_connections, 1);
    assert_eq!(resolved("", "max_connections: 2").min_connections, 2);
}

#[test]
fn a_minimum_that_followed_the_default_pool_does_not_stay_low() {
    assert_eq!(resolved("max_connections: 1", "max_connections: 50").min_connections, 2);
}

#[test]
fn a_breaker_is_inherited_key_by_key() {
    let breaker = |default_pool: &str, pool: &str| {
        let section = |keys: &str| format!("circuit_breaker: {{{keys}}}");
        resolved(&section(default_pool), &section(pool)).circuit_breaker
    };
    let expected = CircuitBreakerSettings {
        enabled: true,
        failure_rate: 0.25,
        half_open_permits: 3,
        ..CircuitBreakerSettings::default()
    };
    assert_eq!(breaker("enabled: true, failure_rate: 0.25", "half_open_permits: 3"), expected);
    assert_eq!(breaker("enabled: true", "enabled: false"), CircuitBreakerSettings::default());
}

#[test]
fn what_is_built_into_a_breaker_follows_what_is_written() {
    let breaker =
        |keys: &str| resolved("", &format!("circuit_breaker: {{enabled: true, {keys}}}")).circuit_breaker;
    assert_eq!(breaker("open_max_ms: 100").open, Duration::from_millis(100));
    assert_eq!(breaker("window_calls: 4").minimum_calls, 4);
    assert_eq!(breaker("window_calls: 40").minimum_calls, 10);
}

#[test]
fn the_default_pool_is_resolved_too() {
    let config =
        Config::from_yaml("connection_pool: {default_pool: {max_connections: 1}}", "a.yaml").unwrap();
    assert_eq!((config.default_pool.max_connections, config.default_pool.min_connections), (1, 1));
}

#[test]
fn times_that_nobody_wrote_do_not_make_a_file_wrong() {
    let minute = Duration::from_secs(60);
    let settings = resolved("", "max_lifetime_ms: 60000, connection_timeout_ms: 1000");
    assert_eq!(settings.max_lifetime, minute);
    assert!(settings.keepalive_interval > minute && settings.idle_timeout > minute);
    assert!(settings.validation_timeout > settings.acquire_timeout);
    resolved("", "keepalive_interval_ms: 3600000, idle_timeout_ms: 3600000, validation_timeout_ms: 60000");
}
