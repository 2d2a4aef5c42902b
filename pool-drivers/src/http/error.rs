//! What can go wrong with an exchange, and before it.

use std::sync::Arc;
use std::time::Duration;

use hyper::StatusCode;

use crate::dns::Moved;
use crate::net::NetError;
use crate::tls::{Explained, TlsProblem, problem_in};

/// An error of the HTTP connector and its connections.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// There is no way to the peer.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The host has another address now.
    #[error(transparent)]
    Moved(#[from] Moved),
    /// The peer did not choose HTTP/2, which was asked for.
    #[error("use HTTP/2 with `{host}`: it does not offer it on this port")]
    NoHttp2 {
        /// The host.
        host: String,
    },
    /// HTTP could not be begun on the open stream.
    #[error("begin to speak HTTP")]
    Handshake(#[source] hyper::Error),
    /// The connection was closed before anything of this request was sent.
    #[error("send the request: the connection is closed")]
    Closed {
        /// Why it was closed, if not in peace.
        source: Option<Arc<hyper::Error>>,
    },
    /// The exchange failed.
    #[error("exchange a request for an answer{}", Explained(.problem.as_ref()))]
    Exchange {
        /// What is wrong with TLS, if that is it: with TLS 1.3 a client certificate is refused this late.
        problem: Option<TlsProblem>,
        /// Whether nothing of the request was sent.
        unsent: bool,
        /// What hyper said.
        source: hyper::Error,
    },
    /// An exchange on this connection was not brought to its end, so it cannot be used further.
    #[error("use the connection: an exchange was broken off")]
    Unfinished,
    /// The body of the previous answer is still held by somebody.
    #[error("send the request: the body of the previous answer is not read to its end")]
    Unread,
    /// More of an answer is left than is worth reading for the connection's sake.
    #[error("read the rest of an answer: there is more than 64 KiB of it")]
    TooMuchLeft,
    /// The request cannot be sent as it is.
    #[error("send the request: {0}")]
    Request(RequestProblem),
    /// The path that was set for checks answers that all is not well.
    #[error("find the peer healthy: it answered {status}")]
    Unhealthy {
        /// The answer's status.
        status: StatusCode,
        /// When to come again, if it said so in seconds; zero for a date.
        retry_after: Option<Duration>,
    },
}

/// Why a request cannot be sent as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestProblem {
    /// Its URI names another scheme, host or port than the connection's.
    #[error("its URI belongs to another origin than the connection")]
    OtherOrigin,
    /// A URI cannot be made of its path and the header `Host`.
    #[error("its path or its header `Host` is malformed")]
    Malformed,
    /// It is a `CONNECT`, which would end the use of the connection for requests.
    #[error("`CONNECT` is not possible on a pooled connection")]
    Connect,
}

impl HttpError {
    pub(super) fn exchange(source: hyper::Error) -> Self {
        HttpError::Exchange { problem: problem_in(&source), unsent: false, source }
    }

    /// Whether nothing of the request was processed, so that sending it again does no harm.
    ///
    /// If not, it may have been processed or not: the peer may have closed the connection before, or after.
    pub fn is_unsent(&self) -> bool {
        match self {
            HttpError::Exchange { unsent: true, .. } => true,
            HttpError::Exchange { source, .. } => super::class::is_refused_stream(source),
            HttpError::Unfinished | HttpError::Unhealthy { .. } | HttpError::TooMuchLeft => false,
            _ => true,
        }
    }

    /// What is wrong with TLS, if that is it.
    pub fn tls_problem(&self) -> Option<TlsProblem> {
        problem_in(self)
    }
}
