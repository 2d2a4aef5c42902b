//! A certificate authority of its own for a test, and what it signs: good certificates and bad ones.
//!
//! Everything is in memory and in files, because some clients take the one and some the other.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

use crate::process::base;

/// A certificate authority. Its files go when it and everything it has signed are dropped.
#[derive(Debug, Clone)]
pub struct Ca {
    issuer: Arc<Issuer<'static, KeyPair>>,
    folder: Arc<TempDir>,
    certificate: Arc<str>,
    path: PathBuf,
}

impl Ca {
    /// A new authority, trusted by nobody yet, with a name and a key of its own.
    ///
    /// # Panics
    ///
    /// The temporary folder cannot be written.
    pub fn new() -> Self {
        let folder = base()
            .and_then(|base| {
                let folder = tempfile::Builder::new().prefix("ca-").tempdir_in(base);
                folder.map_err(crate::process::ServerError::system("create a folder"))
            })
            .expect("the temporary folder can be written");
        let mut params = params(&[], &format!("authority {:016x}", fastrand::u64(..)), Validity::Now);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("the system has random numbers");
        let certificate = params.self_signed(&key).expect("the parameters are complete");
        let path = folder.path().join("ca.pem");
        write(&path, &certificate.pem());
        Ca {
            issuer: Arc::new(Issuer::new(params, key)),
            folder: Arc::new(folder),
            certificate: certificate.pem().into(),
            path,
        }
    }

    /// The file with the authority's certificate, which whoever trusts it wants.
    pub fn certificate_path(&self) -> &Path {
        &self.path
    }

    /// The authority's certificate, in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// A server's certificate for these names and addresses, valid now. The first is its common name as well.
    pub fn server(&self, names: &[&str]) -> Identity {
        self.sign(names, Use::Server, Validity::Now)
    }

    /// A server's certificate for `localhost` and 127.0.0.1, valid now.
    pub fn local_server(&self) -> Identity {
        self.server(&["localhost", "127.0.0.1"])
    }

    /// A server's certificate that has expired.
    pub fn expired_server(&self, names: &[&str]) -> Identity {
        self.sign(names, Use::Server, Validity::Past)
    }

    /// A server's certificate that is not valid yet.
    pub fn future_server(&self, names: &[&str]) -> Identity {
        self.sign(names, Use::Server, Validity::Future)
    }

    /// A client's certificate for this common name, by which servers know the user.
    pub fn client(&self, common_name: &str) -> Identity {
        self.sign(&[common_name], Use::Client, Validity::Now)
    }

    /// A client's certificate that has expired.
    pub fn expired_client(&self, common_name: &str) -> Identity {
        self.sign(&[common_name], Use::Client, Validity::Past)
    }

    fn sign(&self, names: &[&str], usage: Use, validity: Validity) -> Identity {
        let alternatives = if usage == Use::Server { names } else { &[] };
        let mut params = params(alternatives, names.first().copied().unwrap_or_default(), validity);
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match usage {
            Use::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Use::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        let key = KeyPair::generate().expect("the system has random numbers");
        let certificate = params.signed_by(&key, &self.issuer).expect("the parameters are complete");
        Identity::new(&self.folder, &certificate, &key)
    }
}

impl Default for Ca {
    fn default() -> Self {
        Self::new()
    }
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Identity {
    _folder: Arc<TempDir>,
    certificate: Arc<str>,
    key: Arc<str>,
    certificate_path: PathBuf,
    key_path: PathBuf,
}

impl Identity {
    fn new(folder: &Arc<TempDir>, certificate: &Certificate, key: &KeyPair) -> Self {
        let number = fastrand::u64(..);
        let path = |what: &str| folder.path().join(format!("{number:016x}-{what}.pem"));
        let identity = Identity {
            _folder: Arc::clone(folder),
            certificate: certificate.pem().into(),
            key: key.serialize_pem().into(),
            certificate_path: path("certificate"),
            key_path: path("key"),
        };
        write(&identity.certificate_path, &identity.certificate);
        write(&identity.key_path, &identity.key);
        identity
    }

    /// The file with the certificate.
    pub fn certificate_path(&self) -> &Path {
        &self.certificate_path
    }

    /// The file with the private key, which only we can read.
    pub fn key_path(&self) -> &Path {
        &self.key_path
    }

    /// The certificate, in PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// The private key, in PEM.
    pub fn key_pem(&self) -> &str {
        &self.key
    }
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("certificate", &self.certificate_path).finish_non_exhaustive()
    }
}

/// What a server presents, whom it trusts, and what it asks of clients.
#[derive(Debug, Clone)]
pub struct Tls {
    pub(crate) ca: Ca,
    pub(crate) identity: Identity,
    pub(crate) demand: Demand,
}

/// What a server asks of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Demand {
    Nothing,
    Encryption,
    Certificate,
}

impl Tls {
    /// The server presents `identity` to clients that ask for TLS, and serves others in the clear. Redis, which has a
    /// port for either, serves no others.
    pub fn offered(ca: &Ca, identity: &Identity) -> Self {
        Tls { ca: ca.clone(), identity: identity.clone(), demand: Demand::Nothing }
    }

    /// The server refuses clients that do not ask for TLS.
    pub fn required(ca: &Ca, identity: &Identity) -> Self {
        Tls { demand: Demand::Encryption, ..Self::offered(ca, identity) }
    }

    /// The server refuses clients without a certificate of `ca`. PostgreSQL and MariaDB also refuse one that is for
    /// another user than the one who logs in.
    pub fn with_client_certificates(ca: &Ca, identity: &Identity) -> Self {
        Tls { demand: Demand::Certificate, ..Self::offered(ca, identity) }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Server,
    Client,
}

#[derive(Debug, Clone, Copy)]
enum Validity {
    Past,
    Now,
    Future,
}

fn params(names: &[&str], common_name: &str, validity: Validity) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("the names are host names or addresses");
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    // Far from any clock that a machine may have.
    let (from, to) = match validity {
        Validity::Past => (2000, 2001),
        Validity::Now => (2001, 2100),
        Validity::Future => (2100, 2101),
    };
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
}

fn write(path: &Path, pem: &str) {
    let mut options = OpenOptions::new();
    let opened = options.write(true).create_new(true).mode(0o600).open(path);
    opened.and_then(|mut file| file.write_all(pem.as_bytes())).expect("the temporary folder can be written");
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_in_a_file_that_only_we_can_read_until_nobody_needs_it() {
        let ca = Ca::new();
        let identity = ca.local_server();
        drop(ca);
        let key = identity.key_path().to_path_buf();
        assert_eq!(key.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_to_string(&key).unwrap(), identity.key_pem());
        assert!(!format!("{identity:?}").contains("PRIVATE"));
        drop(identity);
        assert!(!key.exists());
    }
}
