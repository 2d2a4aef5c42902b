//! Why a configuration could not be loaded: the file cannot be read, or all that is wrong with what it says.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::problem::Problem;

/// Why a configuration could not be loaded.
///
/// `Display` fits after "failed to": "failed to load connection_pool.yaml: 2 problems", followed by the problems,
/// each on lines of its own.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read; the source tells why.
    #[error("read {}", path.display())]
    Io {
        /// The file, as it was given to [`Config::from_file`](crate::Config::from_file).
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },

    /// The text was read, and says things that are not allowed.
    #[error("load {source_name}: {}", Listing(problems))]
    Invalid {
        /// The file, as it was named when it was loaded.
        source_name: String,
        /// Everything that is wrong, in the order of the file; never empty.
        ///
        /// Broken YAML stands alone: the text after it cannot be judged.
        problems: Vec<Problem>,
    },
}

impl ConfigError {
    /// The problems of the text; empty if the file could not be read at all.
    #[must_use]
    pub fn problems(&self) -> &[Problem] {
        match self {
            Self::Io { .. } => &[],
            Self::Invalid { problems, .. } => problems,
        }
    }
}

struct Listing<'a>(&'a [Problem]);

impl fmt::Display for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "{count} problem{}", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}
