//! What can go wrong before data flow: with the files, with the name, and in the handshake.

use std::io;
use std::path::PathBuf;

use super::problem::TlsProblem;

/// An error of setting up TLS.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file of certificates or with a key is of no use.
    #[error("use the {role} in `{}`: {problem}", .path.display())]
    File {
        /// What the file is for: `CA certificate`, `client certificate` or `client key`.
        role: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: FileProblem,
        /// What the system or rustls said, if asked.
        source: Option<Cause>,
    },
    /// The system trusts nobody, or its certificates cannot be read.
    #[error(
        "find certificates that the system trusts; set `ca_certificate`, or install the system's package of them"
    )]
    NoSystemCertificates {
        /// What went wrong first, if anything did.
        source: Option<Cause>,
    },
    /// This is neither a host name nor an IP address.
    #[error("verify the name `{name}`: it is neither a host name nor an IP address")]
    ServerName {
        /// The name.
        name: String,
    },
    /// rustls refuses the settings as a whole.
    #[error("set up TLS")]
    Config(#[source] rustls::Error),
    /// The handshake failed.
    #[error("do the TLS handshake with `{host}`{}", Explained(.problem.as_ref()))]
    Handshake {
        /// The host that was connected to.
        host: String,
        /// What is wrong, if that could be found out.
        problem: Option<TlsProblem>,
        /// What was met.
        source: io::Error,
    },
}

/// An error of a library underneath.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

impl TlsError {
    /// What is wrong between the two ends, if the handshake failed and that could be found out.
    pub fn problem(&self) -> Option<&TlsProblem> {
        match self {
            TlsError::Handshake { problem, .. } => problem.as_ref(),
            _ => None,
        }
    }
}

/// Writes a problem after a colon, or nothing.
pub(crate) struct Explained<'a>(pub(crate) Option<&'a TlsProblem>);

impl std::fmt::Display for Explained<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.map_or(Ok(()), |problem| write!(f, ": {problem}"))
    }
}

/// Why a file is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// It is missing.
    #[error("the file does not exist")]
    Missing,
    /// It may not be read.
    #[error("this user may not read it")]
    Forbidden,
    /// It cannot be read for another reason; see the source.
    #[error("it cannot be read")]
    Unreadable,
    /// It is not PEM, or damaged; see the source.
    #[error("it is not PEM, or it is damaged")]
    NotPem,
    /// It holds no certificate.
    #[error("no certificate is in it")]
    NoCertificate,
    /// A certificate in it is damaged, or of a kind that cannot be trusted; see the source.
    #[error("a certificate in it is damaged or of an unknown kind")]
    BadCertificate,
    /// It holds no private key.
    #[error("no private key is in it, or it is encrypted")]
    NoKey,
    /// Its key is of an unknown kind, or damaged.
    #[error("its key is damaged or of an unknown kind")]
    BadKey,
    /// The key is not that of the certificate.
    #[error("the key does not belong to the client certificate")]
    KeyDoesNotFit,
}
