//! TLS as every driver does it: whom to trust, how to present oneself, and what exactly went wrong.
//!
//! ```
//! use pool_drivers::tls::Tls;
//!
//! let public = Tls::new();
//! let internal = Tls::new()
//!     .ca_certificate("/etc/ours/ca.pem")
//!     .client_certificate("/etc/ours/orders.pem", "/etc/ours/orders.key");
//! let tunnelled = internal.clone().server_name("cache.internal"); // not with PostgreSQL and MySQL
//! ```
//!
//! It is here, and not with each client library, because they differ in what they read, when they read it and
//! what they say: one setting must mean the same for all of them. The library is rustls, its cryptography
//! ring; TLS 1.2 and 1.3, nothing older. Files are PEM.
//!
//! # When the files are read
//!
//! At each connect, and compared with what was read before: a certificate that was replaced on disk is used by
//! the next connection, without a restart, and everything else is made only once. A pair of certificate
//! and key that do not belong together, as in the middle of a replacement, fails that connect; the pool tries
//! again. The system's own certificates are read once for each [`Tls`] and its clones.
//!
//! # What went wrong
//!
//! [`problem_in`] finds it in the error of any client library, and [`TlsProblem`] says which it is and what to
//! do about it.
//!
//! | [`TlsProblem`] | [`ErrorClass`](pool_core::ErrorClass) | why |
//! |---|---|---|
//! | `ClientCertificateRequired`, `ClientCertificateRefused` | `Auth` | the peer refuses the credentials |
//! | all others | `FatalThis` | no better until somebody acts, but says nothing of the connections that are open |
//!
//! With TLS 1.3 a peer judges the client's certificate after the client has finished its part. The refusal
//! then comes with the first answer and not from the connect, unless the driver waits for an answer there.

mod error;
mod files;
mod problem;
mod unverified;

#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

#[cfg(any(feature = "http", feature = "websocket"))]
pub(crate) use error::Explained;
pub use error::{FileProblem, TlsError};
use files::Contents;
pub use problem::{TlsProblem, problem_in};

/// How to speak TLS with a peer. Without further words: verified against the system's certificates.
///
/// Clones share what was read from disk until one of them is changed.
#[derive(Clone)]
pub struct Tls {
    settings: Settings,
    made: Arc<Mutex<Made>>,
}

/// What a holder of a [`Tls`] can choose.
#[derive(Debug, Clone)]
struct Settings {
    ca_certificate: Option<PathBuf>,
    client_certificate: Option<Pair>,
    verify_peer: bool,
    server_name: Option<String>,
}

/// A certificate and its key.
#[derive(Debug, Clone)]
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
}

/// What was made of the files, and the contents it was made of.
#[derive(Default)]
struct Made {
    contents: Option<Contents>,
    /// One for each list of protocols to offer. All are clones of the first, so they share its session
    /// tickets.
    configs: Vec<Arc<ClientConfig>>,
}

impl Default for Tls {
    fn default() -> Self {
        Tls::new()
    }
}

impl Tls {
    /// Verifies the peer against the certificates that the system trusts, and presents none of its own.
    ///
    /// Where those are found, the environment variables `SSL_CERT_FILE` and `SSL_CERT_DIR` can change.
    pub fn new() -> Self {
        let settings =
            Settings { ca_certificate: None, client_certificate: None, verify_peer: true, server_name: None };
        Tls { settings, made: Arc::default() }
    }

    /// Trusts the authorities in this PEM file, instead of those that the system trusts.
    #[must_use]
    pub fn ca_certificate(self, path: impl Into<PathBuf>) -> Self {
        self.change(|settings| settings.ca_certificate = Some(path.into()))
    }

    /// Presents this certificate, followed in its file by those that lead to the authority. PEM files; the
    /// key in PKCS#8, PKCS#1 or SEC1, not encrypted.
    #[must_use]
    pub fn client_certificate(
        self,
        certificate_path: impl Into<PathBuf>,
        key_path: impl Into<PathBuf>,
    ) -> Self {
        let pair = Pair { certificate: certificate_path.into(), key: key_path.into() };
        self.change(|settings| settings.client_certificate = Some(pair))
    }

    /// Whether the peer must prove who it is. Default on.
    ///
    /// **Off is dangerous.** Any certificate of anybody is accepted then, so whoever is on the way can read and
    /// change everything, passwords included. For a certificate of one's own making, name it with
    /// [`ca_certificate`](Self::ca_certificate) instead.
    #[must_use]
    pub fn verify_peer(self, on: bool) -> Self {
        self.change(|settings| settings.verify_peer = on)
    }

    /// The name, or IP address, to ask for and to verify, instead of the host that is connected to.
    #[must_use]
    pub fn server_name(self, name: impl Into<String>) -> Self {
        self.change(|settings| settings.server_name = Some(name.into()))
    }

    fn change(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        // What clones have made is of no use for other settings.
        self.made = Arc::default();
        self
    }

    /// The file of the trusted authorities, if they are not the system's.
    pub fn ca_certificate_path(&self) -> Option<&Path> {
        self.settings.ca_certificate.as_deref()
    }

    /// The files of the certificate and of the key to present, if there are any.
    pub fn client_certificate_paths(&self) -> Option<(&Path, &Path)> {
        self.settings.client_certificate.as_ref().map(|pair| (&*pair.certificate, &*pair.key))
    }

    /// Whether the peer must prove who it is.
    pub fn verifies_peer(&self) -> bool {
        self.settings.verify_peer
    }

    /// The name to verify, if it is not that of the host.
    pub fn server_name_override(&self) -> Option<&str> {
        self.settings.server_name.as_deref()
    }

    /// The rustls configuration for these settings, offering the given protocols (ALPN).
    ///
    /// The same one is returned as long as the files do not change. Reading them blocks, for microseconds on
    /// a local disk.
    ///
    /// # Errors
    ///
    /// Fails if a file cannot be read or does not hold what it should; the error names it.
    pub fn client_config(&self, alpn: &[&[u8]]) -> Result<Arc<ClientConfig>, TlsError> {
        let contents = Contents::read(&self.settings)?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.contents.as_ref() != Some(&contents) {
            let config = contents.client_config(&self.settings)?;
            *made = Made { contents: Some(contents), configs: vec![Arc::new(config)] };
        }
        if let Some(config) = made.configs.iter().find(|config| config.alpn_protocols == alpn) {
            return Ok(Arc::clone(config));
        }
        let mut config = made.configs.first().map(|config| ClientConfig::clone(config)).expect("made above");
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
        let config = Arc::new(config);
        made.configs.push(Arc::clone(&config));
        Ok(config)
    }

    /// Makes an open stream a TLS stream, offering the given protocols (ALPN).
    ///
    /// `host` is a name or an IP address, which may stand in brackets as in a URL.
    ///
    /// # Errors
    ///
    /// Fails as [`client_config`](Self::client_config) does, if the name is none, and if the handshake fails.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the stream, which closes it.
    pub async fn connect<S>(&self, host: &str, stream: S, alpn: &[&[u8]]) -> Result<TlsStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = self.name_of(host)?;
        let connector = TlsConnector::from(self.client_config(alpn)?);
        connector.connect(name, stream).await.map_err(|source| TlsError::Handshake {
            host: host.to_owned(),
            problem: problem_in(&source),
            source,
        })
    }

    /// The name to ask for and to verify when this host is connected to.
    fn name_of(&self, host: &str) -> Result<ServerName<'static>, TlsError> {
        let host = self.settings.server_name.as_deref().unwrap_or(host);
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::ServerName { name: host.to_owned() })
    }
}

/// Shows the settings: paths and names. What the files hold, it does not know.
impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Settings { ca_certificate, client_certificate, verify_peer, server_name } = &self.settings;
        f.debug_struct("Tls")
            .field("ca_certificate", ca_certificate)
            .field("client_certificate", client_certificate)
            .field("verify_peer", verify_peer)
            .field("server_name", server_name)
            .finish_non_exhaustive()
    }
}
