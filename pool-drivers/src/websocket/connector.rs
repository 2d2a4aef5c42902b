//! How connections to one WebSocket endpoint are opened, checked and closed.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::{
    CONNECTION, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE,
};
use http::{Request, Uri};
use pool_core::{Condition, Connector, ErrorClass, Target};
use tokio_tungstenite::client_async_with_config;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::class::classify;
use super::connection::WebSocketConnection;
use super::error::{HeaderProblem, WebSocketError};
use crate::dns::Names;
use crate::net::{Location, Schemes, UrlError, open};
use crate::successor::{Replaceable, Successor};
use crate::tls::Tls;

const SCHEMES: Schemes = Schemes { plain: "ws", secure: "wss" };

/// What the handshake itself says.
const RESERVED: [HeaderName; 7] = [
    CONNECTION,
    UPGRADE,
    SEC_WEBSOCKET_ACCEPT,
    SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY,
    SEC_WEBSOCKET_PROTOCOL,
    SEC_WEBSOCKET_VERSION,
];

/// How much is read at once. Each connection has a buffer of this size; tungstenite's own 128 KiB are a lot for
/// an idle one, and larger messages get the room they need all the same.
const READ_BUFFER: usize = 16 * 1024;

/// Opens connections to one WebSocket endpoint.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use pool_drivers::websocket::WebSocketConnector;
///
/// let prices = WebSocketConnector::new("wss://prices.internal/feed?currency=EUR")?
///     .header("Authorization", "Bearer …")?
///     .user("orders")
///     .subprotocol("prices.v2")?
///     .max_message_size(1 << 20)
///     .pong_timeout(Duration::from_secs(2));
/// # let _ = prices;
/// # Ok(())
/// # }
/// ```
pub struct WebSocketConnector {
    location: Arc<Location>,
    tls: Tls,
    headers: HeaderMap,
    subprotocols: Vec<String>,
    user: String,
    max_message_size: usize,
    pong_timeout: Duration,
    names: Names,
    successor: Successor<Self>,
}

impl WebSocketConnector {
    /// An endpoint: `ws://host/path` or `wss://host/path`, with or without a port and a query.
    ///
    /// # Errors
    ///
    /// Fails if it is not that: for instance if a user name is in it.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        Ok(WebSocketConnector {
            location: Arc::new(Location::parse(url, &SCHEMES)?),
            tls: Tls::new(),
            headers: HeaderMap::new(),
            subprotocols: Vec::new(),
            user: String::new(),
            max_message_size: 16 << 20,
            pong_timeout: Duration::from_secs(3),
            names: Names::default(),
            successor: Successor::default(),
        })
    }

    /// How to speak TLS with a `wss` endpoint. Default [`Tls::new`]; without effect on a `ws` endpoint.
    #[must_use]
    pub fn tls(mut self, tls: Tls) -> Self {
        self.tls = tls;
        self
    }

    /// Sends a header with each handshake, for instance `Authorization`. Its value is never shown.
    ///
    /// # Errors
    ///
    /// Fails if it is malformed, or part of the handshake itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, WebSocketError> {
        let refused = |problem| WebSocketError::Header { name: name.to_owned(), problem };
        let header: HeaderName = name.parse().map_err(|_| refused(HeaderProblem::Name))?;
        if RESERVED.contains(&header) {
            return Err(refused(HeaderProblem::Reserved));
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| refused(HeaderProblem::Value))?;
        value.set_sensitive(true);
        self.headers.append(header, value);
        Ok(self)
    }

    /// As whom the headers log in. It is not sent; it keeps the [target](pool_core::Target) apart from that of
    /// other users. Default nobody.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// Asks for a protocol; several times for several, the best first. A peer that chooses none of them is
    /// refused. Default none.
    ///
    /// # Errors
    ///
    /// Fails if the name has characters that are not allowed in one.
    pub fn subprotocol(mut self, name: &str) -> Result<Self, WebSocketError> {
        // The characters of a protocol's name are those of a header's name.
        if name.parse::<HeaderName>().is_err() {
            let problem = HeaderProblem::Value;
            return Err(WebSocketError::Header { name: SEC_WEBSOCKET_PROTOCOL.to_string(), problem });
        }
        self.subprotocols.push(name.to_owned());
        Ok(self)
    }

    /// How many bytes a message that comes may have. Default 16 MiB. A longer one ends the connection.
    #[must_use]
    pub fn max_message_size(mut self, bytes: usize) -> Self {
        self.max_message_size = bytes;
        self
    }

    /// How long a validation waits for its pong. Default 3 s, less than a pool's `validation_timeout`, so that
    /// the error tells of the pong.
    #[must_use]
    pub fn pong_timeout(mut self, timeout: Duration) -> Self {
        self.pong_timeout = timeout;
        self
    }

    /// How long to trust what the host name stands for; see [`dns`](crate::dns). Default off: as
    /// long as a connection lives. 0 = look each time a connection comes back.
    #[must_use]
    pub fn dns_max_ttl(mut self, max_ttl: Duration) -> Self {
        self.names = Names::new(max_ttl);
        self
    }

    fn scheme(&self) -> &'static str {
        if self.location.is_secure() { SCHEMES.secure } else { SCHEMES.plain }
    }

    async fn open(&self) -> Result<WebSocketConnection, WebSocketError> {
        let request = self.handshake().map_err(WebSocketError::handshake)?;
        // The upgrade is one of HTTP/1.1.
        let opened = open(&self.location, &self.names, &self.tls, &[b"http/1.1"]).await?;
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .max_message_size(Some(self.max_message_size))
            .max_frame_size(Some(self.max_message_size));
        let (stream, answer) = client_async_with_config(request, opened.stream, Some(config))
            .await
            .map_err(WebSocketError::handshake)?;
        let chosen = answer.headers().get(SEC_WEBSOCKET_PROTOCOL);
        let subprotocol = chosen.and_then(|name| name.to_str().ok()).map(str::to_owned);
        let location = Arc::clone(&self.location);
        let mut connection =
            WebSocketConnection::new(stream, location, subprotocol, opened.address, self.pong_timeout);
        connection.encryption = opened.encryption;
        Ok(connection)
    }

    /// The request that asks for the upgrade.
    fn handshake(&self) -> Result<Request<()>, tokio_tungstenite::tungstenite::Error> {
        let uri = Uri::builder()
            .scheme(self.scheme())
            .authority(self.location.authority().to_string())
            .path_and_query(self.location.path_and_query())
            .build()?;
        let mut request = uri.into_client_request()?;
        if !self.subprotocols.is_empty() {
            let value = HeaderValue::from_str(&self.subprotocols.join(", ")).map_err(http::Error::from)?;
            request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, value);
        }
        // Replaces `Host`, if that is among them.
        request.headers_mut().extend(self.headers.clone());
        Ok(request)
    }
}

impl Connector for WebSocketConnector {
    type Connection = WebSocketConnection;
    type Error = WebSocketError;

    async fn connect(&self) -> Result<WebSocketConnection, WebSocketError> {
        match self.successor.get() {
            Some(next) => next.open().await,
            None => self.open().await,
        }
    }

    /// A ping and its pong. A message that comes meanwhile was asked for by somebody who is gone: an error.
    async fn validate(&self, connection: &mut WebSocketConnection) -> Result<(), WebSocketError> {
        connection.address.check().await?;
        connection.ping().await
    }

    /// Nothing but its host's address can be looked into: what is between holder and peer is not ours to mend.
    async fn reset(&self, connection: &mut WebSocketConnection) -> Result<(), WebSocketError> {
        Ok(connection.address.check().await?)
    }

    fn condition(&self, connection: &mut WebSocketConnection) -> Condition {
        connection.condition()
    }

    async fn close(&self, connection: WebSocketConnection) {
        connection.close().await;
    }

    fn classify(&self, error: &WebSocketError) -> ErrorClass {
        classify(error)
    }

    /// Without the query, which may hold a token.
    fn target(&self) -> Option<Target> {
        self.successor.ask(self, |latest| {
            let WebSocketConnector { location, user, .. } = latest;
            let target = Target::new(latest.scheme(), path(location).trim_start_matches('/'));
            Some(target.at(location.bare_host(), location.port()).as_user(user))
        })
    }
}

/// The path without the query.
fn path(location: &Location) -> &str {
    location.path_and_query().split('?').next().unwrap_or_default()
}

impl Clone for WebSocketConnector {
    fn clone(&self) -> Self {
        self.successor.ask(self, |latest| WebSocketConnector {
            location: Arc::clone(&latest.location),
            tls: latest.tls.clone(),
            headers: latest.headers.clone(),
            subprotocols: latest.subprotocols.clone(),
            user: latest.user.clone(),
            max_message_size: latest.max_message_size,
            pong_timeout: latest.pong_timeout,
            names: latest.names.clone(),
            successor: Successor::default(),
        })
    }
}

impl Replaceable for WebSocketConnector {
    fn replace_with(&self, next: Self) {
        self.successor.set(next.clone());
    }
}

/// Shows where, as whom and how; no header and no query.
impl fmt::Debug for WebSocketConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.successor.ask(self, |latest| {
            f.debug_struct("WebSocketConnector")
                .field("host", &format_args!("{}", latest.location.authority()))
                .field("path", &path(&latest.location))
                .field("user", &latest.user)
                .field("subprotocols", &latest.subprotocols)
                .field("tls", &latest.tls)
                .finish_non_exhaustive()
        })
    }
}
