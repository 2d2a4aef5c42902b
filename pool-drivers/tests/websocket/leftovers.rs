//! What holders leave behind, and that nobody else finds it.

use std::time::Duration;

use pool_core::{CloseReason, Connector as _};
use pool_drivers::websocket::{WebSocketError, WebSocketPool};
use tokio::time::{sleep, timeout};

use crate::server::{Server, ask};

/// The next holder gets its own answer. Returns how many connections there were until then.
async fn accepted_until_next(server: &Server, pool: &WebSocketPool) -> usize {
    assert_eq!(ask(&mut pool.acquire().await.unwrap(), "next").await, "next");
    server.accepted()
}

#[tokio::test]
async fn a_message_sent_and_not_settled_costs_the_connection() {
    let server = Server::start().await;
    let pool = server.pool();
    pool.acquire().await.unwrap().send("late").await.unwrap();
    server.state.late.add_permits(1);
    assert_eq!(accepted_until_next(&server, &pool).await, 2);
}

#[tokio::test]
async fn a_message_sent_and_settled_does_not() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    connection.send("nothing").await.unwrap();
    connection.settled();
    drop(connection);
    assert_eq!(accepted_until_next(&server, &pool).await, 1);
}

#[tokio::test]
async fn a_request_dropped_before_its_answer_costs_the_connection() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    assert!(timeout(Duration::from_millis(20), connection.request("late")).await.is_err());
    drop(connection);
    server.state.late.add_permits(1);
    assert_eq!(accepted_until_next(&server, &pool).await, 2);
}

#[tokio::test]
async fn a_request_dropped_at_any_time_leaves_no_answer_behind() {
    let server = Server::start().await;
    let pool = server.pool();
    for wait_us in (0..2000).step_by(40) {
        let mut connection = pool.acquire().await.unwrap();
        drop(timeout(Duration::from_micros(wait_us), connection.request("dropped")).await);
        drop(connection);
        assert_eq!(ask(&mut pool.acquire().await.unwrap(), "next").await, "next", "{wait_us}");
    }
}

#[tokio::test]
async fn a_finished_request_does_not_settle_what_was_sent_before() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    connection.send("twice").await.unwrap();
    assert_eq!(ask(&mut connection, "third").await, "first", "the answers come in order");
    drop(connection);
    assert_eq!(accepted_until_next(&server, &pool).await, 2);
}

#[tokio::test]
async fn a_message_that_has_arrived_unread_costs_the_connection() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(ask(&mut connection, "twice").await, "first");
    sleep(Duration::from_millis(50)).await; // the second arrives
    drop(connection);
    assert_eq!(accepted_until_next(&server, &pool).await, 2);
}

#[tokio::test]
async fn a_message_that_arrives_later_is_not_taken_for_an_answer() {
    let server = Server::start().await;
    let connector = server.connector();
    let mut connection = connector.connect().await.unwrap();
    connection.send("late").await.unwrap();
    connection.settled(); // a lie
    server.state.late.add_permits(1);
    sleep(Duration::from_millis(50)).await;
    let error = connection.request("next").await.unwrap_err();
    assert!(matches!(error, WebSocketError::Unexpected), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_the_peer_closes_or_loses_is_given_up() {
    for farewell in ["close 1000", "hang-up"] {
        let server = Server::start().await;
        let pool = server.pool();
        let mut connection = pool.acquire().await.unwrap();
        connection.request(farewell).await.unwrap_err();
        drop(connection);
        assert_eq!(accepted_until_next(&server, &pool).await, 2, "{farewell}");
    }
}

#[tokio::test]
async fn a_peer_that_restarts_costs_all_connections() {
    let server = Server::start().await;
    let pool =
        WebSocketPool::builder(server.connector()).max_connections(2).min_connections(0).build().unwrap();
    let (mut first, second) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    drop(second);
    first.request("close 1012").await.unwrap_err();
    assert_eq!(pool.stats().idle, 1);
    drop(first);
    assert_eq!(pool.stats().idle, 0);
    assert_eq!(pool.counters().closed[CloseReason::Broken], 1);
    assert_eq!(accepted_until_next(&server, &pool).await, 3);
}

#[tokio::test]
async fn a_guard_can_be_dropped_where_there_is_no_runtime() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    assert_eq!(ask(&mut connection, "one").await, "one");
    std::thread::spawn(move || drop(connection)).join().unwrap();
    assert_eq!(accepted_until_next(&server, &pool).await, 1);
}
