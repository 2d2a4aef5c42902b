//! The connection that holders get: hyper's, in a shell that knows whether an exchange is under way.

use std::fmt;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::{TrySendError, http1, http2};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, TRANSFER_ENCODING};
use hyper::{Request, Response, StatusCode, Uri, Version};
use pool_core::{Condition, ErrorClass};

use super::body::{BoxError, HttpBody, Outgoing};
use super::class::classify;
use super::driver::Driver;
use super::error::{HttpError, RequestProblem};
use super::exchange::{Exchange, Verdict};
use super::request::fit;
use crate::dns::Address;
use crate::facts::Encryption;
use crate::net::Location;

/// hyper's handle for sending on a connection.
pub(super) enum Sender {
    Http1(http1::SendRequest<Outgoing>),
    Http2(http2::SendRequest<Outgoing>),
}

/// A connection to an HTTP server, for one request after the other.
///
/// # Examples
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use pool_drivers::http::{HttpConnector, HttpPool};
/// use http_body_util::{BodyExt as _, Full};
/// use hyper::Request;
/// use hyper::body::Bytes;
///
/// # let pool = HttpPool::builder(HttpConnector::new("http://127.0.0.1:8080")?).build()?;
/// let mut connection = pool.acquire().await?;
/// let order = Request::post("/orders").body(Full::new(Bytes::from("lamp")))?;
/// let answer = connection.send(order).await?;
/// assert!(answer.status().is_success());
/// let body = answer.into_body().collect().await?.to_bytes();
/// # Ok(())
/// # }
/// ```
pub struct HttpConnection {
    sender: Sender,
    driver: Arc<Driver>,
    origin: Arc<Location>,
    /// The latest exchange; always `None` with HTTP/2, whose streams do not stand in each other's way.
    exchange: Option<Arc<Exchange>>,
    /// The peer will close it after the exchange, or something went wrong with it.
    ending: bool,
    pub(super) address: Address,
    /// How it is encrypted, if it is.
    pub(crate) encryption: Option<Encryption>,
    /// What to ask for when it is validated.
    pub(super) health_path: Option<Uri>,
}

impl HttpConnection {
    pub(super) fn new(sender: Sender, driver: Arc<Driver>, origin: Arc<Location>) -> Self {
        HttpConnection {
            sender,
            driver,
            origin,
            exchange: None,
            ending: false,
            address: Address::default(),
            encryption: None,
            health_path: None,
        }
    }

    /// What is spoken on this connection.
    pub fn version(&self) -> Version {
        match self.sender {
            Sender::Http1(_) => Version::HTTP_11,
            Sender::Http2(_) => Version::HTTP_2,
        }
    }

    /// Whether the connection is closed, as far as is known without asking.
    pub fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }

    /// Sends a request and returns its answer as soon as that begins; the body follows.
    ///
    /// The URI may be a path alone. `Host`, or what HTTP/2 has instead, is filled in unless it is set. An answer
    /// is a success of this call, whatever its status.
    ///
    /// # Errors
    ///
    /// Fails if the request cannot be sent as it is, and if the connection fails. With HTTP/1.1 it fails with
    /// [`HttpError::Unread`] while the body of the previous answer is held and not at its end; if that
    /// was dropped, what is left of it is read first, 64 KiB at most.
    ///
    /// # Cancel safety
    ///
    /// After dropping the future it is unknown whether the peer has processed the request. With
    /// HTTP/1.1 the connection is then of no more use, and closed when its guard is dropped; with HTTP/2 it can
    /// be used further.
    pub async fn send<B>(&mut self, request: Request<B>) -> Result<Response<HttpBody>, HttpError>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (mut parts, body) = request.into_parts();
        fit(&mut parts, &self.origin, self.version()).map_err(HttpError::Request)?;
        self.make_ready().await?;
        self.exchange = matches!(self.sender, Sender::Http1(_)).then(Exchange::new);
        // Known only to the one who asks for it.
        let asked_to_close = has_token(&parts.headers, "close");
        let request = Request::from_parts(parts, Outgoing::new(body, self.exchange.clone()));

        let answer = match &mut self.sender {
            Sender::Http1(sender) => sender.try_send_request(request).await,
            Sender::Http2(sender) => sender.try_send_request(request).await,
        };
        let answer = answer.map_err(|error| self.failed(error))?;
        self.ending |= matches!(self.sender, Sender::Http1(_)) && (asked_to_close || closes(&answer));
        Ok(answer.map(|body| HttpBody::new(body, self.exchange.clone(), Arc::clone(&self.driver))))
    }

    /// Asks for a path, and returns the answer with its whole body, however long that is.
    ///
    /// # Errors
    ///
    /// Fails as [`send`](Self::send) does, and if the connection fails before the body's end.
    ///
    /// # Cancel safety
    ///
    /// As [`send`](Self::send); if the answer has begun, as dropping its body.
    pub async fn get(&mut self, path: &str) -> Result<Response<Bytes>, HttpError> {
        let uri: Uri = path.parse().map_err(|_| HttpError::Request(RequestProblem::Malformed))?;
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.uri_mut() = uri;
        let (parts, body) = self.send(request).await?.into_parts();
        Ok(Response::from_parts(parts, body.collect().await?.to_bytes()))
    }

    /// Brings the previous exchange to its end, and waits until hyper takes another request.
    pub(super) async fn make_ready(&mut self) -> Result<(), HttpError> {
        if self.ending {
            return Err(self.closed());
        }
        if let Some(exchange) = &self.exchange {
            match exchange.verdict() {
                Verdict::Free => {}
                // The one who reads is most likely the caller: waiting would be for ever.
                Verdict::Mendable if exchange.is_being_read() => return Err(HttpError::Unread),
                Verdict::Mendable => exchange.finish().await?,
                Verdict::Lost => return Err(HttpError::Unfinished),
            }
        }
        let ready = match &mut self.sender {
            Sender::Http1(sender) => sender.ready().await,
            Sender::Http2(sender) => sender.ready().await,
        };
        ready.map_err(|_| self.closed())
    }

    /// What is to become of the connection now that its holder gives it back.
    pub(super) fn condition(&mut self) -> Condition {
        let condition = self.state();
        self.address.condition(condition)
    }

    /// What the exchange leaves of the connection.
    fn state(&self) -> Condition {
        if self.ending || self.is_closed() {
            return Condition::Broken;
        }
        match self.exchange.as_ref().map_or(Verdict::Free, |exchange| exchange.verdict()) {
            Verdict::Free => Condition::Clean,
            Verdict::Mendable => Condition::Dirty,
            Verdict::Lost => Condition::Broken,
        }
    }

    /// Waits for whoever still reads, and throws away what is left.
    pub(super) async fn reset(&mut self) -> Result<(), HttpError> {
        if let Some(exchange) = &self.exchange {
            exchange.finish().await?;
        }
        self.make_ready().await
    }

    /// Closes it in peace, and returns when it is closed.
    pub(super) async fn close(self) {
        let HttpConnection { sender, driver, .. } = self;
        drop(sender);
        // If a body still has it, the one who reads closes it.
        if let Some(driver) = Arc::into_inner(driver) {
            driver.ended().await;
        }
    }

    fn failed(&mut self, error: TrySendError<Request<Outgoing>>) -> HttpError {
        let mut error = error;
        let unsent = error.take_message().is_some();
        let source = error.into_error();
        if let Some(exchange) = &self.exchange {
            exchange.failed();
        }
        let error = if unsent && (source.is_canceled() || source.is_closed()) {
            self.closed()
        } else {
            match HttpError::exchange(source) {
                HttpError::Exchange { problem, source, .. } => {
                    HttpError::Exchange { problem, unsent, source }
                }
                other => other,
            }
        };
        self.ending |= classify(&error) != ErrorClass::Transient;
        error
    }

    fn closed(&self) -> HttpError {
        HttpError::Closed { source: self.driver.error() }
    }
}

/// Whether the peer closes the connection after this answer of HTTP/1.
fn closes(answer: &Response<Incoming>) -> bool {
    let headers = answer.headers();
    let stays = answer.version() == Version::HTTP_11 || has_token(headers, "keep-alive");
    // A body that is told neither its length nor its chunks ends with the connection.
    let ends_with_it = !answer.body().is_end_stream()
        && !headers.contains_key(CONTENT_LENGTH)
        && !headers.contains_key(TRANSFER_ENCODING);
    !stays
        || has_token(headers, "close")
        || ends_with_it
        || answer.status() == StatusCode::SWITCHING_PROTOCOLS
}

fn has_token(headers: &HeaderMap, wanted: &str) -> bool {
    headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case(wanted))
}

/// Shows the peer and the state, nothing of what was exchanged.
impl fmt::Debug for HttpConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConnection")
            .field("origin", &format_args!("{}", self.origin.authority()))
            .field("version", &self.version())
            .field("condition", &self.state())
            .finish_non_exhaustive()
    }
}
