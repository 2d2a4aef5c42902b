//! What a holder can do with a connection.

use std::sync::atomic::Ordering;
use std::time::Duration;

use pool_core::{Connector as _, ErrorClass};
use pool_drivers::websocket::{Message, WebSocketError};

use crate::server::{Server, ask};

#[tokio::test]
async fn one_connection_serves_one_request_after_the_other() {
    let server = Server::start().await;
    let pool = server.pool();
    for question in ["one", "two", "three"] {
        assert_eq!(ask(&mut pool.acquire().await.unwrap(), question).await, question);
    }
    assert_eq!((server.accepted(), pool.counters().resets), (1, 0));
}

#[tokio::test]
async fn binary_and_large_messages_go_both_ways() {
    let server = Server::start().await;
    let mut connection = server.pool().acquire().await.unwrap();
    let large = Message::binary(vec![7; 1 << 20]);
    assert_eq!(connection.request(large.clone()).await.unwrap(), large);
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_the_connection() {
    let server = Server::start().await;
    let connector = server.connector().max_message_size(1000);
    let mut connection = connector.connect().await.unwrap();
    assert_eq!(connection.request("long 1000").await.unwrap().len(), 1000);
    let error = connection.request("long 1001").await.unwrap_err();
    assert!(matches!(error, WebSocketError::Exchange { .. }), "{error:?}");
    assert_eq!(connector.classify(&error), ErrorClass::FatalThis);
    assert!(connection.send("more").await.is_err());
}

#[tokio::test]
async fn pings_of_the_peer_are_answered_and_not_shown() {
    let server = Server::start().await;
    let mut connection = server.pool().acquire().await.unwrap();
    assert_eq!(ask(&mut connection, "ping").await, "pinged");
    assert_eq!(ask(&mut connection, "next").await, "next");
}

#[tokio::test]
async fn a_holder_reads_what_comes_until_the_peer_closes() {
    let server = Server::start().await;
    let pool = server.pool();
    let mut connection = pool.acquire().await.unwrap();
    connection.send("twice").await.unwrap();
    connection.send("close 4711").await.unwrap();
    let mut came = Vec::new();
    while let Some(message) = connection.next().await.unwrap() {
        came.push(message.into_text().unwrap().to_string());
    }
    assert_eq!(came, ["first", "second"]);
    assert_eq!(u16::from(connection.close_frame().unwrap().code), 4711);

    let error = connection.request("more").await.unwrap_err();
    assert!(matches!(&error, WebSocketError::Closed { frame: Some(_) }), "{error:?}");
    assert!(error.to_string().contains("4711"), "{error}");
}

#[tokio::test]
async fn a_read_that_is_dropped_loses_nothing() {
    let server = Server::start().await;
    let mut connection = server.pool().acquire().await.unwrap();
    connection.send("late").await.unwrap();
    for _ in 0..3 {
        let waited = tokio::time::timeout(Duration::from_millis(5), connection.next()).await;
        assert!(waited.is_err(), "{waited:?}");
    }
    server.state.late.add_permits(1);
    assert_eq!(connection.next().await.unwrap(), Some(Message::text("late")));
}

#[tokio::test]
async fn a_pool_that_closes_says_goodbye() {
    let server = Server::start().await;
    let pool = server.pool();
    assert_eq!(ask(&mut pool.acquire().await.unwrap(), "one").await, "one");
    assert!(pool.close(Duration::from_secs(5)).await.is_complete());
    server.all_closed().await;
    assert_eq!(server.state.farewells.load(Ordering::SeqCst), 1);
}
