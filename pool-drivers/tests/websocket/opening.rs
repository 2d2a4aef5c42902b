//! Handshakes, and what goes wrong with them.

use std::time::Duration;

use pool_core::{Connector as _, ErrorClass};
use pool_drivers::tls::TlsProblem;
use pool_drivers::websocket::{
    HeaderProblem, Message, NetError, UrlProblem, WebSocketConnector, WebSocketError,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::certificates::Authority;
use crate::server::Server;

#[tokio::test]
async fn path_query_and_headers_are_sent() {
    let server = Server::start().await;
    let connector = WebSocketConnector::new(&server.url("/feed?currency=EUR"))
        .unwrap()
        .header("Authorization", "Bearer hunter2")
        .unwrap();
    connector.connect().await.unwrap();
    assert_eq!(server.asked(":path").unwrap(), "/feed?currency=EUR");
    assert_eq!(server.asked("authorization").unwrap(), "Bearer hunter2");
    assert_eq!(server.asked("host").unwrap(), server.address.to_string());
}

#[tokio::test]
async fn a_host_of_ones_own_replaces_the_usual_one() {
    let server = Server::start().await;
    server.connector().header("Host", "prices.test").unwrap().connect().await.unwrap();
    assert_eq!(server.asked("host").unwrap(), "prices.test");
}

#[tokio::test]
async fn the_peer_chooses_a_protocol_or_is_refused() {
    let server = Server::start().await;
    let asking = server.connector().subprotocol("prices.v2").unwrap();
    let both = asking.clone().subprotocol("prices.v1").unwrap();
    assert_eq!(both.connect().await.unwrap().subprotocol(), Some("prices.v1"));
    assert_eq!(server.asked("sec-websocket-protocol").unwrap(), "prices.v2, prices.v1");
    assert_eq!(server.connector().connect().await.unwrap().subprotocol(), None);

    let error = asking.connect().await.unwrap_err();
    assert!(matches!(error, WebSocketError::Handshake { .. }), "{error:?}");
    assert_eq!(asking.classify(&error), ErrorClass::FatalThis);
}

#[tokio::test]
async fn a_refusal_means_what_the_table_says() {
    let server = Server::start().await;
    for (status, class) in [
        (401, ErrorClass::Auth),
        (503, ErrorClass::Capacity),
        (500, ErrorClass::Transient),
        (404, ErrorClass::FatalThis),
    ] {
        let connector = WebSocketConnector::new(&server.url(&format!("/status/{status}"))).unwrap();
        let error = connector.connect().await.unwrap_err();
        assert!(matches!(&error, WebSocketError::Refused { .. }), "{error:?}");
        assert_eq!(connector.classify(&error), class, "{error}");
        assert!(error.to_string().contains(&status.to_string()), "{error}");
    }
    server.all_closed().await;
}

#[test]
fn headers_that_cannot_be_sent_are_refused_without_their_value() {
    let connector = WebSocketConnector::new("ws://prices.test").unwrap();
    for (name, value, expected) in [
        ("a b", "hunter2", HeaderProblem::Name),
        ("Authorization", "hunter2\r\nHost: x", HeaderProblem::Value),
        ("Upgrade", "hunter2", HeaderProblem::Reserved),
        ("sec-websocket-protocol", "hunter2", HeaderProblem::Reserved),
    ] {
        let error = connector.clone().header(name, value).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        let WebSocketError::Header { problem, .. } = error else { panic!("{error:?}") };
        assert_eq!(problem, expected, "{name}");
    }
    assert!(connector.subprotocol("two words").is_err());
}

#[test]
fn debug_and_target_hold_no_secret() {
    let connector = WebSocketConnector::new("wss://prices.test/feed?token=hunter2")
        .unwrap()
        .header("Authorization", "Bearer hunter2")
        .unwrap()
        .user("orders");
    let target = connector.target().unwrap().to_string();
    assert_eq!(target, "wss://orders@prices.test:443/feed");
    let shown = format!("{connector:?}");
    assert!(shown.contains("prices.test") && shown.contains("/feed"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
    let error = WebSocketConnector::new("ws://alice:hunter2@prices.test").unwrap_err();
    assert_eq!(error.problem, UrlProblem::UserInfo);
}

#[tokio::test]
async fn a_refused_port_a_stranger_and_a_server_of_something_else_are_told_apart() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let connector = WebSocketConnector::new(&format!("ws://{}", listener.local_addr().unwrap())).unwrap();
    let mail = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"220 mail.test ESMTP\r\n\r\n").await.unwrap();
        stream
    };
    let (outcome, _stream) = tokio::join!(connector.connect(), mail);
    let error = outcome.unwrap_err();
    assert!(matches!(error, WebSocketError::Handshake { .. }), "{error:?}");
    assert_eq!(connector.classify(&error), ErrorClass::FatalThis);

    drop(listener);
    let error = connector.connect().await.unwrap_err();
    assert!(matches!(error, WebSocketError::Net(NetError::Connect { .. })), "{error:?}");
    assert_eq!(connector.classify(&error), ErrorClass::Transient);
}

#[tokio::test]
async fn tls_is_verified_and_its_problems_are_told() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let url = |server: &Server| format!("wss://localhost:{}", server.address.port());

    let server = Server::start_with_tls(ours.server("localhost", &["http/1.1"])).await;
    let connector = WebSocketConnector::new(&url(&server)).unwrap();
    let mut connection = connector.clone().tls(ours.client()).connect().await.unwrap();
    assert_eq!(connection.request("one").await.unwrap(), Message::text("one"));

    let error = connector.tls(theirs.client()).connect().await.unwrap_err();
    assert_eq!(error.tls_problem(), Some(TlsProblem::UnknownIssuer), "{error:?}");

    let strict = Server::start_with_tls(ours.strict_server("localhost", &[])).await;
    let connector = WebSocketConnector::new(&url(&strict)).unwrap().tls(ours.client());
    let error = connector.connect().await.unwrap_err();
    assert_eq!(error.tls_problem(), Some(TlsProblem::ClientCertificateRequired), "{error:?}");
    assert_eq!(connector.classify(&error), ErrorClass::Auth);
}

#[tokio::test]
async fn a_connect_that_is_dropped_closes_what_it_opened() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let connector = WebSocketConnector::new(&format!("ws://{}", listener.local_addr().unwrap())).unwrap();
    // It waits for the answer to its handshake, which never comes.
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
