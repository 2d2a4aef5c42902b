//! `security`: how connections are encrypted, and how they log in.

use std::path::PathBuf;
use std::time::Duration;

use crate::class::ReloadClass::{Drain, Live};
use crate::keys::{SecretKeys, keys};
use crate::kind::{Endpoint, Flag, Millis, Optional, PathText, Text, Word, Words};
use crate::problem::Mistake;
use crate::secret::SecretSource;
use crate::section::Origin;

keys! {
    /// The section `security`: how connections are encrypted, and how they log in. What a pool does not set itself.
    pub struct Security {
        /// encryption by TLS
        ssl: Ssl = Ssl::default(), section("ssl");

        /// who checks the credentials
        authentication: Authentication = Authentication::default(), section("authentication");
    }
}

keys! {
    /// The section `security.ssl`, or `ssl` of a pool: encryption by TLS.
    ///
    /// Files are only named here. Whether they exist and hold what they should shows when the first connection is made:
    /// a configuration must be checkable on a machine that has none of them.
    pub struct Ssl {
        /// whether connections to servers are encrypted. A server that cannot is refused then
        enabled: bool = false, value("enabled", Flag, Drain);

        /// whether the certificate and the name of the server are verified
        verify_peer: bool = true, value("verify_peer", Flag, Drain);

        /// the file of certificates by which the server's is verified. Without it what the system trusts
        ca_certificate: Option<PathBuf> = None, value("ca_certificate", Optional(PathText), Drain);

        /// the file of the certificate shown to the server. Only together with `client_key`
        client_certificate: Option<PathBuf> = None, value("client_certificate", Optional(PathText), Drain);

        /// the file of the private key of `client_certificate`. Only together with it
        client_key: Option<PathBuf> = None, value("client_key", Optional(PathText), Drain);

        /// whether connections are replaced when one of these files has other content
        reload_on_change: bool = true, value("reload_on_change", Flag, Live);
    }

    check(ssl, section) {
        if section.is_written("client_certificate") != section.is_written("client_key")
            && ssl.client_certificate.is_some()
            && ssl.client_key.is_some()
        {
            let at = if section.is_written("client_key") { "client_key" } else { "client_certificate" };
            let expected = "both client_certificate and client_key in one section: they belong together";
            section.warn(at, Mistake::new(section.shown(at), expected, "write the other one here, too"));
        }
        let pair = [
            ("client_certificate", "client_key", "the key of client_certificate", "add `client_key:`"),
            ("client_key", "client_certificate", "the certificate of client_key", "add `client_certificate:`"),
        ];
        for (key, other, expected, help) in pair {
            // What is inherited was judged where it stands.
            if section.origin(key) != Origin::Default && section.effective_origin(other) == Origin::Default {
                section.require(other, expected, help);
            }
        }
        if !ssl.verify_peer && section.is_written("verify_peer") {
            let expected = "true: whoever is on the way can be the server otherwise";
            let help = "remove it, and name the server's authority with `ca_certificate`";
            section.warn("verify_peer", Mistake::new("false", expected, help));
        }
    }
}

keys! {
    /// The section `security.authentication`, or `authentication` of a pool: who checks the credentials.
    ///
    /// Durations are written as whole milliseconds under keys that end in `_ms`.
    pub struct Authentication {
        /// who checks the credentials: `database`, the server itself; `ldap`, a directory that the server asks, for which the
        /// password goes to the server in clear text, so that `ssl` must be enabled; `oauth2`, an authorization server whose
        /// token is shown to the server
        method: AuthenticationMethod = AuthenticationMethod::Database, value("method", Words::new(), Drain);

        /// how long it may take to get the credentials: a token, or what a program prints. The log-in itself is part of
        /// `connect_timeout_ms`
        timeout: Duration = Duration::from_secs(30), value("timeout_ms", Millis::POSITIVE, Drain);

        /// the authorization server; needed for method `oauth2`
        oauth2: Option<OAuth2> = None, optional("oauth2");
    }

    check(authentication, section) {
        if authentication.method == AuthenticationMethod::Oauth2 && authentication.oauth2.is_none() {
            let help = "add `oauth2:` with token_url, client_id and client_secret_file";
            section.require("oauth2", "the authorization server of method oauth2", help);
        }
        if authentication.method != AuthenticationMethod::Oauth2 && section.is_written("oauth2") {
            let expected = "method oauth2: without it the section has no effect";
            section.warn("oauth2", Mistake::new("a section", expected, "write `method: oauth2`, or remove the section"));
        }
    }
}

/// The keys of the client's secret.
pub(crate) const CLIENT_SECRET: SecretKeys = SecretKeys {
    text: "client_secret",
    environment: "client_secret_env",
    file: "client_secret_file",
    command: "client_secret_command",
    class: Drain,
};

keys! {
    /// The section `oauth2`: an authorization server that gives tokens for client credentials (RFC 6749, section 4.4).
    pub struct OAuth2 {
        /// where tokens are asked for; `https`, unless the host is this machine
        token_url: String = String::new(), required("token_url", Endpoint, Drain);

        /// who this service is to the authorization server
        client_id: String = String::new(), required("client_id", Text, Drain);

        /// the secret of `client_id`, in clear text. Better in one of the other three ways; exactly one is written
        client_secret: Option<SecretSource> = None, secret("client_secret", &CLIENT_SECRET);

        /// what the token is to allow; several are separated by spaces
        scope: Option<String> = None, value("scope", Optional(Text), Drain);

        /// whom the token is for, which some servers want to know
        audience: Option<String> = None, value("audience", Optional(Text), Drain);

        /// the user name that goes with the token. Without it the `user` of the pool
        user: Option<String> = None, value("user", Optional(Text), Drain);

        /// whether id and secret are sent in the body, for servers that want it so
        secret_in_body: bool = false, value("secret_in_body", Flag, Drain);

        /// the file of certificates by which the authorization server's is verified. Without it what the system trusts
        ca_certificate: Option<PathBuf> = None, value("ca_certificate", Optional(PathText), Drain);

        /// whether `token_url` may begin with `http:` although the host is not this machine: anybody on the way can read the
        /// secret and the tokens then
        allow_plain_http: bool = false, value("allow_plain_http", Flag, Drain);
    }

    check(oauth2, section) {
        if oauth2.client_secret.is_none() && CLIENT_SECRET.all().iter().all(|key| section.origin(key) == Origin::Default) {
            let help = "add `client_secret_file:`, `client_secret_env:` or `client_secret_command:`";
            section.require(CLIENT_SECRET.file, "a secret of the client", help);
        }
        if section.is_written(CLIENT_SECRET.text) && !section.is_reference(CLIENT_SECRET.text) {
            let help = "write `client_secret_file`, `client_secret_env` or a reference such as `${CLIENT_SECRET}`";
            let mistake = Mistake::new("a secret in clear text", "a secret that stands elsewhere", help);
            section.warn(CLIENT_SECRET.text, mistake);
        }
        let is_local = ["http://localhost", "http://127.", "http://[::1]"].iter().any(|host| oauth2.token_url.starts_with(host));
        if oauth2.token_url.starts_with("http://") && !is_local && !oauth2.allow_plain_http {
            let expected = "https: anybody on the way can read the secret and the tokens";
            let help = "begin it with https://, or set `allow_plain_http: true`";
            section.report("token_url", Mistake::new("a URL that begins with http://", expected, help));
        }
        if oauth2.allow_plain_http && section.is_written("allow_plain_http") {
            let expected = "false: anybody on the way can read the secret and the tokens";
            section.warn("allow_plain_http", Mistake::new("true", expected, "use https"));
        }
    }
}

/// Who checks the credentials of a connection; the word in the file is the name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AuthenticationMethod {
    /// `database`: the database server itself.
    #[default]
    Database,
    /// `ldap`: a directory that the server asks.
    Ldap,
    /// `oauth2`: an authorization server whose token is shown to the database server.
    Oauth2,
}

impl Word for AuthenticationMethod {
    const WORDS: &'static [(&'static str, Self)] =
        &[("database", Self::Database), ("ldap", Self::Ldap), ("oauth2", Self::Oauth2)];
}
