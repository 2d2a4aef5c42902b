use std::fs;
use std::path::Path;

use super::*;

fn round_trip(config: &Config) -> Config {
    let yaml = config.to_yaml();
    Config::from_yaml(&yaml, "emitted.yaml").unwrap_or_else(|error| panic!("{error}\n{yaml}"))
}

#[test]
fn an_empty_configuration_is_written_as_one() {
    assert_eq!(Config::default().to_yaml(), "connection_pool: {}\n");
    assert_eq!(round_trip(&Config::default()), Config::default());
}

#[test]
fn only_what_is_not_inherited_is_written() {
    let text = "
connection_pool:
  default_pool: {max_connections: 20}
  pools:
    - {name: a, database: a, max_connections: 20, min_connections: 5, tags: {team: core}}
    - {name: cost$, database: 'a${X:-}', url: }
";
    let text = text.replace("cost$", "cost").replace(", url: ", "").replace("${X:-}", "");
    insta::assert_snapshot!(Config::from_yaml(&text, "test.yaml").unwrap().to_yaml(), @r#"
    connection_pool:
      default_pool:
        max_connections: 20
      pools:
        - name: "a"
          host: "localhost"
          port: 5432
          database: "a"
          tags: {"team":"core"}
          min_connections: 5
        - name: "cost"
          host: "localhost"
          port: 5432
          database: "a"
    "#);
}

#[test]
fn every_fixture_comes_back_as_it_was() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let config = Config::from_file(&path).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(round_trip(&config), config, "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 4);
}

#[test]
fn text_that_looks_like_something_else_stays_text() {
    for text in [
        "5",
        "true",
        "null",
        "~",
        "a: b",
        "# a",
        "'a'",
        "\"a\"",
        "\\",
        "- a",
        "*a",
        "&a",
        "!a",
        "ü",
        "{a}",
        "\u{fffe}x",
        "x\u{feff}y",
        "x\u{2028}y\u{2029}z",
        "😀",
    ] {
        let mut config = Config::default();
        config.default_pool.session.application_name = Some(text.to_owned());
        assert_eq!(round_trip(&config), config, "{text}");
    }
}
