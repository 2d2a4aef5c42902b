//! One mistake in a configuration: where it is, what was found, what is allowed, and the cure.

pub(crate) mod net;

use std::fmt;
use std::sync::Arc;

use annotate_snippets::renderer::{AnsiColor, Effects, Style};

use crate::excerpt::{Excerpt, Excerpts};
use crate::problem::net::Net;
use crate::shown::printable;
use crate::source::{Place, Sources};
use crate::yaml::Node;

/// The most problems of one severity that are kept; the rest are only counted. Nobody reads more, and a file of
/// 10 MiB can hold a million.
const MAX_KEPT: usize = 1_000;

/// One mistake in a configuration.
///
/// `Display` starts with `file:line:column`, so that terminals and editors make it a link, and shows the line of the
/// file with the text that is meant underlined:
///
/// ```text
/// connection_pool.yaml:7:24: error: pools["orders"].max_connections: found 0, expected a whole number from 1 to 10000
///   |
/// 7 |       max_connections: 0
///   |                        ^
///   |
///   = help: use 1 or more
/// ```
///
/// The line is shown without its comment, and with `***` for whatever may be a secret. No part of a problem holds a secret of
/// the configuration, whichever way it got there: an alias of a password is `***` too.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// Whether the configuration can be used in spite of it.
    pub severity: Severity,
    /// The file, as it was named when it was loaded; or `environment variable NAME`.
    pub source_name: String,
    /// The line, counted from 1.
    pub line: u32,
    /// The column in characters, counted from 1.
    pub column: u32,
    /// The key below `connection_pool`, such as `pools["orders"].max_connections`; a pool without a usable name is
    /// named by its index, `pools[1]`. Empty when no single key is meant, as for broken YAML.
    pub path: String,
    /// What the file says there.
    pub found: String,
    /// What it may say.
    pub expected: String,
    /// What to do about it.
    pub help: String,
    /// Whether line and column mean anything to the reader: a variable has one line.
    is_in_file: bool,
    excerpt: Option<Excerpt>,
}

impl Problem {
    /// The text of `Display`, with the colours of a terminal if `color` is set.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let Self { severity, source_name, line, column, path, found, expected, help, .. } = self;
        let mut text = printable(source_name);
        if self.is_in_file {
            text.push_str(&format!(":{line}:{column}"));
        }
        text.push_str(&format!(": {}: ", severity.painted(color)));
        if !path.is_empty() {
            text.push_str(&format!("{path}: "));
        }
        text.push_str(&format!("found {found}, expected {expected}\n"));
        match &self.excerpt {
            Some(excerpt) => text.push_str(&excerpt.render(*severity, help, color)),
            None => text.push_str(&format!("  = help: {help}")),
        }
        text
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

/// Whether a configuration can be used in spite of a [`Problem`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but it probably does not do what its author wants.
    Warning,
}

impl Severity {
    fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }

    fn painted(self, color: bool) -> String {
        if !color {
            return self.as_str().to_owned();
        }
        let color = match self {
            Self::Error => AnsiColor::BrightRed,
            Self::Warning => AnsiColor::BrightYellow,
        };
        let style = Style::new().fg_color(Some(color.into())).effects(Effects::BOLD);
        format!("{style}{self}{style:#}")
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A [`Problem`] before it is known where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mistake {
    /// Where it is, if not at the value of the key but within it.
    pub(crate) place: Option<Place>,
    pub(crate) found: String,
    pub(crate) expected: String,
    pub(crate) help: String,
}

impl Mistake {
    pub(crate) fn new(
        found: impl Into<String>,
        expected: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self { place: None, found: found.into(), expected: expected.into(), help: help.into() }
    }

    /// The same mistake, at a node within the value.
    pub(crate) fn at(self, node: &Node) -> Self {
        Self { place: self.place.or(Some(node.place)), ..self }
    }
}

/// The problems of one configuration, as they are found.
#[derive(Debug)]
pub(crate) struct Problems {
    sources: Arc<Sources>,
    /// What must not be in a message, besides what is written in the sources.
    net: Net,
    errors: Kept,
    warnings: Kept,
}

/// The problems of one severity.
#[derive(Debug, Default)]
struct Kept {
    found: Vec<(Place, String, Mistake)>,
    /// How many there are beyond those.
    omitted: usize,
}

impl Kept {
    fn push(&mut self, place: Place, path: String, mistake: Mistake) {
        if self.found.len() < MAX_KEPT {
            self.found.push((place, path, mistake));
        } else {
            self.omitted += 1;
        }
    }
}

/// What [`Problems`] become when all are known.
#[derive(Debug)]
pub(crate) struct Findings {
    /// In the order of the sources, which is the order in which they are read and mended.
    pub(crate) problems: Vec<Problem>,
    /// How many errors were found that are not listed because there were too many.
    pub(crate) omitted: usize,
}

impl Problems {
    pub(crate) fn new(sources: Arc<Sources>) -> Self {
        Self { sources, net: Net::default(), errors: Kept::default(), warnings: Kept::default() }
    }

    /// Those of a configuration that is one text.
    #[cfg(test)]
    pub(crate) fn of(name: &str, text: &str) -> Self {
        Self::new(Arc::new(Sources::of(name, text)))
    }

    /// What the places of problems point into.
    pub(crate) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The same, for whoever reports problems while looking at them.
    pub(crate) fn shared_sources(&self) -> Arc<Sources> {
        Arc::clone(&self.sources)
    }

    /// Reports what makes the configuration unusable.
    pub(crate) fn push(&mut self, place: Place, path: String, mistake: Mistake) {
        self.errors.push(place, path, mistake);
    }

    /// Reports what its author should know of, though the configuration can be used.
    pub(crate) fn warn(&mut self, place: Place, path: String, mistake: Mistake) {
        self.warnings.push(place, path, mistake);
    }

    /// Hides the secrets of `document`, which may hold what no source does: what variables put in. Costs nothing if there is
    /// nothing to report.
    pub(crate) fn hide_secrets_of(&mut self, document: &Node) {
        if !self.errors.found.is_empty() || !self.warnings.found.is_empty() {
            self.net.add_document(document);
        }
    }

    /// Hides one secret.
    pub(crate) fn hide(&mut self, secret: &str) {
        self.net.add(secret);
    }

    /// How many errors there are so far.
    pub(crate) fn len(&self) -> usize {
        self.errors.found.len() + self.errors.omitted
    }

    /// The problems, each with what its source shows of it.
    pub(crate) fn into_findings(mut self) -> Findings {
        let omitted = self.errors.omitted;
        let errors = self.errors.found.into_iter().map(|found| (Severity::Error, found));
        let warnings = self.warnings.found.into_iter().map(|found| (Severity::Warning, found));
        let mut all: Vec<_> = errors.chain(warnings).collect();
        all.sort_by_key(|(_, (place, ..))| *place);
        if !all.is_empty() {
            self.net.add_sources(&self.sources);
            self.net.close();
        }
        let mut excerpts = Excerpts::new(&self.sources, &self.net);
        let problem = |(severity, (place, path, mistake)): (Severity, (Place, String, Mistake))| {
            let Mistake { found, expected, help, .. } = mistake;
            let (found, help) = self.net.found_and_help(&found, &help);
            Problem {
                severity,
                source_name: self.sources.name(place).to_owned(),
                line: place.line,
                column: place.column,
                path: printable(&self.net.path(&path)),
                found: printable(&found),
                expected: printable(&self.net.message(&expected, false)),
                help: printable(&help),
                is_in_file: !self.sources.is_variable(place),
                excerpt: excerpts.at(place),
            }
        };
        Findings { problems: all.into_iter().map(problem).collect(), omitted }
    }
}

#[cfg(test)]
mod tests;
