//! A configuration as the text of a file.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::config::Config;
use crate::listing::{Value, list, list_pool};
use crate::pool::PoolConfig;

impl Config {
    /// The configuration as YAML that loads as one equal to it, **secrets included**.
    ///
    /// Keys that have their default are left out: those of a pool that are as in `default_pool` or `security`, and elsewhere those
    /// that are built in.
    #[must_use]
    pub fn to_yaml(&self) -> String {
        let mut yaml = String::from("connection_pool:\n");
        let start = yaml.len();
        let rest = |config: &Self| Self { pools: Vec::new(), ..config.clone() };
        let mut writer = Writer::new(1);
        for value in other_than(list(&rest(self), ""), &list(&Self::default(), "")) {
            writer.key(&mut yaml, &value.path, &value.json, "");
        }
        if !self.pools.is_empty() {
            yaml.push_str("  pools:\n");
        }
        for pool in &self.pools {
            let _infallible = writeln!(yaml, "    - name: {}", scalar(&Json::String(pool.name.clone())));
            let template = PoolConfig { name: pool.name.clone(), ..self.template() };
            let prefix = format!("{}.", crate::listing::path_of_pool(&pool.name));
            let mut writer = Writer::new(3);
            for value in other_than(list_pool(pool), &list_pool(&template)) {
                writer.key(
                    &mut yaml,
                    value.path.strip_prefix(&prefix).unwrap_or(&value.path),
                    &value.json,
                    "",
                );
            }
        }
        if yaml.len() == start {
            yaml.truncate(start - 1);
            yaml.push_str(" {}\n");
        }
        yaml
    }
}

/// The values that are not as in `defaults`.
fn other_than(values: Vec<Value>, defaults: &[Value]) -> Vec<Value> {
    let is_default =
        |value: &Value| defaults.iter().any(|other| other.path == value.path && other.json == value.json);
    values.into_iter().filter(|value| !value.json.is_null() && !is_default(value)).collect()
}

/// Writes keys, given with their whole paths one after the other, as a tree.
pub(crate) struct Writer {
    indent: usize,
    /// The sections that are open.
    open: Vec<String>,
}

impl Writer {
    pub(crate) fn new(indent: usize) -> Self {
        Self { indent, open: Vec::new() }
    }

    pub(crate) fn key(&mut self, yaml: &mut String, path: &str, value: &Json, note: &str) {
        let mut sections = steps(path);
        let key = sections.pop().unwrap_or_default();
        let shared = self.open.iter().zip(&sections).take_while(|(open, section)| open == section).count();
        self.open.truncate(shared);
        let mut begins_item = false;
        for section in &sections[shared..] {
            if section.starts_with('[') {
                begins_item = true;
            } else {
                self.line(yaml, section, "", begins_item);
                begins_item = false;
            }
            self.open.push((*section).to_owned());
        }
        self.line(yaml, key, &format!(" {}{note}", scalar(value)), begins_item);
    }

    fn line(&self, yaml: &mut String, key: &str, value: &str, begins_item: bool) {
        let mut indent = "  ".repeat(self.indent + self.open.len());
        if begins_item {
            indent.replace_range(indent.len() - 2.., "- ");
        }
        let _infallible = writeln!(yaml, "{indent}{key}:{value}");
    }
}

/// The steps of a path: `rules["a.b"].metric` has `rules`, `["a.b"]` and `metric`.
fn steps(path: &str) -> Vec<&str> {
    let (mut steps, mut start, mut is_quoted) = (Vec::new(), 0, false);
    for (at, c) in path.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            '.' | '[' if !is_quoted => {
                steps.push(&path[start..at]);
                start = if c == '.' { at + 1 } else { at };
            }
            _ => {}
        }
    }
    steps.push(&path[start..]);
    steps
}

/// A value on one line: JSON is YAML, and no text in it is taken for a number or a reference to a variable.
pub(crate) fn scalar(value: &Json) -> String {
    fn escaped(value: &Json) -> Json {
        match value {
            Json::String(text) => Json::String(text.replace('$', "$$")),
            Json::Array(items) => items.iter().map(escaped).collect(),
            Json::Object(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), escaped(value))).collect()
            }
            other => other.clone(),
        }
    }
    // What YAML does not allow in a file, and what a terminal would not show.
    let text = escaped(value).to_string();
    let mut written = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\u{7f}'..='\u{9f}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{2028}' | '\u{2029}' => {
                let _infallible = write!(written, "\\u{:04x}", u32::from(c));
            }
            _ => written.push(c),
        }
    }
    written
}

#[cfg(test)]
mod tests;
