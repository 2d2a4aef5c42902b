//! What can go wrong beyond a failed statement.

use std::path::PathBuf;
use std::time::Duration;

use super::class::is_locked;

/// An error of the SQLite connector.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteError {
    /// A connection could not be opened or set up.
    #[error("open SQLite database `{database}`{problem}")]
    Open {
        /// The path, or `:memory:`.
        database: String,
        /// What is wrong, if that could be found out.
        problem: OpenProblem,
        /// What sqlx said, if it was asked.
        source: Option<sqlx::Error>,
    },
    /// A statement failed.
    #[error(transparent)]
    Statement(#[from] sqlx::Error),
    /// The file that the connection has open is no longer the one at the path.
    #[error("reach SQLite database `{database}`: its file was moved, removed or replaced")]
    Moved {
        /// The path.
        database: String,
    },
    /// Something that a holder changed cannot be set back. The connection is closed.
    #[error("reset the connection: a holder changed `{what}` for good")]
    Changed {
        /// The pragma; `database_list` stands for attached and temporary databases.
        what: &'static str,
    },
}

impl SqliteError {
    /// Whether somebody else has the database, or the table, that was wanted.
    pub fn is_locked(&self) -> bool {
        self.sqlx().is_some_and(is_locked)
    }

    /// What sqlx said, if it was asked.
    pub fn sqlx(&self) -> Option<&sqlx::Error> {
        match self {
            SqliteError::Open { source, .. } => source.as_ref(),
            SqliteError::Statement(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a database could not be opened. The text begins with a colon, or is empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OpenProblem {
    /// The path is empty.
    #[error(": the path is empty")]
    EmptyPath,
    /// The directory is missing. It is not created.
    #[error(": its directory `{}` does not exist", .0.display())]
    NoDirectory(PathBuf),
    /// The path leads to a directory.
    #[error(": it is a directory")]
    IsDirectory,
    /// The file is missing, and was not to be created.
    #[error(": the file does not exist, and is not to be created")]
    NoFile,
    /// The file is something else, or encrypted.
    #[error(": the file is not a SQLite database, or it is encrypted")]
    NotADatabase,
    /// The file, its directory or its file system cannot be written.
    #[error(": it cannot be written; open it with `read_only` if that is meant to be so")]
    ReadOnly,
    /// Another connection kept the database locked.
    #[error(": another connection keeps it locked (waited {0:?})")]
    Locked(Duration),
    /// The file cannot have this journal mode, for instance because of its file system.
    #[error(": its journal mode is {actual} and cannot be changed to {wanted}")]
    JournalMode {
        /// What was to be set.
        wanted: String,
        /// What SQLite says it is.
        actual: String,
    },
    /// None of these; see the source.
    #[error("")]
    Other,
}
