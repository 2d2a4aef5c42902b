//! The first half of every connect over the network: from a URL to a stream that data can flow through.
//!
//! It stands apart from the drivers so that a name that cannot be resolved, a refused port and a failed
//! handshake are told apart everywhere, in the same words.

mod url;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use pool_core::ErrorClass;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

pub(crate) use url::{Location, Schemes};
pub use url::{UrlError, UrlProblem};

use crate::tls::{Tls, TlsError};

/// How long one address of several is tried before the next one. Enough for a connection around the world
/// whose first packet was lost, and little enough for two dead addresses within a pool's `connect_timeout`.
const EACH_ADDRESS: Duration = Duration::from_secs(2);

/// After how much silence the kernel asks whether the peer is still there. Without it a connection whose peer
/// lost power stays open for ever; the kernel's own default is two hours.
const KEEPALIVE: Duration = Duration::from_secs(60);

/// A stream of either kind.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// A stream to the peer, with TLS or without.
pub(crate) type Transport = Box<dyn Duplex>;

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

/// Opens a stream to the place, with TLS if it wants that. Returns the protocol that was agreed on.
///
/// # Cancel safety
///
/// Dropping the future closes what was opened.
pub(crate) async fn open(
    location: &Location,
    tls: &Tls,
    alpn: &[&[u8]],
) -> Result<(Transport, Option<Vec<u8>>), NetError> {
    let stream = dial(location.bare_host(), location.port()).await?;
    if !location.is_secure() {
        return Ok((Box::new(stream), None));
    }
    let stream = tls.connect(location.bare_host(), stream, alpn).await?;
    let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    Ok((Box::new(stream), protocol))
}

/// Tries the addresses of the host in the order the system gives, until one accepts.
async fn dial(host: &str, port: u16) -> Result<TcpStream, NetError> {
    let found = lookup_host((host, port)).await;
    let addresses: Vec<SocketAddr> =
        found.map_err(|source| NetError::Resolve { host: host.to_owned(), source })?.collect();
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
            Ok(stream) => return Ok(stream),
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
