//! Why there is no connection, in the words of a report: what failed, and what to do about it.
//!
//! Each driver has errors of its own, which say exactly what is wrong; what they have in common (names, addresses, TLS) is
//! said here in one way for all.

#[cfg(any(feature = "http", feature = "websocket"))]
mod http;
#[cfg(any(feature = "http", feature = "redis", feature = "websocket"))]
mod net;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "mysql", feature = "postgres"))]
mod server;
#[cfg(feature = "sqlite")]
mod sqlite;

use pool_config::PoolConfig;
use pool_core::Connector;
#[cfg(feature = "_net")]
use pool_drivers::tls::TlsProblem;

use super::report::{Check, FindingStatus};

/// A connector whose errors can be put into the words of a report.
pub(super) trait Explain: Connector {
    /// What the error of a connect means.
    fn explain(&self, error: &Self::Error, pool: &PoolConfig) -> Failure;
}

/// Why there is no connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// What failed; what comes before it went well, if anything was sent at all.
    pub(super) check: Check,
    /// How bad it is.
    pub(super) status: FindingStatus,
    /// Whether the server was reached.
    pub(super) reached: bool,
    pub(super) text: String,
    pub(super) cure: String,
}

impl Failure {
    fn new(check: Check, reached: bool, text: impl Into<String>, cure: impl Into<String>) -> Self {
        Failure { check, status: FindingStatus::Failed, reached, text: text.into(), cure: cure.into() }
    }

    /// There is no way to the server.
    pub(super) fn unreachable(text: impl Into<String>, cure: impl Into<String>) -> Self {
        Failure::new(Check::Reachable, false, text, cure)
    }

    /// The name of the host stands for nothing.
    pub(super) fn unknown_host(host: &str) -> Self {
        let text = format!("the host name `{host}` cannot be resolved");
        Failure::unreachable(text, "correct `host`, or have the name server know it")
    }

    /// The server was reached, and does not let the pool in.
    #[cfg(any(feature = "_login", feature = "websocket"))]
    pub(super) fn login(text: impl Into<String>, cure: impl Into<String>) -> Self {
        Failure::new(Check::Login, true, text, cure)
    }

    /// There is nothing to log in with, so the server was not even asked.
    #[cfg(feature = "_login")]
    pub(super) fn no_credentials(text: impl Into<String>) -> Self {
        let cure =
            "see to it that where the password comes from gives one, to the user that the service runs as";
        Failure::new(Check::Login, false, text, cure)
    }

    /// Nobody listens there.
    #[cfg(feature = "_net")]
    pub(super) fn refused() -> Self {
        let cure = "start the server, or correct `host` and `port`; it must listen on this address";
        Failure::unreachable("nobody listens there (connection refused)", cure)
    }

    /// The connection could not be encrypted.
    #[cfg(feature = "_net")]
    pub(super) fn tls(problem: Option<&TlsProblem>, otherwise: impl Into<String>) -> Self {
        let Some(problem) = problem else {
            let cure = "switch TLS on at the server, or `ssl.enabled` off if nobody can be on the way";
            return Failure::new(Check::Tls, true, otherwise, cure);
        };
        // What it says after the semicolon is the cure, for somebody who writes code.
        let said = problem.to_string();
        let (text, advice) =
            said.split_once("; ").unwrap_or((said.as_str(), "look at the log of the server"));
        let cure = match problem {
            TlsProblem::UnknownIssuer => {
                "name the file of the authority's certificate in `ssl.ca_certificate`"
            }
            TlsProblem::WrongName { .. } => {
                "write a name that it is for into `host`, or have a certificate issued that names this host"
            }
            TlsProblem::UnknownName => "write the name that it serves into `host`",
            TlsProblem::ClientCertificateRequired => {
                "name a certificate and its key in `ssl.client_certificate` and `ssl.client_key`"
            }
            TlsProblem::NotTls => "correct `port`, switch TLS on at the server, or `ssl.enabled` off",
            _ => advice,
        };
        Failure::new(Check::Tls, true, text, cure)
    }
}
