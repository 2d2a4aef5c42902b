//! Why a configuration could not be loaded: a file cannot be read, or all that is wrong with what it says.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::problem::{Problem, Severity};

/// Why a configuration could not be loaded.
///
/// `Display` fits after "failed to": "failed to load connection_pool.yaml: 2 problems", followed by the problems,
/// each on lines of its own, with an empty line between them.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file could not be read; the source tells why.
    #[error("read {}", path.display())]
    Io {
        /// The file: as it was given to [`Loader::load`](crate::Loader::load), or the overlay beside it.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// An environment was asked for, by [`Loader::environment`](crate::Loader::environment) or `POOL_ENV`, and its
    /// overlay does not exist.
    #[error("find {}, the overlay of environment {environment}", path.display())]
    NoOverlay {
        /// The environment.
        environment: String,
        /// The file that should exist.
        path: PathBuf,
    },

    /// What was asked for as an environment cannot be part of a file name.
    #[error("use environment {name:?}: its name may hold letters, digits, `-` and `_`")]
    EnvironmentName {
        /// What was asked for.
        name: String,
    },

    /// The text was read, and says things that are not allowed.
    #[error("load {source_name}: {}", Listing { problems, omitted: *omitted, color: false })]
    Invalid {
        /// The file, as it was named when it was loaded.
        source_name: String,
        /// Everything that is wrong, warnings too, in the order of the file; at least one is an error.
        ///
        /// Broken YAML stands alone: the text after it cannot be judged.
        problems: Vec<Problem>,
        /// How many errors there are beyond the first thousand, which alone are listed.
        omitted: usize,
    },
}

impl ConfigError {
    /// The problems of the text; empty if it could not be read at all.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Invalid { problems, .. } => problems,
            _ => &[],
        }
    }

    /// The text of `Display`, with the colours of a terminal if `color` is set.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        match self {
            Self::Invalid { source_name, problems, omitted } => {
                format!("load {source_name}: {}", Listing { problems, omitted: *omitted, color })
            }
            _ => self.to_string(),
        }
    }
}

struct Listing<'a> {
    problems: &'a [Problem],
    omitted: usize,
    color: bool,
}

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warnings = self.problems.iter().filter(|problem| problem.severity == Severity::Warning).count();
        let errors = self.problems.len() - warnings + self.omitted;
        write!(f, "{errors} problem{}", plural(errors))?;
        if warnings > 0 {
            write!(f, " and {warnings} warning{}", plural(warnings))?;
        }
        let mut between = "\n";
        for problem in self.problems {
            write!(f, "{between}{}", problem.render(self.color))?;
            between = "\n\n";
        }
        if self.omitted > 0 {
            write!(f, "\n\n… and {} more", self.omitted)?;
        }
        Ok(())
    }
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
