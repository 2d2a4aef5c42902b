//! What a key may hold, as a value of its own: how it is read, written, shown and described.
//!
//! All that the project says about a key comes from its kind and from the line that declares it: the reader, the
//! messages, the JSON Schema, the reference in `docs/configuration.md`. A kind knows nothing of keys and places;
//! [`Section`](crate::section::Section) adds both to its [`Mistake`].

mod list;
mod number;
mod secret;
mod text;
mod word;

pub(crate) use list::{Lines, List, Tags};
pub(crate) use number::{Flag, Millis, Number, Share, Whole};
pub(crate) use secret::{Command, Endpoint, HookUrl, SecretText, SecretUrl};
pub(crate) use text::{Name, PathText, Text};
pub(crate) use word::{Word, Words};

use schemars::Schema;
use serde_json::Value as Json;

use crate::problem::Mistake;
use crate::sensitive::is_secret_key;
use crate::shown::{MASK, masked, shown};
use crate::yaml::{Node, Value};

/// What a key may hold.
pub(crate) trait Kind {
    /// What it is read into.
    type Value: Clone + PartialEq;

    /// The value of a node.
    fn read(&self, node: &Node) -> Result<Self::Value, Mistake>;

    /// The value as a file would hold it; null if a file would not mention the key.
    fn write(&self, value: &Self::Value) -> Json;

    /// The same as people may see it: without what looks like credentials.
    fn mask(&self, value: &Self::Value) -> Json {
        without_credentials(self.write(value))
    }

    /// What is allowed, in words that fit after "expected".
    fn allowed(&self) -> String;

    /// What is counted, such as `ms`; empty where nothing is.
    fn unit(&self) -> &'static str {
        ""
    }

    /// The schema of a value that is written out. Any value may also be a reference to a variable; that is added
    /// elsewhere.
    fn schema(&self) -> Schema;
}

/// A key that may be left out without a default.
pub(crate) struct Optional<K>(pub(crate) K);

impl<K: Kind> Kind for Optional<K> {
    type Value = Option<K::Value>;

    fn read(&self, node: &Node) -> Result<Self::Value, Mistake> {
        self.0.read(node).map(Some)
    }

    fn write(&self, value: &Self::Value) -> Json {
        value.as_ref().map_or(Json::Null, |value| self.0.write(value))
    }

    fn mask(&self, value: &Self::Value) -> Json {
        value.as_ref().map_or(Json::Null, |value| self.0.mask(value))
    }

    fn allowed(&self) -> String {
        self.0.allowed()
    }

    fn unit(&self) -> &'static str {
        self.0.unit()
    }

    fn schema(&self) -> Schema {
        self.0.schema()
    }
}

/// Text of a value, at any depth, with what looks like credentials hidden.
fn without_credentials(json: Json) -> Json {
    match json {
        Json::String(text) => Json::String(masked(&text)),
        Json::Array(items) => items.into_iter().map(without_credentials).collect(),
        Json::Object(entries) => {
            let hide = |(key, value): (String, Json)| {
                let value = if is_secret_key(&key) {
                    Json::String(MASK.to_owned())
                } else {
                    without_credentials(value)
                };
                (key, value)
            };
            entries.into_iter().map(hide).collect()
        }
        other => other,
    }
}

fn absent(expected: impl Into<String>) -> Mistake {
    Mistake::new("nothing", expected, "write a value, or remove the key")
}

/// A value as a message names it. Lists and mappings are not shown: they may hold anything, a password too. Nor is what
/// a variable held: the message names the variable.
pub(crate) fn describe(node: &Node) -> String {
    if let Some(written) = &node.written {
        return shown(written);
    }
    match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::Flag(flag) => flag.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Text(text) => shown(text),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    }
}

#[cfg(test)]
mod tests;
