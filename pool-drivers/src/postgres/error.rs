//! What can go wrong beyond a failed statement.

use std::time::Duration;

use crate::credentials::CredentialError;
use crate::server::ConnectProblem;

/// An error of the PostgreSQL connector.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PgError {
    /// A connection could not be opened.
    #[error("connect to PostgreSQL at {target}{problem}")]
    Connect {
        /// Which server, database and user; never the password.
        target: String,
        /// What is wrong, if that could be found out.
        problem: ConnectProblem,
        /// What sqlx said, if it was asked.
        source: Option<sqlx::Error>,
    },
    /// The credentials could not be had.
    #[error("get the credentials for {target}")]
    Credentials {
        /// Which server, database and user.
        target: String,
        /// Why.
        source: CredentialError,
    },
    /// The server has another role than it should.
    #[error("use the server at {target}: it is {found}")]
    Role {
        /// Which server, database and user.
        target: String,
        /// What it is.
        found: &'static str,
    },
    /// A query that its holder gave up was still running when the connection was to be reset.
    #[error("reset the connection: a query that was given up still ran after {0:?}")]
    StillBusy(Duration),
    /// A statement failed.
    #[error(transparent)]
    Statement(#[from] sqlx::Error),
}

impl PgError {
    /// What sqlx said, if it was asked.
    pub fn sqlx(&self) -> Option<&sqlx::Error> {
        match self {
            PgError::Connect { source, .. } => source.as_ref(),
            PgError::Statement(error) => Some(error),
            _ => None,
        }
    }

    /// Why no connection could be opened, if it is that.
    pub fn connect_problem(&self) -> Option<&ConnectProblem> {
        match self {
            PgError::Connect { problem, .. } => Some(problem),
            _ => None,
        }
    }
}
