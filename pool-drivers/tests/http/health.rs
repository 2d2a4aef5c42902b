//! What the answers to `health_path` mean.

use std::time::Duration;

use hyper::StatusCode;
use pool_core::{Connector as _, ErrorClass};
use pool_drivers::http::HttpError;
use tokio::time::timeout;

use crate::server::Server;

#[tokio::test]
async fn each_answer_means_what_the_table_says() {
    let server = Server::start().await;
    for (path, class) in [
        ("/status/401", ErrorClass::Auth),
        ("/status/403", ErrorClass::Auth),
        ("/status/429", ErrorClass::Capacity),
        ("/later/503", ErrorClass::Capacity),
        ("/status/503", ErrorClass::Transient),
        ("/status/500", ErrorClass::Transient),
        ("/status/404", ErrorClass::FatalThis),
        ("/endless", ErrorClass::FatalThis),
        ("/bye", ErrorClass::FatalThis),
    ] {
        let connector = server.connector().health_path(path).unwrap();
        let error = connector.connect().await.unwrap_err();
        assert_eq!(connector.classify(&error), class, "{path}: {error}");
    }
    server.all_closed().await;
}

#[tokio::test]
async fn an_unhealthy_peer_says_when_to_come_again() {
    let server = Server::start().await;
    let connector = server.connector().health_path("/later/503").unwrap();
    let error = connector.connect().await.unwrap_err();
    assert_eq!(connector.retry_after(&error), Some(Duration::from_secs(7)), "the pool heeds it");
    let HttpError::Unhealthy { status, retry_after } = error else { panic!("{error:?}") };
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(retry_after, Some(Duration::from_secs(7)));
}

#[tokio::test]
async fn a_healthy_peer_is_asked_at_connect_and_at_each_validation() {
    let server = Server::start().await;
    for path in ["/health", "/empty", "/status/302", "/chunked"] {
        let connector = server.connector().health_path(path).unwrap();
        let mut connection = connector.connect().await.unwrap();
        for _ in 0..3 {
            connector.validate(&mut connection).await.unwrap_or_else(|error| panic!("{path}: {error:?}"));
        }
        assert_eq!(connection.get("/next").await.unwrap().body(), "/next");
        connector.validate(&mut connection).await.unwrap();
    }
}

#[tokio::test]
async fn validation_finds_a_peer_that_does_not_answer_any_more() {
    let server = Server::start().await;
    let connector = server.connector().health_path("/halves").unwrap();
    server.state.halves.open_for_one(); // for the connect
    let mut connection = connector.connect().await.unwrap();
    let validating = connector.validate(&mut connection);
    assert!(timeout(Duration::from_millis(50), validating).await.is_err(), "nobody answered");
}
