use super::*;
use crate::problem::Problem;
use crate::source::SourceId;
use crate::yaml::parse;

const FILE: &str = "
connection_pool:
  enabled: true
  default_pool: {max_connections: 5}
  pools:
    - {name: orders, max_connections: 1, tags: {Team: a}}
    - {name: Read-Model.2, max_connections: 2}
    - {name: a__b, max_connections: 3}
    - {name: a, max_connections: 4}
";

/// The file with these variables over it, and what is wrong with them.
fn with(variables: &[(&str, &str)]) -> (Node, Vec<Problem>) {
    over(FILE, variables)
}

fn over(file: &str, variables: &[(&str, &str)]) -> (Node, Vec<Problem>) {
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut sources = Sources::of("a.yaml", file);
    let overrides = collect(&variables, &mut sources);
    let mut problems = Problems::new(std::sync::Arc::new(sources));
    let mut document = parse(file, SourceId::FIRST).unwrap();
    apply(&mut document, overrides, &mut problems);
    (document, problems.into_findings().problems)
}

/// The text at a path, `[n]` for an item of a list, once this variable has been laid over the file.
fn text(name: &str, value: &str, path: &str) -> String {
    let (document, problems) = with(&[(name, value)]);
    assert_eq!(problems, []);
    match &node(&document, path).value {
        Value::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    }
}

fn node<'n>(document: &'n Node, path: &str) -> &'n Node {
    path.split('.').fold(document, |node, step| match &node.value {
        Value::List(items) => &items[step.parse::<usize>().unwrap()],
        _ => find(node, step).unwrap_or_else(|| panic!("no {step} in {node:?}")),
    })
}

fn mistakes(variables: &[(&str, &str)]) -> Vec<String> {
    let problems = with(variables).1;
    problems.iter().map(|p| format!("{}: {}: found {}; {}", p.source_name, p.path, p.found, p.help)).collect()
}

#[test]
fn a_variable_sets_the_key_that_its_name_leads_to() {
    let set = |name, path: &str| assert_eq!(text(name, "9", &format!("connection_pool.{path}")), "9");
    set("POOL__ENABLED", "enabled");
    set("POOL__DEFAULT_POOL__MAX_CONNECTIONS", "default_pool.max_connections");
    set("POOL__default_pool__Max_Connections", "default_pool.max_connections");
    set("POOL__MONITORING__AUDIT_LOG__PATH", "monitoring.audit_log.path");
    set("POOL__POOLS__orders__MAX_CONNECTIONS", "pools.0.max_connections");
    set("POOL__POOLS__orders__SSL__ENABLED", "pools.0.ssl.enabled");
}

#[test]
fn a_pool_is_meant_by_its_name_as_far_as_a_variable_can_hold_it() {
    let set = |name, index| {
        assert_eq!(text(name, "9", &format!("connection_pool.pools.{index}.max_connections")), "9");
    };
    set("POOL__POOLS__ORDERS__MAX_CONNECTIONS", 0);
    set("POOL__POOLS__READ_MODEL_2__MAX_CONNECTIONS", 1);
    set("POOL__POOLS__a__b__MAX_CONNECTIONS", 2);
    set("POOL__POOLS__a__MAX_CONNECTIONS", 3);
}

#[test]
fn the_exact_name_of_a_pool_wins_over_one_that_is_alike() {
    let file = "connection_pool: {pools: [{name: a-b}, {name: a_b}, {name: A_B}]}";
    let (document, problems) = over(file, &[("POOL__POOLS__a_b__PORT", "1")]);
    assert_eq!(problems, []);
    assert!(find(node(&document, "connection_pool.pools.1"), "port").is_some());
    let (_, problems) = over(file, &[("POOL__POOLS__A_b__PORT", "1")]);
    assert_eq!(problems[0].found, r#""A_b", which may mean "a-b" or "a_b""#);
}

#[test]
fn a_key_that_exists_is_found_whatever_its_letters() {
    assert_eq!(text("POOL__POOLS__orders__TAGS__TEAM", "b", "connection_pool.pools.0.tags.Team"), "b");
    assert_eq!(text("POOL__POOLS__orders__TAGS__OWNER", "b", "connection_pool.pools.0.tags.owner"), "b");
}

#[test]
fn a_value_is_taken_as_it_is() {
    for value in ["5", "true", "", "~", "#canary", "*canary", "a: b", "'x'", " x ", "[canary", "${A} $$", "é"]
    {
        assert_eq!(text("POOL__POOLS__orders__DATABASE", value, "connection_pool.pools.0.database"), value);
    }
    let (document, _) = with(&[("POOL__ENABLED", "false")]);
    assert_eq!(node(&document, "connection_pool.enabled").written.as_deref(), Some("false"));
}

#[test]
fn a_list_is_written_in_brackets() {
    let (document, problems) = with(&[("POOL__POOLS__orders__INIT_SQL", r#"["SET a = 1", 5]"#)]);
    assert_eq!(problems, []);
    let list = node(&document, "connection_pool.pools.0.init_sql");
    assert!(matches!(&list.value, Value::List(items) if matches!(items[1].value, Value::Integer(5))));
    assert_eq!(list.written, None);
}

#[test]
fn a_secret_in_brackets_is_no_list_unless_it_is_a_command() {
    let value = |name: &str| {
        let (document, _) = with(&[(&format!("POOL__POOLS__orders__{name}"), "[canary]")]);
        node(&document, &format!("connection_pool.pools.0.{}", name.to_lowercase())).clone()
    };
    assert!(matches!(value("PASSWORD").value, Value::Text(text) if text == "[canary]"));
    assert!(matches!(value("PASSWORD_COMMAND").value, Value::List(_)));
    assert_eq!(value("PASSWORD").written.as_deref(), Some("***"));
}

#[test]
fn a_section_in_brackets_is_laid_over_the_one_in_the_file() {
    let (document, problems) = with(&[("POOL__POOLS", "[{name: orders, port: 1}, {name: new}]")]);
    assert_eq!(problems, []);
    assert!(find(node(&document, "connection_pool.pools.0"), "tags").is_some());
    assert!(find(node(&document, "connection_pool.pools.0"), "port").is_some());
    assert!(
        matches!(&node(&document, "connection_pool.pools").value, Value::List(pools) if pools.len() == 5)
    );
}

#[test]
fn a_key_and_its_value_have_their_places_in_the_variable() {
    let (document, _) = with(&[("POOL__DEFAULT_POOL__MAX_CONECTIONS", "9")]);
    let Value::Map(entries) = &node(&document, "connection_pool.default_pool").value else {
        panic!("a section")
    };
    let Entry { key, value } = entries.last().unwrap();
    assert_eq!((key.place.column, value.place.column), (1, 36));
    assert_eq!(key.place.source, value.place.source);
    assert!(key.place.source > SourceId::FIRST);
}

#[test]
fn a_pool_that_does_not_exist_is_a_mistake_with_a_guess() {
    assert_eq!(
        mistakes(&[("POOL__POOLS__ordres__PORT", "1"), ("POOL__POOLS__reports__PORT", "1")]),
        [
            r#"environment variable POOL__POOLS__ordres__PORT: pools: found unknown pool "ordres"; did you mean `orders`?"#,
            r#"environment variable POOL__POOLS__reports__PORT: pools: found unknown pool "reports"; write one of orders, Read-Model.2, a__b, a"#,
        ]
    );
    let (_, problems) = over("connection_pool: {}", &[("POOL__POOLS__x__PORT", "1")]);
    assert_eq!(problems[0].help, "add the pool to the file");
}

#[test]
fn a_name_that_leads_nowhere_is_a_mistake() {
    let found = |name| mistakes(&[(name, "1")]).remove(0);
    assert!(found("POOL__").contains("nothing between its `__`"));
    assert!(found("POOL__A____B").contains("nothing between its `__`"));
    assert!(
        found("POOL__POOLS__orders")
            .contains("found the name of a pool alone; write POOL__POOLS__orders__KEY")
    );
    assert!(
        found("POOL__POOLS__orders__NAME").contains("found the name of a pool; rename the pool in the file")
    );
}

#[test]
fn two_variables_for_one_key_are_a_mistake() {
    assert_eq!(
        mistakes(&[("POOL__ENABLED", "true"), ("POOL__enabled", "false")]),
        [
            "environment variable POOL__enabled: enabled: found a key that environment variable POOL__ENABLED sets too; unset one of the two"
        ]
    );
}

#[test]
fn other_variables_do_not_count() {
    let (document, problems) =
        with(&[("POOL_ENABLED", "x"), ("pool__enabled", "x"), ("MYPOOL__ENABLED", "x")]);
    assert_eq!(problems, []);
    assert!(matches!(node(&document, "connection_pool.enabled").value, Value::Flag(true)));
}

#[test]
fn a_file_without_a_section_gets_one_and_a_file_that_is_none_is_left_alone() {
    let variables = [("POOL__ENABLED", "x")];
    for file in ["", "connection_pool:", "x-note: 1"] {
        let (document, _) = over(file, &variables);
        assert!(
            matches!(&node(&document, "connection_pool.enabled").value, Value::Text(text) if text == "x")
        );
    }
    for file in ["[1]", "text", "connection_pool: 5"] {
        let (document, problems) = over(file, &variables);
        assert_eq!(problems, []);
        assert!(!format!("{document:?}").contains("enabled"));
    }
}

#[test]
fn what_may_be_a_secret_is_shown_nowhere() {
    let variables = [
        ("POOL__POOLS__ordres__PASSWORD", "canary"),
        ("POOL__POOLS__ordres__PASSWRD", "canary"),
        ("POOL__POOLS__ordres__URL", "postgres://app:canary@db"),
        ("POOL__POOLS__ordres", "[{name: a, pasword: canary}]"),
        ("POOL__SECURITY__AUTHENTICATION__OAUTH2__CLIENT_SECRET__", "canary"),
        ("POOL____TOKEN", "canary"),
    ];
    let (_, problems) = with(&variables);
    assert_eq!(problems.len(), variables.len());
    for problem in problems {
        assert!(!format!("{problem} {problem:?}").contains("canary"), "{problem}");
    }
}

#[test]
fn a_mistake_in_a_variable_shows_the_variable() {
    let (_, problems) = with(&[("POOL__POOLS__ordres__PORT", "5432")]);
    insta::assert_snapshot!(problems[0], @r#"
    environment variable POOL__POOLS__ordres__PORT: error: pools: found unknown pool "ordres", expected the name of a pool in the file
      |
    1 | POOL__POOLS__ordres__PORT=5432
      | ^^^^^^^^^^^^^^^^^^^^^^^^^
      |
      = help: did you mean `orders`?
    "#);
}

#[test]
fn a_section_and_a_key_in_it_are_not_set_by_two_variables() {
    for (section, key) in [("{max_uses: 3}", "MAX_USES"), ("{max_uses: 3}", "MAX_WAITING")] {
        let key = format!("POOL__DEFAULT_POOL__{key}");
        let found = mistakes(&[("POOL__DEFAULT_POOL", section), (&key, "4")]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("within a section"), "{found:?}");
    }
}

#[test]
fn a_variable_replaces_what_the_file_says_in_another_way_and_not_what_a_variable_says() {
    let load = |variables: &[(&str, &str)]| {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let file = "connection_pool: {pools: [{name: a, database: a, password_env: A}]}";
        crate::Loader::new().variables(variables).load_text(file, "a.yaml")
    };
    let file = ("POOL__POOLS__a__PASSWORD_FILE", "/run/secrets/a");
    let config = load(&[file]).unwrap().config;
    assert_eq!(config.pools[0].password, Some(crate::SecretSource::File("/run/secrets/a".into())));
    let error = load(&[file, ("POOL__POOLS__a__PASSWORD", "canary")]).unwrap_err();
    assert_eq!(error.problems()[0].found, "password_file beside password");
}
