//! `security`: how connections are encrypted, and how they log in.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use crate::section::{Origin, Section};
use crate::values::{choice, flag, millis, path};

/// The section `security`: how connections are encrypted, and how they log in.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Security {
    /// `ssl`: encryption by TLS.
    pub ssl: Ssl,
    /// `authentication`: who checks the credentials.
    pub authentication: Authentication,
}

/// The section `security.ssl`: encryption by TLS.
///
/// Files are only named here. Whether they exist and hold what they should shows when the first connection is made:
/// a configuration must be checkable on a machine that has none of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Ssl {
    /// `enabled`: whether connections to servers are encrypted. Default false.
    pub enabled: bool,
    /// `verify_peer`: whether the certificate and the name of the server are verified. Default true.
    pub verify_peer: bool,
    /// `ca_certificate`: the file of certificates by which the server's is verified. Default `None`, which trusts
    /// what the system trusts.
    pub ca_certificate: Option<PathBuf>,
    /// `client_certificate`: the file of the certificate shown to the server. Default `None`; only together with
    /// `client_key`.
    pub client_certificate: Option<PathBuf>,
    /// `client_key`: the file of the private key of `client_certificate`. Default `None`; only together with it.
    pub client_key: Option<PathBuf>,
}

impl Default for Ssl {
    fn default() -> Self {
        Self {
            enabled: false,
            verify_peer: true,
            ca_certificate: None,
            client_certificate: None,
            client_key: None,
        }
    }
}

/// The section `security.authentication`: who checks the credentials.
///
/// Durations are written as whole milliseconds under keys that end in `_ms`.
#[derive(Debug, Clone, PartialEq)]
pub struct Authentication {
    /// `method`: who checks the credentials. Default `database`.
    pub method: AuthenticationMethod,
    /// `timeout_ms`: how long a log-in may take. Default 30 s.
    pub timeout: Duration,
}

impl Default for Authentication {
    fn default() -> Self {
        Self { method: AuthenticationMethod::default(), timeout: Duration::from_secs(30) }
    }
}

/// Who checks the credentials of a connection; the word in the file is the name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AuthenticationMethod {
    /// `database`: the database server itself.
    #[default]
    Database,
    /// `ldap`: a directory that the server asks.
    Ldap,
    /// `oauth2`: an authorization server whose token is shown to the database server.
    Oauth2,
}

impl Security {
    pub(crate) fn read(section: &mut Section<'_>) -> Self {
        Self {
            ssl: section.section("ssl", Ssl::read),
            authentication: section.section("authentication", Authentication::read),
        }
    }
}

impl Ssl {
    fn read(section: &mut Section<'_>) -> Self {
        let mut ssl = Self::default();
        section.set("enabled", &mut ssl.enabled, flag);
        section.set("verify_peer", &mut ssl.verify_peer, flag);
        ssl.ca_certificate = section.read("ca_certificate", path);
        ssl.client_certificate = section.read("client_certificate", path);
        ssl.client_key = section.read("client_key", path);
        let is_written = |section: &Section<'_>, key| section.origin(key) != Origin::Default;
        if is_written(section, "client_certificate") {
            section.require("client_key", "the key of client_certificate", "add `client_key:`");
        }
        if is_written(section, "client_key") {
            section.require(
                "client_certificate",
                "the certificate of client_key",
                "add `client_certificate:`",
            );
        }
        ssl
    }
}

impl Authentication {
    fn read(section: &mut Section<'_>) -> Self {
        let mut authentication = Self::default();
        section.set("method", &mut authentication.method, choice);
        section.set("timeout_ms", &mut authentication.timeout, millis);
        authentication
    }
}
