//! `${NAME}` in the values of a tree, replaced by what a variable of the environment holds.
//!
//! Only in values, not in keys, and not below a key that is ignored. What a variable holds is put in as it is: it is
//! neither searched for further references nor read as YAML. A value that held a reference keeps the text that it was
//! written with, and messages show that.

mod reference;

use std::borrow::Cow;

use crate::interpolate::reference::{Otherwise, Piece, Reference, pieces};
use crate::path::{Path, name_of};
use crate::problem::{Mistake, Problems};
use crate::section::IGNORED;
use crate::sensitive::is_secret_key;
use crate::shown::{MASK, shown};
use crate::source::{Place, Sources, count};
use crate::variables::{Absence, Variables};
use crate::yaml::{Entry, Node, Value};

/// The most bytes that the values with references may have in all: as many as a file. Otherwise a few kilobytes of
/// references to one long variable would fill the memory.
const MAX_BYTES: usize = 10 * 1024 * 1024;

/// Replaces every reference in the values of `document` that come from a file.
///
/// Reports every variable that is not set and has no default, and every reference that cannot be read; such a value
/// stays as it is written.
pub(crate) fn interpolate(document: &mut Node, variables: &Variables, problems: &mut Problems) {
    let sources = problems.shared_sources();
    let mut interpolation =
        Interpolation { variables, sources: &sources, problems, bytes_left: Some(MAX_BYTES) };
    interpolation.walk(document, Path::Document, false);
}

struct Interpolation<'a> {
    variables: &'a Variables,
    sources: &'a Sources,
    problems: &'a mut Problems,
    /// What values may still grow by; `None` once that was too little and was reported.
    bytes_left: Option<usize>,
}

impl Interpolation<'_> {
    fn walk(&mut self, node: &mut Node, path: Path<'_>, is_secret: bool) {
        match &mut node.value {
            Value::Text(text) => {
                if text.contains('$') && !self.sources.is_variable(node.place) {
                    self.replace(node, path, is_secret);
                }
            }
            Value::List(items) => {
                for (index, item) in items.iter_mut().enumerate() {
                    let name = name_of(item).map(str::to_owned);
                    self.walk(item, Path::Item(&path, index, name.as_deref()), is_secret);
                }
            }
            Value::Map(entries) => {
                for Entry { key, value } in entries {
                    match &key.value {
                        Value::Text(key) if key.starts_with(IGNORED) && !path.is_tags() => {}
                        Value::Text(key) => {
                            self.walk(value, Path::Key(&path, key), is_secret || is_secret_key(key));
                        }
                        // Reported as a key that is no text, and never read.
                        _ => {}
                    }
                }
            }
            Value::Null | Value::Flag(_) | Value::Integer(_) | Value::Float(_) => {}
        }
    }

    fn replace(&mut self, node: &mut Node, path: Path<'_>, is_secret: bool) {
        let Value::Text(text) = &node.value else { return };
        let mut value = String::new();
        let (mut refers, mut is_whole) = (false, true);
        let mut finder =
            Finder { text: self.sources.text(node.place.source), whole: node.place, at: Some(node.place) };
        for (written, piece) in pieces(text) {
            refers |= !matches!(piece, Piece::Text(_));
            let put_in = text_of(&piece, self.variables).and_then(|text| self.spend(text));
            match put_in {
                Ok(text) => value.push_str(&text),
                Err(mistake) => {
                    self.problems.push(finder.find(written), path.to_string(), mistake);
                    is_whole = false;
                }
            }
            if self.bytes_left.is_none() {
                return;
            }
        }
        if is_whole {
            node.written = refers.then(|| if is_secret { MASK.into() } else { text.as_str().into() });
            node.value = Value::Text(value);
        }
    }

    /// Gives `text` back if it can still be put in.
    fn spend<'t>(&mut self, text: Cow<'t, str>) -> Result<Cow<'t, str>, Mistake> {
        self.bytes_left = self.bytes_left.and_then(|left| left.checked_sub(text.len()));
        match self.bytes_left {
            Some(_) => Ok(text),
            None => Err(Mistake::new(
                "values that are too long once variables are put in",
                format!("at most {MAX_BYTES} bytes in all"),
                "refer to shorter variables",
            )),
        }
    }
}

/// What `piece` stands for.
fn text_of<'t>(piece: &Piece<'t>, variables: &'t Variables) -> Result<Cow<'t, str>, Mistake> {
    let Reference { name, otherwise } = match piece {
        Piece::Text(text) => return Ok(Cow::Borrowed(text)),
        Piece::Flawed(flaw) => return Err(flaw.mistake()),
        Piece::Reference(reference) => reference,
    };
    let text = variables.text(name);
    match (text, otherwise) {
        (Err(Absence::NotUnicode), _) => Err(Mistake::new(
            format!("variable {name}, which is not UTF-8"),
            "a variable that holds text",
            format!("set {name} to text"),
        )),
        (Ok("") | Err(Absence::Unset), Otherwise::Default(default)) => {
            Ok(Cow::Owned(default.replace("$$", "$")))
        }
        (Ok("") | Err(Absence::Unset), Otherwise::Explain(message)) => Err(Mistake::new(
            format!(
                "variable {name}, which is {}: {}",
                if text.is_ok() { "empty" } else { "not set" },
                shown(message)
            ),
            "a variable that is set",
            format!("set {name}"),
        )),
        (Err(Absence::Unset), Otherwise::Refuse) => Err(Mistake::new(
            format!("variable {name}, which is not set"),
            "a variable that is set",
            format!("set {name}, or give it a default: ${{{name}:-…}}"),
        )),
        (Ok(text), _) => Ok(Cow::Borrowed(text)),
    }
}

/// Finds references, one after the other, in the text of a value as it is written.
struct Finder<'a> {
    text: &'a str,
    whole: Place,
    /// Where to search on; `None` once something was not found, as it happens when a quoted text is written with escapes.
    at: Option<Place>,
}

impl Finder<'_> {
    /// The place of `reference`, or else that of the value that holds it.
    fn find(&mut self, reference: &str) -> Place {
        self.at = self.at.and_then(|at| self.find_from(at, reference));
        match &mut self.at {
            Some(at) => {
                let found = *at;
                *at = Place { start: at.end, column: at.column + count(reference.chars().count()), ..*at };
                found
            }
            None => self.whole,
        }
    }

    fn find_from(&self, at: Place, reference: &str) -> Option<Place> {
        let rest = self.text.get(at.start as usize..self.whole.end as usize)?;
        let before = &rest[..rest.find(reference)?];
        let last_line = before.rfind('\n').map(|end| &before[end + 1..]);
        let start = at.start + count(before.len());
        Some(Place {
            source: at.source,
            line: at.line + count(before.matches('\n').count()),
            column: match last_line {
                Some(line) => 1 + count(line.chars().count()),
                None => at.column + count(before.chars().count()),
            },
            start,
            end: start + count(reference.len()),
        })
    }
}

#[cfg(test)]
mod tests;
