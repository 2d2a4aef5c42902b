//! What all pools over tokio-postgres have in common.

use std::error::Error as _;
use std::io;

use tokio_postgres::config::SslMode;
use tokio_postgres::{Client, Config, Error};

use crate::outage::contender::{Failure, Place, QUERY};
use crate::outage::stage::{NAME, PASSWORD};

/// Where the server is. Without keepalives of TCP, as sqlx has none: in five seconds they would not matter.
pub(super) fn config(place: &Place) -> Config {
    let mut config = Config::new();
    config
        .host(place.address.ip().to_string())
        .port(place.address.port())
        .user(NAME)
        .password(PASSWORD)
        .dbname(NAME)
        .ssl_mode(SslMode::Disable)
        .keepalives(false);
    config
}

/// Runs the query, in one round trip.
pub(super) async fn ask(client: &Client) -> Result<(), Failure> {
    let answered = client.simple_query(QUERY).await;
    answered.map(drop).map_err(|error| Failure::explained(format!("query: {}", kind(&error))))
}

/// What an error is, in a few words.
pub(super) fn kind(error: &Error) -> String {
    if let Some(code) = error.code() {
        return format!("server {}", code.code());
    }
    match error.source().and_then(|source| source.downcast_ref::<io::Error>()) {
        Some(error) => format!("io {:?}", error.kind()),
        None => error.to_string(),
    }
}
