//! What holders leave behind, and that nobody else finds it.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http_body_util::{BodyExt as _, Empty};
use hyper::Request;
use hyper::body::{Body, Bytes, Frame};
use pool_drivers::http::{HttpError, HttpPool};
use tokio::time::timeout;

use crate::server::{LARGE, Server, ask, pool_of};

fn get(path: &str) -> Request<Empty<Bytes>> {
    Request::get(path).body(Empty::new()).unwrap()
}

/// The next holder gets its own answer. Returns how many connections there were until then.
async fn accepted_until_next(server: &Server, pool: &HttpPool) -> usize {
    assert_eq!(ask(&mut pool.acquire().await.unwrap(), "/next").await, "/next");
    server.accepted()
}

#[tokio::test]
async fn a_short_rest_is_thrown_away_and_the_connection_kept() {
    let server = Server::start().await;
    let pool = server.pool();
    for path in ["/short", "/chunked"] {
        drop(pool.acquire().await.unwrap().send(get(path)).await.unwrap());
        assert_eq!(accepted_until_next(&server, &pool).await, 1, "{path}");
    }
    assert_eq!(pool.counters().resets, 2);
}

#[tokio::test]
async fn a_long_rest_costs_the_connection() {
    for path in ["/large", "/endless"] {
        let server = Server::start().await;
        let pool = server.pool();
        drop(pool.acquire().await.unwrap().send(get(path)).await.unwrap());
        assert_eq!(accepted_until_next(&server, &pool).await, 2, "{path}");
    }
}

#[tokio::test]
async fn the_same_holder_goes_on_after_a_short_rest() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    drop(connection.send(get("/short")).await.unwrap());
    assert_eq!(ask(&mut connection, "/next").await, "/next");
    drop(connection);
    assert_eq!((server.accepted(), pool.counters().resets), (1, 0));
}

#[tokio::test]
async fn a_holder_that_still_reads_cannot_send() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    let answer = connection.send(get("/halves")).await.unwrap();
    let error = connection.get("/next").await.unwrap_err();
    assert!(matches!(error, HttpError::Unread), "{error:?}");
    server.state.halves.open_for_one();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "firstlater");
    assert_eq!(ask(&mut connection, "/next").await, "/next");
}

#[tokio::test]
async fn a_body_that_outlives_its_guard_keeps_the_connection_from_others() {
    let server = Server::start().await;
    let pool = server.pool();
    let answer = pool.acquire().await.unwrap().send(get("/halves")).await.unwrap();
    assert!(timeout(Duration::from_millis(50), pool.acquire()).await.is_err(), "it is still being read");

    server.state.halves.open_for_one();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "firstlater");
    assert_eq!(accepted_until_next(&server, &pool).await, 1);
}

#[tokio::test]
async fn a_body_can_be_read_when_the_pool_has_given_up_its_connection() {
    let server = Server::start().await;
    let pool = pool_of(server.connector()).reset_timeout(Duration::from_millis(20)).build().unwrap();
    let answer = pool.acquire().await.unwrap().send(get("/halves")).await.unwrap();
    assert_eq!(accepted_until_next(&server, &pool).await, 2);

    server.state.halves.open_for_one();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "firstlater");
    drop(pool);
    server.all_closed().await;
}

#[tokio::test]
async fn a_large_body_read_after_its_guard_arrives_whole_even_if_the_connection_ends_with_it() {
    let server = Server::start().await;
    let pool = server.pool();
    for (path, length) in [("/close", 5), ("/unframed", 5), ("/large", LARGE)] {
        let answer = pool.acquire().await.unwrap().send(get(path)).await.unwrap();
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), length, "{path}");
    }
}

#[tokio::test]
async fn an_answer_that_ends_the_connection_ends_it() {
    for path in ["/close", "/liar", "/old", "/unframed"] {
        let server = Server::start().await;
        let pool = server.pool();
        let mut connection = pool.acquire().await.unwrap();
        assert_eq!(ask(&mut connection, path).await, "hello");
        let error = connection.get("/next").await.unwrap_err();
        assert!(matches!(error, HttpError::Closed { .. }) && error.is_unsent(), "{path}: {error:?}");
        drop(connection);
        assert_eq!(accepted_until_next(&server, &pool).await, 2, "{path}");
    }
}

#[tokio::test]
async fn a_request_that_asks_to_close_is_the_last() {
    let server = Server::start().await;
    let pool = server.pool();
    let request = Request::get("/one").header("connection", "close").body(Empty::<Bytes>::new()).unwrap();
    let mut connection = pool.acquire().await.unwrap();
    drop(connection.send(request).await.unwrap().into_body().collect().await.unwrap());
    drop(connection);
    assert_eq!(accepted_until_next(&server, &pool).await, 2);
}

#[tokio::test]
async fn a_request_dropped_before_its_answer_closes_the_connection() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    tokio::select! {
        answer = connection.get("/hang") => panic!("{answer:?}"),
        () = server.state.hanging.pass() => {}
    }
    let error = connection.get("/next").await.unwrap_err();
    assert!(matches!(error, HttpError::Unfinished), "{error:?}");
    drop(connection);
    assert_eq!(accepted_until_next(&server, &pool).await, 2);
    pool.close(Duration::from_secs(5)).await;
    server.all_closed().await;
}

/// However often the future was polled before it was dropped, nobody gets the answer to somebody else's request.
#[tokio::test]
async fn a_request_dropped_at_any_time_leaves_no_answer_behind() {
    let server = Server::start().await;
    let pool = server.pool();
    for wait_us in (0..2000).step_by(40) {
        let mut connection = pool.acquire().await.unwrap();
        let asked = connection.get("/dropped");
        drop(timeout(Duration::from_micros(wait_us), asked).await);
        drop(connection);
        assert_eq!(ask(&mut pool.acquire().await.unwrap(), "/next").await, "/next", "{wait_us}");
    }
}

/// A body that says how long it is, and never comes to its end.
struct Stuck;

impl Body for Stuck {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test]
async fn an_answer_that_comes_before_the_request_is_whole_closes_the_connection() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    let request = Request::post("/early").body(Stuck).unwrap();
    let answer = connection.send(request).await.unwrap();
    assert_eq!(answer.into_body().collect().await.unwrap().to_bytes(), "/early");
    drop(connection);
    assert_eq!(accepted_until_next(&server, &pool).await, 2);
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_an_error_and_costs_the_connection() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    let answer = connection.send(get("/cut")).await.unwrap();
    let error = answer.into_body().collect().await.unwrap_err();
    assert!(matches!(error, HttpError::Exchange { unsent: false, .. }), "{error:?}");
    drop(connection);
    assert_eq!(accepted_until_next(&server, &pool).await, 2);
}

#[tokio::test]
async fn guard_and_body_can_be_dropped_where_there_is_no_runtime() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    let answer = connection.send(get("/short")).await.unwrap();
    std::thread::spawn(move || drop((answer, connection))).join().unwrap();
    assert_eq!(accepted_until_next(&server, &pool).await, 1);
}
