//! A WebSocket server that echoes, and does as it is told.
//!
//! | text | what it does |
//! |---|---|
//! | `close` | sends a close frame, in good order |
//! | `drop` | ends the TCP connection without one |
//! | `silence` | reads on and never says anything again, pongs included |
//! | `push n` | sends n messages, `push 1` to `push n` |
//! | other | echoes it, as it does binary messages |
//!
//! Pings are answered. [`LocalServer::go_away`] sends a close frame with the code 1001.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::ServerConfig;
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::local::{Connection, Handle, LocalServer, Protocol, Stream};

type Socket = WebSocketStream<Box<dyn Stream>>;

/// The server's settings, and its counts.
#[derive(Debug, Default)]
pub struct WebSocket {
    tls: Option<Arc<ServerConfig>>,
    messages: AtomicU64,
    pings: AtomicU64,
}

impl WebSocket {
    /// Without TLS.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves TLS, and nothing else, with this configuration.
    pub fn tls(self, config: Arc<ServerConfig>) -> Self {
        WebSocket { tls: Some(config), ..self }
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

impl LocalServer<WebSocket> {
    /// How many texts and binary messages have come since the first start, commands included.
    pub fn messages(&self) -> u64 {
        // Ordering: it only counts.
        self.protocol().messages.load(Ordering::Relaxed)
    }

    /// How many pings have come since the first start. Those that meet silence are not seen.
    pub fn pings(&self) -> u64 {
        self.protocol().pings.load(Ordering::Relaxed)
    }

    /// Its URL.
    pub fn url(&self) -> String {
        let scheme = if self.has_tls() { "wss" } else { "ws" };
        format!("{scheme}://{}/", self.address())
    }
}

impl Protocol for WebSocket {
    async fn serve(&self, connection: Connection) {
        let Connection { stream, handle, .. } = connection;
        // Who makes no handshake sees the connection end.
        let Ok(mut socket) = accept_async(stream).await else { return };
        loop {
            let message = tokio::select! {
                message = socket.next() => message,
                () = handle.farewell() => {
                    let away = CloseFrame { code: CloseCode::Away, reason: "going away".into() };
                    if socket.close(Some(away)).await.is_err() {
                        return;
                    }
                    // The client's close frame follows.
                    continue;
                }
            };
            let Some(Ok(message)) = message else { return };
            if self.answer(&mut socket, message, &handle).await.is_err() {
                return;
            }
        }
    }
}

impl WebSocket {
    async fn answer(&self, socket: &mut Socket, message: Message, handle: &Handle) -> Result<(), Error> {
        match &message {
            Message::Text(_) | Message::Binary(_) => self.messages.fetch_add(1, Ordering::Relaxed),
            Message::Ping(_) => self.pings.fetch_add(1, Ordering::Relaxed),
            Message::Pong(_) | Message::Close(_) | Message::Frame(_) => 0,
        };
        let Message::Text(text) = &message else {
            // Pings and closes have been answered by the socket itself.
            return if message.is_binary() { socket.send(message).await } else { Ok(()) };
        };
        match text.as_str() {
            "close" => {
                let normal = CloseFrame { code: CloseCode::Normal, reason: "as you wish".into() };
                socket.close(Some(normal)).await
            }
            "drop" => {
                handle.end();
                std::future::pending().await
            }
            "silence" => {
                let mut buffer = [0; 1024];
                while socket.get_mut().read(&mut buffer).await? > 0 {}
                Err(Error::ConnectionClosed)
            }
            command => match command.strip_prefix("push ").and_then(|number| number.parse::<u32>().ok()) {
                Some(number) => {
                    for pushed in 1..=number {
                        socket.feed(Message::text(format!("push {pushed}"))).await?;
                    }
                    socket.flush().await
                }
                None => socket.send(message).await,
            },
        }
    }
}
