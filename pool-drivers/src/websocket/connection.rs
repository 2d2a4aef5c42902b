//! The connection that holders get: tungstenite's, in a shell that knows whether an answer may still come.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use pool_core::{Condition, ErrorClass};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Bytes, Error as WireError, Message};

use super::class::of_frame;
use super::error::WebSocketError;
use crate::dns::Address;
use crate::facts::Encryption;
use crate::net::{Location, Transport};

/// How many pings and pongs that have piled up are looked past, when a connection is given back, in search of
/// a message. More are no idle connection.
const LOOK_PAST: usize = 32;

/// A WebSocket connection.
///
/// Text and binary messages go both ways; pings are answered by themselves, while something is read or sent.
///
/// # Examples
///
/// ```no_run
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use pool_drivers::websocket::{WebSocketConnector, WebSocketPool};
/// # let pool = WebSocketPool::builder(WebSocketConnector::new("ws://127.0.0.1:8080/")?).build()?;
/// let mut connection = pool.acquire().await?;
/// let answer = connection.request("how much is a lamp?").await?;
///
/// connection.send("tell me every price").await?;
/// while let Some(price) = connection.next().await? {
///     if price.is_empty() {
///         connection.settled(); // the peer has told them all
///         break;
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct WebSocketConnection {
    stream: WebSocketStream<Transport>,
    location: Arc<Location>,
    subprotocol: Option<String>,
    /// Whether a message may come that only the present holder can want.
    unsettled: bool,
    /// Whether a message may be on its way out in part: set while one is being sent.
    sending: bool,
    /// Whether nothing can be exchanged any more.
    ended: bool,
    /// What the peer said when it closed.
    farewell: Option<CloseFrame>,
    pub(super) address: Address,
    /// How it is encrypted, if it is.
    pub(crate) encryption: Option<Encryption>,
    /// How long a ping waits for its pong.
    pong_timeout: Duration,
}

/// What was read.
enum Came {
    Message(Message),
    Pong(Bytes),
    /// Nothing for anybody here.
    Other,
    /// The peer has closed.
    End,
}

impl WebSocketConnection {
    pub(super) fn new(
        stream: WebSocketStream<Transport>,
        location: Arc<Location>,
        subprotocol: Option<String>,
        address: Address,
        pong_timeout: Duration,
    ) -> Self {
        WebSocketConnection {
            stream,
            location,
            subprotocol,
            unsettled: false,
            sending: false,
            ended: false,
            farewell: None,
            address,
            encryption: None,
            pong_timeout,
        }
    }

    /// Which of the asked-for protocols the peer has chosen.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// What the peer said when it closed the connection, if it did.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.farewell.as_ref()
    }

    /// Sends a message, and returns the next one that comes: its answer, in a protocol of one answer to each
    /// question.
    ///
    /// # Errors
    ///
    /// Fails with [`WebSocketError::Unexpected`], and sends nothing, if a message has come before; and if the
    /// connection is closed or fails.
    ///
    /// # Cancel safety
    ///
    /// After dropping the future, the answer may still come. The connection is then closed when its guard is
    /// dropped.
    pub async fn request(&mut self, message: impl Into<Message>) -> Result<Message, WebSocketError> {
        let settled = !self.unsettled;
        if settled {
            self.expect_silence()?;
        }
        self.send(message).await?;
        let answer = self.next().await?.ok_or_else(|| self.closed())?;
        // Of what went before the request, only the holder knows.
        self.unsettled = !settled;
        Ok(answer)
    }

    /// Sends a message. From now on the connection counts as in use by this holder, until it says
    /// [`settled`](Self::settled).
    ///
    /// # Errors
    ///
    /// Fails if the connection is closed or fails.
    ///
    /// # Cancel safety
    ///
    /// After dropping the future, the message may have been sent, and the connection is closed when its guard is
    /// dropped.
    pub async fn send(&mut self, message: impl Into<Message>) -> Result<(), WebSocketError> {
        let message = message.into();
        self.unsettled |= !matches!(message, Message::Ping(_) | Message::Pong(_));
        self.push(message).await
    }

    /// The next text or binary message; `None` when the peer has closed the connection in peace.
    ///
    /// From the first message on the connection counts as in use by this holder, until it says
    /// [`settled`](Self::settled).
    ///
    /// # Errors
    ///
    /// Fails if the connection fails, or ends without a goodbye.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: the message comes from the next call.
    pub async fn next(&mut self) -> Result<Option<Message>, WebSocketError> {
        loop {
            match self.pull().await? {
                Came::Message(message) => {
                    self.unsettled = true;
                    return Ok(Some(message));
                }
                Came::End => return Ok(None),
                Came::Pong(_) | Came::Other => {}
            }
        }
    }

    /// Says that everything this holder has asked for has come, so that somebody else may have the connection.
    ///
    /// Said wrongly, the next holder gets a message that was meant for this one.
    pub fn settled(&mut self) {
        self.unsettled = false;
    }

    /// Sends a ping, and waits for its pong.
    pub(super) async fn ping(&mut self) -> Result<(), WebSocketError> {
        self.expect_silence()?;
        let patience = self.pong_timeout;
        let payload = Bytes::copy_from_slice(&fastrand::u64(..).to_be_bytes());
        let exchange = async {
            self.push(Message::Ping(payload.clone())).await?;
            loop {
                match self.pull().await? {
                    // Any other is the late answer to a ping that nobody waits for any more.
                    Came::Pong(answer) if answer == payload => return Ok(()),
                    Came::Pong(_) | Came::Other => {}
                    Came::Message(_) => return Err(WebSocketError::Unexpected),
                    Came::End => return Err(self.closed()),
                }
            }
        };
        timeout(patience, exchange).await.unwrap_or(Err(WebSocketError::NoPong(patience)))
    }

    /// What is to become of the connection now that its holder gives it back.
    pub(super) fn condition(&mut self) -> Condition {
        let condition = self.state();
        self.address.condition(condition)
    }

    /// What its holder leaves of the connection.
    fn state(&mut self) -> Condition {
        let usable = !self.ended && !self.sending && !self.unsettled;
        if usable && self.expect_silence().is_ok() {
            return Condition::Clean;
        }
        match self.farewell.as_ref().map(of_frame) {
            Some(ErrorClass::FatalAll) => Condition::AllBroken,
            _ => Condition::Broken,
        }
    }

    /// Closes it with the handshake that the protocol has for it.
    pub(super) async fn close(mut self) {
        if self.stream.close(None).await.is_ok() {
            // Until the peer has said goodbye as well, or is gone.
            while let Some(Ok(_)) = self.stream.next().await {}
        }
    }

    /// Takes in what has arrived, without waiting, and fails if a message is among it.
    fn expect_silence(&mut self) -> Result<(), WebSocketError> {
        for _ in 0..LOOK_PAST {
            let Some(item) = self.stream.next().now_or_never() else { return Ok(()) };
            match self.taken_in(item)? {
                Came::Pong(_) | Came::Other => {}
                Came::End => return Err(self.closed()),
                Came::Message(_) => break,
            }
        }
        self.ended = true;
        Err(WebSocketError::Unexpected)
    }

    async fn push(&mut self, message: Message) -> Result<(), WebSocketError> {
        if self.sending {
            return Err(WebSocketError::Unfinished);
        }
        if self.ended {
            return Err(self.closed());
        }
        let is_farewell = matches!(message, Message::Close(_));
        self.sending = true;
        let sent = self.stream.send(message).await;
        self.sending = false;
        self.ended |= is_farewell || sent.is_err();
        sent.map_err(|error| self.explained(error))
    }

    async fn pull(&mut self) -> Result<Came, WebSocketError> {
        let item = self.stream.next().await;
        let came = self.taken_in(item)?;
        if matches!(came, Came::End) {
            // Sends the goodbye in return. The peer may be gone already.
            drop(self.stream.flush().await);
        }
        Ok(came)
    }

    fn taken_in(&mut self, item: Option<Result<Message, WireError>>) -> Result<Came, WebSocketError> {
        match item {
            Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => Ok(Came::Message(message)),
            Some(Ok(Message::Pong(payload))) => Ok(Came::Pong(payload)),
            Some(Ok(Message::Ping(_) | Message::Frame(_))) => Ok(Came::Other),
            Some(Ok(Message::Close(farewell))) => {
                self.farewell = farewell;
                self.ended = true;
                Ok(Came::End)
            }
            Some(Err(error)) => {
                self.ended = true;
                Err(self.explained(error))
            }
            None => {
                self.ended = true;
                Ok(Came::End)
            }
        }
    }

    fn explained(&self, error: WireError) -> WebSocketError {
        match error {
            WireError::ConnectionClosed | WireError::AlreadyClosed => self.closed(),
            error => WebSocketError::exchange(error),
        }
    }

    fn closed(&self) -> WebSocketError {
        WebSocketError::Closed { frame: self.farewell.clone() }
    }
}

/// Shows the peer and the state, nothing of what was exchanged.
impl fmt::Debug for WebSocketConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketConnection")
            .field("host", &format_args!("{}", self.location.authority()))
            .field("settled", &!self.unsettled)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
