//! An HTTP server for HTTP/1.1 and HTTP/2, whose paths say how it behaves.
//!
//! | path | answer |
//! |---|---|
//! | `/` | 200, the number of the connection as text |
//! | `/health` | 200, `ok` |
//! | `/echo` | 200, the body of the request |
//! | `/slow?ms=n` | as `/`, after n milliseconds |
//! | `/big?bytes=n` | 200, n bytes, streamed |
//! | `/status/n` | status n |
//! | `/close` | as `/`, and the connection ends: `connection: close`, or a GOAWAY |
//! | `/hang` | none, ever |
//! | `/half` | the first 10 of 1,000 bytes, then HTTP/1.1 ends the connection and HTTP/2 resets the stream |
//! | other | 404 |
//!
//! Each answer has the number of its connection in the header `x-connection`. With TLS, ALPN decides between the
//! versions; without, a client that begins with HTTP/2 is answered in it.

use std::convert::Infallible;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Version};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use rustls::ServerConfig;
use tokio::time::sleep;

use crate::local::{Connection, Handle, LocalServer, Protocol};

/// The header with the number of the connection.
pub const CONNECTION_NUMBER: HeaderName = HeaderName::from_static("x-connection");

/// Bytes of one piece of a streamed body.
const PIECE: usize = 16 * 1024;

/// What `/half` announces, and what it sends.
const HALF: (u64, u64) = (1_000, 10);

/// The body of an answer.
pub(crate) type Answer = BoxBody<Bytes, io::Error>;

/// The server's settings, and its counts.
#[derive(Debug, Default)]
pub struct Http {
    tls: Option<Arc<ServerConfig>>,
    requests: Arc<AtomicU64>,
}

impl Http {
    /// Without TLS.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves TLS, and nothing else, with this configuration. One that names no protocols offers both versions.
    pub fn tls(self, config: Arc<ServerConfig>) -> Self {
        Http { tls: Some(with_alpn(config)), ..self }
    }

    /// Starts a server on a free port. It must be called within a runtime.
    ///
    /// # Errors
    ///
    /// There is no port or no descriptor left.
    pub fn launch(mut self) -> io::Result<LocalServer<Self>> {
        let tls = self.tls.take();
        LocalServer::launch(self, tls)
    }
}

impl LocalServer<Http> {
    /// How many requests have come since the first start; one counts when its head has been read.
    pub fn requests(&self) -> u64 {
        // Ordering: it only counts.
        self.protocol().requests.load(Ordering::Relaxed)
    }

    /// Its URL, without a path.
    pub fn url(&self) -> String {
        let scheme = if self.has_tls() { "https" } else { "http" };
        format!("{scheme}://{}", self.address())
    }
}

impl Protocol for Http {
    async fn serve(&self, connection: Connection) {
        let (number, handle) = (connection.number, connection.handle.clone());
        serve(connection, |request| {
            self.requests.fetch_add(1, Ordering::Relaxed);
            route(request, number, handle.clone())
        })
        .await;
    }
}

/// A configuration that offers HTTP/2 and HTTP/1.1, unless it knows what it offers.
pub(crate) fn with_alpn(mut config: Arc<ServerConfig>) -> Arc<ServerConfig> {
    if config.alpn_protocols.is_empty() {
        Arc::make_mut(&mut config).alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    }
    config
}

/// Serves a connection; says goodbye when the server wants it to.
pub(crate) async fn serve<F>(connection: Connection, answer: impl Fn(Request<Incoming>) -> F + Send + Sync)
where
    F: Future<Output = Response<Answer>> + Send + 'static,
{
    let Connection { number, stream, handle } = connection;
    let service = service_fn(|request| {
        let (busy, answered) = (handle.busy(), answer(request));
        async move {
            let mut response = answered.await;
            response.headers_mut().insert(CONNECTION_NUMBER, HeaderValue::from(number));
            drop(busy);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new());
    builder.http2().timer(TokioTimer::new());
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    loop {
        tokio::select! {
            // An error is the client's, who sees it as well.
            _ = served.as_mut() => return,
            () = handle.farewell() => served.as_mut().graceful_shutdown(),
        }
    }
}

/// An answer with a small body.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Answer> {
    let mut response = Response::new(Full::new(body.into()).map_err(|never| match never {}).boxed());
    *response.status_mut() = status;
    response
}

/// Answers as the path says.
async fn route(request: Request<Incoming>, number: u64, handle: Handle) -> Response<Answer> {
    let own = || text(StatusCode::OK, number.to_string());
    let path = request.uri().path().to_owned();
    match path.as_str() {
        "/" => own(),
        "/health" => text(StatusCode::OK, "ok"),
        "/echo" => match request.into_body().collect().await {
            Ok(body) => text(StatusCode::OK, body.to_bytes()),
            Err(error) => text(StatusCode::BAD_REQUEST, error.to_string()),
        },
        "/slow" => match parameter(&request, "ms") {
            Some(ms) => {
                sleep(Duration::from_millis(ms)).await;
                own()
            }
            None => text(StatusCode::BAD_REQUEST, "how many ms?"),
        },
        "/big" => match parameter(&request, "bytes") {
            Some(bytes) => Response::new(Streamed { left: bytes, ends: Ends::Whole }.boxed()),
            None => text(StatusCode::BAD_REQUEST, "how many bytes?"),
        },
        "/close" if request.version() == Version::HTTP_2 => {
            handle.say_farewell();
            own()
        }
        "/close" => {
            let mut response = own();
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            response
        }
        "/hang" => std::future::pending().await,
        "/half" => {
            let (announced, left) = HALF;
            let mut response = Response::new(Streamed { left, ends: Ends::SoonBroken }.boxed());
            response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(announced));
            response
        }
        other => match other.strip_prefix("/status/").and_then(|status| status.parse().ok()) {
            Some(status) => text(status, Bytes::new()),
            None => text(StatusCode::NOT_FOUND, "no such path"),
        },
    }
}

/// A number of the query.
fn parameter(request: &Request<Incoming>, name: &str) -> Option<u64> {
    let query = request.uri().query()?;
    let found = query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name);
    found.and_then(|(_, value)| value.parse().ok())
}

/// A body of zeros in pieces, which may end too early.
#[derive(Debug)]
struct Streamed {
    left: u64,
    ends: Ends,
}

/// How a streamed body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ends {
    /// Whole.
    Whole,
    /// Too early, when what came before has been sent: an error at once would take back all of the answer.
    SoonBroken,
    Broken,
}

impl Body for Streamed {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        const ZEROS: &[u8] = &[0; PIECE];
        if self.left == 0 {
            return match self.ends {
                Ends::Whole => Poll::Ready(None),
                Ends::SoonBroken => {
                    self.ends = Ends::Broken;
                    context.waker().wake_by_ref();
                    Poll::Pending
                }
                Ends::Broken => Poll::Ready(Some(Err(io::Error::other("told to break")))),
            };
        }
        let piece = PIECE.min(usize::try_from(self.left).unwrap_or(PIECE));
        self.left -= piece as u64;
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&ZEROS[..piece])))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0 && self.ends == Ends::Whole
    }

    fn size_hint(&self) -> SizeHint {
        match self.ends {
            Ends::Whole => SizeHint::with_exact(self.left),
            Ends::SoonBroken | Ends::Broken => SizeHint::default(),
        }
    }
}
