use super::{Dependency, Kind, Member, Rules, check};

const HEADER: &str = "| crate | what it is | may use of ours |\n|---|---|---|\n";

/// A document with these body rows in the direction table and these in the owners table.
fn document(rows: &str, owners: &str) -> String {
    format!(
        "# Title\n\n<!-- dag:begin -->\n{HEADER}{rows}<!-- dag:end -->\n\ntext\n\n\
         <!-- owns:begin -->\n| dependency | only in |\n|---|---|\n{owners}<!-- owns:end -->\n"
    )
}

fn rules(rows: &str, owners: &str) -> Rules {
    Rules::parse(&document(rows, owners)).expect("these tables are well formed")
}

fn standard() -> Rules {
    rules(
        "| `core` | a | – |\n| `drivers` | b | `core` |\n| `config` | c | – |\n\
         | `tests` | d | all |\n| `later` | not there yet | `core`, `drivers` |\n",
        "| `sqlx` | `drivers`, `tests` |\n| `serde_yaml` | `config` (dev) |\n",
    )
}

fn member(name: &str, dependencies: &[(&str, Kind)]) -> Member {
    let dependencies = dependencies
        .iter()
        .map(|(package, kind)| Dependency { package: (*package).to_owned(), rename: None, kind: *kind })
        .collect();
    Member { name: name.to_owned(), dependencies }
}

fn violations(rules: &Rules, members: &[Member]) -> Vec<String> {
    check(rules, members).expect_err("a rule is broken").iter().map(ToString::to_string).collect()
}

fn problems(document: &str) -> Vec<String> {
    Rules::parse(document).expect_err("the tables are malformed").iter().map(ToString::to_string).collect()
}

#[test]
fn allowed_edges_are_counted_once_per_pair_of_crates() {
    let members = [
        member("core", &[("tokio", Kind::Normal)]),
        member("drivers", &[("core", Kind::Normal), ("core", Kind::Dev), ("sqlx", Kind::Normal)]),
        member("config", &[("serde_yaml", Kind::Dev)]),
        member("tests", &[("core", Kind::Normal), ("drivers", Kind::Dev), ("sqlx", Kind::Dev)]),
    ];
    let summary = check(&standard(), &members).expect("nothing is wrong");
    assert_eq!(summary.to_string(), "dag: 4 crates, 3 edges, all in the allowed direction");
}

#[test]
fn a_forbidden_edge_names_crate_dependency_rule_and_cure() {
    let members = [member("core", &[]), member("config", &[("core", Kind::Build)])];
    let found = violations(&standard(), &members);
    assert_eq!(
        found,
        ["config -> core (build-dependency)\n  \
          rule: config may use nothing of ours\n  \
          cure: move the code that needs core to a crate that may use it; if the direction is really meant, \
          add `core` to the row of `config` in ARCHITECTURE.md"]
    );
}

#[test]
fn a_dev_dependency_of_ours_is_checked_like_any_other() {
    let members = [member("core", &[]), member("config", &[("core", Kind::Dev)])];
    assert!(violations(&standard(), &members)[0].starts_with("config -> core (dev-dependency)"));
}

#[test]
fn a_crate_that_turns_on_its_own_features_for_its_tests_is_no_edge() {
    let summary = check(&standard(), &[member("core", &[("core", Kind::Dev)])]).expect("nothing is wrong");
    assert_eq!(summary.to_string(), "dag: 1 crates, 0 edges, all in the allowed direction");
}

#[test]
fn a_row_marked_dev_allows_the_dev_dependency_and_nothing_more() {
    let rules = rules("| `core` | a | `drivers` (dev) |\n| `drivers` | b | `core` |\n", "");
    let drivers = member("drivers", &[("core", Kind::Normal)]);
    assert!(check(&rules, &[member("core", &[("drivers", Kind::Dev)]), drivers.clone()]).is_ok());

    let found = violations(&rules, &[member("core", &[("drivers", Kind::Normal)]), drivers]);
    assert!(
        found[0].contains("rule: core may use `drivers` (dev)\n  cure: make it a dev-dependency"),
        "{found:?}"
    );
    assert!(found[1].starts_with("core -> drivers -> core\n"), "{found:?}");
}

#[test]
fn a_circle_of_manifests_is_shown_as_a_path() {
    let rules = rules("| `a` | a | `b` |\n| `b` | b | – |\n| `c` | c | – |\n", "");
    let members = [
        member("a", &[("b", Kind::Normal)]),
        member("b", &[("c", Kind::Normal)]),
        member("c", &[("b", Kind::Normal)]),
    ];
    let found = violations(&rules, &members);
    assert_eq!(found.len(), 3, "two forbidden edges and the circle: {found:?}");
    assert!(
        found[2]
            .starts_with("b -> c -> b\n  rule: no crate may reach itself; this circle is in the manifests")
    );
}

#[test]
fn a_circle_in_the_table_itself_is_a_violation() {
    let rules = rules("| `a` | a | `b` |\n| `b` | b | all |\n", "");
    let found = violations(&rules, &[member("a", &[]), member("b", &[])]);
    assert_eq!(found.len(), 1);
    assert!(found[0].starts_with(
        "a -> b -> a\n  rule: no crate may reach itself; this circle is in the direction table"
    ));
}

#[test]
fn a_member_without_a_row_is_a_violation() {
    let found =
        violations(&standard(), &[member("core", &[]), member("newcomer", &[("core", Kind::Normal)])]);
    assert_eq!(found.len(), 1, "its edges cannot be judged: {found:?}");
    assert!(found[0].starts_with("newcomer\n") && found[0].contains("add a row for `newcomer`"), "{found:?}");
}

#[test]
fn a_row_of_a_crate_that_does_not_exist_yet_is_fine() {
    assert!(check(&standard(), &[member("core", &[])]).is_ok());
}

#[test]
fn an_owned_dependency_elsewhere_is_a_violation() {
    let found = violations(&standard(), &[member("core", &[("sqlx", Kind::Normal)])]);
    assert_eq!(found.len(), 1);
    assert!(
        found[0]
            .starts_with("core -> sqlx (dependency)\n  rule: sqlx may stand only in `drivers`, `tests`\n")
    );
    assert!(found[0].contains("cure: use it through a crate that owns it"));
}

#[test]
fn an_owner_marked_dev_may_not_ship_the_dependency() {
    let found = violations(&standard(), &[member("config", &[("serde_yaml", Kind::Normal)])]);
    assert!(found[0].contains("rule: serde_yaml may stand only in `config` (dev)\n"), "{found:?}");
    assert!(found[0].ends_with("cure: make it a dev-dependency"), "{found:?}");
}

#[test]
fn a_renamed_dependency_is_recognised_by_either_name() {
    let renamed = |package: &str, name: &str| Member {
        name: "core".to_owned(),
        dependencies: vec![Dependency {
            package: package.to_owned(),
            rename: Some(name.to_owned()),
            kind: Kind::Normal,
        }],
    };
    assert!(
        violations(&standard(), &[renamed("yaml_serde", "serde_yaml")])[0]
            .contains("serde_yaml may stand only in")
    );
    assert!(violations(&standard(), &[renamed("sqlx", "database")])[0].contains("sqlx may stand only in"));
}

#[test]
fn missing_and_doubled_markers_are_reported() {
    let found = problems("# Title\n");
    assert_eq!(found.len(), 2, "one for each table: {found:?}");
    assert!(
        found[0]
            .contains("expected one line <!-- dag:begin --> and one line <!-- dag:end -->, found 0 and 0")
    );

    let twice = document("", "").replace("text", "<!-- dag:end -->");
    assert!(problems(&twice)[0].contains("found 1 and 2"));
}

#[test]
fn markers_in_the_wrong_order_are_reported() {
    let swapped = document("", "")
        .replace("dag:begin", "dag:x")
        .replace("dag:end", "dag:begin")
        .replace("dag:x", "dag:end");
    assert!(problems(&swapped)[0].contains("<!-- dag:end --> stands before <!-- dag:begin -->"));
}

#[test]
fn a_wrong_header_is_reported() {
    let renamed = document("", "").replace("may use of ours", "uses");
    assert_eq!(
        problems(&renamed),
        ["3: expected the header | crate | what it is | may use of ours | and a line of dashes"]
    );
}

#[test]
fn every_malformed_row_is_reported_with_its_line() {
    let rows = "| `a` | a |\n| b | b | – |\n| `c` | c | d |\nno row\n| `e` | e | `f` |\n| `e` | e | – |\n| `g` | g | |\n";
    assert_eq!(
        problems(&document(rows, "| `sqlx` | – |\n")),
        [
            "6: expected 3 cells, found 2",
            "7: expected one name in backticks, found \"b\"",
            "8: expected names in backticks, separated by commas, each may be followed by (dev); found \"d\"",
            "9: expected a table row, found \"no row\"",
            "10: `f` has no row of its own in the direction table",
            "11: a second row for `e`",
            "12: expected names in backticks, separated by commas, each may be followed by (dev); found \"\"",
            "20: expected names in backticks, separated by commas, each may be followed by (dev); found \"–\"",
        ]
    );
}
