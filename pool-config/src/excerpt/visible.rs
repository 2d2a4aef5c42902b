//! What may be shown of a source: everything but comments, and but what may be a secret.
//!
//! Where the text is YAML, what is shown is listed: the keys and values that are known not to be secret, and the
//! punctuation between them. Text that the parser left out is therefore hidden, whatever it is. Where the text is not
//! YAML nothing is known, and everything that may belong to a secret is hidden: the rest of its line, and the lines
//! after it that may continue it.

mod broken;

use std::ops::Range;

use crate::excerpt::line::Line;
use crate::sensitive::{credentials_in, is_secret_key, merged};
use crate::source::{Place, Source, SourceKind};
use crate::yaml::{self, Entry, Node, Value};

/// Punctuation of YAML, which is shown wherever it stands between keys and values.
const PUNCTUATION: &str = "-:{}[],?|>\"'+";

/// Which parts of a source may be shown.
pub(super) struct Visible<'a> {
    text: &'a str,
    rule: Rule,
}

enum Rule {
    /// The text is YAML with these parts.
    Yaml(Parts),
    /// The text is not YAML.
    Broken,
    /// The text is shown but for these parts.
    AllBut(Vec<Range<usize>>),
}

/// The parts of a YAML text, in order and without overlaps.
#[derive(Default)]
struct Parts {
    /// Keys and values.
    shown: Vec<Range<usize>>,
    /// Those of them that are secret.
    secret: Vec<Range<usize>>,
}

impl<'a> Visible<'a> {
    pub(super) fn of(source: &'a Source) -> Self {
        let text = source.text.as_str();
        let rule = match source.kind {
            SourceKind::File => {
                yaml::parse_as_written(text).map_or(Rule::Broken, |node| Rule::Yaml(Parts::of(&node, text)))
            }
            SourceKind::Variable { secret } => {
                let start = text.find('=').map_or(0, |at| at + 1);
                let value = &text[start..];
                let all = 0..value.len();
                let hidden = if secret { vec![all] } else { credentials_in(value) };
                Rule::AllBut(hidden.into_iter().map(|h| h.start + start..h.end + start).collect())
            }
        };
        Self { text, rule }
    }

    /// The line that stands at `range`; `None` if it must not be shown at all.
    pub(super) fn line(&self, range: Range<usize>) -> Option<Line> {
        match &self.rule {
            Rule::Yaml(parts) => Some(parts.line(self.text, range)),
            Rule::Broken => broken::line(self.text, range),
            Rule::AllBut(hidden) => Some(all_but(hidden, self.text, range)),
        }
    }
}

/// The line at `range` with these parts of the text masked.
fn all_but(hidden: &[Range<usize>], text: &str, range: Range<usize>) -> Line {
    let mut line = Line::new(range.clone());
    let mut at = range.start;
    for hidden in hidden.iter().filter(|hidden| hidden.start < range.end && hidden.end > range.start) {
        line.show(text, at..hidden.start.max(at));
        at = hidden.end.min(range.end);
        line.mask(hidden.start.max(range.start)..at);
    }
    line.show(text, at..range.end);
    line
}

impl Parts {
    fn of(document: &Node, text: &str) -> Self {
        let mut parts = Self::default();
        parts.add(document, false, text);
        Self { shown: merged(parts.shown), secret: merged(parts.secret) }
    }

    fn add(&mut self, node: &Node, is_secret: bool, text: &str) {
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| self.add(item, is_secret, text)),
            Value::Map(entries) => {
                for Entry { key, value } in entries {
                    self.add(key, is_secret, text);
                    let is_secret_here = matches!(&key.value, Value::Text(key) if is_secret_key(key));
                    self.add(value, is_secret || is_secret_here, text);
                }
            }
            scalar => self.add_scalar(node.place, scalar, is_secret, text),
        }
    }

    fn add_scalar(&mut self, place: Place, scalar: &Value, is_secret: bool, text: &str) {
        let range = super::to_usize(place.start)..super::to_usize(place.end);
        let Some(written) = text.get(range.clone()) else { return };
        self.shown.push(range.clone());
        if is_secret {
            self.secret.push(range);
            return;
        }
        let hidden = credentials_in(written);
        match scalar {
            // Escapes may hide the shape of a URL in what is written.
            Value::Text(read) if hidden.is_empty() && !credentials_in(read).is_empty() => {
                self.secret.push(range);
            }
            _ => self.secret.extend(hidden.iter().map(|h| h.start + range.start..h.end + range.start)),
        }
    }

    fn line(&self, text: &str, range: Range<usize>) -> Line {
        let mut line = Line::new(range.clone());
        let mut at = range.start;
        while at < range.end {
            let (secret, shown) = (next(&self.secret, at), next(&self.shown, at));
            if secret.start <= at {
                let end = secret.end.min(range.end);
                line.mask(at..end);
                at = end;
            } else if shown.start <= at {
                let end = shown.end.min(secret.start).min(range.end);
                line.show(text, at..end);
                at = end;
            } else {
                let end = shown.start.min(secret.start).min(range.end);
                if add_gap(&mut line, text, at..end) == Gap::Comment {
                    break;
                }
                at = end;
            }
        }
        line
    }
}

/// The first of `ranges` that ends after `at`; an empty one at the end of all if there is none.
fn next(ranges: &[Range<usize>], at: usize) -> Range<usize> {
    let next = ranges.partition_point(|range| range.end <= at);
    ranges.get(next).cloned().unwrap_or(usize::MAX..usize::MAX)
}

#[derive(PartialEq, Eq)]
enum Gap {
    /// Something follows on the line.
    Passed,
    /// The rest of the line is a comment.
    Comment,
}

/// Adds what stands between two values: spaces, punctuation, anchors and aliases. Anything else is masked.
fn add_gap(line: &mut Line, text: &str, range: Range<usize>) -> Gap {
    let mut at = range.start;
    while at < range.end {
        let rest = &text[at..range.end];
        let after_space = text[..at].ends_with(char::is_whitespace) || text[..at].is_empty();
        let Some(first) = rest.chars().next() else { break };
        if first == '#' && after_space {
            return Gap::Comment;
        }
        let is_plain = |c: char| c.is_whitespace() || PUNCTUATION.contains(c);
        let end = if is_plain(first) { rest.find(|c| !is_plain(c)) } else { rest.find(is_plain) };
        let end = end.map_or(range.end, |end| at + end);
        // The name of an anchor, or a tag of YAML's own.
        let is_name = first == '&' || first == '*' || rest.starts_with("!!");
        if is_plain(first) || (is_name && after_space) {
            line.show(text, at..end);
        } else {
            line.mask(at..end);
        }
        at = end;
    }
    Gap::Passed
}
