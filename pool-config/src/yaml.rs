//! YAML text to a tree whose every value knows where it was written; the only file that knows the parser.
//!
//! A tree, and not `#[derive(Deserialize)]` on the public types, because a derived reader stops at the first wrong
//! type or unknown key, while a file with five mistakes deserves five messages.
//!
//! Broken syntax, and a document that expands too far, end the reading and are therefore reported alone. A key that
//! is given twice is reported with everything else.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy};
use serde_saphyr::{
    Error, Location, MessageFormatter, NonFiniteFloatPolicy, Options, Spanned, UserMessageFormatter,
};

use crate::problem::Mistake;
use crate::shown::shown;
use crate::source::{Place, SourceId, count};

/// The deepest nesting of lists and mappings; the schema itself needs five levels. Each level costs the parser and
/// serde some 30 KiB of stack in a debug build: at 64 levels a thread of 2 MiB overflows.
const MAX_DEPTH: usize = 16;

/// The most values one document may hold, those that aliases repeat included: ten thousand pools with twelve keys
/// each.
const MAX_NODES: usize = 250_000;

/// A value and the place where it is written; for an alias, the place of what it stands for.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
    /// How a message shows the value, if not by itself: for text that refers to variables of the environment, the
    /// text with the references, and for the value of such a variable, that value if it is no secret.
    ///
    /// Such a value is always text, also where a number or a flag is meant: whoever reads it finds out what it is.
    pub(crate) written: Option<Box<str>>,
}

impl Node {
    pub(crate) fn new(value: Value, place: Place) -> Self {
        Self { value, place, written: None }
    }
}

/// What a [`Node`] holds, as the YAML 1.2 core schema reads it.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    Flag(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One `key: value` of a mapping. No two entries of a mapping that is read have the same key.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) key: Node,
    pub(crate) value: Node,
}

/// What the parser refuses in a text.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// In no particular order; at least one.
    pub(crate) mistakes: Vec<(Place, Mistake)>,
    /// The document without what was refused, if the rest of it can be judged.
    pub(crate) rest: Option<Node>,
}

/// Reads one YAML document, the text of `source`.
///
/// # Errors
///
/// The first thing that ends the reading, with its place; or every key that is given twice.
pub(crate) fn parse(text: &str, source: SourceId) -> Result<Node, Refusal> {
    let error = match parse_with(text, options(DuplicateKeyPolicy::Error, MergeKeyPolicy::Merge)) {
        Ok(mut document) => {
            document.move_to(source);
            return Ok(document);
        }
        Err(error) => error,
    };
    let place = error.location().map_or(Place::START, |location| place_in(text, location));
    let mut refusal = Refusal { mistakes: vec![(place, refusal(&error))], rest: None };
    if matches!(error.without_snippet(), Error::DuplicateMappingKey { .. })
        && let Ok(mut document) =
            parse_with(text, options(DuplicateKeyPolicy::LastWins, MergeKeyPolicy::Merge))
    {
        document.take_repeated_keys(&mut refusal.mistakes);
        document.move_to(source);
        refusal.rest = Some(document);
    }
    for (place, _) in &mut refusal.mistakes {
        place.source = source;
    }
    Err(refusal)
}

/// Reads one YAML document with every key and value that is written in it, also those that give way to others.
pub(crate) fn parse_as_written(text: &str) -> Option<Node> {
    parse_with(text, options(DuplicateKeyPolicy::LastWins, MergeKeyPolicy::AsOrdinary)).ok()
}

fn parse_with(text: &str, options: Options) -> Result<Node, Error> {
    serde_saphyr::from_str_with_options(text, options)
}

impl Node {
    /// Takes every further entry with a key that a mapping already has, and reports it.
    ///
    /// An alias repeats what it stands for, so the place is what makes an entry another one.
    fn take_repeated_keys(&mut self, mistakes: &mut Vec<(Place, Mistake)>) {
        let mut reported: HashSet<Place> = mistakes.iter().map(|(place, _)| *place).collect();
        self.take_repeated_keys_but(&mut reported, mistakes);
    }

    fn take_repeated_keys_but(
        &mut self,
        reported: &mut HashSet<Place>,
        mistakes: &mut Vec<(Place, Mistake)>,
    ) {
        match &mut self.value {
            Value::List(items) => {
                items.iter_mut().for_each(|item| item.take_repeated_keys_but(reported, mistakes));
            }
            Value::Map(entries) => {
                let mut seen = HashSet::new();
                entries.retain(|Entry { key, .. }| match &key.value {
                    Value::Text(name) if !seen.insert(name.clone()) => {
                        if reported.insert(key.place) {
                            mistakes.push((key.place, repeated(Some(name))));
                        }
                        false
                    }
                    _ => true,
                });
                for entry in entries {
                    entry.value.take_repeated_keys_but(reported, mistakes);
                }
            }
            _ => {}
        }
    }

    /// Calls `change` for the place of this value and of everything in it.
    pub(crate) fn for_each_place(&mut self, change: &mut impl FnMut(&mut Place)) {
        change(&mut self.place);
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|item| item.for_each_place(change)),
            Value::Map(entries) => {
                for Entry { key, value } in entries {
                    key.for_each_place(change);
                    value.for_each_place(change);
                }
            }
            _ => {}
        }
    }

    /// Puts every place into `source`: the parser knows of the first only.
    fn move_to(&mut self, source: SourceId) {
        if source != SourceId::FIRST {
            self.for_each_place(&mut |place| place.source = source);
        }
    }
}

fn options(duplicate_keys: DuplicateKeyPolicy, merge_keys: MergeKeyPolicy) -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES },
        duplicate_keys: duplicate_keys,
        merge_keys: merge_keys,
        // `yes` and `on` are text in YAML 1.2; the reader of a flag then says what to write.
        strict_booleans: true,
        // `.nan` reaches the range check, which knows the key it stands at.
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        // A tag that is not understood would be dropped in silence.
        reject_unsupported_tags: true,
        // Only the bare message is used: a snippet repeats lines of the file, and what they hold.
        with_snippet: false,
    }
}

fn place_of(location: Location) -> Place {
    let span = location.span();
    let start = span.byte_offset().unwrap_or(0);
    Place {
        source: SourceId::FIRST,
        line: saturated(location.line()).max(1),
        column: saturated(location.column()).max(1),
        start: saturated(start),
        end: saturated(start + span.byte_len().unwrap_or(0)),
    }
}

fn saturated(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The place of an error, which may come without bytes, in `text`.
fn place_in(text: &str, location: Location) -> Place {
    let place = place_of(location);
    if location.span().byte_offset().is_some() {
        return place;
    }
    let before = (1..place.line).try_fold(0, |at, _| text[at..].find('\n').map(|end| at + end + 1));
    let start = before.unwrap_or(text.len());
    let column = usize::try_from(place.column - 1).unwrap_or(usize::MAX);
    let start = text[start..].char_indices().nth(column).map_or(text.len(), |(at, _)| start + at);
    Place { start: count(start), end: count(start), ..place }
}

fn repeated(key: Option<&str>) -> Mistake {
    let key = key.map_or("a key".to_owned(), |key| format!("key {}", shown(key)));
    Mistake::new(format!("{key} for the second time"), "each key once", "remove one of the two")
}

fn refusal(error: &Error) -> Mistake {
    match error.without_snippet() {
        Error::AliasError { error, .. } => refusal(error),
        Error::DuplicateMappingKey { key, .. } => repeated(key.as_deref()),
        Error::MultipleDocuments { .. } => {
            Mistake::new("a second document", "one document", "remove what follows the `---` or `...`")
        }
        // Why not name it: a password that begins with `!` and lacks its quotes is a tag.
        Error::UnsupportedTag { .. } => Mistake::new(
            "a tag that YAML does not know",
            "a value without a tag of one's own",
            "remove the tag, or quote the value if the `!` belongs to it",
        ),
        Error::UnknownAnchor { .. } => Mistake::new(
            "an alias of an anchor that nothing defines",
            "an anchor written above its alias",
            "define it with `&name`, or quote the value if the `*` belongs to it",
        ),
        Error::Budget { breach: BudgetBreach::Depth { .. }, .. } => Mistake::new(
            "values nested too deep",
            format!("at most {MAX_DEPTH} levels"),
            "check for brackets that are never closed",
        ),
        Error::Budget { .. }
        | Error::AliasReplayCounterOverflow { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::RecursiveReferencesRequireWeakTypes { .. } => Mistake::new(
            "a document that grows without bound when its aliases are followed",
            format!("at most {MAX_NODES} values and few aliases per anchor"),
            "write the values out instead of using aliases",
        ),
        other => Mistake::new(
            one_line(&UserMessageFormatter.format_message(other)),
            "valid YAML",
            "check indentation, quotes and brackets at and just above this place",
        ),
    }
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self::new(spanned.value, place_of(spanned.defined)))
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Flag(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Integer(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key()? {
            entries.push(Entry { key, value: map.next_value()? });
        }
        Ok(Value::Map(entries))
    }
}

#[cfg(test)]
mod tests;
