//! What a holder can do with a connection.

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Version};
use pool_drivers::http::{HttpError, RequestProblem};

use crate::server::{LARGE, Server, ask};

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other() {
    let server = Server::start().await;
    let pool = server.pool();
    for path in ["/one", "/two", "/chunked", "/three"] {
        let mut connection = pool.acquire().await.unwrap();
        assert_eq!(connection.version(), Version::HTTP_11);
        let expected = if path == "/chunked" { "hello" } else { path };
        assert_eq!(ask(&mut connection, path).await, expected);
    }
    let counters = pool.counters();
    assert_eq!((server.accepted(), counters.resets), (1, 0));
}

#[tokio::test]
async fn answers_without_a_body_leave_the_connection_free() {
    let server = Server::start().await;
    let pool = server.pool();
    for (method, path) in [(Method::GET, "/empty"), (Method::GET, "/status/304"), (Method::DELETE, "/x")] {
        let mut connection = pool.acquire().await.unwrap();
        let request = Request::builder().method(method).uri(path).body(String::new()).unwrap();
        drop(connection.send(request).await.unwrap().into_body().collect().await.unwrap());
    }
    assert_eq!((server.accepted(), pool.counters().resets), (1, 0));
}

#[tokio::test]
async fn a_body_goes_out_and_an_answer_comes_back() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    let order = Request::post("/orders").body(Full::new(Bytes::from(vec![b'x'; 1 << 20]))).unwrap();
    let answer = connection.send(order).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "/orders");
}

#[tokio::test]
async fn large_answers_arrive_whole() {
    let server = Server::start().await;
    let pool = server.pool();
    let answer = pool.acquire().await.unwrap().get("/large").await.unwrap();
    assert_eq!(answer.into_body().len(), LARGE);
    assert_eq!(ask(&mut pool.acquire().await.unwrap(), "/next").await, "/next");
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn an_error_status_is_an_answer() {
    let server = Server::start().await;
    let pool = server.pool();
    assert_eq!(pool.acquire().await.unwrap().get("/status/500").await.unwrap().status(), 500);
    assert_eq!(ask(&mut pool.acquire().await.unwrap(), "/next").await, "/next");
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_whole_uri_of_the_same_origin_is_a_path() {
    let server = Server::start().await;
    let mut connection = server.pool().acquire().await.unwrap();
    let uri = format!("{}/items", server.origin());
    assert_eq!(ask(&mut connection, &uri).await, "/items");
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_harms_nobody() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    let error = connection.get("http://other.test/").await.unwrap_err();
    assert!(matches!(error, HttpError::Request(RequestProblem::OtherOrigin)), "{error:?}");
    assert!(error.is_unsent());
    let error = connection.get("a b").await.unwrap_err();
    assert!(matches!(error, HttpError::Request(RequestProblem::Malformed)), "{error:?}");
    assert_eq!(ask(&mut connection, "/next").await, "/next");
    drop(connection);
    assert_eq!(ask(&mut pool.acquire().await.unwrap(), "/next").await, "/next");
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_peer_that_hangs_up_or_speaks_something_else_is_an_error() {
    let server = Server::start().await;
    let pool = server.pool();
    for path in ["/bye", "/rubbish"] {
        let mut connection = pool.acquire().await.unwrap();
        let error = connection.get(path).await.unwrap_err();
        assert!(matches!(error, HttpError::Exchange { unsent: false, .. }), "{path}: {error:?}");
        assert!(!error.is_unsent(), "{path}: it was sent, and may have been processed");
        drop(connection);
    }
    assert_eq!(ask(&mut pool.acquire().await.unwrap(), "/next").await, "/next");
    assert_eq!(server.accepted(), 3);
}
