//! What the files hold, and what is made of it.
//!
//! Contents are compared, not times of modification: two keys of a kind have the same length, and a file can be
//! replaced twice within one tick of the file system's clock.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{Error as PemError, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore};

use super::error::{Cause, FileProblem, TlsError};
use super::unverified::Unverified;
use super::{Pair, Settings};

const CA: &str = "CA certificate";
const CERTIFICATE: &str = "client certificate";
const KEY: &str = "client key";

/// The bytes of all files that the settings name. Not `Debug`: a key is among them.
#[derive(PartialEq, Eq)]
pub(super) struct Contents {
    ca_certificate: Option<Vec<u8>>,
    certificate: Option<Vec<u8>>,
    key: Option<Vec<u8>>,
}

impl Contents {
    pub(super) fn read(settings: &Settings) -> Result<Contents, TlsError> {
        // Who verifies nobody needs no authorities.
        let ca = settings.ca_certificate.as_ref().filter(|_| settings.verify_peer);
        let pair = settings.client_certificate.as_ref();
        Ok(Contents {
            ca_certificate: ca.map(|path| read(CA, path)).transpose()?,
            certificate: pair.map(|pair| read(CERTIFICATE, &pair.certificate)).transpose()?,
            key: pair.map(|pair| read(KEY, &pair.key)).transpose()?,
        })
    }

    pub(super) fn client_config(&self, settings: &Settings) -> Result<ClientConfig, TlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Config)?;
        let builder = if settings.verify_peer {
            let roots = match (&settings.ca_certificate, &self.ca_certificate) {
                (Some(path), Some(bytes)) => authorities(path, bytes)?,
                _ => system_authorities()?,
            };
            builder.with_root_certificates(roots)
        } else {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Unverified::new(provider)))
        };
        match (&settings.client_certificate, &self.certificate, &self.key) {
            (Some(pair), Some(certificate), Some(key)) => {
                let (chain, key) = identity(pair, certificate, key)?;
                builder.with_client_auth_cert(chain, key).map_err(TlsError::Config)
            }
            _ => Ok(builder.with_no_client_auth()),
        }
    }
}

fn read(role: &'static str, path: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(path).map_err(|error| {
        let problem = match error.kind() {
            ErrorKind::NotFound => FileProblem::Missing,
            ErrorKind::PermissionDenied => FileProblem::Forbidden,
            _ => FileProblem::Unreadable,
        };
        useless(role, path, problem, error)
    })
}

fn authorities(path: &Path, bytes: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(CA, path, bytes)? {
        roots.add(certificate).map_err(|error| useless(CA, path, FileProblem::BadCertificate, error))?;
    }
    Ok(roots)
}

fn system_authorities() -> Result<RootCertStore, TlsError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some systems carry certificates that rustls does not accept; the others are as good as ever.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let source = found.errors.into_iter().next().map(Cause::from);
        return Err(TlsError::NoSystemCertificates { source });
    }
    Ok(roots)
}

/// The certificate to present and its key, which is proved to be its key.
fn identity(
    pair: &Pair,
    certificate: &[u8],
    key: &[u8],
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), TlsError> {
    let chain = certificates(CERTIFICATE, &pair.certificate, certificate)?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|error| {
        let problem = match error {
            PemError::NoItemsFound => FileProblem::NoKey,
            _ => FileProblem::NotPem,
        };
        useless(KEY, &pair.key, problem, error)
    })?;
    let signer = ring::sign::any_supported_type(&key)
        .map_err(|error| useless(KEY, &pair.key, FileProblem::BadKey, error))?;
    match CertifiedKey::new(chain.clone(), signer).keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok((chain, key)),
        Err(error @ rustls::Error::InconsistentKeys(_)) => {
            Err(useless(KEY, &pair.key, FileProblem::KeyDoesNotFit, error))
        }
        Err(error) => Err(useless(CERTIFICATE, &pair.certificate, FileProblem::BadCertificate, error)),
    }
}

fn certificates(
    role: &'static str,
    path: &Path,
    bytes: &[u8],
) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found = CertificateDer::pem_slice_iter(bytes)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| useless(role, path, FileProblem::NotPem, error))?;
    if found.is_empty() {
        let problem = FileProblem::NoCertificate;
        return Err(TlsError::File { role, path: path.to_owned(), problem, source: None });
    }
    Ok(found)
}

fn useless(role: &'static str, path: &Path, problem: FileProblem, source: impl Into<Cause>) -> TlsError {
    TlsError::File { role, path: path.to_owned(), problem, source: Some(source.into()) }
}
