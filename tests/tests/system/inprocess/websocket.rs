//! The WebSocket server: echo, pings, commands, and what can be done to it.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use pool_tests::local::LocalServer;
use pool_tests::websocket::WebSocket;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use super::{Bytestream, QUIET, authority, plain, tls};

type Client = WebSocketStream<Bytestream>;

async fn over(stream: Bytestream) -> Client {
    client_async("ws://localhost/", stream).await.unwrap().0
}

async fn launch() -> (LocalServer<WebSocket>, Client) {
    let server = WebSocket::new().launch().unwrap();
    let client = over(plain(&server).await).await;
    (server, client)
}

async fn ask(client: &mut Client, text: &str) -> Message {
    client.send(Message::text(text)).await.unwrap();
    client.next().await.unwrap().unwrap()
}

#[tokio::test]
async fn texts_and_binary_messages_come_back_and_are_counted() {
    let (server, mut client) = launch().await;
    assert_eq!(ask(&mut client, "hello").await, Message::text("hello"));
    client.send(Message::binary(vec![1, 2, 3])).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::binary(vec![1, 2, 3]));
    assert_eq!((server.messages(), server.connections(), server.open()), (2, 1, 1));
    client.close(None).await.unwrap();
    while client.next().await.is_some() {}
    server.until_open(0).await;
}

#[tokio::test]
async fn it_speaks_over_tls() {
    let (ca, config) = authority();
    let server = WebSocket::new().tls(config).launch().unwrap();
    assert!(server.url().starts_with("wss://"));
    let (stream, _) = tls(&server, &ca, &[]).await.unwrap();
    assert_eq!(ask(&mut over(stream).await, "hello").await, Message::text("hello"));
}

#[tokio::test]
async fn pings_are_answered_until_it_is_told_to_be_silent() {
    let (server, mut client) = launch().await;
    client.send(Message::Ping("one".into())).await.unwrap();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::Pong("one".into()));
    assert_eq!(server.pings(), 1);
    client.send(Message::text("silence")).await.unwrap();
    client.send(Message::Ping("two".into())).await.unwrap();
    client.send(Message::text("hello?")).await.unwrap();
    timeout(QUIET, client.next()).await.unwrap_err();
    assert_eq!(server.open(), 1);
    drop(client);
    server.until_open(0).await;
}

#[tokio::test]
async fn a_close_comes_with_a_frame_and_a_drop_without() {
    let (server, mut client) = launch().await;
    let Message::Close(Some(frame)) = ask(&mut client, "close").await else { panic!("no close frame") };
    assert_eq!(frame.code, CloseCode::Normal);
    while client.next().await.is_some() {}
    server.until_open(0).await;

    let mut client = over(plain(&server).await).await;
    client.send(Message::text("drop")).await.unwrap();
    let error = client.next().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), "{error}");
    server.until_open(0).await;
}

#[tokio::test]
async fn pushed_messages_come_unasked_and_in_order() {
    let (_server, mut client) = launch().await;
    client.send(Message::text("push 100")).await.unwrap();
    for number in 1..=100 {
        assert_eq!(client.next().await.unwrap().unwrap(), Message::text(format!("push {number}")));
    }
    assert_eq!(ask(&mut client, "push some").await, Message::text("push some"), "not a number: an echo");
}

#[tokio::test]
async fn going_away_and_idleness_say_goodbye() {
    let (server, mut client) = launch().await;
    ask(&mut client, "hello").await;
    server.go_away();
    let Message::Close(Some(frame)) = client.next().await.unwrap().unwrap() else { panic!("no close frame") };
    assert_eq!(frame.code, CloseCode::Away);
    while client.next().await.is_some() {}
    server.until_open(0).await;

    server.close_idle_after(Some(Duration::from_millis(20)));
    let mut client = over(plain(&server).await).await;
    assert!(matches!(client.next().await.unwrap().unwrap(), Message::Close(Some(_))));
}

#[tokio::test]
async fn a_kill_tears_it_down_and_it_comes_back() {
    let (server, mut client) = launch().await;
    ask(&mut client, "hello").await;
    server.kill().await;
    let error = client.next().await.unwrap().unwrap_err();
    let Error::Io(error) = error else { panic!("{error}") };
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    server.start().unwrap();
    ask(&mut over(plain(&server).await).await, "hello").await;
}

#[tokio::test]
async fn a_frozen_one_answers_when_it_is_thawed() {
    let (server, mut client) = launch().await;
    server.freeze();
    client.send(Message::text("hello")).await.unwrap();
    timeout(QUIET, client.next()).await.unwrap_err();
    server.thaw();
    assert_eq!(client.next().await.unwrap().unwrap(), Message::text("hello"));
}
