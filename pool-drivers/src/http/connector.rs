//! How connections to one origin are opened, checked, cleaned and closed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::Uri;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use pool_core::{Condition, Connector, ErrorClass, Target};

use super::class::classify;
use super::connection::{HttpConnection, Sender};
use super::driver::Driver;
use super::error::HttpError;
use super::health;
use crate::dns::Names;
use crate::net::{Location, Schemes, Transport, UrlError, UrlProblem, open};
use crate::successor::{Replaceable, Successor};
use crate::tls::Tls;

pub(super) const SCHEMES: Schemes = Schemes { plain: "http", secure: "https" };

const ALPN_HTTP1: &[u8] = b"http/1.1";
const ALPN_HTTP2: &[u8] = b"h2";

/// How long an HTTP/2 peer may take to answer a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Which version of HTTP to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum HttpVersion {
    /// The best that the peer offers in the TLS handshake; without TLS, HTTP/1.1.
    #[default]
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; without TLS, the peer must expect it.
    Http2,
}

/// Opens connections to one origin.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pool_drivers::http::{HttpConnector, HttpVersion};
/// use pool_drivers::tls::Tls;
///
/// let orders = HttpConnector::new("https://orders.internal:8443")?
///     .version(HttpVersion::Http2)
///     .tls(Tls::new().ca_certificate("/etc/ours/ca.pem"))
///     .health_path("/health")?;
/// # let _ = orders;
/// # Ok(())
/// # }
/// ```
pub struct HttpConnector {
    origin: Arc<Location>,
    version: HttpVersion,
    tls: Tls,
    health_path: Option<Uri>,
    http2_keepalive_interval: Duration,
    names: Names,
    successor: Successor<Self>,
}

impl HttpConnector {
    /// An origin: `http://host`, `https://host`, each with or without a port.
    ///
    /// # Errors
    ///
    /// Fails if it is not that: for instance if a path is in it, or a user name.
    pub fn new(origin: &str) -> Result<Self, UrlError> {
        let location = Location::parse(origin, &SCHEMES)?;
        if location.path_and_query() != "/" {
            return Err(UrlProblem::Path.into());
        }
        Ok(HttpConnector {
            origin: Arc::new(location),
            version: HttpVersion::Auto,
            tls: Tls::new(),
            health_path: None,
            http2_keepalive_interval: Duration::from_secs(30),
            names: Names::default(),
            successor: Successor::default(),
        })
    }

    /// Which version to speak. Default [`Auto`](HttpVersion::Auto).
    #[must_use]
    pub fn version(mut self, version: HttpVersion) -> Self {
        self.version = version;
        self
    }

    /// How to speak TLS with an `https` origin. Default [`Tls::new`]; without effect on an `http` origin.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// What to ask for (`GET`) when a connection is validated, and once when it is opened. Default nothing.
    ///
    /// 2xx and 3xx mean that all is well; the [module](super) says what others mean. The answer's body should be
    /// short, 64 KiB at most.
    ///
    /// # Errors
    ///
    /// Fails if it is no path.
    pub fn health_path(mut self, path: &str) -> Result<Self, UrlError> {
        let uri: Uri = path.parse().map_err(|_| UrlProblem::Malformed)?;
        if !path.starts_with('/') || uri.authority().is_some() {
            return Err(UrlProblem::Malformed.into());
        }
        self.health_path = Some(uri);
        Ok(self)
    }

    /// How often an HTTP/2 peer is pinged, also while the connection is idle. Default 30 s; 0 = never.
    ///
    /// A ping that is not answered within 10 s closes the connection. HTTP/1.1 has no such thing; there, the
    /// kernel asks after a minute of silence.
    #[must_use]
    pub fn http2_keepalive_interval(mut self, interval: Duration) -> Self {
        self.http2_keepalive_interval = interval;
        self
    }

    /// How long to trust what the host name stands for; see [`dns`](crate::dns). Default off: as
    /// long as a connection lives. 0 = look each time a connection comes back.
    #[must_use]
    pub fn dns_max_ttl(mut self, max_ttl: Duration) -> Self {
        self.names = Names::new(max_ttl);
        self
    }

    fn offered(&self) -> &'static [&'static [u8]] {
        match self.version {
            HttpVersion::Auto => &[ALPN_HTTP2, ALPN_HTTP1],
            HttpVersion::Http1 => &[ALPN_HTTP1],
            HttpVersion::Http2 => &[ALPN_HTTP2],
        }
    }

    async fn open(&self) -> Result<HttpConnection, HttpError> {
        let opened = open(&self.origin, &self.names, &self.tls, self.offered()).await?;
        let chose_http2 = opened.protocol.as_deref() == Some(ALPN_HTTP2);
        let http2 = match self.version {
            HttpVersion::Auto => chose_http2,
            HttpVersion::Http1 => false,
            HttpVersion::Http2 if self.origin.is_secure() && !chose_http2 => {
                return Err(HttpError::NoHttp2 { host: self.origin.bare_host().to_owned() });
            }
            HttpVersion::Http2 => true,
        };
        let mut connection = self.begin(opened.stream, http2).await.map_err(HttpError::Handshake)?;
        connection.address = opened.address;
        connection.encryption = opened.encryption;
        if let Some(path) = &self.health_path {
            health::ask(&mut connection, path).await?;
            connection.health_path = Some(path.clone());
        }
        Ok(connection)
    }

    async fn begin(&self, stream: Transport, http2: bool) -> Result<HttpConnection, hyper::Error> {
        let io = TokioIo::new(stream);
        let (sender, driver) = if http2 {
            let interval = self.http2_keepalive_interval;
            let (sender, connection) = http2::Builder::new(TokioExecutor::new())
                .timer(TokioTimer::new())
                .keep_alive_interval((!interval.is_zero()).then_some(interval))
                .keep_alive_timeout(PING_TIMEOUT)
                .keep_alive_while_idle(true)
                .handshake(io)
                .await?;
            (Sender::Http2(sender), Driver::spawn(connection))
        } else {
            let (sender, connection) = http1::handshake(io).await?;
            (Sender::Http1(sender), Driver::spawn(connection))
        };
        Ok(HttpConnection::new(sender, driver, Arc::clone(&self.origin)))
    }
}

impl Connector for HttpConnector {
    type Connection = HttpConnection;
    type Error = HttpError;

    async fn connect(&self) -> Result<HttpConnection, HttpError> {
        match self.successor.get() {
            Some(next) => next.open().await,
            None => self.open().await,
        }
    }

    async fn validate(&self, connection: &mut HttpConnection) -> Result<(), HttpError> {
        connection.address.check().await?;
        connection.make_ready().await?;
        match connection.health_path.clone() {
            Some(path) => health::ask(connection, &path).await,
            None => Ok(()),
        }
    }

    async fn reset(&self, connection: &mut HttpConnection) -> Result<(), HttpError> {
        connection.address.check().await?;
        connection.reset().await
    }

    fn condition(&self, connection: &mut HttpConnection) -> Condition {
        connection.condition()
    }

    async fn close(&self, connection: HttpConnection) {
        connection.close().await;
    }

    fn classify(&self, error: &HttpError) -> ErrorClass {
        classify(error)
    }

    /// What the answer to `health_path` has in its `Retry-After`, if that is a number of seconds.
    fn retry_after(&self, error: &HttpError) -> Option<Duration> {
        match error {
            HttpError::Unhealthy { retry_after, .. } => retry_after.filter(|wait| !wait.is_zero()),
            _ => None,
        }
    }

    fn target(&self) -> Option<Target> {
        self.successor.ask(self, |HttpConnector { origin, .. }| {
            let driver = if origin.is_secure() { SCHEMES.secure } else { SCHEMES.plain };
            Some(Target::new(driver, "").at(origin.bare_host(), origin.port()))
        })
    }
}

impl Clone for HttpConnector {
    fn clone(&self) -> Self {
        self.successor.ask(self, |latest| HttpConnector {
            origin: Arc::clone(&latest.origin),
            version: latest.version,
            tls: latest.tls.clone(),
            health_path: latest.health_path.clone(),
            http2_keepalive_interval: latest.http2_keepalive_interval,
            names: latest.names.clone(),
            successor: Successor::default(),
        })
    }
}

impl Replaceable for HttpConnector {
    fn replace_with(&self, next: Self) {
        self.successor.set(next.clone());
    }
}

impl fmt::Debug for HttpConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.successor.ask(self, |latest| {
            f.debug_struct("HttpConnector")
                .field("origin", &format_args!("{}", latest.origin.authority()))
                .field("version", &latest.version)
                .field("tls", &latest.tls)
                .finish_non_exhaustive()
        })
    }
}
