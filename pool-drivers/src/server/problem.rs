//! Why a server could not be reached.

use std::fmt;
use std::io;

use crate::tls::{TlsProblem, problem_in};

/// Why a server could not be reached, or let nobody in. The text begins with a colon, or is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectProblem {
    /// The name of the host is not known.
    NameNotFound,
    /// Nobody listens there.
    Refused,
    /// The connection ended before the login did.
    Dropped,
    /// It could not be encrypted.
    Tls(Option<TlsProblem>),
    /// The server does not accept user or password.
    LoginRefused,
    /// There is no such database.
    NoDatabase,
    /// The server has no room for another connection.
    TooManyConnections,
    /// The server is starting up or shutting down.
    NotReady,
    /// The statements that were to prepare the session failed.
    InitSql,
    /// The options contradict each other.
    Options(&'static str),
    /// None of these; see the source.
    Other,
}

impl ConnectProblem {
    /// Reads it off an error that did not come from the server.
    pub(crate) fn of_transport(error: &sqlx::Error) -> Self {
        match error {
            sqlx::Error::Tls(_) => ConnectProblem::Tls(problem_in(error)),
            sqlx::Error::Io(io) => match io.kind() {
                _ if problem_in(error).is_some() => ConnectProblem::Tls(problem_in(error)),
                io::ErrorKind::ConnectionRefused => ConnectProblem::Refused,
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => ConnectProblem::Dropped,
                // The standard library has no kind for it, and no code: the text is all there is.
                _ if io.to_string().contains("failed to lookup address information") => {
                    ConnectProblem::NameNotFound
                }
                _ => ConnectProblem::Other,
            },
            _ => ConnectProblem::Other,
        }
    }
}

impl fmt::Display for ConnectProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ConnectProblem::NameNotFound => ": the name of the host cannot be resolved",
            ConnectProblem::Refused => ": nobody listens there (connection refused)",
            ConnectProblem::Dropped => ": the other side ended the connection before the login did",
            ConnectProblem::Tls(Some(problem)) => return write!(f, ": {problem}"),
            ConnectProblem::Tls(None) => ": the connection could not be encrypted",
            ConnectProblem::LoginRefused => ": the server does not accept the user or the password",
            ConnectProblem::NoDatabase => ": the database does not exist",
            ConnectProblem::TooManyConnections => ": the server has no room for another connection",
            ConnectProblem::NotReady => ": the server is starting up or shutting down",
            ConnectProblem::InitSql => ": `init_sql` failed",
            ConnectProblem::Options(problem) => return write!(f, ": {problem}"),
            ConnectProblem::Other => "",
        })
    }
}
