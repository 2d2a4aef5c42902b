//! The HTTP server: its paths in both versions, and what can be done to it.

use std::io::ErrorKind;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pool_tests::http::{CONNECTION_NUMBER, Http};
use pool_tests::local::LocalServer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::{Bytestream, QUIET, authority, plain, tls};

/// A client of either version.
enum Client {
    One(http1::SendRequest<Full<Bytes>>),
    Two(http2::SendRequest<Full<Bytes>>),
}

impl Client {
    async fn one(stream: Bytestream) -> Self {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Client::One(sender)
    }

    async fn two(stream: Bytestream) -> Self {
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        Client::Two(sender)
    }

    async fn send(&mut self, path: &str, body: &str) -> hyper::Result<Response<Incoming>> {
        let uri = format!("http://localhost{path}");
        let request = Request::builder().method("POST").uri(uri).body(Full::from(body.to_owned())).unwrap();
        match self {
            Client::One(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
            Client::Two(sender) => {
                sender.ready().await?;
                sender.send_request(request).await
            }
        }
    }

    /// Status and body.
    async fn get(&mut self, path: &str) -> hyper::Result<(u16, String)> {
        let response = self.send(path, "").await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, String::from_utf8(body.to_vec()).unwrap()))
    }

    /// Waits until the connection takes no more requests.
    async fn until_closed(&mut self) {
        loop {
            let closed = match self {
                Client::One(sender) => sender.is_closed(),
                Client::Two(sender) => sender.is_closed(),
            };
            if closed {
                return;
            }
            sleep(Duration::from_millis(1)).await;
        }
    }
}

/// One client of each version on one server each.
async fn both() -> [(LocalServer<Http>, Client); 2] {
    let (first, second) = (Http::new().launch().unwrap(), Http::new().launch().unwrap());
    let one = Client::one(plain(&first).await).await;
    let two = Client::two(plain(&second).await).await;
    [(first, one), (second, two)]
}

/// A client that has been answered once.
async fn warm(server: &LocalServer<Http>) -> Client {
    let mut client = Client::one(plain(server).await).await;
    client.get("/health").await.unwrap();
    client
}

async fn until_asked(server: &LocalServer<Http>, requests: u64) {
    while server.requests() < requests {
        sleep(Duration::from_millis(1)).await;
    }
}

fn own(answer: &str) -> (u16, String) {
    (200, answer.to_owned())
}

#[tokio::test]
async fn every_path_answers_as_promised_in_both_versions() {
    for (server, mut client) in both().await {
        let answer = client.send("/", "").await.unwrap();
        let version = if matches!(client, Client::One(_)) { Version::HTTP_11 } else { Version::HTTP_2 };
        assert_eq!(answer.version(), version);
        assert_eq!(answer.headers()[CONNECTION_NUMBER], "1");
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "1");
        assert_eq!(client.get("/health").await.unwrap(), own("ok"));
        assert_eq!(client.get("/status/503").await.unwrap(), (503, String::new()));
        assert_eq!(client.get("/nowhere").await.unwrap().0, 404);
        assert_eq!(client.get("/slow?ms=many").await.unwrap().0, 400);
        let big = client.get("/big?bytes=100001").await.unwrap();
        assert_eq!((big.0, big.1.len()), (200, 100_001));
        let echo = client.send("/echo", "hello").await.unwrap();
        assert_eq!(echo.into_body().collect().await.unwrap().to_bytes(), "hello");
        let asked = Instant::now();
        assert_eq!(client.get("/slow?ms=30").await.unwrap(), own("1"));
        assert!(asked.elapsed() >= Duration::from_millis(30));
        assert_eq!((server.connections(), server.open(), server.requests()), (1, 1, 8));
    }
}

#[tokio::test]
async fn close_ends_the_connection_after_the_answer() {
    for (server, mut client) in both().await {
        assert_eq!(client.get("/close").await.unwrap(), own("1"));
        client.until_closed().await;
        server.until_open(0).await;
    }
}

#[tokio::test]
async fn half_a_body_is_an_error_of_the_body() {
    for (server, mut client) in both().await {
        let answer = client.send("/half", "").await.unwrap();
        assert_eq!(answer.headers()["content-length"], "1000");
        answer.into_body().collect().await.unwrap_err();
        match client {
            Client::One(_) => client.until_closed().await,
            Client::Two(_) => assert_eq!(client.get("/").await.unwrap(), own("1"), "only the stream ended"),
        }
        drop(client);
        server.until_open(0).await;
    }
}

#[tokio::test]
async fn hang_answers_nothing_and_notices_that_the_client_has_gone() {
    for (server, mut client) in both().await {
        let mut asking = tokio::spawn(async move { client.get("/hang").await });
        until_asked(&server, 1).await;
        timeout(QUIET, &mut asking).await.unwrap_err();
        assert_eq!(server.open(), 1);
        asking.abort();
        server.until_open(0).await;
    }
}

#[tokio::test]
async fn alpn_chooses_the_version() {
    let (ca, config) = authority();
    let server = Http::new().tls(config).launch().unwrap();
    assert!(server.url().starts_with("https://127.0.0.1:"));
    let (stream, agreed) = tls(&server, &ca, &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(agreed.as_deref(), Some("h2"));
    assert_eq!(Client::two(stream).await.get("/").await.unwrap(), own("1"));
    let (stream, agreed) = tls(&server, &ca, &["http/1.1"]).await.unwrap();
    assert_eq!(agreed.as_deref(), Some("http/1.1"));
    assert_eq!(Client::one(stream).await.get("/").await.unwrap(), own("2"));
    let Err(refused) = tls(&server, &pool_tests::ca::Ca::new(), &["h2"]).await else {
        panic!("nobody vouches for it")
    };
    assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
}

#[tokio::test]
async fn a_stopped_server_refuses_and_comes_back_on_its_port() {
    let server = Http::new().launch().unwrap();
    for round in 1..=3_u64 {
        let mut client = warm(&server).await;
        server.stop().await;
        assert!(!server.is_running());
        assert_eq!(server.open(), 0);
        let refused = TcpStream::connect(server.address()).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        client.get("/").await.unwrap_err();
        server.stop().await;
        server.start().unwrap();
        server.start().unwrap();
        assert_eq!(server.connections(), round, "counts go on");
    }
    warm(&server).await;
}

/// How a connection ends that was answered once, after `broken`.
async fn end_of(server: &LocalServer<Http>, broken: impl AsyncFnOnce()) -> std::io::Result<usize> {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").await.unwrap();
    let mut answer = vec![0; 1024];
    let read = stream.read(&mut answer).await.unwrap();
    assert!(answer[..read].ends_with(b"ok"));
    broken().await;
    stream.read(&mut answer).await
}

#[tokio::test]
async fn a_stop_ends_connections_a_kill_or_a_reset_tears_them_down() {
    let server = Http::new().launch().unwrap();
    assert_eq!(end_of(&server, async || server.stop().await).await.unwrap(), 0);
    server.start().unwrap();
    let torn = end_of(&server, async || server.kill().await).await.unwrap_err();
    assert_eq!(torn.kind(), ErrorKind::ConnectionReset);
    assert!(!server.is_running());
    server.start().unwrap();
    let torn = end_of(&server, async || assert_eq!(server.reset_all().await, 1)).await.unwrap_err();
    assert_eq!(torn.kind(), ErrorKind::ConnectionReset);
    warm(&server).await;
}

#[tokio::test]
async fn a_frozen_server_says_nothing_until_it_is_thawed() {
    let server = Http::new().launch().unwrap();
    let mut client = warm(&server).await;
    server.freeze();
    // The kernel completes it; nobody accepts it.
    let new = TcpStream::connect(server.address()).await.unwrap();
    let answer = tokio::spawn(async move { client.get("/").await });
    sleep(QUIET).await;
    assert!(!answer.is_finished());
    assert_eq!((server.connections(), server.requests()), (1, 1));
    server.thaw();
    assert_eq!(answer.await.unwrap().unwrap(), own("1"));
    server.until_open(1).await;
    drop(new);
}

#[tokio::test]
async fn a_frozen_server_can_be_stopped() {
    let server = Http::new().launch().unwrap();
    let mut client = warm(&server).await;
    server.freeze();
    server.stop().await;
    client.until_closed().await;
}

#[tokio::test]
async fn going_away_ends_what_is_idle_and_lets_the_rest_finish() {
    for (server, mut client) in both().await {
        assert_eq!(client.get("/").await.unwrap(), own("1"));
        let busy = tokio::spawn(async move {
            let answer = client.get("/slow?ms=100").await;
            client.until_closed().await;
            answer
        });
        until_asked(&server, 2).await;
        let mut idle = warm(&server).await;
        server.go_away();
        idle.until_closed().await;
        assert_eq!(busy.await.unwrap().unwrap(), own("1"));
        server.until_open(0).await;
        assert!(server.is_running());
    }
}

#[tokio::test]
async fn idle_connections_are_closed_and_busy_ones_are_not() {
    for (server, mut client) in both().await {
        client.get("/").await.unwrap();
        let busy = tokio::spawn({
            let mut client = Client::one(plain(&server).await).await;
            async move { client.get("/slow?ms=100").await }
        });
        until_asked(&server, 2).await;
        // Much less than the answer takes.
        server.close_idle_after(Some(Duration::from_millis(20)));
        client.until_closed().await;
        assert_eq!(busy.await.unwrap().unwrap(), own("2"));
        server.until_open(0).await;
    }
}

#[tokio::test]
async fn dropping_the_server_ends_everything() {
    let server = Http::new().launch().unwrap();
    let mut client = warm(&server).await;
    let address = server.address();
    drop(server);
    client.until_closed().await;
    let refused = TcpStream::connect(address).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
}
