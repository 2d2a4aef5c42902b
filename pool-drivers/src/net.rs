//! The first half of a connect over the network: from a host's name to a stream that data can flow through.
//!
//! It stands apart from the drivers so that a name that cannot be resolved, a refused port and a failed
//! handshake are told apart everywhere, in the same words.

#[cfg(any(feature = "http", feature = "websocket"))]
mod open;
#[cfg(any(feature = "http", feature = "websocket"))]
mod url;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use pool_core::ErrorClass;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio::time::timeout;

#[cfg(any(feature = "http", feature = "websocket"))]
pub(crate) use open::{Transport, open};
#[cfg(any(feature = "http", feature = "websocket"))]
pub(crate) use url::{Location, Schemes};
#[cfg(any(feature = "http", feature = "websocket"))]
pub use url::{UrlError, UrlProblem};

use crate::dns::{Address, Names};
use crate::tls::TlsError;

/// How long one address of several is tried before the next one. Enough for a connection around the world
/// whose first packet was lost, and little enough for two dead addresses within a pool's `connect_timeout`.
const EACH_ADDRESS: Duration = Duration::from_secs(2);

/// After how much silence the kernel asks whether the peer is still there. Without it a connection whose peer
/// lost power stays open for ever; the kernel's own default is two hours.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// Why there is no stream to the peer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NetError {
    /// The host name is unknown, or the name server does not answer.
    #[error("resolve the host name `{host}`")]
    Resolve {
        /// The host name.
        host: String,
        /// What the system said.
        source: io::Error,
    },
    /// The host name is known and has no address.
    #[error("resolve the host name `{host}`: it has no address")]
    NoAddress {
        /// The host name.
        host: String,
    },
    /// No address of the host accepted; the error is that of the last one.
    #[error("connect to `{host}` at {address}")]
    Connect {
        /// The host name.
        host: String,
        /// The address that was tried last.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// TLS could not be agreed on.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl NetError {
    /// What it means for a pool.
    pub fn class(&self) -> ErrorClass {
        match self {
            NetError::Tls(error) => match (error, error.problem()) {
                (_, Some(problem)) => problem.class(),
                // Cut off in the middle, which says nothing of certificates.
                (TlsError::Handshake { .. }, None) => ErrorClass::Transient,
                _ => ErrorClass::FatalThis,
            },
            _ => ErrorClass::Transient,
        }
    }
}

/// Tries the addresses of the host in the order the system gives, until one accepts. Tells which that is.
///
/// # Cancel safety
///
/// Dropping the future closes what was opened.
pub(crate) async fn dial(host: &str, port: u16, names: &Names) -> Result<(TcpStream, Address), NetError> {
    let unresolved = |source| NetError::Resolve { host: host.to_owned(), source };
    let (addresses, lead) = names.look_up(host, port).await.map_err(unresolved)?;
    let mut last = None;
    for (index, &address) in addresses.iter().enumerate() {
        let attempt = TcpStream::connect(address);
        // The last one has all the time that the pool gives.
        let outcome = if index + 1 < addresses.len() {
            timeout(EACH_ADDRESS, attempt).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        } else {
            attempt.await
        };
        match outcome.and_then(prepared) {
            Ok(stream) => return Ok((stream, lead.at(address.ip()))),
            Err(source) => last = Some((address, source)),
        }
    }
    let host = host.to_owned();
    Err(match last {
        Some((address, source)) => NetError::Connect { host, address, source },
        None => NetError::NoAddress { host },
    })
}

/// Sets what a connection of requests and answers wants: small writes at once, and a peer that is gone found.
fn prepared(stream: TcpStream) -> io::Result<TcpStream> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(stream)
}
