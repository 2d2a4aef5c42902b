use super::*;
use crate::source::SourceId;
use crate::yaml::parse;

/// What `base` becomes when `over` is laid over it, as YAML in flow style.
fn merged(base: &str, over: &str) -> String {
    let mut base = parse(base, SourceId::FIRST).unwrap();
    merge(&mut base, parse(over, SourceId::FIRST).unwrap());
    flow(&base)
}

fn flow(node: &Node) -> String {
    match &node.value {
        Value::Null => "~".to_owned(),
        Value::Flag(flag) => flag.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(items) => format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", ")),
        Value::Map(entries) => {
            let entry = |Entry { key, value }: &Entry| format!("{}: {}", flow(key), flow(value));
            format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
    }
}

/// The same for the pools of a configuration.
fn merged_pools(base: &str, over: &str) -> String {
    let file = |pools: &str| format!("connection_pool: {{pools: {pools}}}");
    let merged = merged(&file(base), &file(over));
    let pools = merged.strip_prefix("{connection_pool: {pools: ").and_then(|rest| rest.strip_suffix("}}"));
    pools.unwrap_or_else(|| panic!("{merged}")).to_owned()
}

#[test]
fn mappings_are_merged_key_by_key_at_every_depth() {
    assert_eq!(
        merged("{a: 1, b: {c: 2, d: 3}}", "{b: {d: 4, e: 5}, f: 6}"),
        "{a: 1, b: {c: 2, d: 4, e: 5}, f: 6}"
    );
}

#[test]
fn a_list_replaces_a_list() {
    assert_eq!(merged("{a: [1, 2]}", "{a: [3]}"), "{a: [3]}");
    assert_eq!(merged("{pools: [{name: a, x: 1}]}", "{pools: [{name: a}]}"), "{pools: [{name: a}]}");
}

#[test]
fn a_value_of_another_kind_replaces_what_was_there() {
    assert_eq!(merged("{a: {b: 1}}", "{a: 5}"), "{a: 5}");
    assert_eq!(merged("{a: 5}", "{a: {b: 1}}"), "{a: {b: 1}}");
    assert_eq!(merged("", "{a: 1}"), "{a: 1}");
}

#[test]
fn a_written_null_removes_the_key() {
    assert_eq!(merged("{a: 1, b: {c: 2}, d: [3]}", "{a: ~, b: null, d: ~}"), "{}");
    assert_eq!(merged("{a: {b: 1, c: 2}}", "{a: {b: ~, d: ~}}"), "{a: {c: 2}}");
}

#[test]
fn an_empty_section_changes_nothing() {
    assert_eq!(merged("{a: {b: 1}, c: [1]}", "a:\n  # b: 2\nc:\n"), "{a: {b: 1}, c: [1]}");
    assert_eq!(merged("{a: 1}", ""), "{a: 1}");
}

#[test]
fn a_value_that_was_forgotten_is_still_missing_after_the_merge() {
    assert_eq!(merged("{a: 1}", "a:\n"), "{a: ~}");
}

#[test]
fn pools_are_merged_by_name() {
    assert_eq!(
        merged_pools(
            "[{name: a, x: 1, s: {t: 1}}, {name: b}]",
            "[{name: b, x: 2}, {x: 3, s: {u: 2}, name: a}]"
        ),
        "[{name: a, x: 3, s: {t: 1, u: 2}}, {name: b, x: 2}]"
    );
}

#[test]
fn a_pool_of_a_new_name_or_of_none_is_added() {
    assert_eq!(
        merged_pools("[{name: a}]", "[{name: c, x: 1}, {x: 2}, 5]"),
        "[{name: a}, {name: c, x: 1}, {x: 2}, 5]"
    );
    assert_eq!(merged_pools("[{x: 1}]", "[{x: 2}]"), "[{x: 1}, {x: 2}]");
}

#[test]
fn a_second_pool_of_one_name_stays_apart_to_be_reported() {
    assert_eq!(
        merged_pools("[{name: a}]", "[{name: a, x: 1}, {name: a, y: 1}]"),
        "[{name: a, x: 1}, {name: a, y: 1}]"
    );
    assert_eq!(merged_pools("[{name: a}, {name: a}]", "[{name: a, x: 1}]"), "[{name: a, x: 1}, {name: a}]");
}

#[test]
fn a_list_inside_a_pool_replaces_even_if_it_is_called_pools() {
    assert_eq!(
        merged_pools("[{name: a, pools: [{name: b, x: 1}]}]", "[{name: a, pools: [{name: b}]}]"),
        "[{name: a, pools: [{name: b}]}]"
    );
}

#[test]
fn keys_that_are_no_text_are_kept_to_be_reported() {
    assert_eq!(merged("{1: a}", "{1: b, 2: c}"), "{1: a, 1: b, 2: c}");
}

#[test]
fn a_merged_section_keeps_its_place_and_a_replaced_value_has_the_new_one() {
    let mut base = parse("{a: {b: 1, c: 2}}", SourceId::FIRST).unwrap();
    let over = parse("  {a: {b: 3}}", SourceId::FIRST).unwrap();
    let new = value(&over, &["a", "b"]).place;
    let (section, kept) = (value(&base, &["a"]).place, value(&base, &["a", "c"]).place);
    merge(&mut base, over);
    assert_eq!(value(&base, &["a"]).place, section);
    assert_eq!(value(&base, &["a", "b"]).place, new);
    assert_eq!(value(&base, &["a", "c"]).place, kept);
}

fn value<'n>(node: &'n Node, keys: &[&str]) -> &'n Node {
    keys.iter().fold(node, |node, key| {
        let Value::Map(entries) = &node.value else { panic!("a mapping") };
        let entry = entries.iter().find(|entry| matches!(&entry.key.value, Value::Text(name) if name == key));
        &entry.unwrap().value
    })
}

#[test]
fn ten_thousand_pools_and_keys_are_merged_at_once() {
    let pools = |n: usize| (0..n).map(|n| format!("{{name: p{n}}}")).collect::<Vec<_>>().join(", ");
    let keys = |n: usize| (0..n).map(|n| format!("k{n}: {n}")).collect::<Vec<_>>().join(", ");
    let file = |n| format!("{{connection_pool: {{pools: [{}]}}, {}}}", pools(n), keys(n));
    assert_eq!(merged(&file(10_000), &file(9_000)), merged(&file(10_000), "{}"));
}

#[test]
fn what_is_said_in_another_way_is_replaced() {
    assert_eq!(merged("{password_env: A, user: u}", "{password_file: f}"), "{user: u, password_file: f}");
    assert_eq!(merged("{host: h, port: 1, database: d, name: n}", "{url: 'x:'}"), "{name: n, url: x:}");
    assert_eq!(merged("{url: 'x:', name: n}", "{host: h}"), "{name: n, host: h}");
    assert_eq!(merged("{url: 'x:', name: n}", "{user: u}"), "{url: x:, name: n, user: u}");
    assert_eq!(merged("{host: h, port: 1}", "{host: g}"), "{host: g, port: 1}", "the same way");
    assert_eq!(merged("{password: p}", "{password_env: ~}"), "{password: p}", "nothing is said");
    assert_eq!(
        merged("{password: p}", "{password_env: A, password_file: f}"),
        "{password_env: A, password_file: f}",
        "two ways in one file are a mistake, and stay one"
    );
}
