//! From a URL to a stream, with TLS or without.

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Location, NetError, dial};
use crate::dns::{Address, Names};
use crate::facts::Encryption;
use crate::tls::Tls;

/// A stream of either kind.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Duplex for S {}

/// A stream to the peer, with TLS or without.
pub(crate) type Transport = Box<dyn Duplex>;

/// What [`open`] has opened.
pub(crate) struct Opened {
    pub(crate) stream: Transport,
    /// The protocol that was agreed on in the TLS handshake.
    #[cfg_attr(not(feature = "http"), expect(dead_code, reason = "only HTTP has a choice"))]
    pub(crate) protocol: Option<Vec<u8>>,
    /// How it is encrypted, if it is.
    pub(crate) encryption: Option<Encryption>,
    /// Where it leads.
    pub(crate) address: Address,
}

/// Opens a stream to the place, with TLS if it wants that.
///
/// # Cancel safety
///
/// Dropping the future closes what was opened.
pub(crate) async fn open(
    location: &Location,
    names: &Names,
    tls: &Tls,
    alpn: &[&[u8]],
) -> Result<Opened, NetError> {
    let (stream, address) = dial(location.bare_host(), location.port(), names).await?;
    if !location.is_secure() {
        return Ok(Opened { stream: Box::new(stream), protocol: None, encryption: None, address });
    }
    let stream = tls.connect(location.bare_host(), stream, alpn).await?;
    let protocol = stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec);
    let encryption = Some(Encryption::of_stream(&stream));
    Ok(Opened { stream: Box::new(stream), protocol, encryption, address })
}
