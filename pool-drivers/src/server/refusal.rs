//! Whom exactly a server does not let in, as far as it tells.

use std::fmt;

use super::connector::ServerConnector;
use super::dialect::Server;
use super::error::ServerError;
use super::problem::ConnectProblem;

/// What a server that refuses a login does not accept. Servers keep some of it to themselves: to name the users there are
/// helps whoever guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The password, or the user: it does not tell which.
    Password,
    /// It has no such user.
    UnknownUser,
    /// The user may not use this database.
    Database,
    /// Nobody, or not this user, may come from here, or in this way.
    Origin,
    /// The account is locked, blocked or expired.
    Account,
    /// It does not tell.
    Other,
}

/// What is wrong, in a few words.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Refusal::Password => "the server does not accept the user or the password",
            Refusal::UnknownUser => "the server has no such user",
            Refusal::Database => "the user may not use this database",
            Refusal::Origin => "the server lets this user not in from here, or not in this way",
            Refusal::Account => "the account is locked, blocked or expired",
            Refusal::Other => "the server does not let the user in",
        })
    }
}

impl<D: Server> ServerConnector<D> {
    /// What exactly the server did not accept, if this is the error of a refused login.
    pub fn refusal(&self, error: &ServerError) -> Option<Refusal> {
        match error {
            ServerError::Connect { problem: ConnectProblem::LoginRefused, source, .. } => {
                Some(source.as_ref().map_or(Refusal::Other, D::refusal_of))
            }
            _ => None,
        }
    }
}
