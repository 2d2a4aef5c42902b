use std::fs;
use std::path::{Path, PathBuf};

use super::*;

/// What the parser refuses in `text`, as `line:column found`.
fn refused(text: &str) -> String {
    let Refusal { mistakes, .. } = parse(text, SourceId::FIRST).unwrap_err();
    let (place, mistake) = &mistakes[0];
    format!("{}:{} {}", place.line, place.column, mistake.found)
}

/// `text` as a tree without places, through this module.
fn ours(text: &str) -> serde_yaml::Value {
    as_theirs(&parse(text, SourceId::FIRST).unwrap())
}

fn as_theirs(node: &Node) -> serde_yaml::Value {
    match &node.value {
        Value::Null => serde_yaml::Value::Null,
        Value::Flag(flag) => (*flag).into(),
        Value::Integer(number) => {
            u64::try_from(*number).map_or_else(|_| i64::try_from(*number).unwrap().into(), Into::into)
        }
        Value::Float(number) => (*number).into(),
        Value::Text(text) => text.as_str().into(),
        Value::List(items) => items.iter().map(as_theirs).collect::<Vec<_>>().into(),
        Value::Map(entries) => entries
            .iter()
            .map(|Entry { key, value }| (as_theirs(key), as_theirs(value)))
            .collect::<serde_yaml::Mapping>()
            .into(),
    }
}

/// `text` through the second opinion.
fn theirs(text: &str) -> serde_yaml::Value {
    let mut value: serde_yaml::Value = serde_yaml::from_str(text).unwrap();
    value.apply_merge().unwrap();
    value
}

/// Every valid file of this crate, and the one that the project ships.
fn valid_files() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let fixtures = fs::read_dir(here.join("tests/fixtures")).unwrap();
    let mut files: Vec<_> = fixtures.map(|entry| entry.unwrap().path()).collect();
    files.push(here.join("../config/connection_pool.yaml"));
    files
}

#[test]
fn every_valid_file_means_the_same_to_a_second_parser() {
    let files = valid_files();
    assert!(files.len() >= 5, "the fixtures were not found: {files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert_eq!(ours(&text), theirs(&text), "{}", file.display());
    }
}

#[test]
fn scalars_are_those_of_yaml_1_2() {
    let text = "[~, null, true, False, yes, on, 0, -3, 0x1F, 0o17, 1.5, -2e3, '5', \"x\\ty\", 2026-01-31, 1:30, a b]";
    assert_eq!(ours(text), theirs(text));
}

#[test]
fn a_value_knows_its_place_in_characters() {
    let Node { value: Value::Map(entries), .. } =
        parse("é: ü\n  # note\nb:\n    - x\n", SourceId::FIRST).unwrap()
    else {
        panic!("a mapping");
    };
    let place = |line, column, start, end| Place { line, column, start, end, ..Place::START };
    assert_eq!(entries[0].key.place, place(1, 1, 0, 2));
    assert_eq!(entries[0].value.place, place(1, 4, 4, 6));
    assert_eq!(entries[1].value.place, place(4, 5, 23, 23));
}

#[test]
fn an_alias_has_the_place_of_what_it_stands_for() {
    let Node { value: Value::Map(entries), .. } = parse("a: &x 1\nb: *x", SourceId::FIRST).unwrap() else {
        panic!("a mapping");
    };
    assert_eq!(entries[1].value.place, Place { line: 1, column: 7, start: 6, end: 7, ..Place::START });
}

#[test]
fn a_merged_mapping_gives_way_to_what_is_written() {
    assert_eq!(ours("{x: &x {a: 1, b: 2}, y: {b: 3, <<: *x}}")["y"], theirs("{a: 1, b: 3}"));
}

#[test]
fn a_key_given_twice_is_refused() {
    assert_eq!(refused("a: 1\nb: 2\na: 3"), r#"3:1 key "a" for the second time"#);
    assert_eq!(refused("- a: 1\n  'a': 2"), r#"2:3 key "a" for the second time"#);
}

/// Where which keys are given twice in `text`, as `line:column key`, and the rest of it.
fn repeated_in(text: &str) -> (Vec<String>, Option<serde_yaml::Value>) {
    let Refusal { mut mistakes, rest } = parse(text, SourceId::FIRST).unwrap_err();
    mistakes.sort_by_key(|(place, _)| *place);
    let shown = |(place, mistake): &(Place, Mistake)| {
        format!("{}:{} {}", place.line, place.column, mistake.found.trim_end_matches(" for the second time"))
    };
    (mistakes.iter().map(shown).collect(), rest.as_ref().map(as_theirs))
}

#[test]
fn every_key_given_twice_is_reported_and_the_rest_can_be_judged() {
    let (repeated, rest) = repeated_in("a: 1\nb: {c: 1, c: 2, d: [{e: 1, 'e': 2, e: 3}]}\na: 3\nf: 4");
    assert_eq!(repeated, [r#"2:11 key "c""#, r#"2:28 key "e""#, r#"2:36 key "e""#, r#"3:1 key "a""#]);
    assert_eq!(rest, Some(theirs("{a: 1, b: {c: 1, d: [{e: 1}]}, f: 4}")));
}

#[test]
fn a_key_given_twice_is_reported_once_however_often_an_alias_repeats_it() {
    let (repeated, rest) = repeated_in("x: &x {a: 1, a: 2}\ny: *x\nz: [*x, *x]");
    assert_eq!(repeated, [r#"1:14 key "a""#]);
    assert_eq!(rest, Some(theirs("{x: {a: 1}, y: {a: 1}, z: [{a: 1}, {a: 1}]}")));
}

#[test]
fn a_key_given_twice_before_broken_syntax_stands_alone() {
    let (repeated, rest) = repeated_in("a: 1\na: 2\nb: [");
    assert_eq!((repeated.len(), rest), (1, None));
}

#[test]
fn a_number_given_twice_as_a_key_is_not_lost() {
    let (repeated, _) = repeated_in("{1: a, 1: b}");
    assert_eq!(repeated.len(), 1);
}

#[test]
fn ten_thousand_keys_given_twice_are_found_at_once() {
    let (repeated, _) = repeated_in(&"a: 1\n".repeat(10_000));
    assert_eq!(repeated.len(), 9_999);
}

#[test]
fn places_are_of_the_source_that_is_read() {
    let overlay = crate::source::Sources::of("a", "").add_file("b", String::new());
    let node = parse("a: [1]", overlay).unwrap();
    let mut places = Vec::new();
    node.clone().for_each_place(&mut |place| places.push(place.source));
    assert_eq!(places, [overlay; 4]);
    assert_eq!(parse("a: [", overlay).unwrap_err().mistakes[0].0.source, overlay);
}

#[test]
fn an_error_has_its_place_in_bytes() {
    let at = |text| parse(text, SourceId::FIRST).unwrap_err().mistakes[0].0;
    let place = at("é: 1\nü: ä: x");
    assert_eq!((place.line, place.column, place.start), (2, 5, 12));
}

#[test]
fn a_second_document_is_refused() {
    assert_eq!(refused("a: 1\n---\nb: 2"), "3:1 a second document");
}

#[test]
fn a_tag_of_ones_own_is_refused() {
    assert_eq!(refused("a: !env HOME"), "1:9 a tag that YAML does not know");
}

#[test]
fn an_alias_of_nothing_is_refused() {
    assert_eq!(refused("a: *b"), "1:4 an alias of an anchor that nothing defines");
}

#[test]
fn broken_syntax_is_refused_on_one_line() {
    assert_eq!(refused("a:\n\t- 1"), "2:2 tabs disallowed within this context (block indentation)");
    assert_eq!(refused("a: [1"), "1:4 unclosed bracket '['");
}

#[test]
fn aliases_of_aliases_do_not_explode() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..10 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        bomb.push_str(&format!("a{n}: &a{n} [{aliases}]\n"));
    }
    assert!(refused(&bomb).ends_with("a document that grows without bound when its aliases are followed"));
}

#[test]
fn few_aliases_of_much_do_not_grow_beyond_the_limit_either() {
    let items = vec!["x"; 5_000].join(", ");
    let aliases = vec!["*a"; 60].join(", ");
    assert!(refused(&format!("a: &a [{items}]\nb: [{aliases}]")).starts_with("2:"));
}

#[test]
fn an_alias_of_its_own_parent_does_not_recur() {
    assert!(refused("a: &a [*a]").starts_with("1:8 a document that grows"));
}

#[test]
fn deep_nesting_is_refused() {
    assert!(refused(&"- ".repeat(MAX_DEPTH + 1)).ends_with("values nested too deep"));
    assert!(refused(&format!("{}{}", "[".repeat(50_000), "]".repeat(50_000))).starts_with("1:"));
    assert!(parse(&"- ".repeat(MAX_DEPTH - 1), SourceId::FIRST).is_ok());
}

#[test]
fn more_values_than_any_configuration_has_are_refused() {
    let many = format!("[{}]", "1,".repeat(MAX_NODES));
    assert!(refused(&many).ends_with("a document that grows without bound when its aliases are followed"));
}
