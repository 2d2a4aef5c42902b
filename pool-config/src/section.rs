//! One mapping of the file while it is read: hands out its keys, collects what is wrong with them, and remembers
//! which were written and where.
//!
//! A section learns its keys by being asked for them, so there is no second list of known keys to keep in step.
//! Whatever nobody asked for when the reader is done is an unknown key.
//!
//! Reading never stops at a mistake. A key that is absent or refused leaves its slot as it was, so that the other
//! keys can still be judged; [`Origin::Refused`] keeps rules from judging the value left behind.

use std::collections::HashMap;

use crate::class::ReloadClass;
use crate::keys::{Keys, Named, SecretKeys, Visitor};
use crate::kind::{Kind, Name, describe};
use crate::pool::PoolConfig;
use crate::problem::{Mistake, Problems};
use crate::secret::SecretSource;
use crate::sensitive::{has_secret, may_be_torn_off};
use crate::shown::shown;
use crate::source::Place;
use crate::suggest::help_for_unknown;
use crate::yaml::{Entry, Node, Value};

/// Keys that start so belong to the author of the file: notes, anchors to be merged elsewhere.
pub(crate) const IGNORED: &str = "x-";

/// A file with more problems than this gets no more guesses at what was meant: each guess compares all keys, and a
/// file full of wrong ones would keep a processor busy for seconds.
const MAX_GUESSES: usize = 100;

/// A section with more keys does not list them all in a message.
const MAX_LISTED: usize = 15;

const UNKNOWN_HELP: &str = "remove it, or let its name start with `x-` to have it ignored";

const TORN_OFF: &str = "an unknown key without a value, perhaps the rest of a secret with a comma in it";

const TORN_OFF_HELP: &str = "put the secret in quotes, or remove the key";

/// How a key came to its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nobody wrote it: it keeps its default.
    Default,
    /// It was written here, and read.
    Written(Place),
    /// It was written, and what was written is a problem already reported.
    Refused,
}

/// What is found out while a document is read.
#[derive(Debug)]
pub(crate) struct Notes {
    pub(crate) problems: Problems,
    /// Where each key was written, by its path.
    pub(crate) origins: HashMap<String, Origin>,
}

impl Notes {
    pub(crate) fn new(problems: Problems) -> Self {
        Self { problems, origins: HashMap::new() }
    }
}

/// One mapping of the file.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    path: String,
    /// The path of the section from which this one inherits what is not written here.
    base: Option<String>,
    place: Place,
    entries: &'a [Entry],
    asked: Vec<(&'static str, Origin)>,
    notes: &'a mut Notes,
}

impl<'a> Section<'a> {
    /// Reads the whole document; `None` if it is no mapping. An empty one reads as a mapping without keys.
    pub(crate) fn document<T>(
        node: &'a Node,
        notes: &'a mut Notes,
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> Option<T> {
        let entries: &[Entry] = match &node.value {
            Value::Map(entries) => entries,
            Value::Null => &[],
            _ => {
                notes.problems.push(node.place, String::new(), not_a_section(node));
                return None;
            }
        };
        let (path, place) = (String::new(), node.place);
        let mut document = Section { path, base: None, place, entries, asked: Vec::new(), notes };
        let value = read(&mut document);
        document.report_unknown_keys();
        Some(value)
    }

    /// The value of `key`, if it is written and is of this kind.
    pub(crate) fn read<K: Kind>(&mut self, key: &'static str, kind: &K) -> Option<K::Value> {
        let node = self.ask(key)?;
        match kind.read(node) {
            Ok(value) => Some(value),
            Err(mistake) => {
                let place = mistake.place.unwrap_or(node.place);
                self.refuse(key, place, mistake);
                None
            }
        }
    }

    /// Puts the value of `key` into `slot`; a key that is absent or refused leaves the slot as it is.
    pub(crate) fn set<K: Kind>(&mut self, key: &'static str, slot: &mut K::Value, kind: &K) {
        if let Some(value) = self.read(key, kind) {
            *slot = value;
        }
    }

    /// The section whose keys the paths of problems begin with: its own name would say nothing.
    pub(crate) fn main_section<S: Keys>(&mut self, key: &'static str, slot: &mut S) {
        self.section_at(key, String::new(), None, slot);
    }

    /// Reads the section under `key` into `slot`; absent or empty, it reads as one in which nothing is written.
    fn section_at<S: Keys>(&mut self, key: &'static str, path: String, base: Option<String>, slot: &mut S) {
        let node = self.ask(key);
        let entries = match node {
            Some(Node { value: Value::Map(entries), .. }) => entries.as_slice(),
            None | Some(Node { value: Value::Null, .. }) => &[],
            Some(node) => {
                self.refuse(key, node.place, not_a_section(node));
                &[]
            }
        };
        let place = node.map_or(self.place, |node| node.place);
        self.child(path, base, place, entries, |section| {
            slot.visit(section);
            slot.check(section);
        });
    }

    /// The entries of the list under `key`.
    fn items(&mut self, key: &'static str, help: &str) -> &'a [Node] {
        match self.ask(key) {
            Some(Node { value: Value::List(items), .. }) => items.as_slice(),
            None | Some(Node { value: Value::Null, .. }) => &[],
            Some(node) => {
                self.refuse(key, node.place, Mistake::new(kind(node), "a list", help));
                &[]
            }
        }
    }

    /// The list of sections under `key`, told apart by where they stand.
    fn sections<S: Keys + Default>(&mut self, key: &'static str) -> Vec<S> {
        let path = self.path_of(key);
        let items = self.items(key, "start each entry with `- `");
        let mut values = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let Value::Map(entries) = &node.value else {
                self.notes.problems.push(node.place, path, not_a_section(node));
                continue;
            };
            let mut value = S::default();
            self.child(path, None, node.place, entries, |section| {
                value.visit(section);
                value.check(section);
            });
            values.push(value);
        }
        values
    }

    /// The list of sections under `key`, each with a `name` of its own; `read` gets the name and the section.
    ///
    /// A section without a usable name is read too, so that its other mistakes are found, but not returned. Entries that
    /// inherit from `base` are pools.
    pub(crate) fn named_sections<T>(
        &mut self,
        key: &'static str,
        base: Option<&str>,
        mut read: impl FnMut(String, &mut Section<'_>) -> T,
    ) -> Vec<T> {
        let path = self.path_of(key);
        let items = self.items(key, "start each entry with `- name:`");
        let mut places: HashMap<String, Place> = HashMap::new();
        let mut values = Vec::with_capacity(items.len());
        for (index, node) in items.iter().enumerate() {
            let by_index = format!("{path}[{index}]");
            let Value::Map(entries) = &node.value else {
                self.notes.problems.push(node.place, by_index, not_a_section(node));
                continue;
            };
            // The name is looked up first, because it is part of the path of every problem.
            let is_name = |entry: &&Entry| is_text(&entry.key, "name") && entry.value.written.is_none();
            let name = entries.iter().find(is_name);
            let name = name.and_then(|entry| Some((Name.read(&entry.value).ok()?, entry.value.place)));
            let first = name.as_ref().and_then(|(name, _)| places.get(name).copied());
            let path = match &name {
                Some((name, _)) if first.is_none() => format!("{path}[{}]", shown(name)),
                _ => by_index,
            };
            if let Some((name, place)) = name {
                places.entry(name).or_insert(place);
            }
            let value = self.child(path, base.map(str::to_owned), node.place, entries, |section| {
                let name = section.read("name", &Name);
                if section.is_reference("name") {
                    let expected = match base {
                        Some(_) => {
                            "a name that is written out: overlays and variables mean a pool by its name"
                        }
                        None => "a name that is written out",
                    };
                    section.report(
                        "name",
                        Mistake::new(section.shown("name"), expected, "write the name itself"),
                    );
                }
                if let Some(name) = &name
                    && let Some(first) = first
                {
                    let first = section.whereabouts(first, "name");
                    let found = format!("{}, which {first} has already", shown(name));
                    section.report("name", Mistake::new(found, "a name of its own", "rename one of the two"));
                }
                section.require("name", "a name", "add `name:`");
                let value = read(name.clone().unwrap_or_default(), section);
                name.map(|_| value)
            });
            values.extend(value);
        }
        values
    }

    /// How `key` came to its value. Only for keys that were asked for: any other is as good as not written. One of a section
    /// below this one is named with that, such as `circuit_breaker.open_ms`.
    pub(crate) fn origin(&self, key: &str) -> Origin {
        let asked = self.asked.iter().find(|(asked, _)| *asked == key).map(|(_, origin)| *origin);
        let below = || self.notes.origins.get(&self.path_of(key)).copied();
        asked.or_else(|| key.contains('.').then(below).flatten()).unwrap_or(Origin::Default)
    }

    /// How `key` came to its value, here or where this section inherits from.
    pub(crate) fn effective_origin(&self, key: &str) -> Origin {
        match (self.origin(key), &self.base) {
            (Origin::Default, Some(base)) => {
                self.notes.origins.get(&format!("{base}.{key}")).copied().unwrap_or(Origin::Default)
            }
            (origin, _) => origin,
        }
    }

    /// Whether nobody wrote `key`, neither here nor where this section inherits from.
    pub(crate) fn is_default(&self, key: &str) -> bool {
        self.effective_origin(key) == Origin::Default
    }

    /// Whether what is not written here may be written elsewhere.
    pub(crate) fn inherits(&self) -> bool {
        self.base.is_some()
    }

    /// Whether `key` is written here, and was read.
    pub(crate) fn is_written(&self, key: &str) -> bool {
        matches!(self.origin(key), Origin::Written(_))
    }

    /// Whether what is written for `key` refers to a variable.
    pub(crate) fn is_reference(&self, key: &str) -> bool {
        let entry = self.entries.iter().find(|entry| is_text(&entry.key, key));
        entry.is_some_and(|entry| entry.value.written.is_some())
    }

    /// How a message at `key` names another place.
    pub(crate) fn whereabouts(&self, place: Place, key: &str) -> String {
        self.notes.problems.sources().whereabouts(place, self.place_of(key))
    }

    /// What is written for `key`, as a message names it.
    pub(crate) fn shown(&self, key: &str) -> String {
        let entry = self.entries.iter().find(|entry| is_text(&entry.key, key));
        entry.map_or_else(|| "nothing".to_owned(), |entry| describe(&entry.value))
    }

    /// Reports a mistake at `key`: at its value, or at the section if it is not written.
    pub(crate) fn report(&mut self, key: &'static str, mistake: Mistake) {
        let (place, path) = (self.place_of(key), self.path_of(key));
        self.notes.problems.push(place, path, mistake);
    }

    /// Reports a mistake at the entry of `key` that is this text: a key of a mapping, or an item of a list.
    pub(crate) fn report_entry(&mut self, key: &'static str, entry: &str, mistake: Mistake) {
        let place = self.place_of_entry(key, entry);
        self.notes.problems.push(place, self.path_of(key), mistake);
    }

    /// Reports what is hardly meant, likewise.
    pub(crate) fn warn_entry(&mut self, key: &'static str, entry: &str, mistake: Mistake) {
        let place = self.place_of_entry(key, entry);
        self.notes.problems.warn(place, self.path_of(key), mistake);
    }

    /// Reports what is allowed and hardly meant, as [`Self::report`].
    pub(crate) fn warn(&mut self, key: &'static str, mistake: Mistake) {
        let (place, path) = (self.place_of(key), self.path_of(key));
        self.notes.problems.warn(place, path, mistake);
    }

    /// Reports a mistake at a key of one of the pools below this section, as [`Self::report`].
    pub(crate) fn report_of_pool(&mut self, pool: &str, key: &'static str, mistake: Mistake) {
        let (place, path) = self.of_pool(pool, key);
        self.notes.problems.push(place, path, mistake);
    }

    /// Reports what is hardly meant, likewise.
    pub(crate) fn warn_of_pool(&mut self, pool: &str, key: &'static str, mistake: Mistake) {
        let (place, path) = self.of_pool(pool, key);
        self.notes.problems.warn(place, path, mistake);
    }

    /// How the key at `path` below this section came to its value.
    pub(crate) fn origin_below(&self, path: &str) -> Origin {
        self.notes.origins.get(&self.path_of(path)).copied().unwrap_or(Origin::Default)
    }

    /// Reports a mistake at the key at `path` below this section: at its value, or at the section if it is not written.
    pub(crate) fn report_below(&mut self, path: &str, mistake: Mistake) {
        let (place, path) = self.below(path);
        self.notes.problems.push(place, path, mistake);
    }

    /// Reports what is hardly meant, likewise.
    pub(crate) fn warn_below(&mut self, path: &str, mistake: Mistake) {
        let (place, path) = self.below(path);
        self.notes.problems.warn(place, path, mistake);
    }

    fn below(&self, path: &str) -> (Place, String) {
        let place = match self.origin_below(path) {
            Origin::Written(place) => place,
            Origin::Default | Origin::Refused => self.place,
        };
        (place, self.path_of(path))
    }

    fn of_pool(&self, pool: &str, key: &str) -> (Place, String) {
        let path = format!("pools[{}]", shown(pool));
        let place = |key: &str| match self.notes.origins.get(&format!("{path}.{key}")) {
            Some(Origin::Written(place)) => Some(*place),
            _ => None,
        };
        let place = place(key).or_else(|| place("name")).unwrap_or(self.place);
        (place, format!("{path}.{key}"))
    }

    fn place_of_entry(&self, key: &str, entry: &str) -> Place {
        let node = self.entries.iter().find(|entry| is_text(&entry.key, key)).map(|entry| &entry.value.value);
        let found = match node {
            Some(Value::Map(entries)) => {
                entries.iter().map(|entry| &entry.key).find(|key| is_text(key, entry))
            }
            Some(Value::List(items)) => items.iter().find(|item| is_text(item, entry)),
            _ => None,
        };
        found.map_or_else(|| self.place_of(key), |node| node.place)
    }

    fn place_of(&self, key: &str) -> Place {
        match self.origin(key) {
            Origin::Written(place) => place,
            Origin::Default | Origin::Refused => self.place,
        }
    }

    /// Reports `key` as missing if nobody wrote it. A value that was refused is not missing.
    pub(crate) fn require(&mut self, key: &'static str, expected: impl Into<String>, help: &str) {
        if self.origin(key) == Origin::Default {
            self.report(key, Mistake::new("nothing", expected, help));
        }
    }

    /// Reports `key` as meaningless if somebody wrote it.
    pub(crate) fn forbid(&mut self, key: &'static str, expected: impl Into<String>) {
        if matches!(self.origin(key), Origin::Written(_)) {
            self.report(key, Mistake::new("a value", expected, "remove the key"));
        }
    }

    fn child<T>(
        &mut self,
        path: String,
        base: Option<String>,
        place: Place,
        entries: &[Entry],
        read: impl FnOnce(&mut Section<'_>) -> T,
    ) -> T {
        let mut child = Section { path, base, place, entries, asked: Vec::new(), notes: self.notes };
        let value = read(&mut child);
        child.report_unknown_keys();
        value
    }

    fn ask(&mut self, key: &'static str) -> Option<&'a Node> {
        let entries = self.entries;
        let node = entries.iter().find(|entry| is_text(&entry.key, key)).map(|entry| &entry.value);
        let origin = node.map_or(Origin::Default, |node| Origin::Written(node.place));
        self.asked.push((key, origin));
        if origin != Origin::Default {
            self.notes.origins.insert(self.path_of(key), origin);
        }
        node
    }

    fn refuse(&mut self, key: &'static str, place: Place, mistake: Mistake) {
        let path = self.path_of(key);
        self.notes.origins.insert(path.clone(), Origin::Refused);
        self.notes.problems.push(place, path, mistake);
        for (asked, origin) in &mut self.asked {
            if *asked == key {
                *origin = Origin::Refused;
            }
        }
    }

    fn report_unknown_keys(&mut self) {
        let known: Vec<_> = self.asked.iter().map(|(key, _)| *key).collect();
        let expected = || match known.len() {
            ..=MAX_LISTED => format!("one of {}", known.join(", ")),
            count => format!("one of the {count} keys that docs/configuration.md has for it"),
        };
        let has_secret = has_secret(self.entries);
        for entry in self.entries {
            let Entry { key, .. } = entry;
            let is_known = |name: &str| known.contains(&name) || name.starts_with(IGNORED);
            if matches!(&key.value, Value::Text(name) if is_known(name)) {
                continue;
            }
            if has_secret && may_be_torn_off(entry) {
                let mistake = Mistake::new(TORN_OFF, expected(), TORN_OFF_HELP);
                self.notes.problems.push(key.place, self.path.clone(), mistake);
                continue;
            }
            let Value::Text(name) = &key.value else {
                let mistake = Mistake::new(format!("{} as a key", describe(key)), expected(), "remove it");
                self.notes.problems.push(key.place, self.path.clone(), mistake);
                continue;
            };
            let found = format!("unknown key {}", shown(name));
            let guess =
                if self.notes.problems.len() < MAX_GUESSES { help_for_unknown(name, &known) } else { None };
            let mistake = match guess {
                Some(help) => Mistake::new(found, "a known key", help),
                None => Mistake::new(found, expected(), UNKNOWN_HELP),
            };
            let path = if is_plain(name) { self.path_of(name) } else { self.path.clone() };
            self.notes.problems.push(key.place, path, mistake);
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl Visitor for Section<'_> {
    fn value<K: Kind>(
        &mut self,
        _doc: &'static str,
        slot: &mut K::Value,
        name: &'static str,
        kind: K,
        _class: ReloadClass,
    ) {
        self.set(name, slot, &kind);
    }

    fn required<K: Kind>(
        &mut self,
        _doc: &'static str,
        slot: &mut K::Value,
        name: &'static str,
        kind: K,
        _class: ReloadClass,
    ) {
        self.set(name, slot, &kind);
        if self.effective_origin(name) == Origin::Default {
            self.require(name, kind.allowed(), &format!("add `{name}:`"));
        }
    }

    fn section<S: Keys>(&mut self, _doc: &'static str, slot: &mut S, name: &'static str) {
        let base = self.base.as_ref().map(|base| format!("{base}.{name}"));
        self.section_at(name, self.path_of(name), base, slot);
    }

    fn inheriting<S: Keys>(&mut self, _doc: &'static str, slot: &mut S, name: &'static str, base: &str) {
        self.section_at(name, self.path_of(name), Some(base.to_owned()), slot);
    }

    fn optional<S: Keys + Default>(&mut self, doc: &'static str, slot: &mut Option<S>, name: &'static str) {
        let is_there = |entry: &Entry| is_text(&entry.key, name) && !matches!(entry.value.value, Value::Null);
        if self.entries.iter().any(is_there) {
            self.section(doc, slot.get_or_insert_default(), name);
        } else {
            self.ask(name);
        }
    }

    /// The name was read before all else: it is part of the path of every problem.
    fn named(&mut self, _doc: &'static str, _slot: &mut String, _name: &'static str) {}

    fn flat<S: Keys>(&mut self, _doc: &'static str, slot: &mut S) {
        slot.visit(self);
        slot.check(self);
    }

    fn pools(
        &mut self,
        _doc: &'static str,
        slot: &mut Vec<PoolConfig>,
        name: &'static str,
        template: &PoolConfig,
    ) {
        *slot = self.named_sections(name, Some("default_pool"), |name, section| {
            PoolConfig::read(name, section, template)
        });
    }

    fn list<S: Keys + Default>(&mut self, _doc: &'static str, slot: &mut Vec<S>, name: &'static str) {
        *slot = self.sections(name);
    }

    fn named_list<S: Named>(&mut self, _doc: &'static str, slot: &mut Vec<S>, name: &'static str) {
        *slot = self.named_sections(name, None, |name, section| {
            let mut value = S::called(name);
            value.visit(section);
            value.check(section);
            value
        });
    }

    fn secret(
        &mut self,
        doc: &'static str,
        slot: &mut Option<SecretSource>,
        _name: &'static str,
        keys: &SecretKeys,
    ) {
        self.secret_parts(doc, slot, keys);
        let written: Vec<_> = keys.all().into_iter().filter(|key| self.is_written(key)).collect();
        if let [first, second, ..] = written[..] {
            let expected = format!("one of {}", keys.all().join(", "));
            self.report(
                second,
                Mistake::new(format!("{second} beside {first}"), expected, "remove one of the two"),
            );
        }
    }
}

fn is_text(node: &Node, text: &str) -> bool {
    matches!(&node.value, Value::Text(found) if found == text)
}

/// Whether `key` can stand in a path as it is.
fn is_plain(key: &str) -> bool {
    key.len() <= 60 && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn not_a_section(node: &Node) -> Mistake {
    Mistake::new(kind(node), "a section", "write `key: value` lines here, indented below it")
}

/// What `node` is, without its text: where a section belongs, a whole connection string may stand.
fn kind(node: &Node) -> String {
    match &node.value {
        Value::Text(_) => "text".to_owned(),
        _ => describe(node),
    }
}

#[cfg(test)]
mod tests;
