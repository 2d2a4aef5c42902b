//! One mistake in a file: where it is, what was found, what is allowed, and the cure.

use std::fmt;

/// One mistake in a configuration file.
///
/// `Display` gives two lines, of which the first starts with `file:line:column` so that terminals and editors make
/// it a link:
///
/// ```text
/// connection_pool.yaml:7:24: pools["orders"].max_connections: found 0, expected a whole number from 1 to 10000
///   help: use 1 or more
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The file, as it was named when it was loaded.
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
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source_name, line, column, path, found, expected, help } = self;
        write!(f, "{source_name}:{line}:{column}: ")?;
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        write!(f, "found {found}, expected {expected}\n  help: {help}")
    }
}

/// Where something is written: line and column, both counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Place {
    /// The start of the file: the place of what concerns all of it.
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// A [`Problem`] before it is known where it stands.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mistake {
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
        Self { found: found.into(), expected: expected.into(), help: help.into() }
    }
}

/// The problems of one file, as they are found.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    source_name: String,
    found: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Problems {
    pub(crate) fn new(source_name: &str) -> Self {
        Self { source_name: source_name.to_owned(), found: Vec::new(), warnings: Vec::new() }
    }

    pub(crate) fn push(&mut self, place: Place, path: String, mistake: Mistake) {
        let Place { line, column } = place;
        let Mistake { found, expected, help } = mistake;
        let source_name = self.source_name.clone();
        self.found.push(Problem { source_name, line, column, path, found, expected, help });
    }

    pub(crate) fn warn(&mut self, place: Place, path: String, mistake: Mistake) {
        let Place { line, column } = place;
        let Mistake { found, expected, help } = mistake;
        let source_name = self.source_name.clone();
        self.warnings.push(Problem { source_name, line, column, path, found, expected, help });
    }

    pub(crate) fn len(&self) -> usize {
        self.found.len()
    }

    /// The problems in the order of the file, which is the order in which they are read and mended.
    pub(crate) fn into_sorted(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|problem| (problem.line, problem.column));
        self.found
    }
}
