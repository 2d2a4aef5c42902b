//! Opening and closing, and what goes wrong with them.

use std::error::Error as _;
use std::io::ErrorKind;
use std::time::Duration;

use pool_core::{Connector as _, ErrorClass};
use pool_drivers::http::{HttpConnector, HttpError, NetError, UrlProblem};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpListener;

use crate::server::{Server, ask, pool_of};

#[test]
fn only_an_origin_is_an_origin() {
    for (url, problem) in [
        ("orders", UrlProblem::Scheme { plain: "http", secure: "https" }),
        ("ftp://orders.test", UrlProblem::Scheme { plain: "http", secure: "https" }),
        ("http://orders.test/path", UrlProblem::Path),
        ("http://orders.test?query", UrlProblem::Path),
        ("http://alice:hunter2@orders.test", UrlProblem::UserInfo),
    ] {
        assert_eq!(HttpConnector::new(url).unwrap_err().problem, problem, "{url}");
    }
    for path in ["", "health", "http://other.test/health"] {
        let connector = HttpConnector::new("http://orders.test").unwrap();
        assert_eq!(connector.health_path(path).unwrap_err().problem, UrlProblem::Malformed, "{path}");
    }
}

#[test]
fn the_target_is_the_origin() {
    for (url, key) in [
        ("http://orders.test", "http://orders.test:80/"),
        ("https://Orders.test", "https://orders.test:443/"),
        ("https://[::1]:8443", "https://::1:8443/"),
    ] {
        assert_eq!(HttpConnector::new(url).unwrap().target().unwrap().to_string(), key);
    }
}

#[tokio::test]
async fn a_refused_port_is_told_from_an_unknown_name() {
    let free = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let connector = HttpConnector::new(&format!("http://{free}")).unwrap();
    let error = connector.connect().await.unwrap_err();
    assert_eq!(connector.classify(&error), ErrorClass::Transient);
    let HttpError::Net(NetError::Connect { source, address, .. }) = &error else { panic!("{error:?}") };
    assert_eq!((source.kind(), *address), (ErrorKind::ConnectionRefused, free));
    assert!(error.to_string().contains(&free.to_string()), "{error}");

    let connector = HttpConnector::new("http://no-such-host.invalid").unwrap();
    let error = connector.connect().await.unwrap_err();
    assert_eq!(connector.classify(&error), ErrorClass::Transient);
    assert!(matches!(&error, HttpError::Net(NetError::Resolve { .. })), "{error:?}");
    assert!(error.to_string().contains("no-such-host.invalid") && error.source().is_some(), "{error}");
}

#[tokio::test]
async fn a_connection_that_the_peer_closes_while_idle_is_not_handed_out_by_a_pool_that_validates() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let pool =
        pool_of(HttpConnector::new(&origin).unwrap()).validate_after_idle(Duration::ZERO).build().unwrap();
    let (first, accepted) = tokio::join!(pool.acquire(), listener.accept());
    let first = first.unwrap();
    let id = first.id();
    drop(first);
    drop(accepted.unwrap());
    // Its task has to hear of it.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let (second, _accepted) = tokio::join!(pool.acquire(), listener.accept());
    assert_ne!(second.unwrap().id(), id);
}

#[tokio::test]
async fn a_connection_that_the_peer_closes_in_use_is_closed_when_given_back() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let pool = pool_of(HttpConnector::new(&origin).unwrap()).build().unwrap();
    let (held, accepted) = tokio::join!(pool.acquire(), listener.accept());
    let mut held = held.unwrap();
    drop(accepted.unwrap());
    while !held.is_closed() {
        tokio::task::yield_now().await;
    }
    let error = held.get("/").await.unwrap_err();
    assert!(matches!(error, HttpError::Closed { .. }) && error.is_unsent(), "{error:?}");
    drop(held);
    assert_eq!(pool.stats().idle, 0);
}

#[tokio::test]
async fn a_connect_that_is_dropped_closes_what_it_opened() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    // It waits for the answer, which never comes.
    let connector = HttpConnector::new(&origin).unwrap().health_path("/health").unwrap();
    let mut peer = tokio::select! {
        outcome = connector.connect() => panic!("{outcome:?}"),
        peer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_u8().await.unwrap();
            stream
        } => peer,
    };
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(20), peer.read_to_end(&mut rest)).await;
    read.expect("the connection stays open").unwrap();
}

#[tokio::test]
async fn a_pool_that_closes_closes_its_connections() {
    let server = Server::start().await;
    let pool = server.pool();
    assert_eq!(ask(&mut pool.acquire().await.unwrap(), "/one").await, "/one");
    assert!(pool.close(Duration::from_secs(5)).await.is_complete());
    server.all_closed().await;
}

#[tokio::test]
async fn debug_shows_where_and_not_what() {
    let server = Server::start().await;
    let connection = server.connector().connect().await.unwrap();
    let shown = format!("{connection:?} {:?}", server.connector());
    assert!(shown.contains(&server.address.to_string()) && shown.contains("HTTP/1.1"), "{shown}");
}
