use crate::{Loader, Severity};

const FILE: &str = "
connection_pool:
  default_pool: {max_connections: 20}
  pools:
    - name: orders
      database: orders
      user: '${DB_USER}'
      password: canary
  security: {ssl: {enabled: true}}
";

fn loaded() -> crate::Loaded {
    let variables = [("DB_USER", "shop"), ("POOL__POOLS__orders__MIN_IDLE", "3")];
    let loader = Loader::new().variables(variables.map(|(name, value)| (name.to_owned(), value.to_owned())));
    loader.load_text(FILE, "connection_pool.yaml").unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn what_is_written_is_shown_with_its_origin() {
    insta::assert_snapshot!(loaded().listing(false).to_yaml(true), @r#"
    connection_pool:
      default_pool:
        max_connections: 20  # connection_pool.yaml:3:35
      security:
        ssl:
          enabled: true  # connection_pool.yaml:9:29
      pools:
        - name: "orders"  # connection_pool.yaml:5:13
          database: "orders"  # connection_pool.yaml:6:17
          user: "shop"  # connection_pool.yaml:7:13
          password: "***"  # connection_pool.yaml:8:17
          min_idle: 3  # environment variable POOL__POOLS__orders__MIN_IDLE
    "#);
}

#[test]
fn what_is_inherited_is_shown_where_it_was_written() {
    let listing = loaded().listing(true);
    let origin = |path: &str| {
        let value = listing.values.iter().find(|value| value.path == path);
        value.map(|value| (value.value.to_string(), value.origin.to_string()))
    };
    let is = |value: &str, origin: &str| Some((value.to_owned(), origin.to_owned()));
    assert_eq!(origin(r#"pools["orders"].max_connections"#), is("20", "connection_pool.yaml:3:35"));
    assert_eq!(origin(r#"pools["orders"].ssl.enabled"#), is("true", "connection_pool.yaml:9:29"));
    assert_eq!(origin(r#"pools["orders"].max_uses"#), is("0", "built in"));
    assert_eq!(origin(r#"pools["orders"].host"#), is(r#""localhost""#, "built in"));
    assert_eq!(origin("monitoring.enabled"), is("true", "built in"));
    let yaml = listing.to_yaml(false);
    assert!(!yaml.contains("canary"), "{yaml}");
}

#[test]
fn a_problem_of_the_surroundings_stands_where_its_value_does() {
    let loaded = loaded();
    let problem = |path: &str| {
        let problem = loaded.problem(Severity::Error, path, "no such file", "a file", "create it");
        problem.map(|problem| (problem.line, problem.column))
    };
    assert_eq!(problem(r#"pools["orders"].database"#), Some((6, 17)));
    assert_eq!(problem(r#"pools["orders"].ssl.enabled"#), Some((9, 29)));
    assert_eq!(problem(r#"pools["orders"].ssl.client_key"#), Some((5, 13)), "the pool that it is one of");
}
