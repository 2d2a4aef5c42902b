//! HTTP/2: streams that are given up harm nobody, and a peer that says goodbye is understood.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Empty, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use pool_core::{Connector as _, ErrorClass};
use pool_drivers::http::{HttpConnector, HttpError, HttpPool, HttpVersion};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::server::{Held, ask, pool_of};

#[derive(Default)]
struct State {
    accepted: AtomicUsize,
    hanging: Notify,
    goodbye: Notify,
}

struct Server {
    address: SocketAddr,
    state: Arc<State>,
}

impl Server {
    async fn start() -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let server = Server { address: listener.local_addr().unwrap(), state: Arc::default() };
        let state = Arc::clone(&server.state);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                state.accepted.fetch_add(1, Ordering::SeqCst);
                let state = Arc::clone(&state);
                tokio::spawn(async move {
                    let service = service_fn(|request| answer(request, Arc::clone(&state)));
                    let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service);
                    let mut serving = std::pin::pin!(serving);
                    tokio::select! {
                        // However it ends.
                        end = serving.as_mut() => drop(end),
                        () = state.goodbye.notified() => {
                            serving.as_mut().graceful_shutdown();
                            drop(serving.await);
                        }
                    }
                });
            }
        });
        server
    }

    fn connector(&self) -> HttpConnector {
        HttpConnector::new(&format!("http://{}", self.address)).unwrap().version(HttpVersion::Http2)
    }

    fn pool(&self) -> HttpPool {
        pool_of(self.connector()).build().unwrap()
    }

    fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }
}

async fn answer(
    request: Request<Incoming>,
    state: Arc<State>,
) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    let path = request.uri().path().to_owned();
    let body = match path.as_str() {
        "/hang" => {
            state.hanging.notify_one();
            std::future::pending().await
        }
        "/large" => Full::new(Bytes::from(vec![b'x'; 8 << 20])),
        "/uri" => Full::new(Bytes::from(request.uri().to_string())),
        _ => Full::new(Bytes::from(path)),
    };
    Ok(Response::new(body.boxed_unsync()))
}

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).body(Empty::new()).unwrap()
}

#[tokio::test]
async fn requests_go_over_one_connection() {
    let server = Server::start().await;
    let pool = server.pool();
    for path in ["/one", "/two"] {
        let mut connection: Held = pool.acquire().await.unwrap();
        assert_eq!(connection.version(), Version::HTTP_2);
        assert_eq!(ask(&mut connection, path).await, path);
    }
    let uri = ask(&mut pool.acquire().await.unwrap(), "/uri").await;
    assert_eq!(uri, format!("http://{}/uri", server.address));
    assert_eq!((server.accepted(), pool.counters().resets), (1, 0));
}

#[tokio::test]
async fn a_request_dropped_before_its_answer_costs_nothing() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    tokio::select! {
        answer = connection.get("/hang") => panic!("{answer:?}"),
        () = server.state.hanging.notified() => {}
    }
    assert_eq!(ask(&mut connection, "/next").await, "/next");
    drop(connection);
    assert_eq!(ask(&mut pool.acquire().await.unwrap(), "/next").await, "/next");
    assert_eq!((server.accepted(), pool.counters().resets), (1, 0));
}

#[tokio::test]
async fn an_unread_answer_costs_nothing_however_large() {
    let server = Server::start().await;
    let pool = server.pool();
    drop(pool.acquire().await.unwrap().send(get("/large")).await.unwrap());
    assert_eq!(ask(&mut pool.acquire().await.unwrap(), "/next").await, "/next");
    assert_eq!((server.accepted(), pool.counters().resets), (1, 0));
}

#[tokio::test]
async fn a_body_is_read_while_others_use_the_connection() {
    let server = Server::start().await;
    let pool = server.pool();
    let answer = pool.acquire().await.unwrap().send(get("/large")).await.unwrap();
    assert_eq!(ask(&mut pool.acquire().await.unwrap(), "/next").await, "/next");
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), 8 << 20);
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_connection_whose_peer_said_goodbye_is_closed() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(ask(&mut connection, "/one").await, "/one");
    server.state.goodbye.notify_one();
    while !connection.is_closed() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let error = connection.get("/two").await.unwrap_err();
    assert!(matches!(error, HttpError::Closed { .. }) && error.is_unsent(), "{error:?}");
    assert_eq!(connection.report(&error), ErrorClass::FatalThis);
    drop(connection);
    assert_eq!(ask(&mut pool.acquire().await.unwrap(), "/next").await, "/next");
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn validation_asks_for_the_path_and_else_for_nothing() {
    let server = Server::start().await;
    let silent = server.connector();
    let mut connection = silent.connect().await.unwrap();
    silent.validate(&mut connection).await.unwrap();
    let asking = server.connector().health_path("/health").unwrap();
    let mut connection = asking.connect().await.unwrap();
    asking.validate(&mut connection).await.unwrap();
}

#[tokio::test]
async fn a_peer_that_does_not_answer_pings_is_found() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let connector = HttpConnector::new(&format!("http://{}", listener.local_addr().unwrap()))
        .unwrap()
        .version(HttpVersion::Http2)
        .http2_keepalive_interval(Duration::from_secs(1));
    let (connection, peer) = tokio::join!(connector.connect(), listener.accept());
    let (mut connection, _silent_peer) = (connection.unwrap(), peer.unwrap());
    // From here on the clock runs by itself: a second to the ping, ten for its answer.
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    while !connection.is_closed() {
        assert!(begun.elapsed() < Duration::from_secs(60), "nobody noticed");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(connector.validate(&mut connection).await.is_err());
}
