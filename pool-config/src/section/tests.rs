use super::*;
use crate::class::ReloadClass::Live;
use crate::keys::keys;
use crate::kind::{Flag, Whole};
use crate::problem::Problem;
use crate::source::SourceId;
use crate::yaml::parse;

keys! {
    /// A section of one key.
    struct Size {
        /// how large
        size: usize = 7, value("size", Whole::within(1..=10), Live);
    }
}

keys! {
    /// A section around it.
    struct Outer {
        /// what is inside
        inner: Size = Size::default(), section("inner");
    }
}

/// Reads `yaml` with `read`, and returns what that gave and every problem.
fn reading<T>(yaml: &str, read: impl FnOnce(&mut Section<'_>) -> T) -> (Option<T>, Vec<Problem>) {
    let mut notes = Notes::new(Problems::of("test.yaml", yaml));
    let value = Section::document(&parse(yaml, SourceId::FIRST).unwrap(), &mut notes, read);
    (value, notes.problems.into_findings().problems)
}

fn summary(problems: &[Problem]) -> Vec<String> {
    problems.iter().map(|p| format!("{}:{} {}: {}", p.line, p.column, p.path, p.found)).collect()
}

fn size(section: &mut Section<'_>) -> usize {
    let mut size = Size::default();
    size.visit(section);
    size.size
}

fn inner(section: &mut Section<'_>) -> usize {
    let mut outer = Outer::default();
    outer.visit(section);
    outer.inner.size
}

#[test]
fn a_written_key_is_put_into_its_slot() {
    assert_eq!(reading("size: 3", size), (Some(3), vec![]));
}

#[test]
fn an_absent_key_leaves_its_slot_alone() {
    assert_eq!(reading("", size), (Some(7), vec![]));
}

#[test]
fn a_refused_key_leaves_its_slot_alone_and_is_reported() {
    let (value, problems) = reading("size: 11", size);
    assert_eq!(value, Some(7));
    assert_eq!(summary(&problems), ["1:7 size: 11"]);
}

#[test]
fn a_section_remembers_how_each_key_came_to_its_value() {
    reading("{a: 1, b: x}", |section| {
        section.read("a", &Whole::within(1..=10_usize));
        section.read("b", &Whole::within(1..=10_usize));
        section.read("c", &Whole::within(1..=10_usize));
        let place = Place { line: 1, column: 5, start: 4, end: 5, ..Place::START };
        assert_eq!(section.origin("a"), Origin::Written(place));
        assert_eq!(section.origin("b"), Origin::Refused);
        assert_eq!(section.origin("c"), Origin::Default);
    });
}

#[test]
fn a_key_nobody_asks_for_is_reported_at_its_name() {
    let (_, problems) = reading("size: 3\nshape: round", size);
    assert_eq!(summary(&problems), [r#"2:1 shape: unknown key "shape""#]);
    assert_eq!(problems[0].expected, "one of size");
}

#[test]
fn keys_of_the_author_are_ignored_at_every_level() {
    let (_, problems) = reading("{x-a: 1, inner: {x-b: [2], size: 3}}", inner);
    assert_eq!(problems, []);
}

#[test]
fn a_key_that_is_not_text_is_reported() {
    let (_, problems) = reading("size: 3\n5: a\n? [b]\n: c", size);
    assert_eq!(summary(&problems), ["2:1 : 5 as a key", "3:3 : a list as a key"]);
}

#[test]
fn an_unknown_key_that_would_garble_a_path_is_named_in_the_message_only() {
    let (_, problems) = reading("inner: {'a.b\n\n c': 1}", inner);
    assert_eq!(summary(&problems), [r#"1:9 inner: unknown key "a.b\nc""#]);
}

#[test]
fn the_path_of_a_problem_holds_every_section_but_the_main_one() {
    let (_, problems) =
        reading("main: {inner: {size: 0}}", |s| s.main_section("main", &mut Outer::default()));
    assert_eq!(summary(&problems), ["1:22 inner.size: 0"]);
}

#[test]
fn an_empty_section_reads_like_an_absent_one() {
    assert_eq!(reading("inner:", inner), (Some(7), vec![]));
    assert_eq!(reading("{}", inner), (Some(7), vec![]));
}

#[test]
fn what_is_no_section_is_reported_without_its_text() {
    let (value, problems) = reading("inner: secret", inner);
    assert_eq!(value, Some(7));
    assert_eq!(summary(&problems), ["1:8 inner: text"]);
}

#[test]
fn a_document_that_is_no_mapping_is_not_read() {
    let (value, problems) = reading("[1]", |_| ());
    assert_eq!(value, None);
    assert_eq!(summary(&problems), ["1:1 : a list"]);
}

fn sizes(section: &mut Section<'_>) -> Vec<(String, usize)> {
    section.named_sections("all", Some(""), |name, section| (name, size(section)))
}

#[test]
fn a_list_of_sections_is_read_in_order() {
    let (value, problems) = reading("all: [{name: b, size: 1}, {name: a}]", sizes);
    assert_eq!(value, Some(vec![("b".to_owned(), 1), ("a".to_owned(), 7)]));
    assert_eq!(problems, []);
}

#[test]
fn a_problem_in_a_list_names_its_section_or_else_its_index() {
    let (value, problems) = reading("all:\n- {name: a, size: 0}\n- {size: 0}\n- 5", sizes);
    assert_eq!(value, Some(vec![("a".to_owned(), 7)]));
    assert_eq!(
        summary(&problems),
        [r#"2:19 all["a"].size: 0"#, "3:3 all[1].name: nothing", "3:10 all[1].size: 0", "4:3 all[2]: 5"]
    );
}

#[test]
fn every_further_use_of_a_name_points_to_the_first() {
    let (_, problems) = reading("all:\n- {name: a}\n- {name: a}\n- {name: a, size: 0}", sizes);
    let found = r#""a", which line 2 has already"#;
    assert_eq!(
        summary(&problems),
        [
            format!("3:10 all[1].name: {found}"),
            format!("4:10 all[2].name: {found}"),
            "4:19 all[2].size: 0".into()
        ]
    );
}

#[test]
fn an_empty_list_of_sections_may_be_left_blank() {
    assert_eq!(reading("all:", sizes), (Some(vec![]), vec![]));
    let (_, problems) = reading("all: {name: a}", sizes);
    assert_eq!(summary(&problems), ["1:6 all: a mapping"]);
}

#[test]
fn a_required_key_is_missing_only_if_nobody_wrote_it() {
    let require = |section: &mut Section<'_>| {
        section.read("on", &Flag);
        section.require("on", "a flag", "add it");
    };
    assert_eq!(summary(&reading("", require).1), ["1:1 on: nothing"]);
    assert_eq!(summary(&reading("on: 5", require).1), ["1:5 on: 5"]);
    assert_eq!(reading("on: true", require).1, []);
}

#[test]
fn a_meaningless_key_is_reported_only_if_somebody_wrote_it() {
    let forbid = |section: &mut Section<'_>| {
        section.read("on", &Flag);
        section.forbid("on", "no flag");
    };
    assert_eq!(summary(&reading("on: true", forbid).1), ["1:5 on: a value"]);
    assert_eq!(reading("", forbid).1, []);
}

#[test]
fn guessing_stops_in_a_file_full_of_unknown_keys() {
    let keys: Vec<_> = (0..=MAX_GUESSES).map(|n| format!("siz{n}: 1\n")).collect();
    let (_, problems) = reading(&keys.concat(), size);
    assert_eq!(problems[0].help, "did you mean `size`?");
    assert_eq!(problems[MAX_GUESSES].help, UNKNOWN_HELP);
}

/// The rest of a password that has a comma in it and no quotes is a key, and as secret as the rest.
#[test]
fn a_key_without_a_value_beside_a_secret_is_not_named() {
    let (_, problems) = reading("{inner: {password: x7,canary, size: 3, 12345678, [canary]}}", inner);
    let torn_off = format!("inner: {TORN_OFF}");
    let found: Vec<_> = problems.iter().map(|p| format!("{}: {}", p.path, p.found)).collect();
    assert_eq!(found, [r#"inner.password: unknown key "password""#, &torn_off, &torn_off, &torn_off]);
    assert_eq!(problems[1].help, TORN_OFF_HELP);
    for problem in &problems {
        let text = problem.to_string();
        assert!(!text.contains("canary") && !text.contains("12345678"), "{text}");
    }
}

#[test]
fn a_known_key_without_a_value_beside_a_secret_is_judged_as_any_other() {
    let port = |section: &mut Section<'_>| section.read("port", &Whole::within(1..=10_usize));
    let (_, problems) = reading("{password: canary, port: }", port);
    let known = r#"1:2 password: unknown key "password""#;
    assert_eq!(summary(&problems), [known, "1:24 port: nothing"]);
    let (_, problems) = reading("{password: , shape: }", size);
    assert_eq!(summary(&problems), [known, r#"1:14 shape: unknown key "shape""#]);
}
