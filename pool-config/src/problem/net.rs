//! The last net under the messages: no secret of the configuration is in one, whichever way it got there.
//!
//! A value is judged by its own key, but an alias, a variable or a slip of the hand can bring the text of a password under
//! another: `{password: &p x, port: *p}`. So the texts of all secrets are collected, once there is something to report, and
//! searched for in every message.
//!
//! A password may also be a word such as `text`, and a message must not lose its words to it. What comes from a file stands in
//! double quotes, and is searched for all secrets; the rest only for those that are no plain word or number.

use std::collections::BTreeSet;

use crate::sensitive::{has_secret, is_known_key, is_secret_key, may_be_torn_off};
use crate::shown::{CUT, MASK};
use crate::source::{Source, SourceKind, Sources};
use crate::yaml::{self, Entry, Node, Value};

/// Shorter texts are not searched for: they are part of too many words, and whoever sees one has not learnt much.
const MIN_CHARS: usize = 4;

/// Ends of known keys that tell where a secret is, and are none.
const PLACES: &[&str] = &["_env", "_file", "_url"];

/// The texts of secrets.
pub(crate) struct Net {
    texts: BTreeSet<String>,
    /// The same in order, for searching.
    sorted: Vec<String>,
    /// The bytes that any of them begins with: most of a text needs no further search.
    first_bytes: Box<[bool; 256]>,
}

impl Default for Net {
    fn default() -> Self {
        Self { texts: BTreeSet::new(), sorted: Vec::new(), first_bytes: Box::new([false; 256]) }
    }
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Net").finish_non_exhaustive()
    }
}

impl Net {
    /// Adds a secret.
    pub(crate) fn add(&mut self, text: &str) {
        if text.chars().nth(MIN_CHARS - 1).is_none() || is_reference(text) {
            return;
        }
        // What `shown` makes of it: a secret with an `@` in it looks like a login, and is cut in two.
        self.texts.insert(crate::shown::masked(text));
        self.texts.insert(text.to_owned());
    }

    /// Adds the secrets in `document`.
    pub(crate) fn add_document(&mut self, document: &Node) {
        self.add_node(document, false);
    }

    /// Adds the secrets as they are written in `sources`; those of a file that is not YAML cannot be told.
    pub(crate) fn add_sources(&mut self, sources: &Sources) {
        sources.iter().for_each(|source| self.add_source(source));
    }

    fn add_source(&mut self, source: &Source) {
        match source.kind {
            SourceKind::File => {
                if let Some(document) = yaml::parse_as_written(&source.text) {
                    self.add_document(&document);
                }
            }
            SourceKind::Variable { secret } => {
                let Some((name, value)) = source.text.split_once('=') else { return };
                let key = name.rsplit("__").next().unwrap_or_default();
                if secret && !is_place_of_secret(&key.to_ascii_lowercase()) {
                    self.add(value);
                }
            }
        }
    }

    fn add_node(&mut self, node: &Node, is_secret: bool) {
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| self.add_node(item, is_secret)),
            Value::Map(entries) => {
                let has_secret = has_secret(entries);
                for entry in entries {
                    let Entry { key, value } = entry;
                    self.add_node(key, is_secret || (has_secret && may_be_torn_off(entry)));
                    match &value.value {
                        // The program is named in messages, its arguments are not.
                        Value::List(words) if is_command(key) => {
                            words.iter().skip(1).for_each(|word| self.add_node(word, true));
                        }
                        Value::List(receivers) if is_named(key, "receivers") => {
                            receivers.iter().for_each(|receiver| self.add_receiver(receiver));
                            self.add_node(value, is_secret);
                        }
                        _ => self.add_node(value, is_secret || holds_secret(key)),
                    }
                }
            }
            Value::Text(text) if is_secret => self.add(text),
            Value::Integer(number) if is_secret => self.add(&number.to_string()),
            Value::Float(number) if is_secret => self.add(&format!("{number:?}")),
            _ => {}
        }
    }

    /// The URL of whoever is told of alerts is one as a whole.
    fn add_receiver(&mut self, receiver: &Node) {
        let Value::Map(entries) = &receiver.value else { return };
        for Entry { value, .. } in entries.iter().filter(|entry| is_named(&entry.key, "url")) {
            self.add_node(value, true);
        }
    }

    /// Ends the collecting.
    pub(crate) fn close(&mut self) {
        self.texts.remove(MASK);
        self.sorted = std::mem::take(&mut self.texts).into_iter().collect();
        for first in self.sorted.iter().filter_map(|secret| secret.bytes().next()) {
            self.first_bytes[usize::from(first)] = true;
        }
    }

    /// `found`, and the help that goes with it, without secrets. A number that was found may be repeated in the help.
    pub(crate) fn found_and_help(&self, found: &str, help: &str) -> (String, String) {
        let without_numbers = self.message(found, false);
        let found = self.message(found, true);
        let has_number = found != without_numbers;
        (found, self.message(help, has_number))
    }

    /// A message without the secrets in it; `with_numbers` also without those that are numbers and stand outside quotes.
    pub(crate) fn message(&self, message: &str, with_numbers: bool) -> String {
        if self.sorted.is_empty() {
            return message.to_owned();
        }
        let is_sought = |secret: &str, before: &str, after: &str| match kind(secret) {
            Kind::Word => false,
            Kind::Number => with_numbers && !ends_in_word(before) && !begins_as_word(after),
            Kind::Other => true,
        };
        self.by_parts(message, |text| self.masked(text, is_sought))
    }

    /// A path without the secrets in it.
    pub(crate) fn path(&self, path: &str) -> String {
        if self.sorted.is_empty() {
            return path.to_owned();
        }
        self.by_parts(path, |text| {
            let key = |step: &str| {
                let (key, index) = step.split_at(step.find('[').unwrap_or(step.len()));
                let is_shown = is_known_key(key) || !self.is_in(key);
                format!("{}{index}", if is_shown { key } else { MASK })
            };
            text.split('.').map(key).collect::<Vec<_>>().join(".")
        })
    }

    /// Whether a secret is anywhere in `text`.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        text.char_indices().any(|(at, _)| self.longest_at(&text[at..], |_| true).is_some())
    }

    /// `message` with `outside` applied to what stands outside double quotes, and without any secret inside them.
    fn by_parts(&self, message: &str, outside: impl Fn(&str) -> String) -> String {
        let mut result = String::new();
        let mut rest = message;
        while let Some((before, after)) = rest.split_once('"') {
            let Some(end) = end_of_quoted(after) else { break };
            result.push_str(&outside(before));
            result.push_str(&self.quoted(&after[..end]));
            rest = &after[end + 1..];
        }
        result.push_str(&outside(rest));
        result
    }

    /// What stands in quotes, as `{:?}` wrote it, with the quotes and without secrets.
    fn quoted(&self, escaped: &str) -> String {
        let text = unescaped(escaped);
        let masked = self.masked(&text, |_, _, _| true);
        let masked = self.without_cut_secret(masked);
        if masked == text { format!("\"{escaped}\"") } else { format!("{masked:?}") }
    }

    /// `text` with the mask for each secret for which `is_sought` is true, given what stands before and after it.
    fn masked(&self, text: &str, is_sought: impl Fn(&str, &str, &str) -> bool) -> String {
        let mut result = String::new();
        let mut at = 0;
        while let Some(c) = text[at..].chars().next() {
            let secret = self.longest_at(&text[at..], |len| {
                is_sought(&text[at..at + len], &text[..at], &text[at + len..])
            });
            match secret {
                Some(len) => {
                    result.push_str(MASK);
                    at += len;
                }
                None => {
                    result.push(c);
                    at += c.len_utf8();
                }
            }
        }
        result
    }

    /// The length of the longest secret that `text` begins with and that `is_sought` by its length.
    ///
    /// Whatever is a beginning of `text` sorts before it, with nothing but such beginnings and their continuations between:
    /// so the secret that sorts last before `text` is one, or tells how long one is at most.
    fn longest_at(&self, text: &str, is_sought: impl Fn(usize) -> bool) -> Option<usize> {
        let mut beginning = text;
        if !text.bytes().next().is_some_and(|first| self.first_bytes[usize::from(first)]) {
            return None;
        }
        loop {
            let index = self.sorted.partition_point(|secret| secret.as_str() <= beginning);
            let secret = &self.sorted[index.checked_sub(1)?];
            let common = match beginning.starts_with(secret.as_str()) {
                true if is_sought(secret.len()) => return Some(secret.len()),
                true => beginning.floor_char_boundary(secret.len().saturating_sub(1)),
                false => common_len(beginning, secret),
            };
            if common == 0 {
                return None;
            }
            beginning = &beginning[..common];
        }
    }

    /// A long text is cut before it comes here, perhaps in the middle of a secret.
    fn without_cut_secret(&self, text: String) -> String {
        let Some(before) = text.strip_suffix(CUT) else { return text };
        let begins_secret = |part: &str| {
            let index = self.sorted.partition_point(|secret| secret.as_str() < part);
            self.sorted.get(index).is_some_and(|secret| secret.starts_with(part))
        };
        let starts = before.char_indices().map(|(at, _)| at);
        let start = starts
            .take_while(|at| before[*at..].chars().nth(MIN_CHARS - 1).is_some())
            .find(|at| begins_secret(&before[*at..]));
        start.map_or(text.clone(), |start| format!("{}{MASK}{CUT}", &before[..start]))
    }
}

fn is_named(key: &Node, name: &str) -> bool {
    matches!(&key.value, Value::Text(key) if key == name)
}

/// Whether a program stands under this key, which prints a secret.
fn is_command(key: &Node) -> bool {
    matches!(&key.value, Value::Text(key) if key.ends_with("_command") && is_secret_key(key))
}

/// Whether what stands under `key` is a secret, and not where one is.
fn holds_secret(key: &Node) -> bool {
    matches!(&key.value, Value::Text(key) if is_secret_key(key) && !is_place_of_secret(key))
}

fn is_place_of_secret(key: &str) -> bool {
    is_known_key(key) && PLACES.iter().any(|end| key.ends_with(end))
}

/// Whether a text is `${NAME}` and nothing else: it only says where the secret is.
fn is_reference(text: &str) -> bool {
    let name = text.strip_prefix("${").and_then(|text| text.strip_suffix('}'));
    name.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// What a secret could be mistaken for in a message.
enum Kind {
    /// A word of ours.
    Word,
    /// A limit, or the number of a line.
    Number,
    Other,
}

fn kind(secret: &str) -> Kind {
    let all = |is: fn(char) -> bool| secret.chars().all(|c| is(c) || c == '_');
    if all(|c| c.is_ascii_lowercase()) || all(|c| c.is_ascii_uppercase()) {
        Kind::Word
    } else if secret.chars().all(|c| c.is_ascii_digit() || "+-.e".contains(c)) {
        Kind::Number
    } else {
        Kind::Other
    }
}

fn ends_in_word(text: &str) -> bool {
    text.ends_with(char::is_alphanumeric)
}

fn begins_as_word(text: &str) -> bool {
    text.starts_with(char::is_alphanumeric)
}

/// How many bytes two texts have in common, up to the end of a character.
fn common_len(a: &str, b: &str) -> usize {
    let equal = a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    a.floor_char_boundary(equal)
}

/// Where the quotes end that begin just before `text`.
fn end_of_quoted(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.char_indices().find_map(|(at, c)| {
        let ends = c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        ends.then_some(at)
    })
}

/// The text that `{:?}` escapes so.
fn unescaped(escaped: &str) -> String {
    let mut text = String::new();
    let mut rest = escaped;
    while let Some((before, after)) = rest.split_once('\\') {
        text.push_str(before);
        let mut chars = after.chars();
        match chars.next() {
            Some('n') => text.push('\n'),
            Some('r') => text.push('\r'),
            Some('t') => text.push('\t'),
            Some('0') => text.push('\0'),
            Some('u') => {
                let (code, after) = chars.as_str().split_once('}').unwrap_or((chars.as_str(), ""));
                let code = u32::from_str_radix(code.trim_start_matches('{'), 16).ok();
                text.extend(code.and_then(char::from_u32));
                rest = after;
                continue;
            }
            other => text.extend(other),
        }
        rest = chars.as_str();
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests;
