//! Certificates made to order, and a server that presents them.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use crate::tls::{Tls, TlsError, TlsProblem, problem_in};

/// An authority with a directory for its certificate and those it issues.
pub(super) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    directory: TempDir,
}

/// A certificate with its key.
pub(super) struct Issued {
    pub(super) certificate: rcgen::Certificate,
    pub(super) key: KeyPair,
}

impl Authority {
    pub(super) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Authority { issuer, directory: tempfile::tempdir().unwrap() }
    }

    pub(super) fn issue(&self, name: &str, change: impl FnOnce(&mut CertificateParams)) -> Issued {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        Issued { certificate: params.signed_by(&key, &self.issuer).unwrap(), key }
    }

    pub(super) fn valid_from_to(&self, name: &str, from: i32, to: i32) -> Issued {
        self.issue(name, |params| {
            params.not_before = date_time_ymd(from, 1, 1);
            params.not_after = date_time_ymd(to, 1, 1);
        })
    }

    pub(super) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Writes a file beside the others, and returns its path.
    pub(super) fn file(&self, name: &str, contents: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, contents).unwrap();
        path
    }

    /// A client that trusts this authority alone.
    pub(super) fn client(&self) -> Tls {
        Tls::new().ca_certificate(self.file("ca.pem", &self.pem()))
    }

    pub(super) fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        roots
    }
}

/// Presents the certificate; asks for the client's if an authority for it is given.
pub(super) fn server(issued: &Issued, clients: Option<&Authority>) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        Some(authority) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(authority.roots()), provider)
                .build()
                .unwrap(),
        ),
        None => builder.with_no_client_auth(),
    };
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(issued.key.serialize_der()));
    builder.with_single_cert(vec![issued.certificate.der().clone()], key).unwrap()
}

/// What came of a handshake and the first byte of the server.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The byte arrived.
    Spoke {
        /// The protocol that was agreed on.
        protocol: Option<Vec<u8>>,
    },
    /// The handshake, or the byte, failed.
    Failed { problem: Option<TlsProblem>, error: Option<TlsError> },
}

impl Outcome {
    pub(super) fn problem(self) -> TlsProblem {
        match self {
            Outcome::Failed { problem: Some(problem), .. } => problem,
            other => panic!("expected a problem, found {other:?}"),
        }
    }

    pub(super) fn is_success(&self) -> bool {
        matches!(self, Outcome::Spoke { .. })
    }
}

/// Connects to `host`, which is this server, and reads a byte.
pub(super) async fn try_out(tls: &Tls, host: &str, server: ServerConfig, alpn: &[&[u8]]) -> Outcome {
    let (ours, theirs) = tokio::io::duplex(64 * 1024);
    let serve = async {
        if let Ok(mut stream) = TlsAcceptor::from(Arc::new(server)).accept(theirs).await {
            stream.write_all(b"!").await.unwrap();
            // Waits for the client to close, so that nothing is lost.
            drop(stream.read(&mut [0]).await);
        }
    };
    let talk = async {
        match tls.connect(host, ours, alpn).await {
            Ok(mut stream) => match stream.read_u8().await {
                Ok(_) => Outcome::Spoke { protocol: stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec) },
                Err(error) => Outcome::Failed { problem: problem_in(&error), error: None },
            },
            Err(error) => Outcome::Failed { problem: error.problem().cloned(), error: Some(error) },
        }
    };
    tokio::join!(serve, talk).1
}
