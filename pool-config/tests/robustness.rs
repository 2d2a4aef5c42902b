//! No input makes loading panic, and what loads keeps every rule.

use std::fs;

use pool_config::{Config, ConfigError, Loader};
use proptest::prelude::*;

const SEED: &str = include_str!("fixtures/seed.yaml");

/// Loads `text`; checks what holds for every outcome.
fn load(text: &str) -> Option<Config> {
    match Config::from_yaml(text, "random.yaml") {
        Ok(config) => Some(config),
        Err(error @ ConfigError::Invalid { .. }) => {
            let problems = error.problems();
            assert!(!problems.is_empty(), "refused without a reason: {text:?}");
            assert!(error.render(true).len() >= error.to_string().len());
            for problem in problems {
                // A problem may stand just after the last line, where something is missing.
                let lines = text.matches(['\r', '\n']).count() + 1;
                assert!((1..=lines).contains(&(problem.line as usize)), "{problem} in {text:?}");
                assert!(problem.column >= 1, "{problem} in {text:?}");
                assert!(!problem.help.is_empty(), "{problem} in {text:?}");
            }
            None
        }
        Err(other) => panic!("{other} for text in memory"),
    }
}

/// Writes a file and its overlay, and loads both with these variables; all that counts is that nothing panics and that
/// what is refused has a reason.
fn load_all(base: &str, overlay: &str, variables: &[(String, String)]) {
    let directory = tempfile::tempdir().expect("a directory for temporary files");
    let file = directory.path().join("a.yaml");
    fs::write(&file, base).expect("a file in it");
    fs::write(directory.path().join("a.test.yaml"), overlay).expect("another file in it");
    let loader = Loader::new().environment("test").variables(variables.iter().cloned());
    match loader.load(&file) {
        Ok(loaded) => check_rules(&loaded.config),
        Err(error) => assert!(!error.problems().is_empty() && !error.to_string().is_empty(), "{error}"),
    }
}

fn check_rules(config: &Config) {
    for settings in config.pools.iter().map(|pool| &pool.settings).chain([&config.default_pool]) {
        assert!((1..=10_000).contains(&settings.max_connections));
        assert!(settings.min_connections <= settings.max_connections);
        assert!(settings.min_idle <= settings.max_connections);
        assert!(settings.reserve_connections < settings.max_connections);
        assert!(!settings.acquire_timeout.is_zero());
        assert!((0.0..=0.5).contains(&settings.lifetime_jitter));
    }
    let mut names: Vec<_> = config.pools.iter().map(|pool| pool.name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), config.pools.len());
}

/// A key of the schema, or nearly one.
fn key() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "connection_pool",
        "default_pool",
        "pools",
        "name",
        "driver",
        "database",
        "host",
        "max_connections",
        "min_connections",
        "min_idle",
        "reserve_connections",
        "connection_timeout_ms",
        "validation_timeout_ms",
        "max_lifetime_ms",
        "lifetime_jitter",
        "max_conections",
        "x-note",
        "<<",
        "? []",
        "''",
    ])
}

/// A value that fits some key, and many that fit none.
fn scalar() -> impl Strategy<Value = String> {
    prop_oneof![
        (-3_i64..40).prop_map(|n| n.to_string()),
        any::<f64>().prop_map(|n| n.to_string()),
        prop::sample::select(vec![
            "a",
            "b",
            "'${A}'",
            "'${B:-1}'",
            "\"${C:?c}\"",
            "'${'",
            "sqlite",
            "true",
            "~",
            "''",
            "*a",
            "&a 1",
            ".nan",
            "!!int x",
            "!t y",
            "30s",
            "0x"
        ])
        .prop_map(str::to_owned),
    ]
}

/// A document of nested sections and lists of them, in flow style.
fn document() -> impl Strategy<Value = String> {
    let tree = scalar().prop_recursive(4, 40, 6, |inner| {
        let section = prop::collection::vec((key(), inner.clone()), 0..6).prop_map(|entries| {
            let entries: Vec<_> = entries.iter().map(|(key, value)| format!("{key}: {value}")).collect();
            format!("{{{}}}", entries.join(", "))
        });
        let list = prop::collection::vec(inner, 0..4).prop_map(|items| format!("[{}]", items.join(", ")));
        prop_oneof![3 => section, 1 => list]
    });
    tree.prop_map(|tree| format!("connection_pool: {tree}"))
}

/// Variables that documents refer to, and that set keys or fail to.
fn variables() -> impl Strategy<Value = Vec<(String, String)>> {
    let step = prop::sample::select(vec![
        "DEFAULT_POOL",
        "POOLS",
        "a",
        "b",
        "NAME",
        "MAX_CONNECTIONS",
        "lifetime_jitter",
        "",
        "X",
        "MONITORING",
    ]);
    let set = prop::collection::vec(step, 0..4).prop_map(|steps| format!("POOL__{}", steps.join("__")));
    let name = prop_oneof![Just("A".to_owned()), Just("C".to_owned()), set];
    let value =
        prop_oneof![scalar(), Just("[{name: a}]".to_owned()), Just("{a: 1}".to_owned()), any::<String>()];
    prop::collection::vec((name, value), 0..4)
}

/// The keys of a pool, each at most once and each a number: most of these load.
fn pool() -> impl Strategy<Value = String> {
    let keys = vec![
        "max_connections",
        "min_connections",
        "min_idle",
        "reserve_connections",
        "connection_timeout_ms",
    ];
    let keys = prop::sample::subsequence(keys, 0..=5);
    (keys, prop::collection::vec(0_u32..12, 5)).prop_map(|(keys, values)| {
        keys.iter().zip(values).map(|(key, value)| format!("{key}: {value}, ")).collect()
    })
}

proptest! {
    #[test]
    fn random_text_never_panics(text in any::<String>()) {
        load(&text);
    }

    #[test]
    fn random_yaml_like_text_never_panics(text in r#"[-\[\]{}:,?&*!|>'"%@` \n\ta-c0-2#.~<]{0,120}"#) {
        load(&text);
    }

    #[test]
    fn a_mutilated_seed_file_never_panics(at in 0..SEED.len(), cut in 0_usize..80, insert in "[^x]{0,3}|\n *- ?|: ") {
        let end = (at + cut).min(SEED.len());
        let text = format!("{}{insert}{}", &SEED[..at], &SEED[end..]);
        if let Some(config) = load(&text) {
            check_rules(&config);
        }
    }

    #[test]
    fn random_documents_of_known_keys_never_panic(text in document()) {
        if let Some(config) = load(&text) {
            check_rules(&config);
        }
    }

    #[test]
    fn random_documents_over_each_other_never_panic(base in document(), overlay in document(), variables in variables()) {
        load_all(&base, &overlay, &variables);
    }

    #[test]
    fn what_loads_keeps_every_rule(default_pool in pool(), a in pool(), b in pool()) {
        let text = format!(
            "connection_pool: {{default_pool: {{{default_pool}}}, \
             pools: [{{name: a, database: a, {a}}}, {{name: b, database: b, {b}}}]}}"
        );
        if let Some(config) = load(&text) {
            check_rules(&config);
        }
    }
}
