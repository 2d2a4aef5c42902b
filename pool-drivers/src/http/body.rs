//! The bodies of both directions, which tell the exchange how far they have come.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::{Body, Bytes, Frame, Incoming, SizeHint};

use super::driver::Driver;
use super::error::HttpError;
use super::exchange::Exchange;

/// An error of anybody's body.
pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of an answer, as it arrives.
///
/// It is a [`hyper::body::Body`]; `http_body_util::BodyExt` has what one wants to do with it. It may outlive
/// the guard of its connection; the [module](super) says what that means for the connection.
///
/// Dropping it before its end tells the connection that nobody wants the rest.
pub struct HttpBody {
    /// `None` from its end on.
    incoming: Option<Incoming>,
    /// What to tell; `None` with HTTP/2, where dropping `incoming` says it all.
    exchange: Option<Arc<Exchange>>,
    /// Keeps the connection open.
    _driver: Arc<Driver>,
}

impl HttpBody {
    pub(super) fn new(incoming: Incoming, exchange: Option<Arc<Exchange>>, driver: Arc<Driver>) -> Self {
        if let Some(exchange) = &exchange {
            exchange.answer_began();
        }
        let mut body = HttpBody { incoming: Some(incoming), exchange, _driver: driver };
        body.look_for_end();
        body
    }

    /// The end of a body whose length is known is seen with its last bytes, not after them.
    fn look_for_end(&mut self) {
        if self.incoming.as_ref().is_some_and(Incoming::is_end_stream) {
            self.end(Exchange::answer_ended);
        }
    }

    fn end(&mut self, tell: impl FnOnce(&Exchange)) {
        self.incoming = None;
        if let Some(exchange) = self.exchange.take() {
            tell(&exchange);
        }
    }
}

impl Body for HttpBody {
    type Data = Bytes;
    type Error = HttpError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, HttpError>>> {
        let Some(incoming) = &mut self.incoming else { return Poll::Ready(None) };
        let Poll::Ready(frame) = Pin::new(incoming).poll_frame(cx) else { return Poll::Pending };
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                self.look_for_end();
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.end(Exchange::failed);
                Some(Err(HttpError::exchange(error)))
            }
            None => {
                self.end(Exchange::answer_ended);
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map_or_else(|| SizeHint::with_exact(0), Incoming::size_hint)
    }
}

impl Drop for HttpBody {
    fn drop(&mut self) {
        if let (Some(rest), Some(exchange)) = (self.incoming.take(), self.exchange.take()) {
            exchange.left(rest);
        }
    }
}

/// Shows how much is to come, never what.
impl fmt::Debug for HttpBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpBody").field("to_come", &self.size_hint()).finish_non_exhaustive()
    }
}

/// The body of a request, on its way out.
pub(super) struct Outgoing {
    body: UnsyncBoxBody<Bytes, BoxError>,
    exchange: Option<Arc<Exchange>>,
    ended: bool,
}

impl Outgoing {
    pub(super) fn new<B>(body: B, exchange: Option<Arc<Exchange>>) -> Self
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        Outgoing { body: body.map_err(Into::into).boxed_unsync(), exchange, ended: false }
    }
}

impl Body for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.ended |= matches!(polled, Poll::Ready(None));
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// hyper drops a body when it needs no more of it: at its end, or when it gives up.
impl Drop for Outgoing {
    fn drop(&mut self) {
        if let Some(exchange) = self.exchange.take() {
            exchange.request_ended(self.ended || self.body.is_end_stream());
        }
    }
}
