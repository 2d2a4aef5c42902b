//! The servers inside the test process, seen by clients that are not ours.

mod http;
mod token;
mod websocket;

use std::sync::Arc;
use std::time::Duration;

use pool_tests::ca::{Ca, Tls};
use pool_tests::local::{LocalServer, Protocol, Stream, server_config};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// What must not happen is waited for this long; on a busy machine it would only be missed, never invented.
const QUIET: Duration = Duration::from_millis(60);

/// Bytes to a server, with or without TLS.
type Bytestream = Box<dyn Stream>;

/// A certificate authority, and a server's configuration that it vouches for.
fn authority() -> (Ca, Arc<ServerConfig>) {
    let ca = Ca::new();
    let config = server_config(&Tls::required(&ca, &ca.local_server()));
    (ca, config)
}

async fn plain<P: Protocol>(server: &LocalServer<P>) -> Bytestream {
    Box::new(TcpStream::connect(server.address()).await.unwrap())
}

/// Offers these protocols; returns the stream and what was agreed on.
async fn tls<P: Protocol>(
    server: &LocalServer<P>,
    ca: &Ca,
    protocols: &[&str],
) -> std::io::Result<(Bytestream, Option<String>)> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.certificate_pem().as_bytes()).unwrap()).unwrap();
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(server.address()).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let agreed = stream.get_ref().1.alpn_protocol().map(|name| String::from_utf8(name.to_vec()).unwrap());
    Ok((Box::new(stream), agreed))
}
