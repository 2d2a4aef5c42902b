use super::*;
use crate::source::SourceId;
use crate::yaml::parse;

/// What is found wrong with `yaml`, and the value of its key `v` with what it is written as.
fn interpolated(yaml: &str, variables: &[(&str, &str)]) -> (Vec<String>, String, Option<Box<str>>) {
    let mut problems = Problems::of("a.yaml", yaml);
    let mut document = parse(yaml, SourceId::FIRST).unwrap();
    let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    interpolate(&mut document, &variables, &mut problems);
    let Value::Map(entries) = document.value else { panic!("a mapping") };
    let is_v = |entry: &Entry| matches!(&entry.key.value, Value::Text(key) if key == "v");
    let node = entries.into_iter().find(is_v).map(|entry| entry.value);
    let (text, written) = match node {
        Some(Node { value: Value::Text(text), written, .. }) => (text, written),
        _ => (String::new(), None),
    };
    let problems = problems.into_findings().problems;
    let summary = |p: &crate::Problem| format!("{}:{} {}: {}", p.line, p.column, p.path, p.found);
    (problems.iter().map(summary).collect(), text, written)
}

/// The value of the key `v`, in which nothing is wrong.
fn value(yaml: &str, variables: &[(&str, &str)]) -> String {
    let (problems, text, _) = interpolated(yaml, variables);
    assert_eq!(problems, [""; 0]);
    text
}

fn wrong(yaml: &str, variables: &[(&str, &str)]) -> Vec<String> {
    interpolated(yaml, variables).0
}

#[test]
fn a_reference_becomes_what_the_variable_holds() {
    assert_eq!(value("v: ${A}", &[("A", "b c")]), "b c");
    assert_eq!(value("v: 'x${A}y${B}${A}'", &[("A", "1"), ("B", "2")]), "x1y21");
    assert_eq!(value("v: \"\\t${A}\"", &[("A", "1")]), "\t1");
    assert_eq!(value("v: >-\n  a\n  ${A}\n", &[("A", "1")]), "a 1");
}

#[test]
fn a_default_stands_in_for_a_variable_that_is_not_set_or_empty() {
    assert_eq!(value("v: ${A:-d}", &[]), "d");
    assert_eq!(value("v: ${A:-d}", &[("A", "")]), "d");
    assert_eq!(value("v: ${A:-d}", &[("A", "x")]), "x");
    assert_eq!(value("v: a${A:-}b", &[]), "ab");
    assert_eq!(value("v: '${A:-$$ and $5}'", &[]), "$ and $5");
}

#[test]
fn an_empty_variable_is_empty_text_unless_the_reference_says_otherwise() {
    assert_eq!(value("v: a${A}b", &[("A", "")]), "ab");
    assert_eq!(wrong("v: ${A:?set me}", &[("A", "")]), [r#"1:4 v: variable A, which is empty: "set me""#]);
}

#[test]
fn a_variable_that_is_not_set_is_a_mistake_at_its_reference() {
    assert_eq!(wrong("v: é ${A} ${B}", &[("B", "1")]), ["1:6 v: variable A, which is not set"]);
    assert_eq!(
        wrong("a: {b: [x, '${A:?the host}']}", &[]),
        [r#"1:13 a.b[1]: variable A, which is not set: "the host""#]
    );
    assert_eq!(
        wrong("v: |\n  one ${A}\n  two ${B}\n", &[]),
        ["2:7 v: variable A, which is not set", "3:7 v: variable B, which is not set"]
    );
}

#[test]
fn a_reference_that_escapes_hide_is_reported_at_the_whole_value() {
    assert_eq!(wrong("v: \"x \\x24{A}\"", &[]), ["1:4 v: variable A, which is not set"]);
}

#[test]
fn a_value_with_a_mistake_stays_as_it_is_written() {
    let (problems, text, written) = interpolated("v: ${A}${B}", &[("B", "1")]);
    assert_eq!((problems.len(), text.as_str(), written), (1, "${A}${B}", None));
}

#[test]
fn what_is_no_reference_is_a_mistake() {
    assert_eq!(wrong("v: x${A", &[("A", "")]), ["1:5 v: `${` without a `}`"]);
    assert_eq!(wrong("v: ${}", &[]), ["1:4 v: `${` without the name of a variable"]);
    assert_eq!(wrong("v: ${A:-${B}}", &[]), ["1:4 v: a reference inside a reference"]);
}

#[test]
fn a_dollar_sign_is_written_twice_or_stands_for_itself() {
    assert_eq!(value("v: $${A} $$ $A $1", &[]), "${A} $ $A $1");
}

#[test]
fn what_a_variable_holds_is_not_searched_for_references() {
    assert_eq!(value("v: ${A}", &[("A", "${B} $$")]), "${B} $$");
}

#[test]
fn keys_are_not_searched_nor_what_stands_under_a_key_that_is_ignored() {
    assert_eq!(wrong("{'${A}': 1, x-note: '${B}', x-more: {a: ['${C}']}}", &[]), [""; 0]);
    assert_eq!(wrong("{5: '${A}'}", &[]), [""; 0]);
}

#[test]
fn a_value_keeps_what_it_is_written_as_only_if_it_refers_to_a_variable() {
    let written = |yaml| interpolated(yaml, &[("A", "canary")]).2.map(String::from);
    assert_eq!(written("v: x${A}").as_deref(), Some("x${A}"));
    assert_eq!(written("v: $$5"), None);
    assert_eq!(written("v: plain"), None);
}

#[test]
fn under_the_name_of_a_secret_not_even_the_default_is_kept() {
    let yaml = "password: {a: ['${A:-canary}']}";
    let mut problems = Problems::of("a.yaml", yaml);
    let mut document = parse(yaml, SourceId::FIRST).unwrap();
    interpolate(&mut document, &Variables::default(), &mut problems);
    assert!(format!("{document:?}").contains(r#"written: Some("***")"#), "{document:?}");
}

#[test]
fn a_mistake_does_not_repeat_what_may_be_a_secret() {
    for flawed in ["${A-canary}", "${canary", "${-canary}", "${A:-${canary}}", "x${A:+canary}"] {
        let problems = wrong(&format!("password: {flawed}"), &[]);
        assert!(problems.len() == 1 && !problems[0].contains("canary"), "{problems:?}");
    }
}

#[test]
fn an_alias_is_replaced_wherever_it_stands() {
    assert_eq!(value("a: &a '${A}'\nv: *a", &[("A", "1")]), "1");
}

#[test]
fn long_variables_do_not_fill_the_memory() {
    let long = "x".repeat(MAX_BYTES / 100);
    let yaml = format!("v: {}\nw: {}", "${A}".repeat(99), "${A}".repeat(100_000));
    assert_eq!(wrong(&yaml, &[("A", &long)]), ["2:4 w: values that are too long once variables are put in"]);
}

#[test]
fn a_megabyte_of_mistakes_is_reported_at_once() {
    let yaml = format!("v: \"{}\"", "${A} ${ ".repeat(1 << 17));
    assert_eq!(wrong(&yaml, &[]).len(), 1_000);
    let hidden = format!("v: \"\\x24{}\"", "{A} \\x24".repeat(1 << 15));
    assert_eq!(wrong(&hidden, &[]).len(), 1_000);
}

#[test]
fn below_tags_every_name_is_an_ordinary_one() {
    let yaml = "connection_pool: {pools: [{name: a, tags: {x-region: '${A}'}, x-note: {tags: {b: '${B}'}}}]}";
    assert_eq!(wrong(yaml, &[]), [r#"1:55 pools["a"].tags.x-region: variable A, which is not set"#]);
}
