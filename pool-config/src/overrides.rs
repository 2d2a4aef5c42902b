//! Keys that variables of the environment set: `POOL__DEFAULT_POOL__MAX_CONNECTIONS=5`.
//!
//! The name of such a variable is the way to a key below `connection_pool`, with `__` between the steps; a pool is
//! meant by its name. The variables become a tree of their own, which is laid over that of the files: so a key that
//! does not exist is found by whoever reads the tree, with the variable as its place.

use std::collections::{BTreeMap, HashMap, hash_map};

use crate::merge::merge;
use crate::path::{MAIN_SECTION, Path, name_of};
use crate::problem::{Mistake, Problems};
use crate::sensitive::is_secret_key;
use crate::shown::{MASK, shown};
use crate::source::{Place, Sources};
use crate::suggest::nearest;
use crate::variables::{Absence, Variables};
use crate::yaml::{self, Entry, Node, Value};

const PREFIX: &str = "POOL__";
const SEPARATOR: &str = "__";

/// A variable that sets a key.
#[derive(Debug)]
pub(crate) struct Override {
    /// What stands between the separators, after the prefix.
    steps: Vec<String>,
    name_place: Place,
    value_place: Place,
    value: Result<Value, Mistake>,
    written: Box<str>,
}

/// The variables that set keys, in the order of their names. Adds each to `sources`.
pub(crate) fn collect(variables: &Variables, sources: &mut Sources) -> Vec<Override> {
    let found = variables.beginning_with(PREFIX);
    found.map(|(name, text)| one(name, text, sources)).collect()
}

fn one(name: &str, text: Result<&str, Absence>, sources: &mut Sources) -> Override {
    let steps: Vec<String> = name[PREFIX.len()..].split(SEPARATOR).map(str::to_owned).collect();
    let is_secret = steps.iter().any(|step| is_secret_key(step));
    // What is in brackets may hold any key, and is not worth telling apart.
    let is_hidden = is_secret || text.is_ok_and(is_bracketed);
    let (name_place, value_place) = sources.add_variable(name, text.unwrap_or_default(), is_hidden);
    let value = match text {
        Ok(text) => Ok(value(text, steps.last(), value_place)),
        Err(_) => Err(Mistake::new("bytes that are not UTF-8", "UTF-8 text", "set the variable to text")),
    };
    let written = if is_hidden { MASK } else { text.unwrap_or_default() };
    Override { steps, name_place, value_place, value, written: written.into() }
}

fn is_bracketed(text: &str) -> bool {
    text.starts_with(['[', '{'])
}

/// What the text of a variable means: a list or a mapping if it is one in brackets, or else text.
///
/// Why not any YAML: `#a`, `*b` and `c: d` are passwords that YAML would cut, refuse or take apart. A number or a flag
/// is found in the text by whoever reads it.
fn value(text: &str, key: Option<&String>, place: Place) -> Value {
    let is_secret_text =
        key.is_some_and(|key| is_secret_key(key) && !key.to_lowercase().ends_with("command"));
    if is_bracketed(text)
        && !is_secret_text
        && let Ok(mut node) = yaml::parse(text, place.source)
    {
        node.for_each_place(&mut |inner| *inner = place);
        return node.value;
    }
    Value::Text(text.to_owned())
}

/// Lays `overrides` over `document`, and reports those that lead nowhere.
///
/// A document that is no mapping, or whose main section is none, is left alone: nothing can be set in it, and whoever
/// reads it says so.
pub(crate) fn apply(document: &mut Node, overrides: Vec<Override>, problems: &mut Problems) {
    if !is_section(Some(document)) || !is_section(find(document, MAIN_SECTION)) {
        return;
    }
    let sources = problems.shared_sources();
    let mut set: HashMap<Target, Place> = HashMap::new();
    // Why not lay each over the files by itself: a variable would replace what another says in a different way.
    let mut trees: BTreeMap<Option<usize>, Vec<Entry>> = BTreeMap::new();
    for Override { steps, name_place, value_place, value, written } in overrides {
        let target = Target::of(&steps, document);
        let path = target.as_ref().map_or_else(|(path, _)| path.clone(), |target| target.path.clone());
        let (target, value) = match (target, value) {
            (Ok(target), Ok(value)) => (target, value),
            (Err((_, mistake)), _) | (_, Err(mistake)) => {
                problems.push(name_place, path, mistake);
                continue;
            }
        };
        let overlaps = |other: &Target| {
            let (shorter, longer) = if other.keys.len() < target.keys.len() {
                (&other.keys, &target.keys)
            } else {
                (&target.keys, &other.keys)
            };
            other.pool == target.pool && other.keys != target.keys && longer.starts_with(shorter)
        };
        if let Some((_, first)) = set.iter().find(|(other, _)| overlaps(other)) {
            let found =
                format!("a key within a section that {} sets, or the other way round", sources.name(*first));
            let mistake =
                Mistake::new(found, "one variable for each key", "put both into one variable, or unset one");
            problems.push(name_place, path, mistake);
            continue;
        }
        match set.entry(target) {
            hash_map::Entry::Occupied(first) => {
                let found = format!("a key that {} sets too", sources.name(*first.get()));
                let mistake = Mistake::new(found, "one variable for each key", "unset one of the two");
                problems.push(name_place, path, mistake);
            }
            hash_map::Entry::Vacant(vacant) => {
                let written = matches!(value, Value::Text(_)).then_some(written);
                let Target { pool, keys, .. } = vacant.key();
                let value = Node { value, place: value_place, written };
                add(trees.entry(*pool).or_default(), keys, name_place, value);
                vacant.insert(name_place);
            }
        }
    }
    for (pool, entries) in trees {
        lay_over(document, pool, entries);
    }
}

/// Adds a key to a tree of sections.
fn add(entries: &mut Vec<Entry>, keys: &[String], place: Place, value: Node) {
    let Some((key, below)) = keys.split_first() else { return };
    let is_section = |entry: &&mut Entry| {
        matches!(&entry.key.value, Value::Text(text) if text == key)
            && matches!(entry.value.value, Value::Map(_))
    };
    if !below.is_empty()
        && let Some(Entry { value: Node { value: Value::Map(entries), .. }, .. }) =
            entries.iter_mut().find(is_section)
    {
        return add(entries, below, place, value);
    }
    let mut section = Vec::new();
    let value = if below.is_empty() {
        value
    } else {
        add(&mut section, below, place, value);
        Node::new(Value::Map(section), place)
    };
    entries.push(Entry { key: Node::new(Value::Text(key.clone()), place), value });
}

/// Lays what variables say over the pool with this index, or else over the main section.
fn lay_over(document: &mut Node, pool: Option<usize>, entries: Vec<Entry>) {
    let Some(place) = entries.first().map(|entry| entry.key.place) else { return };
    let over = Node::new(Value::Map(entries), place);
    match pool {
        None => {
            let key = Node::new(Value::Text(MAIN_SECTION.to_owned()), place);
            merge(document, Node::new(Value::Map(vec![Entry { key, value: over }]), place));
        }
        Some(index) => {
            let pools = find_mut(document, MAIN_SECTION).and_then(|main| find_mut(main, "pools"));
            if let Some(Node { value: Value::List(pools), .. }) = pools {
                merge(&mut pools[index], over);
            }
        }
    }
}

/// The key that a variable sets.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Target {
    /// The index of the pool, if it is a key of one.
    pool: Option<usize>,
    /// The keys to it: below the pool, or else below the main section.
    keys: Vec<String>,
    path: String,
}

impl Target {
    /// The key that `steps` lead to; or what is wrong with them, and where that stands.
    fn of(steps: &[String], document: &Node) -> Result<Self, (String, Mistake)> {
        if steps.iter().any(String::is_empty) {
            let help = "write POOL__SECTION__KEY, or POOL__POOLS__NAME__KEY";
            return Err((
                String::new(),
                Mistake::new("a name with nothing between its `__`", "keys separated by `__`", help),
            ));
        }
        let main = find(document, MAIN_SECTION);
        match steps {
            [first, rest @ ..] if first.eq_ignore_ascii_case("pools") && !rest.is_empty() => {
                let pools = match main.and_then(|main| find(main, "pools")) {
                    Some(Node { value: Value::List(pools), .. }) => pools.as_slice(),
                    _ => &[],
                };
                let (index, keys) = pool_of(rest, pools).map_err(|mistake| ("pools".to_owned(), mistake))?;
                let at = Path::Key(&Path::Key(&Path::Document, MAIN_SECTION), "pools");
                let at = Path::Item(&at, index, name_of(&pools[index]));
                Ok(Self::at(Some(index), at, keys, Some(&pools[index])))
            }
            _ => Ok(Self::at(None, Path::Key(&Path::Document, MAIN_SECTION), steps, main)),
        }
    }

    fn at(pool: Option<usize>, parent: Path<'_>, steps: &[String], mut node: Option<&Node>) -> Self {
        let mut keys = Vec::with_capacity(steps.len());
        let mut path = parent.to_string();
        for step in steps {
            let key = node.map_or_else(|| step.to_ascii_lowercase(), |node| key_meant_by(step, node));
            node = node.and_then(|node| find(node, &key));
            path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            keys.push(key);
        }
        Self { pool, keys, path }
    }
}

/// The pool that `steps` begin with the name of, and the steps after it.
///
/// A name may hold the separator, so the longest name wins; but a name that is written exactly so wins over one that is
/// only alike.
fn pool_of<'s>(steps: &'s [String], pools: &[Node]) -> Result<(usize, &'s [String]), Mistake> {
    let names: Vec<_> = pools.iter().map(|pool| name_of(pool).unwrap_or_default()).collect();
    let tests: [fn(&str, &str) -> bool; 2] =
        [|name, step| name == step, |name, step| alike(name) == alike(step)];
    for is_meant in tests {
        for len in (1..=steps.len()).rev() {
            let step = steps[..len].join(SEPARATOR);
            let mut meant = (0..names.len()).filter(|index| is_meant(names[*index], &step));
            let Some(index) = meant.next() else { continue };
            if let Some(other) = meant.find(|other| names[*other] != names[index]) {
                let found = format!(
                    "{}, which may mean {} or {}",
                    shown(&step),
                    shown(names[index]),
                    shown(names[other])
                );
                return Err(Mistake::new(
                    found,
                    "the name of one pool",
                    "write the name exactly as in the file",
                ));
            }
            return match &steps[len..] {
                [] => Err(Mistake::new(
                    "the name of a pool alone",
                    "a key of it",
                    format!("write {PREFIX}POOLS__{step}__KEY"),
                )),
                [key] if key.eq_ignore_ascii_case("name") => Err(Mistake::new(
                    "the name of a pool",
                    "another key of it",
                    "rename the pool in the file",
                )),
                keys => Ok((index, keys)),
            };
        }
    }
    let help = match nearest(&steps[0], &names) {
        Some(name) => format!("did you mean `{name}`?"),
        None if names.is_empty() => "add the pool to the file".to_owned(),
        None => format!("write one of {}", listed(&names)),
    };
    Err(Mistake::new(format!("unknown pool {}", shown(&steps[0])), "the name of a pool in the file", help))
}

/// What a name and the step that means it have in common: a variable can hold neither `-` nor, in some shells, small
/// letters.
fn alike(name: &str) -> String {
    name.chars().flat_map(char::to_lowercase).map(|c| if c.is_alphanumeric() { c } else { '_' }).collect()
}

/// The first names, of perhaps many.
fn listed(names: &[&str]) -> String {
    const MAX: usize = 5;
    let rest = if names.len() > MAX { ", …" } else { "" };
    format!("{}{rest}", names[..names.len().min(MAX)].join(", "))
}

/// The key of `node` that is spelled so, with large or small letters; or else the step in small letters.
fn key_meant_by(step: &str, node: &Node) -> String {
    let Value::Map(entries) = &node.value else { return step.to_ascii_lowercase() };
    let keys = || {
        entries.iter().filter_map(|Entry { key, .. }| match &key.value {
            Value::Text(key) => Some(key),
            _ => None,
        })
    };
    let exact = keys().find(|key| *key == step);
    let meant = exact.or_else(|| keys().find(|key| key.eq_ignore_ascii_case(step)));
    meant.map_or_else(|| step.to_ascii_lowercase(), Clone::clone)
}

fn is_section(node: Option<&Node>) -> bool {
    node.is_none_or(|node| matches!(node.value, Value::Map(_) | Value::Null))
}

fn find<'n>(node: &'n Node, name: &str) -> Option<&'n Node> {
    let Value::Map(entries) = &node.value else { return None };
    entries.iter().find(|entry| is_named(entry, name)).map(|entry| &entry.value)
}

fn find_mut<'n>(node: &'n mut Node, name: &str) -> Option<&'n mut Node> {
    let Value::Map(entries) = &mut node.value else { return None };
    entries.iter_mut().find(|entry| is_named(entry, name)).map(|entry| &mut entry.value)
}

fn is_named(entry: &Entry, name: &str) -> bool {
    matches!(&entry.key.value, Value::Text(key) if key == name)
}

#[cfg(test)]
mod tests;
