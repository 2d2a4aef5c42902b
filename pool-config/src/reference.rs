//! The reference of all keys, for people: `docs/configuration.md` is what this file writes.

use std::fmt::Write as _;

use crate::description::{Content, SectionKeys, ValueKey};
use crate::emit::scalar;
use crate::schema::sentence;

/// The reference of all keys as Markdown: for each its unit, default, range, effect and reload class, section by section.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(INTRODUCTION);
    section(&mut text, "connection_pool", &SectionKeys::config(), &[]);
    text
}

const INTRODUCTION: &str = include_str!("reference/introduction.md");

/// Writes the table of a section, and then those of the sections within it. The keys `listed` are in another table.
fn section(text: &mut String, path: &str, keys: &SectionKeys, listed: &[&str]) {
    let _infallible = writeln!(text, "\n## `{path}`\n");
    text.push_str("| key | allowed | unit | default | effect | reload |\n|---|---|---|---|---|---|\n");
    let own = keys.keys.iter().filter(|key| !listed.contains(&key.name));
    for key in own.clone() {
        let effect = sentence(&key.doc).replace('|', "\\|");
        let row = match &key.content {
            Content::Value(value) => {
                let ValueKey { allowed, unit, class, .. } = value;
                let default = default(value);
                format!("{allowed} | {unit} | {default} | {effect} | {class}")
            }
            Content::Section(_) | Content::Inheriting(_) => format!("a section | | | {effect} | see there"),
            Content::Sections(_) => format!("a list of sections | | empty | {effect} | see there"),
        };
        let _infallible = writeln!(text, "| `{}` | {row} |", key.name);
    }
    if !listed.is_empty() {
        text.push_str("\nAnd every key of `default_pool`, for this pool alone.\n");
    }
    let settings: Vec<_> =
        match keys.keys.iter().find(|key| key.name == "default_pool").map(|key| &key.content) {
            Some(Content::Section(settings)) => settings.keys.iter().map(|key| key.name).collect(),
            _ => Vec::new(),
        };
    for key in own {
        match &key.content {
            // What a pool inherits as a section has its table in `security`.
            Content::Value(_) | Content::Inheriting(_) => {}
            Content::Section(inner) => section(text, &format!("{path}.{}", key.name), inner, &[]),
            Content::Sections(inner) => section(text, &format!("{path}.{}[]", key.name), inner, &settings),
        }
    }
}

fn default(value: &ValueKey) -> String {
    match (&value.default, value.is_required) {
        (_, true) => "required".to_owned(),
        (json, _) if json.is_null() => "none".to_owned(),
        (serde_json::Value::String(text), _) => format!("`{text}`"),
        (json, _) => format!("`{}`", scalar(json)),
    }
}
