//! What can go wrong beyond a failed command of a holder.

use std::io;

use crate::credentials::CredentialError;
use crate::dns::Moved;
use crate::net::NetError;
use crate::tls::TlsError;

/// An error of the Redis connector.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RedisError {
    /// The URL is of no use. It is not shown, as it may hold a password.
    #[error("read the Redis URL: {problem}")]
    Url {
        /// What is wrong with it.
        problem: &'static str,
        /// What the client library says, if it was asked.
        source: Option<redis::RedisError>,
    },
    /// There is nothing to log in with.
    #[error(transparent)]
    Credentials(#[from] CredentialError),
    /// The server cannot be reached over the network.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The host has another address now.
    #[error(transparent)]
    Moved(#[from] Moved),
    /// The server cannot be reached over its socket.
    #[error("connect to Redis at `{place}`")]
    Connect {
        /// The path of the socket.
        place: String,
        /// What the system says.
        source: io::Error,
    },
    /// The server was reached, but not with TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// TLS was asked for at a Unix socket, which has none.
    #[error("connect to Redis at `{place}`: TLS is not possible over a Unix socket")]
    TlsOverUnix {
        /// The path of the socket.
        place: String,
    },
    /// The server does not let us in.
    #[error("log in to Redis at `{place}`{problem}")]
    Login {
        /// Host and port, or the path of the socket.
        place: String,
        /// What is wrong, if that could be found out.
        problem: LoginProblem,
        /// What the server or the client library says.
        source: redis::RedisError,
    },
    /// The server does not answer as a living one does.
    #[error("check the Redis connection")]
    Check(#[source] redis::RedisError),
    /// The server answers something else than it was asked for.
    #[error("check the Redis connection: it gave the answer to another question")]
    WrongAnswer,
    /// What a holder left cannot be put in order. The connection is closed.
    #[error("reset the Redis connection")]
    Reset(#[source] redis::RedisError),
}

impl RedisError {
    /// What the server or the client library said, if that is what went wrong.
    pub fn redis(&self) -> Option<&redis::RedisError> {
        match self {
            RedisError::Login { source, .. } | RedisError::Check(source) | RedisError::Reset(source) => {
                Some(source)
            }
            RedisError::Url { source, .. } => source.as_ref(),
            _ => None,
        }
    }
}

/// Why a server did not let us in. The text begins with a colon, or is empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LoginProblem {
    /// It knows no such user, or the password is another one.
    #[error(": it refuses the credentials of {}", .user.as_deref().map_or_else(|| String::from("the default user"), |user| format!("user `{user}`")))]
    WrongPassword {
        /// Who was to be logged in.
        user: Option<String>,
    },
    /// It wants a password and there is none.
    #[error(": it wants a password, and none is configured")]
    NoPassword,
    /// It serves as many clients as its `maxclients` allows.
    #[error(": it serves as many clients as it may (`maxclients`)")]
    Full,
    /// It has no such database.
    #[error(": it has no database {0}")]
    NoDatabase(i64),
    /// It is older than Redis 6, which brought RESP3.
    #[error(": it does not know RESP3; use `Protocol::Resp2`")]
    NoResp3,
    /// None of these; see the source.
    #[error("")]
    Other,
}
