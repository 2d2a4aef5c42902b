//! Lists, and mappings from text to text.

use std::collections::BTreeMap;

use schemars::{Schema, json_schema};
use serde_json::Value as Json;

use super::text::raw;
use super::{Kind, Name, Text, describe};
use crate::problem::Mistake;
use crate::yaml::{Entry, Node, Value};

/// A list of values of one kind.
#[derive(Debug, Clone)]
pub(crate) struct List<K>(pub(crate) K);

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn read(&self, node: &Node) -> Result<Self::Value, Mistake> {
        let Value::List(items) = &node.value else {
            return Err(Mistake::new(describe(node), self.allowed(), "start each entry with `- `"));
        };
        items.iter().map(|item| self.0.read(item).map_err(|mistake| mistake.at(item))).collect()
    }

    fn write(&self, value: &Self::Value) -> Json {
        value.iter().map(|item| self.0.write(item)).collect()
    }

    fn allowed(&self) -> String {
        format!("a list, each entry {}", self.0.allowed())
    }

    fn schema(&self) -> Schema {
        json_schema!({ "type": "array", "items": self.0.schema() })
    }
}

/// Text that may have several lines, as SQL does.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lines;

impl Kind for Lines {
    type Value = String;

    fn read(&self, node: &Node) -> Result<String, Mistake> {
        let text = raw(node)?;
        if text.contains(|c: char| c.is_control() && !matches!(c, '\n' | '\t')) {
            let help = "remove the control characters";
            return Err(Mistake::new(describe(node), "text without control characters", help));
        }
        Ok(text.to_owned())
    }

    fn write(&self, value: &String) -> Json {
        Json::String(value.clone())
    }

    fn allowed(&self) -> String {
        "text".to_owned()
    }

    fn schema(&self) -> Schema {
        Text.schema()
    }
}

/// A mapping from names to text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tags;

impl Kind for Tags {
    type Value = BTreeMap<String, String>;

    fn read(&self, node: &Node) -> Result<Self::Value, Mistake> {
        let Value::Map(entries) = &node.value else {
            return Err(Mistake::new(describe(node), self.allowed(), "write `name: text` lines, indented"));
        };
        let tag = |entry: &Entry| {
            let name = Name.read(&entry.key).map_err(|mistake| mistake.at(&entry.key))?;
            let text = Text.read(&entry.value).map_err(|mistake| mistake.at(&entry.value))?;
            Ok((name, text))
        };
        entries.iter().map(tag).collect()
    }

    fn write(&self, value: &Self::Value) -> Json {
        value.iter().map(|(name, text)| (name.clone(), Json::String(text.clone()))).collect()
    }

    fn allowed(&self) -> String {
        "a mapping from names to text".to_owned()
    }

    fn schema(&self) -> Schema {
        json_schema!({ "type": "object", "additionalProperties": Text.schema() })
    }
}
