//! YAML text to a tree whose every value knows where it was written; the only file that knows the parser.
//!
//! A tree, and not `#[derive(Deserialize)]` on the public types, because a derived reader stops at the first wrong
//! type or unknown key, while a file with five mistakes deserves five messages.
//!
//! What the parser itself refuses (broken syntax, a key given twice, a document that expands too far) ends the
//! reading and is therefore reported alone.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::{
    Error, Location, MessageFormatter, NonFiniteFloatPolicy, Options, Spanned, UserMessageFormatter,
};

use crate::problem::{Mistake, Place};
use crate::shown::shown;

/// The deepest nesting of lists and mappings; the schema itself needs five levels. Each level costs the parser and
/// serde some 30 KiB of stack in a debug build: at 64 levels a thread of 2 MiB overflows.
const MAX_DEPTH: usize = 16;

/// The most values one document may hold, those that aliases repeat included: ten thousand pools with twelve keys
/// each.
const MAX_NODES: usize = 250_000;

/// A value and the place where it is written; for an alias, the place of what it stands for.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) place: Place,
    /// The text as it was written, if it referred to variables: what they held is not to be shown.
    pub(crate) written: Option<Box<str>>,
}

/// What a [`Node`] holds, as the YAML 1.2 core schema reads it.
#[derive(Debug)]
pub(crate) enum Value {
    Null,
    Flag(bool),
    Integer(i128),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One `key: value` of a mapping. No two entries of a mapping have the same key: the parser refuses that.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) key: Node,
    pub(crate) value: Node,
}

/// Reads one YAML document.
///
/// # Errors
///
/// The first thing the parser refuses, with its place.
pub(crate) fn parse(text: &str) -> Result<Node, (Place, Mistake)> {
    serde_saphyr::from_str_with_options(text, options())
        .map_err(|error| (error.location().map_or(Place::START, place_of), refusal(&error)))
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: MAX_DEPTH, max_nodes: MAX_NODES },
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
    let at_least_one = |n: u64| u32::try_from(n).unwrap_or(u32::MAX).max(1);
    Place { line: at_least_one(location.line()), column: at_least_one(location.column()) }
}

fn refusal(error: &Error) -> Mistake {
    match error.without_snippet() {
        Error::AliasError { error, .. } => refusal(error),
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().map_or("a key".to_owned(), |key| format!("key {}", shown(key)));
            Mistake::new(format!("{key} for the second time"), "each key once", "remove one of the two")
        }
        Error::MultipleDocuments { .. } => {
            Mistake::new("a second document", "one document", "remove what follows the `---` or `...`")
        }
        Error::UnsupportedTag { tag, .. } => Mistake::new(
            format!("tag {}", shown(tag)),
            "a value without a tag of one's own",
            "remove the tag",
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
        Ok(Self { value: spanned.value, place: place_of(spanned.defined), written: None })
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
