//! A WebSocket server that does what the messages say.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use pool_core::{Pool, Pooled};
use pool_drivers::websocket::{CloseFrame, Message, WebSocketConnector, WebSocketPool};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// A connection in a holder's hands.
pub(crate) type Held = Pooled<WebSocketConnector>;

/// Ends with the runtime of its test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<State>,
}

pub(crate) struct State {
    accepted: AtomicUsize,
    open: AtomicUsize,
    /// How many connections ended with the handshake of the protocol.
    pub(crate) farewells: AtomicUsize,
    /// The headers of the latest handshake, and its path.
    pub(crate) asked: Mutex<Vec<(String, String)>>,
    /// One permit for each answer to `late`.
    pub(crate) late: Semaphore,
}

impl Server {
    pub(crate) async fn start() -> Server {
        Server::listen(None).await
    }

    pub(crate) async fn start_with_tls(config: ServerConfig) -> Server {
        Server::listen(Some(TlsAcceptor::from(Arc::new(config)))).await
    }

    async fn listen(tls: Option<TlsAcceptor>) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let state = Arc::new(State {
            accepted: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            farewells: AtomicUsize::new(0),
            asked: Mutex::default(),
            late: Semaphore::new(0),
        });
        let server = Server { address: listener.local_addr().unwrap(), state: Arc::clone(&state) };
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (state, tls) = (Arc::clone(&state), tls.clone());
                tokio::spawn(async move {
                    state.accepted.fetch_add(1, Ordering::SeqCst);
                    state.open.fetch_add(1, Ordering::SeqCst);
                    match tls {
                        None => serve(stream, &state).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                serve(stream, &state).await;
                            }
                        }
                    }
                    state.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    pub(crate) fn connector(&self) -> WebSocketConnector {
        WebSocketConnector::new(&self.url("/feed")).unwrap()
    }

    /// A pool of one connection: who comes next, gets the one that was used last.
    pub(crate) fn pool(&self) -> WebSocketPool {
        Pool::builder(self.connector())
            .name("prices")
            .max_connections(1)
            .min_connections(0)
            .acquire_timeout(Duration::from_secs(20))
            .build()
            .unwrap()
    }

    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// A header of the latest handshake; `:path` is its path.
    pub(crate) fn asked(&self, name: &str) -> Option<String> {
        let asked = self.state.asked.lock().unwrap();
        asked.iter().find(|(header, _)| header == name).map(|(_, value)| value.clone())
    }

    /// Waits until no connection is open.
    pub(crate) async fn all_closed(&self) {
        let begun = tokio::time::Instant::now();
        while self.state.open.load(Ordering::SeqCst) > 0 {
            assert!(begun.elapsed() < Duration::from_secs(20), "a connection stays open");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

/// The answer to a question, as text.
pub(crate) async fn ask(connection: &mut Held, question: &str) -> String {
    let answer = connection.request(question).await;
    answer.unwrap_or_else(|error| panic!("{question}: {error:?}")).into_text().unwrap().to_string()
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, state: &State) {
    #[expect(clippy::result_large_err, reason = "the type of tungstenite's callback")]
    let look = |request: &Request, mut answer: Response| -> Result<Response, ErrorResponse> {
        let headers = request.headers().iter();
        let mut asked: Vec<(String, String)> =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        asked.push((String::from(":path"), request.uri().to_string()));
        *state.asked.lock().unwrap() = asked;
        if let Some(status) = request.uri().path().strip_prefix("/status/") {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() = status.parse().unwrap();
            return Err(refusal);
        }
        let offered = request.headers().get("sec-websocket-protocol");
        if offered.is_some_and(|offered| offered.to_str().unwrap().contains("prices.v1")) {
            answer.headers_mut().insert("sec-websocket-protocol", "prices.v1".parse().unwrap());
        }
        Ok(answer)
    };
    let Ok(mut stream) = accept_hdr_async(stream, look).await else { return };
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Text(text) => match answer(&mut stream, &text, state).await {
                Some(()) => {}
                None => return,
            },
            Message::Binary(_) => stream.send(message).await.unwrap(),
            Message::Close(_) => {
                state.farewells.fetch_add(1, Ordering::SeqCst);
            }
            _ => {}
        }
    }
}

/// Does what the text says; `None` when that was to hang up, or the client is gone.
async fn answer<S>(stream: &mut WebSocketStream<S>, text: &str, state: &State) -> Option<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (what, rest) = text.split_once(' ').unwrap_or((text, ""));
    match what {
        "nothing" => {}
        "twice" => {
            stream.send("first".into()).await.ok()?;
            stream.send("second".into()).await.ok()?;
        }
        "late" => {
            state.late.acquire().await.unwrap().forget();
            stream.send("late".into()).await.ok()?;
        }
        "ping" => {
            stream.send(Message::Ping("are you there?".into())).await.ok()?;
            stream.send("pinged".into()).await.ok()?;
        }
        "long" => stream.send("x".repeat(rest.parse().unwrap()).into()).await.ok()?,
        "close" => {
            let code: u16 = rest.parse().unwrap();
            let frame = CloseFrame { code: code.into(), reason: "told to".into() };
            stream.close(Some(frame)).await.ok()?;
        }
        "hang-up" => return None,
        _ => stream.send(text.into()).await.ok()?,
    }
    Some(())
}
