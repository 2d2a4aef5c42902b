//! What may be shown of a source: everything but comments, and but what may be a secret.
//!
//! Where the text is YAML, what is shown is listed: the keys, the values of those that the schema knows and that are not
//! secret, and the punctuation between them. Text that the parser left out is therefore hidden, whatever it is. Where the
//! text is not YAML nothing is known, and everything that may belong to a secret is hidden: the rest of its line, and the
//! lines after it that may continue it.

mod broken;

use std::ops::Range;

use crate::excerpt::line::Line;
use crate::problem::net::Net;
use crate::section::IGNORED;
use crate::sensitive::{
    Judge, credentials_in, has_secret, is_known_key, is_secret_key, may_be_torn_off, merged,
};
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
    /// Where a key or a value ends after which not even the name of an anchor is shown: a password that begins with `&`,
    /// `*` or `!` and lacks its quotes looks like one.
    before_secret: Vec<usize>,
}

/// What is known of values by the keys above them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Below {
    /// A key of the schema: the values are shown.
    Known,
    /// A key that its author made up for anchors and notes: of what stands there only the values of known keys are shown.
    Ignored,
    /// `tags`, whose keys are names of the author's own: the values are shown.
    Tags,
    /// `receivers`: the values are shown, but no URL, of which any part may be a secret.
    Receivers,
    /// An unknown key, or that of a secret: nothing is shown.
    Hidden,
}

impl Below {
    /// What is known below `key`, which holds `value`.
    fn then(self, key: &Node, value: &Node, judge: &mut Judge) -> Self {
        let Value::Text(key) = &key.value else { return Self::Hidden };
        match self {
            _ if is_secret_key(key) => Self::Hidden,
            Self::Hidden | Self::Tags => self,
            Self::Receivers if key == URL => Self::Hidden,
            Self::Receivers if key == MERGE || key.starts_with(IGNORED) => Self::Hidden,
            Self::Receivers if judge.shows_value_of(key) => self,
            Self::Receivers => Self::Hidden,
            // What is merged in stands as if it were written here. Only mappings can be merged in.
            Self::Known | Self::Ignored if key == MERGE => match value.value {
                Value::Map(_) | Value::List(_) => self,
                _ => Self::Hidden,
            },
            Self::Known | Self::Ignored if key.starts_with(IGNORED) => Self::Ignored,
            Self::Known | Self::Ignored if key == TAGS => Self::Tags,
            Self::Known | Self::Ignored if key == RECEIVERS => Self::Receivers,
            Self::Known | Self::Ignored if judge.shows_value_of(key) => Self::Known,
            Self::Known | Self::Ignored => Self::Hidden,
        }
    }
}

const MERGE: &str = "<<";

const TAGS: &str = "tags";

const RECEIVERS: &str = "receivers";

const URL: &str = "url";

impl<'a> Visible<'a> {
    /// Of `source`, without the secrets in `net` either.
    pub(super) fn of(source: &'a Source, net: &Net) -> Self {
        let text = source.text.as_str();
        let rule = match source.kind {
            SourceKind::File => yaml::parse_as_written(text)
                .map_or(Rule::Broken, |node| Rule::Yaml(Parts::of(&node, text, net))),
            SourceKind::Variable { secret } => {
                let start = text.find('=').map_or(0, |at| at + 1);
                let value = &text[start..];
                let all = 0..value.len();
                let is_hidden = secret || net.is_in(value) || !shows_value_of_variable(&source.text[..start]);
                let hidden = if is_hidden { vec![all] } else { credentials_in(value) };
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

/// What is needed to tell the parts of a text.
struct Context<'a> {
    judge: Judge,
    text: &'a str,
    net: &'a Net,
}

fn range_of(place: Place) -> Range<usize> {
    super::to_usize(place.start)..super::to_usize(place.end)
}

impl Parts {
    fn of(document: &Node, text: &str, net: &Net) -> Self {
        let mut parts = Self::default();
        parts.add(document, Below::Known, &mut Context { judge: Judge::new(), text, net });
        parts.before_secret.sort_unstable();
        let (shown, secret) = (merged(parts.shown), merged(parts.secret));
        Self { shown, secret, before_secret: parts.before_secret }
    }

    fn add(&mut self, node: &Node, below: Below, context: &mut Context<'_>) {
        match &node.value {
            Value::List(items) => items.iter().for_each(|item| self.add(item, below, context)),
            Value::Map(entries) => {
                let has_secret = has_secret(entries);
                for entry in entries {
                    let Entry { key, value } = entry;
                    let is_key_hidden = below == Below::Hidden || (has_secret && may_be_torn_off(entry));
                    let below_key = below.then(key, value, &mut context.judge);
                    self.add_key(key, is_key_hidden, below_key, context);
                    self.add(value, below_key, context);
                }
            }
            scalar => self.add_scalar(node.place, scalar, below, context),
        }
    }

    fn add_key(&mut self, key: &Node, is_hidden: bool, below: Below, context: &mut Context<'_>) {
        let shown_as = if is_hidden { Below::Hidden } else { Below::Known };
        let is_known = matches!(&key.value, Value::Text(name) if is_known_key(name));
        match &key.value {
            // Nobody writes one, so nobody knows what it means.
            Value::List(_) | Value::Map(_) => self.add(key, Below::Hidden, context),
            // Whatever is a secret, a key of the schema is none.
            _ if is_known && !is_hidden => self.shown.push(range_of(key.place)),
            scalar => self.add_scalar(key.place, scalar, shown_as, context),
        }
        if below == Below::Hidden {
            self.before_secret.push(super::to_usize(key.place.end));
        }
    }

    fn add_scalar(&mut self, place: Place, scalar: &Value, below: Below, context: &Context<'_>) {
        let range = range_of(place);
        let Some(written) = context.text.get(range.clone()) else { return };
        self.shown.push(range.clone());
        let is_secret = match scalar {
            Value::Text(read) => context.net.is_in(read),
            _ => context.net.is_in(written),
        };
        if is_secret || matches!(below, Below::Hidden | Below::Ignored) {
            self.before_secret.push(range.end);
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
                if add_gap(&mut line, text, at..end, !self.is_after_secret(at)) == Gap::Comment {
                    break;
                }
                at = end;
            }
        }
        line
    }

    /// Whether what stands at `at`, between two parts, follows the key or a value of a secret.
    fn is_after_secret(&self, at: usize) -> bool {
        let next = self.shown.partition_point(|range| range.end <= at);
        let before = next.checked_sub(1).and_then(|index| self.shown.get(index));
        before.is_some_and(|before| self.before_secret.binary_search(&before.end).is_ok())
    }
}

/// Whether the value of the variable `POOL__…=` may be shown: if its last step is a key that may.
fn shows_value_of_variable(name: &str) -> bool {
    let mut steps = name.trim_end_matches('=').rsplit("__").map(str::to_ascii_lowercase);
    let is_shown = steps.next().is_some_and(|key| Judge::new().shows_value_of(&key));
    is_shown || steps.next().is_some_and(|section| section == TAGS)
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

/// Adds what stands between two values: spaces, punctuation, and if `with_names` anchors, aliases and tags of YAML's own.
/// Anything else is masked.
fn add_gap(line: &mut Line, text: &str, range: Range<usize>, with_names: bool) -> Gap {
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
        let is_name = with_names && (first == '&' || first == '*' || rest.starts_with("!!"));
        if is_plain(first) || (is_name && after_space) {
            line.show(text, at..end);
        } else {
            line.mask(at..end);
        }
        at = end;
    }
    Gap::Passed
}
