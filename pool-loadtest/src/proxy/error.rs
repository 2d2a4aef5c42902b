//! Why a proxy did not start, or could not do what it was told.

use std::io;
use std::net::SocketAddr;

/// See the variants.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// The port is taken, or there are no descriptors left.
    #[error("listen on {address}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A rule that narrows [`Fault::Refuse`](super::Fault::Refuse).
    #[error("refuse a part of the connections: who does not listen refuses all of them")]
    PartlyRefused,
}
