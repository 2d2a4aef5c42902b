use super::*;

fn config(yaml: &str) -> Config {
    Config::from_yaml(&format!("connection_pool:\n{yaml}"), "test.yaml")
        .unwrap_or_else(|error| panic!("{error}"))
}

fn changes(old: &str, new: &str) -> String {
    diff(&config(old), &config(new)).to_string()
}

const ORDERS: &str = "  pools: [{name: orders, database: orders}]";

#[test]
fn what_is_equal_has_no_changes() {
    assert!(diff(&config(ORDERS), &config(ORDERS)).is_empty());
    assert_eq!(
        changes(ORDERS, "  pools:\n    - name: orders\n      database: orders\n      driver: postgres"),
        ""
    );
}

#[test]
fn pools_come_and_go_by_name() {
    let both = "  pools: [{name: orders, database: orders}, {name: audit, database: audit}]";
    assert_eq!(changes(ORDERS, both), "pool \"audit\" added\n");
    assert_eq!(changes(both, ORDERS), "pool \"audit\" removed\n");
    let other_order = "  pools: [{name: audit, database: audit}, {name: orders, database: orders}]";
    assert_eq!(changes(both, other_order), "");
}

#[test]
fn a_pool_that_is_not_enabled_is_not_there() {
    let disabled = "  pools: [{name: orders, database: orders, enabled: false}]";
    assert_eq!(changes(ORDERS, disabled), "pool \"orders\" removed\n");
    assert_eq!(changes(disabled, ORDERS), "pool \"orders\" added\n");
    assert!(changes(ORDERS, &format!("  enabled: false\n{ORDERS}")).starts_with("pool \"orders\" removed\n"));
}

#[test]
fn a_change_of_what_pools_inherit_shows_in_each_that_inherits_it() {
    let old = "  pools: [{name: a, database: a}, {name: b, database: b, max_uses: 1}]";
    insta::assert_snapshot!(changes(old, &format!("  default_pool: {{max_uses: 5}}\n{old}")), @r#"
    pool "a" changed
      max_uses: 0 -> 5 (live)
    default_pool.max_uses: 0 -> 5 (live)
    "#);
}

#[test]
fn all_that_is_about_health_changes_while_the_system_runs() {
    let before = "  pools: [{name: a, database: a}]";
    let after = "  default_pool: {max_waiting: auto}
  pools: [{name: a, database: a, health_check_interval_ms: 5000, circuit_breaker: {enabled: true, open_ms: 500}}]
  health_monitoring: {enabled: false, passive_errors: 0, slow_check_ms: 250}";
    insta::assert_snapshot!(changes(before, after), @r#"
    pool "a" changed
      max_waiting: 0 -> "auto" (live)
      health_check_interval_ms: none -> 5000 (live)
      circuit_breaker.enabled: false -> true (live)
      circuit_breaker.open_ms: 250 -> 500 (live)
    default_pool.max_waiting: 0 -> "auto" (live)
    health_monitoring.enabled: true -> false (live)
    health_monitoring.passive_errors: 5 -> 0 (live)
    health_monitoring.slow_check_ms: 0 -> 250 (live)
    "#);
}

#[test]
fn a_changed_secret_is_told_and_not_shown() {
    let pool = |password: &str| format!("  pools: [{{name: a, database: a, {password}}}]");
    insta::assert_snapshot!(changes(&pool("password: canary1"), &pool("password: canary2")), @r#"
    pool "a" changed
      password: *** -> *** (drain)
    "#);
    insta::assert_snapshot!(changes(&pool("password: canary1"), &pool("password_file: /run/secrets/a")), @r#"
    pool "a" changed
      password: *** -> none (drain)
      password_file: none -> "/run/secrets/a" (drain)
    "#);
    let url = |password: &str| format!("  pools: [{{name: a, url: 'postgres://app:{password}@db/a'}}]");
    let changes = changes(&url("canary1"), &url("canary2"));
    assert!(changes.contains("(drain)") && !changes.contains("canary"), "{changes}");
}

#[test]
fn what_needs_a_restart_is_named() {
    let other = "  pools: [{name: orders, driver: mysql, database: orders}]\n  reload: {interval_ms: 1000}";
    let changes = diff(&config(ORDERS), &config(other));
    let keys: Vec<_> = changes.restart_only().map(|(pool, key)| (pool, key.path.as_str())).collect();
    assert_eq!(keys, [(Some("orders"), "driver"), (None, "reload.interval_ms")]);
    assert_eq!(changes.pool("orders").map(PoolChange::class), Some(ReloadClass::Restart));
}

#[test]
fn a_section_that_may_be_left_out_comes_and_goes_key_by_key() {
    let oauth2 = "  security: {authentication: {method: oauth2, oauth2: {token_url: 'https://login/token', client_id: shop, \
                  client_secret_env: SECRET}}}";
    let gone = changes(oauth2, "  enabled: true");
    assert!(gone.contains(r#"security.authentication.oauth2.client_id: "shop" -> none (drain)"#), "{gone}");
}
