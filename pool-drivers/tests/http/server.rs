//! A server of HTTP/1.1 that does what the path says, well or badly.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pool_core::{Pool, PoolBuilder, Pooled};
use pool_drivers::http::{HttpConnector, HttpPool};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// A connection in a holder's hands.
pub(crate) type Held = Pooled<HttpConnector>;

/// Far more than fits into all buffers on the way.
pub(crate) const LARGE: usize = 16 * 1024 * 1024;

/// Ends with the runtime of its test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<State>,
}

#[derive(Default)]
pub(crate) struct State {
    accepted: AtomicUsize,
    open: AtomicUsize,
    /// One permit for each second half that `/halves` may send.
    pub(crate) halves: Gate,
    /// A permit is added when `/hang` was asked for.
    pub(crate) hanging: Gate,
}

/// A semaphore that begins without permits.
pub(crate) struct Gate(pub(crate) Semaphore);

impl Default for Gate {
    fn default() -> Self {
        Gate(Semaphore::new(0))
    }
}

impl Gate {
    pub(crate) async fn pass(&self) {
        self.0.acquire().await.unwrap().forget();
    }

    pub(crate) fn open_for_one(&self) {
        self.0.add_permits(1);
    }
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
        let server = Server { address: listener.local_addr().unwrap(), state: Arc::default() };
        let state = Arc::clone(&server.state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let (state, tls) = (Arc::clone(&state), tls.clone());
                tokio::spawn(async move {
                    state.accepted.fetch_add(1, Ordering::SeqCst);
                    state.open.fetch_add(1, Ordering::SeqCst);
                    // A client may go at any time, and often does here.
                    match tls {
                        None => drop(serve(stream, &state).await),
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                drop(serve(stream, &state).await);
                            }
                        }
                    }
                    state.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connector(&self) -> HttpConnector {
        HttpConnector::new(&self.origin()).unwrap()
    }

    /// A pool of one connection: who comes next, gets the one that was used last.
    pub(crate) fn pool(&self) -> HttpPool {
        pool_of(self.connector()).build().unwrap()
    }

    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
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

pub(crate) fn pool_of(connector: HttpConnector) -> PoolBuilder<HttpConnector> {
    Pool::builder(connector)
        .name("orders")
        .max_connections(1)
        .min_connections(0)
        .acquire_timeout(Duration::from_secs(20))
}

/// The path, asked for on this connection.
pub(crate) async fn ask(connection: &mut Held, path: &str) -> String {
    let answer = connection.get(path).await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
    String::from_utf8(answer.into_body().into()).unwrap()
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, state: &State) -> std::io::Result<()> {
    let mut stream = BufStream::new(stream);
    loop {
        let Some((path, length)) = read_head(&mut stream).await? else { return Ok(()) };
        if path != "/early" {
            let mut body = vec![0; length];
            stream.read_exact(&mut body).await?;
        }
        if !answer(&mut stream, &path, state).await? {
            return stream.shutdown().await;
        }
        stream.flush().await?;
    }
}

/// The path of a request and the length of its body; `None` at the end of the stream.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<(String, usize)>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) if head.is_empty() => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    Ok(Some((path, length.map_or(0, |length| length.parse().unwrap()))))
}

/// Does what the path says. Returns whether the connection stays open.
async fn answer<S>(stream: &mut S, path: &str, state: &State) -> std::io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut say = async |text: &str| -> std::io::Result<()> {
        stream.write_all(text.as_bytes()).await?;
        stream.flush().await
    };
    let (what, rest) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
    match what {
        "empty" => say("HTTP/1.1 204 No Content\r\n\r\n").await?,
        "chunked" => {
            say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").await?;
        }
        "close" => {
            say("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello").await?;
            return Ok(false);
        }
        // Says so, and does not do it.
        "liar" => say("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhello").await?,
        "old" => say("HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello").await?,
        "unframed" => {
            say("HTTP/1.1 200 OK\r\n\r\nhello").await?;
            return Ok(false);
        }
        "halves" => {
            say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst").await?;
            state.halves.pass().await;
            say("later").await?;
        }
        "cut" => {
            say("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst").await?;
            return Ok(false);
        }
        "hang" => {
            state.hanging.open_for_one();
            stream.read_u8().await?;
        }
        "endless" => {
            say("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await?;
            let chunk = format!("1000\r\n{}\r\n", "x".repeat(0x1000));
            loop {
                stream.write_all(chunk.as_bytes()).await?;
            }
        }
        "large" => {
            say(&format!("HTTP/1.1 200 OK\r\ncontent-length: {LARGE}\r\n\r\n")).await?;
            stream.write_all(&vec![b'x'; LARGE]).await?;
        }
        "rubbish" => {
            say("220 mail.test ESMTP\r\n").await?;
        }
        "bye" => return Ok(false),
        "status" => say(&format!("HTTP/1.1 {rest} Told\r\ncontent-length: 0\r\n\r\n")).await?,
        "later" => {
            say(&format!("HTTP/1.1 {rest} Told\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n")).await?;
        }
        _ => say(&format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len())).await?,
    }
    Ok(true)
}
