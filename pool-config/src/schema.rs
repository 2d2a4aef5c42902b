//! The JSON Schema of a file, for editors and for validators that are not ours.

use schemars::{Schema, json_schema};
use serde_json::{Map, Value as Json, json};

use crate::description::{Content, Key, SectionKeys, ValueKey};

/// The JSON Schema (draft 2020-12) of a configuration file.
///
/// It tells the keys, their types and their ranges. Rules between keys, names that must differ and the like are not in it: a
/// file may fit the schema and still be refused, never the other way round.
#[must_use]
pub fn json_schema() -> Schema {
    json_schema!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "connection_pool.yaml",
        "description": "The connection pools of a service.",
        "type": "object",
        "properties": { "connection_pool": section(&SectionKeys::config(), true) },
        "required": ["connection_pool"],
        "patternProperties": { "^x-": true },
        "additionalProperties": false,
        "$defs": {
            "reference": {
                "description": "A value taken from environment variables: `${NAME}`, `${NAME:-default}`.",
                "type": "string",
                "pattern": "\\$\\{"
            }
        }
    })
}

/// A section; one that inherits may leave out whatever it needs.
fn section(section: &SectionKeys, requires: bool) -> Json {
    let properties: Map<String, Json> =
        section.keys.iter().map(|key| (key.name.to_owned(), property(key, requires))).collect();
    let required: Vec<_> =
        section.keys.iter().filter(|key| requires && is_required(key)).map(|key| key.name).collect();
    let mut schema = json!({
        "type": ["object", "null"],
        "properties": properties,
        "patternProperties": { "^x-": true },
        "additionalProperties": false,
    });
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn is_required(key: &Key) -> bool {
    matches!(&key.content, Content::Value(ValueKey { is_required: true, .. }))
}

fn property(key: &Key, requires: bool) -> Json {
    let mut schema = match &key.content {
        Content::Section(keys) => section(keys, requires),
        Content::Inheriting(keys) => section(keys, false),
        Content::Sections(keys) => {
            let mut item = section(keys, true);
            item["type"] = json!("object");
            json!({ "type": ["array", "null"], "items": item })
        }
        Content::Value(value) => value_schema(value),
    };
    schema["description"] = json!(sentence(&key.doc));
    schema
}

/// The value written out, or a reference to a variable in its place. Text may hold a reference anyway.
fn value_schema(value: &ValueKey) -> Json {
    let plain = value.schema.as_value().clone();
    let may_hold_reference =
        plain["type"] == json!("string") && plain.get("enum").is_none() && plain.get("pattern").is_none();
    let mut schema = if may_hold_reference || matches!(plain["type"].as_str(), Some("array" | "object")) {
        plain
    } else {
        json!({ "anyOf": [plain, { "$ref": "#/$defs/reference" }] })
    };
    if !value.default.is_null() {
        schema["default"] = value.default.clone();
    }
    schema
}

/// A description as a sentence: with a capital letter and a full stop.
pub(crate) fn sentence(doc: &str) -> String {
    let mut letters = doc.chars();
    // A word of code stays as it is.
    let first = letters.next().map(|first| first.to_uppercase().collect::<String>()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}
