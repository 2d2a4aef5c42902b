//! Credentials that an OAuth2 server hands out to programs (client credentials, RFC 6749 section 4.4).
//!
//! The token is the password. It is asked for when a connection needs it, kept, and replaced before it expires:
//! [`cache`] decides when, [`exchange`] speaks the protocol over the POST of [`post`].

mod cache;
mod exchange;
mod post;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oauth2::TokenUrl;
use oauth2::url::{Host, Url};
use pool_core::ErrorClass;

use self::cache::TokenCache;
use super::{BoxFuture, CredentialError, CredentialProvider, Credentials, Provider};
use crate::tls::Tls;

/// Below the default `connect_timeout` of a pool, so that the error tells of the endpoint.
const TIMEOUT: Duration = Duration::from_secs(4);

/// Where a token comes from, and for whom.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pool_drivers::credentials::{FileCredentials, OAuth2Config, OAuth2Credentials};
///
/// let config = OAuth2Config::new(
///     "https://login.internal/oauth2/token",
///     "orders-service",
///     FileCredentials::password("/run/secrets/client"),
/// );
/// let provider = OAuth2Credentials::new(config.scope("redis").user("orders"))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OAuth2Config {
    token_url: String,
    client_id: String,
    client_secret: Provider,
    secret_in_body: bool,
    scopes: Vec<String>,
    audience: Option<String>,
    user: Option<String>,
    timeout: Duration,
    tls: Tls,
    allow_plain_http: bool,
}

impl OAuth2Config {
    /// The URL of the token endpoint, who this program is to it, and where the client secret comes from: the
    /// password of that provider, asked for at each exchange.
    pub fn new(
        token_url: impl Into<String>,
        client_id: impl Into<String>,
        client_secret: impl Into<Provider>,
    ) -> Self {
        OAuth2Config {
            token_url: token_url.into(),
            client_id: client_id.into(),
            client_secret: client_secret.into(),
            secret_in_body: false,
            scopes: Vec::new(),
            audience: None,
            user: None,
            timeout: TIMEOUT,
            tls: Tls::new(),
            allow_plain_http: false,
        }
    }

    /// Asks for a scope. May be called several times.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Says whom the token is for: the parameter `audience`, which some servers want.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// The user name to log in with beside the token.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = Some(user.into());
        self
    }

    /// Sends id and secret in the body, and not in the header `Authorization`. For servers that want it so.
    #[must_use]
    pub fn secret_in_body(mut self, on: bool) -> Self {
        self.secret_in_body = on;
        self
    }

    /// How long an exchange may take, getting the client secret included. Default 4 s.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How TLS is spoken with the endpoint. Default: verified against the system's certificates.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Whether the URL may begin with `http:` also if its host is not this machine. Default off.
    ///
    /// **On is dangerous**: whoever is on the way can read the client secret and the tokens.
    #[must_use]
    pub fn allow_plain_http(mut self, on: bool) -> Self {
        self.allow_plain_http = on;
        self
    }
}

/// Shows what is no secret. The URL may hold one, so it is not among that.
impl fmt::Debug for OAuth2Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Config")
            .field("client_id", &self.client_id)
            .field("scopes", &self.scopes)
            .field("audience", &self.audience)
            .field("user", &self.user)
            .finish_non_exhaustive()
    }
}

/// A token endpoint, checked.
struct Endpoint {
    url: TokenUrl,
    /// Without user, password and query.
    shown: String,
    config: OAuth2Config,
}

impl Endpoint {
    fn check(config: OAuth2Config) -> Result<Self, CredentialError> {
        let refused = |shown: &str, problem| {
            Err(CredentialError::Endpoint { url: shown.to_owned(), problem, source: None })
        };
        // What is not a URL is not shown: nobody knows what it is.
        let Ok(url) = TokenUrl::new(config.token_url.clone()) else {
            return refused("?", EndpointProblem::NoUrl);
        };
        let shown = shown(url.url());
        match url.url().scheme() {
            "https" => {}
            "http" if config.allow_plain_http || is_this_machine(url.url()) => {}
            "http" => return refused(&shown, EndpointProblem::Plain),
            _ => return refused(&shown, EndpointProblem::NoUrl),
        }
        Ok(Endpoint { url, shown, config })
    }

    fn failed(&self, problem: EndpointProblem) -> CredentialError {
        CredentialError::Endpoint { url: self.shown.clone(), problem, source: None }
    }
}

/// A URL without anything in it that may be secret.
fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Logs in with tokens of an OAuth2 server.
///
/// One token serves all connections. It is replaced in the background when 80 % of its life are over, or 60 s before
/// its end if that is earlier, but not in the first half of its life. If that fails, the old one is used as
/// long as it lives, the failure is traced, and every five seconds it is tried again. Only while there is no
/// token do callers wait, all for the same exchange.
pub struct OAuth2Credentials {
    endpoint: Arc<Endpoint>,
    tokens: TokenCache,
}

impl OAuth2Credentials {
    /// Checks the configuration. Asks nobody.
    ///
    /// # Errors
    ///
    /// Fails if the URL is none, or would send secrets over an open line.
    pub fn new(config: OAuth2Config) -> Result<Self, CredentialError> {
        let endpoint = Arc::new(Endpoint::check(config)?);
        let asked = Arc::clone(&endpoint);
        let tokens = TokenCache::new(move || {
            let endpoint = Arc::clone(&asked);
            Box::pin(async move { exchange::exchange(&endpoint).await })
        });
        Ok(OAuth2Credentials { endpoint, tokens })
    }
}

impl CredentialProvider for OAuth2Credentials {
    /// # Cancel safety
    ///
    /// An exchange under way goes on, for at most its timeout, and serves the next caller.
    fn credentials(&self) -> BoxFuture<'_, Result<Credentials, CredentialError>> {
        Box::pin(async {
            let token = self.tokens.token().await?;
            Ok(Credentials { user: self.endpoint.config.user.clone(), password: Some(token) })
        })
    }
}

impl fmt::Debug for OAuth2Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OAuth2Credentials")
            .field("url", &self.endpoint.shown)
            .field("config", &self.endpoint.config)
            .finish_non_exhaustive()
    }
}

/// Why a token endpoint gave no token. The text begins with a colon, or is empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointProblem {
    /// It is not an `https:` URL.
    #[error(": it is not an https URL")]
    NoUrl,
    /// It is an `http:` URL of another machine.
    #[error(": http would show the client secret to whoever is on the way; use https")]
    Plain,
    /// The provider of the client secret has none.
    #[error(": the provider of the client secret gave no password")]
    NoSecret,
    /// It cannot be connected to, or the exchange broke off; see the source.
    #[error("")]
    Unreachable,
    /// It took longer than it may.
    #[error(": it did not answer within {0:?}")]
    TimedOut(Duration),
    /// It refused, with this error code of OAuth2.
    #[error(": it answered `{code}`")]
    Refused {
        /// The code, such as `invalid_client`.
        code: String,
    },
    /// It answered with this HTTP status, and nothing that OAuth2 knows.
    #[error(": it answered with HTTP status {0}")]
    Status(u16),
    /// What it answered is no token.
    #[error(": what it answered is not a token as OAuth2 has it")]
    NotAToken,
    /// What it answered is longer than any token.
    #[error(": its answer is longer than 64 KiB")]
    TooLong,
}

impl EndpointProblem {
    /// [`ErrorClass::Transient`] if it may pass by itself, else [`ErrorClass::Auth`].
    pub(super) fn class(&self) -> ErrorClass {
        match self {
            EndpointProblem::Unreachable
            | EndpointProblem::TimedOut(_)
            | EndpointProblem::Status(408 | 425 | 429 | 500..) => ErrorClass::Transient,
            EndpointProblem::Refused { code }
                if matches!(code.as_str(), "temporarily_unavailable" | "server_error" | "slow_down") =>
            {
                ErrorClass::Transient
            }
            _ => ErrorClass::Auth,
        }
    }
}
