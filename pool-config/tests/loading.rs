//! Files, overlays and variables become one configuration.

use std::fs;
use std::path::PathBuf;

use pool_config::{ConfigError, Loaded, Loader, Severity};
use tempfile::TempDir;

const BASE: &str = "\
connection_pool:
  default_pool:
    max_connections: 10
  pools:
    - name: orders
      database: orders
      host: base.example
    - name: reports
      database: reports
";

/// A directory with `connection_pool.yaml` and overlays by environment.
struct Files(TempDir);

impl Files {
    fn new(base: &str, overlays: &[(&str, &str)]) -> Self {
        let files = Self(tempfile::tempdir().expect("a directory for temporary files"));
        fs::write(files.base(), base).expect("a file in it");
        for (environment, text) in overlays {
            fs::write(files.overlay(environment), text).expect("another file in it");
        }
        files
    }

    fn base(&self) -> PathBuf {
        self.0.path().join("connection_pool.yaml")
    }

    fn overlay(&self, environment: &str) -> PathBuf {
        self.0.path().join(format!("connection_pool.{environment}.yaml"))
    }

    fn load(&self, loader: &Loader) -> Result<Loaded, ConfigError> {
        loader.load(self.base())
    }

    /// The text of an error, without the directory, which is another one each time.
    fn shown(&self, error: &ConfigError) -> String {
        error.to_string().replace(&format!("{}/", self.0.path().display()), "")
    }
}

fn with(variables: &[(&str, &str)]) -> Loader {
    Loader::new().variables(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

#[test]
fn a_key_is_taken_from_a_variable_before_the_overlay_before_the_file() {
    let overlay = "connection_pool: {default_pool: {max_connections: 20, min_connections: 3}}";
    let files = Files::new(BASE, &[("production", overlay)]);
    let sizes = |loader: Loader| {
        let settings = files.load(&loader).unwrap().config.pools[0].settings.clone();
        (settings.max_connections, settings.min_connections)
    };
    let variable = ("POOL__DEFAULT_POOL__MAX_CONNECTIONS", "30");
    assert_eq!(sizes(with(&[])), (10, 2));
    assert_eq!(sizes(with(&[]).environment("production")), (20, 3));
    assert_eq!(sizes(with(&[variable]).environment("production")), (30, 3));
    assert_eq!(sizes(with(&[variable])), (30, 2));
}

#[test]
fn an_own_key_of_a_pool_wins_over_the_default_pool_of_the_overlay() {
    let base = "connection_pool: {pools: [{name: a, database: a, max_connections: 5}]}";
    let files = Files::new(base, &[("test", "connection_pool: {default_pool: {max_connections: 9}}")]);
    let loaded = files.load(&with(&[]).environment("test")).unwrap();
    assert_eq!(loaded.config.pools[0].settings.max_connections, 5);
}

#[test]
fn an_overlay_that_switches_alerts_off_is_not_warned_of() {
    let base = "connection_pool: {monitoring: {alerts: {receivers: [{name: log, type: log}]}}}";
    let files = Files::new(base, &[("development", "connection_pool: {monitoring: {enable_alerts: false}}")]);
    let loaded = files.load(&with(&[]).environment("development")).unwrap();
    assert!(!loaded.config.monitoring.enable_alerts);
    assert_eq!(loaded.warnings, []);
}

#[test]
fn an_overlay_changes_adds_and_takes_away() {
    let overlay = "\
connection_pool:
  pools:
    - name: reports
      host: reports.example
    - name: orders
      host: ~
    - {name: cache, driver: redis}
  monitoring:
    # nothing yet
";
    let files = Files::new(BASE, &[("production", overlay)]);
    let loaded = files.load(&with(&[]).environment("production")).unwrap();
    let pools: Vec<_> =
        loaded.config.pools.iter().map(|pool| (pool.name.as_str(), pool.host.as_deref().unwrap())).collect();
    assert_eq!(pools, [("orders", "localhost"), ("reports", "reports.example"), ("cache", "localhost")]);
    assert_eq!(loaded.files, [files.base(), files.overlay("production")]);
    assert_eq!(loaded.environment.as_deref(), Some("production"));
}

#[test]
fn the_environment_is_that_of_the_loader_or_else_of_the_variable() {
    let overlay = |n: u32| format!("connection_pool: {{default_pool: {{max_uses: {n}}}}}");
    let files = Files::new(BASE, &[("a", &overlay(1)), ("b", &overlay(2))]);
    let uses = |loader: Loader| files.load(&loader).unwrap().config.default_pool.max_uses;
    assert_eq!(uses(with(&[])), 0);
    assert_eq!(uses(with(&[("POOL_ENV", "")])), 0);
    assert_eq!(uses(with(&[("POOL_ENV", "a")])), 1);
    assert_eq!(uses(with(&[("POOL_ENV", "a")]).environment("b")), 2);
}

#[test]
fn an_environment_without_an_overlay_is_an_error_that_names_the_file() {
    let files = Files::new(BASE, &[]);
    for loader in [with(&[]).environment("staging"), with(&[("POOL_ENV", "staging")])] {
        let error = files.load(&loader).unwrap_err();
        assert_eq!(
            files.shown(&error),
            "find connection_pool.staging.yaml, the overlay of environment staging"
        );
        assert!(matches!(error, ConfigError::NoOverlay { path, .. } if path == files.overlay("staging")));
    }
}

#[test]
fn an_environment_cannot_lead_out_of_the_directory() {
    let files = Files::new(BASE, &[]);
    for name in ["../x", "a/b", "", "a b", "a.b", "é"] {
        let error = files.load(&with(&[]).environment(name)).unwrap_err();
        assert!(matches!(error, ConfigError::EnvironmentName { .. }), "{name}: {error}");
    }
    let error = files.load(&with(&[("POOL_ENV", "../x")])).unwrap_err();
    assert_eq!(error.to_string(), "use environment \"../x\": its name may hold letters, digits, `-` and `_`");
}

#[test]
fn problems_of_all_sources_come_at_once_each_from_its_own() {
    let base = "\
connection_pool:
  default_pool:
    max_connections: ten
    max_connections: 10
  pools:
    - name: orders
      database: ${ORDERS_DATABASE}
      host: ${ORDERS_HOST:-localhost}
      min_connections: 5
";
    let overlay = "\
connection_pool:
  default_pool: {max_lifetime: 5}
  pools:
    - {name: orders, max_connections: 4, port: '${ORDERS_PORT}'}
";
    let files = Files::new(base, &[("production", overlay)]);
    let variables = [
        ("ORDERS_PORT", "54321canary"),
        ("POOL__POOLS__ordres__PORT", "5432"),
        ("POOL__POOLS__orders__PASSWORD_FIEL", "canary"),
        ("POOL__MONITORING__ENABLED", "maybe"),
    ];
    let error = files.load(&with(&variables).environment("production")).unwrap_err();
    let shown = files.shown(&error);
    assert!(!shown.contains("canary"), "{shown}");
    insta::assert_snapshot!(shown, @r#"
    load connection_pool.yaml: 9 problems
    connection_pool.yaml:3:22: error: default_pool.max_connections: found "ten", expected a whole number from 1 to 10000
      |
    3 |     max_connections: ten
      |                      ^^^
      |
      = help: write a number

    connection_pool.yaml:4:5: error: found key "max_connections" for the second time, expected each key once
      |
    4 |     max_connections: 10
      |     ^^^^^^^^^^^^^^^
      |
      = help: remove one of the two

    connection_pool.yaml:7:17: error: pools["orders"].database: found variable ORDERS_DATABASE, which is not set, expected a variable that is set
      |
    7 |       database: ${ORDERS_DATABASE}
      |                 ^^^^^^^^^^^^^^^^^^
      |
      = help: set ORDERS_DATABASE, or give it a default: ${ORDERS_DATABASE:-…}

    connection_pool.yaml:9:24: error: pools["orders"].min_connections: found 5 while max_connections is 4 (connection_pool.production.yaml line 4), expected min_connections at most max_connections
      |
    9 |       min_connections: 5
      |                        ^
      |
      = help: lower min_connections or raise max_connections

    connection_pool.production.yaml:2:18: error: default_pool.max_lifetime: found unknown key "max_lifetime", expected a known key
      |
    2 |   default_pool: {max_lifetime: 5}
      |                  ^^^^^^^^^^^^
      |
      = help: did you mean `max_lifetime_ms`?

    connection_pool.production.yaml:4:48: error: pools["orders"].port: found "${ORDERS_PORT}", expected a whole number from 1 to 65535
      |
    4 |     - {name: orders, max_connections: 4, port: '${ORDERS_PORT}'}
      |                                                ^^^^^^^^^^^^^^^^
      |
      = help: let the variable hold a number

    environment variable POOL__MONITORING__ENABLED: error: monitoring.enabled: found "maybe", expected true or false
      |
    1 | POOL__MONITORING__ENABLED=maybe
      |                           ^^^^^
      |
      = help: let the variable hold true or false

    environment variable POOL__POOLS__orders__PASSWORD_FIEL: error: pools["orders"].password_fiel: found unknown key "password_fiel", expected a known key
      |
    1 | POOL__POOLS__orders__PASSWORD_FIEL=***
      | ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `password_file`?

    environment variable POOL__POOLS__ordres__PORT: error: pools: found unknown pool "ordres", expected the name of a pool in the file
      |
    1 | POOL__POOLS__ordres__PORT=5432
      | ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `orders`?
    "#);
}

#[test]
fn a_broken_overlay_stands_alone_with_what_is_broken_in_the_file() {
    let files = Files::new("connection_pool: [", &[("test", "connection_pool: {pools: ]")]);
    let error = files.load(&with(&[]).environment("test")).unwrap_err();
    assert_eq!(error.problems().len(), 2);
    let files = Files::new("connection_pool: {enabled: maybe}", &[("test", "a: [")]);
    let error = files.load(&with(&[]).environment("test")).unwrap_err();
    assert_eq!(error.problems().len(), 1, "{error}");
    assert!(error.problems()[0].source_name.ends_with("connection_pool.test.yaml"));
}

#[test]
fn a_reference_that_another_source_replaces_is_not_looked_at() {
    let base = "connection_pool: {pools: [{name: a, database: '${NOT_SET}', user: '${NOT_SET}'}]}";
    let files = Files::new(base, &[("test", "connection_pool: {pools: [{name: a, database: a}]}")]);
    let loaded = files.load(&with(&[("POOL__POOLS__a__USER", "${LITERAL}")]).environment("test")).unwrap();
    assert_eq!(loaded.config.pools[0].user.as_deref(), Some("${LITERAL}"));
}

#[test]
fn numbers_and_flags_may_come_from_variables() {
    let text = "connection_pool: {enabled: '${ENABLED}', pools: [{name: a, database: '${NUMBER}', \
                max_connections: '${NUMBER}', lifetime_jitter: '0.${NUMBER}'}]}";
    let loader = with(&[
        ("ENABLED", "false"),
        ("NUMBER", "12"),
        ("POOL__POOLS__a__VALIDATE_ON_RETURN", "true"),
        ("POOL__POOLS__a__MIN_CONNECTIONS", "7"),
        ("POOL__POOLS__a__USER", "7"),
    ]);
    let config = loader.load_text(text, "a.yaml").unwrap().config;
    let pool = config.pool("a").unwrap();
    assert!(!config.enabled && pool.settings.validate_on_return);
    assert_eq!((pool.settings.max_connections, pool.settings.min_connections), (12, 7));
    assert_eq!((pool.database.as_deref(), pool.user.as_deref()), (Some("12"), Some("7")));
    assert_eq!(pool.settings.lifetime_jitter, 0.12);
}

#[test]
fn a_loader_without_variables_depends_on_the_text_alone() {
    let text = "connection_pool: {pools: [{name: a, database: '${PATH}'}]}";
    let error = Loader::without_variables().load_text(text, "a.yaml").unwrap_err();
    assert_eq!(error.problems()[0].found, "variable PATH, which is not set");
    assert_eq!(Loader::new().load_text(text, "a.yaml").unwrap().config.pools.len(), 1);
}

#[test]
fn a_loader_does_not_show_the_variables_it_knows() {
    let loader = with(&[("NAME", "canary")]);
    assert!(!format!("{loader:?}").contains("canary"));
    let loaded =
        loader.load_text("connection_pool: {pools: [{name: a, database: a, password: '${NAME}'}]}", "a");
    assert!(!format!("{loaded:?}").contains("canary"));
}

#[test]
fn warnings_come_with_the_configuration_or_with_the_errors() {
    let text = "connection_pool: {security: {ssl: {enabled: true, verify_peer: false}}}";
    let loaded = with(&[]).load_text(text, "a.yaml").unwrap();
    assert!(loaded.warnings.iter().all(|problem| problem.severity == Severity::Warning));
    assert_eq!(loaded.warnings.len(), 1, "{:?}", loaded.warnings);
    let text = text.replace("connection_pool: {", "connection_pool: {enabled: 5, ");
    let error = with(&[]).load_text(&text, "a.yaml").unwrap_err();
    assert!(error.to_string().starts_with("load a.yaml: 1 problem and 1 warning\n"), "{error}");
}

/// Loads `text`, which is refused with a message of bounded length. How long that takes, `cargo bench -p pool-config` tells.
fn refused_in_short(text: &str) -> ConfigError {
    let error = with(&[]).load_text(text, "hostile.yaml").expect_err("it is refused");
    let shown = error.to_string();
    assert!(shown.len() < 5_000_000, "{} bytes", shown.len());
    assert!(shown.lines().all(|line| line.chars().count() < 4_000), "a line is too long");
    error
}

#[test]
fn a_hundred_thousand_problems_are_counted_and_a_thousand_shown() {
    let keys: String = (0..100_000).map(|n| format!("  key_{n}: 1\n")).collect();
    let error = refused_in_short(&format!("connection_pool:\n{keys}"));
    assert_eq!(error.problems().len(), 1_000);
    let shown = error.to_string();
    assert!(
        shown.starts_with("load hostile.yaml: 100000 problems\n") && shown.ends_with("\n… and 99000 more")
    );
}

#[test]
fn problems_on_one_line_of_a_megabyte_are_shown_in_short() {
    let keys: Vec<_> = (0..60_000).map(|n| format!("key_number_{n}: 1")).collect();
    refused_in_short(&format!("{{connection_pool: {{{}}}}}", keys.join(", ")));
}

#[test]
fn a_value_of_a_megabyte_is_shown_in_short() {
    for value in ["x", "'", "\"", "${A}", "$", "a@", "://", "password=", "#", " #", "&a ", "é"] {
        let long = value.repeat((1 << 20) / value.len());
        refused_in_short(&format!("connection_pool: {{enabled: {long}"));
        refused_in_short(&format!("connection_pool: {{enabled: \"{long}"));
        refused_in_short(&format!("connection_pool:\n  enabled: x{long}\n"));
    }
}

#[test]
fn ten_megabytes_are_refused_in_short() {
    let size = 10 * 1024 * 1024 - 100;
    refused_in_short(&format!("connection_pool: {{enabled: {}}}", "x".repeat(size)));
    refused_in_short(&"[".repeat(size));
    refused_in_short(&"\n".repeat(size));
    refused_in_short(&"password: canary\n".repeat(size / 17));
    refused_in_short(&format!("x: {}\n]", "\n".repeat(size - 10)));
    refused_in_short(&"x".repeat(size + 200));
}

#[test]
fn junk_is_refused() {
    let files = Files::new("", &[]);
    let utf_16: Vec<u8> = BASE.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let with_mark: Vec<u8> = [0xff, 0xfe].into_iter().chain(utf_16.clone()).collect();
    let binary: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    for junk in [utf_16, with_mark, binary, vec![0; 1_000], vec![0x1f, 0x8b, 8, 0]] {
        fs::write(files.base(), junk).unwrap();
        let error = files.load(&with(&[])).unwrap_err();
        assert_eq!(error.problems().len(), 1, "{error}");
        assert!(!error.to_string().contains('\0'));
    }
}
