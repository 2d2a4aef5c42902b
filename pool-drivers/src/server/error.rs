//! What can go wrong beyond a failed statement.

use std::time::Duration;

use super::problem::ConnectProblem;
use crate::credentials::CredentialError;
use crate::dns::Moved;

/// An error of the connector of a database server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// A connection could not be opened.
    #[error("connect to {target}{problem}")]
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
    #[error("use {target}: the server is {found}")]
    Role {
        /// Which server, database and user.
        target: String,
        /// What it is.
        found: &'static str,
    },
    /// The host has another address now.
    #[error(transparent)]
    Moved(#[from] Moved),
    /// A query that its holder gave up was still running when the connection was to be reset.
    #[error("reset the connection: a query that was given up still ran after {0:?}")]
    StillBusy(Duration),
    /// A statement failed.
    #[error(transparent)]
    Statement(#[from] sqlx::Error),
}

impl ServerError {
    /// What sqlx said, if it was asked.
    pub fn sqlx(&self) -> Option<&sqlx::Error> {
        match self {
            ServerError::Connect { source, .. } => source.as_ref(),
            ServerError::Statement(error) => Some(error),
            _ => None,
        }
    }

    /// Why no connection could be opened, if it is that.
    pub fn connect_problem(&self) -> Option<&ConnectProblem> {
        match self {
            ServerError::Connect { problem, .. } => Some(problem),
            _ => None,
        }
    }
}
