//! From the certificates of a test to the TLS configuration of a local server.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;

use crate::ca::{Demand, Tls};

/// How a local server presents these certificates, and whether it asks for one. A local server speaks TLS or does not,
/// so an offer of TLS is a demand here.
///
/// # Panics
///
/// The certificates are no certificates; those of [`Ca`](crate::ca::Ca) are.
pub fn server_config(tls: &Tls) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_slice(tls.identity.certificate_pem().as_bytes());
    let key = PrivateKeyDer::from_pem_slice(tls.identity.key_pem().as_bytes());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has cipher suites for both versions of TLS");
    let builder = match tls.demand {
        Demand::Nothing | Demand::Encryption => builder.with_no_client_auth(),
        Demand::Certificate => {
            let authority = CertificateDer::from_pem_slice(tls.ca.certificate_pem().as_bytes());
            let mut roots = rustls::RootCertStore::empty();
            roots.add(authority.expect("it is PEM")).expect("it is an authority's certificate");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("there is a root"))
        }
    };
    let config = builder.with_single_cert(vec![certificate.expect("it is PEM")], key.expect("it is PEM"));
    Arc::new(config.expect("the key belongs to the certificate"))
}
