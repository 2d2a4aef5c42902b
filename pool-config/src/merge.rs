//! One tree laid over another: mappings key by key, pools by their names, everything else as a whole.
//!
//! Every value keeps the place where it was written, so a problem points at the text that caused it.

use std::collections::HashMap;

use crate::path::{Path, name_of};
use crate::yaml::{Entry, Node, Value};

/// Different ways to say the same: whoever writes one of the keys `by` which a way is known means none of the other ways,
/// of which all keys go.
const WAYS: &[&[Way]] = &[
    &[way(&"password"), way(&"password_env"), way(&"password_file"), way(&"password_command")],
    &[
        way(&"client_secret"),
        way(&"client_secret_env"),
        way(&"client_secret_file"),
        way(&"client_secret_command"),
    ],
    // A user alone beside a URL is more likely a mistake than an address of its own.
    &[way(&"url"), Way { by: &["host", "port", "database"], keys: &["host", "port", "database", "user"] }],
];

struct Way {
    by: &'static [&'static str],
    keys: &'static [&'static str],
}

/// A way that is one key.
const fn way(key: &'static &'static str) -> Way {
    Way { by: std::slice::from_ref(key), keys: std::slice::from_ref(key) }
}

/// Lays `over` over `base`.
///
/// A key that says in another way what one of `base` says replaces that: a `password_file` the `password_env`, a `url` the
/// `host`.
///
/// A null that is written out, `~` or `null`, removes the key. Nothing at all after a key changes nothing where a
/// section or a list stands, because that is what is left of a section whose lines are all comments.
pub(crate) fn merge(base: &mut Node, over: Node) {
    merge_at(base, over, Path::Document);
}

fn merge_at(base: &mut Node, over: Node, path: Path<'_>) {
    match (&mut base.value, over.value) {
        (Value::Map(entries), Value::Map(over)) => merge_entries(entries, over, path),
        (Value::List(pools), Value::List(over)) if path.is_pools() => merge_pools(pools, over, path),
        (Value::Map(_) | Value::List(_), Value::Null) => {}
        (_, value) => *base = Node { value, ..over },
    }
}

fn merge_entries(base: &mut Vec<Entry>, over: Vec<Entry>, path: Path<'_>) {
    // Tags may be called anything.
    if !path.is_tags() {
        drop_other_ways(base, &over);
    }
    let mut known: HashMap<String, usize> = HashMap::with_capacity(base.len());
    for (index, entry) in base.iter().enumerate() {
        if let Value::Text(key) = &entry.key.value {
            known.insert(key.clone(), index);
        }
    }
    let mut removed = Vec::new();
    for entry in over {
        let Value::Text(key) = &entry.key.value else {
            base.push(entry);
            continue;
        };
        match known.get(key) {
            Some(&index) if is_written_null(&entry.value) => removed.push(index),
            Some(&index) => merge_at(&mut base[index].value, entry.value, Path::Key(&path, key)),
            None if is_written_null(&entry.value) => {}
            None => base.push(entry),
        }
    }
    removed.sort_unstable();
    for index in removed.into_iter().rev() {
        base.remove(index);
    }
}

/// Takes out of `base` what `over` says in another way.
fn drop_other_ways(base: &mut Vec<Entry>, over: &[Entry]) {
    let says = |keys: &[&str]| {
        over.iter().any(|entry| {
            keys.iter().any(|key| is_key(entry, key)) && !matches!(entry.value.value, Value::Null)
        })
    };
    for ways in WAYS {
        if ways.iter().any(|way| says(way.by)) {
            let others: Vec<_> = ways.iter().filter(|way| !says(way.by)).flat_map(|way| way.keys).collect();
            base.retain(|entry| !others.iter().any(|key| is_key(entry, key)));
        }
    }
}

fn is_key(entry: &Entry, key: &str) -> bool {
    matches!(&entry.key.value, Value::Text(text) if text == key)
}

fn is_written_null(node: &Node) -> bool {
    matches!(node.value, Value::Null) && node.place.start < node.place.end
}

/// Pools with a name that `base` has are laid over that pool; the others are added.
///
/// Only the first of several with one name: the rest are added too, to be reported as pools of the same name.
fn merge_pools(base: &mut Vec<Node>, over: Vec<Node>, path: Path<'_>) {
    let mut known: HashMap<String, usize> = HashMap::with_capacity(base.len());
    for (index, pool) in base.iter().enumerate() {
        if let Some(name) = name_of(pool) {
            known.entry(name.to_owned()).or_insert(index);
        }
    }
    for pool in over {
        let name = name_of(&pool).map(str::to_owned);
        match name.as_deref().and_then(|name| known.remove(name)) {
            Some(index) => merge_at(&mut base[index], pool, Path::Item(&path, index, name.as_deref())),
            None => base.push(pool),
        }
    }
}

#[cfg(test)]
mod tests;
