//! Whether a connection still works.

use std::time::Duration;

use futures_util::SinkExt as _;
use pool_core::{Connector as _, ErrorClass};
use pool_drivers::websocket::{Message, WebSocketConnector, WebSocketError};
use tokio::net::TcpListener;
use tokio_tungstenite::accept_async;

use crate::server::Server;

#[tokio::test]
async fn a_peer_that_answers_pings_is_valid() {
    let server = Server::start().await;
    let connector = server.connector();
    let mut connection = connector.connect().await.unwrap();
    for _ in 0..3 {
        connector.validate(&mut connection).await.unwrap();
    }
    assert_eq!(connection.request("next").await.unwrap(), Message::text("next"));
}

#[tokio::test]
async fn a_peer_that_does_not_answer_is_not() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let connector = WebSocketConnector::new(&url).unwrap().pong_timeout(Duration::from_millis(50));
    let accepting = async { accept_async(listener.accept().await.unwrap().0).await.unwrap() };
    let (connection, _silent) = tokio::join!(connector.connect(), accepting);
    let error = connector.validate(&mut connection.unwrap()).await.unwrap_err();
    assert!(matches!(error, WebSocketError::NoPong(_)), "{error:?}");
    assert_eq!(connector.classify(&error), ErrorClass::FatalThis);
}

#[tokio::test]
async fn a_pong_that_nobody_asked_for_proves_nothing() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let connector = WebSocketConnector::new(&url).unwrap().pong_timeout(Duration::from_millis(50));
    let accepting = async {
        let mut stream = accept_async(listener.accept().await.unwrap().0).await.unwrap();
        stream.send(Message::Pong("of another ping".into())).await.unwrap();
        stream
    };
    let (connection, _silent) = tokio::join!(connector.connect(), accepting);
    let error = connector.validate(&mut connection.unwrap()).await.unwrap_err();
    assert!(matches!(error, WebSocketError::NoPong(_)), "{error:?}");
}

#[tokio::test]
async fn somebody_elses_message_makes_a_connection_invalid() {
    let server = Server::start().await;
    let connector = server.connector();
    let mut connection = connector.connect().await.unwrap();
    connection.send("unasked").await.unwrap();
    connection.settled(); // a lie
    let error = connector.validate(&mut connection).await.unwrap_err();
    assert!(matches!(error, WebSocketError::Unexpected), "{error:?}");
}

#[tokio::test]
async fn a_closed_connection_is_invalid_and_the_code_tells_what_it_means() {
    let server = Server::start().await;
    let connector = server.connector();
    for (code, class) in [
        (1000, ErrorClass::FatalThis),
        (1012, ErrorClass::FatalAll),
        (1013, ErrorClass::Capacity),
        (3000, ErrorClass::Auth),
    ] {
        let mut connection = connector.connect().await.unwrap();
        connection.send(format!("close {code}")).await.unwrap();
        let error = connector.validate(&mut connection).await.unwrap_err();
        assert_eq!(connector.classify(&error), class, "{code}: {error:?}");
    }
}
