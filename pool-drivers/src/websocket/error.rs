//! What can go wrong with an exchange, and before it.

use std::time::Duration;

use http::StatusCode;
use tokio_tungstenite::tungstenite::Error as WireError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::dns::Moved;
use crate::net::NetError;
use crate::tls::{Explained, TlsProblem, problem_in};

/// An error of the WebSocket connector and its connections.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebSocketError {
    /// There is no way to the peer.
    #[error(transparent)]
    Net(#[from] NetError),
    /// The host has another address now.
    #[error(transparent)]
    Moved(#[from] Moved),
    /// A header, or the name of a protocol, cannot be sent. Its value is not shown: it may be a secret.
    #[error("send the header `{name}`: {problem}")]
    Header {
        /// The header's name.
        name: String,
        /// What is wrong with it.
        problem: HeaderProblem,
    },
    /// The peer answers, and does not want to speak WebSocket.
    #[error("open a WebSocket: the peer answered {status}")]
    Refused {
        /// The answer's status.
        status: StatusCode,
    },
    /// The handshake failed in another way.
    #[error("open a WebSocket{}", Explained(.problem.as_ref()))]
    Handshake {
        /// What is wrong with TLS, if that is it: with TLS 1.3 a client certificate is refused this late.
        problem: Option<TlsProblem>,
        /// What was met.
        source: Box<WireError>,
    },
    /// The connection failed.
    #[error("exchange messages{}", Explained(.problem.as_ref()))]
    Exchange {
        /// What is wrong with TLS, if that is it.
        problem: Option<TlsProblem>,
        /// What was met.
        source: Box<WireError>,
    },
    /// The peer has closed the connection.
    #[error("exchange messages: the peer has closed the connection{}", code(.frame.as_ref()))]
    Closed {
        /// What it said, if it did.
        frame: Option<CloseFrame>,
    },
    /// An exchange was broken off, so nothing can be sent any more.
    #[error("use the connection: an exchange was broken off")]
    Unfinished,
    /// A message came that this holder has not asked for, so it is somebody else's.
    #[error("use the connection: a message came that nobody has asked for")]
    Unexpected,
    /// The peer does not answer a ping.
    #[error("get an answer to a ping within {0:?}")]
    NoPong(Duration),
}

/// Why a header cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderProblem {
    /// Its name has characters that are not allowed in one.
    #[error("its name is malformed")]
    Name,
    /// Its value has characters that are not allowed in one, such as an end of line.
    #[error("its value is malformed")]
    Value,
    /// It is part of the handshake itself.
    #[error("it is part of the handshake and cannot be set")]
    Reserved,
}

impl WebSocketError {
    pub(super) fn handshake(source: WireError) -> Self {
        match source {
            WireError::Http(answer) => WebSocketError::Refused { status: answer.status() },
            source => WebSocketError::Handshake { problem: problem_in(&source), source: Box::new(source) },
        }
    }

    pub(super) fn exchange(source: WireError) -> Self {
        WebSocketError::Exchange { problem: problem_in(&source), source: Box::new(source) }
    }

    /// What is wrong with TLS, if that is it.
    pub fn tls_problem(&self) -> Option<TlsProblem> {
        problem_in(self)
    }
}

fn code(frame: Option<&CloseFrame>) -> String {
    frame.map(|frame| format!(" with code {}", u16::from(frame.code))).unwrap_or_default()
}
