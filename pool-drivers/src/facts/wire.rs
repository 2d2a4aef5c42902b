//! What is known of a peer by how it speaks.

use std::convert::Infallible;

use super::{Encryption, Facts, ServerFacts};

#[cfg(feature = "http")]
impl Facts for crate::http::HttpConnection {
    /// Nothing is sent.
    type Error = Infallible;

    async fn facts(&mut self) -> Result<ServerFacts, Infallible> {
        let version = match self.version() {
            ::http::Version::HTTP_2 => "2",
            _ => "1.1",
        };
        Ok(ServerFacts {
            product: Some("HTTP"),
            version: Some(version.to_owned()),
            tls: Some(self.encryption.clone().unwrap_or(Encryption::None)),
            ..ServerFacts::default()
        })
    }
}

#[cfg(feature = "websocket")]
impl Facts for crate::websocket::WebSocketConnection {
    /// Nothing is sent.
    type Error = Infallible;

    async fn facts(&mut self) -> Result<ServerFacts, Infallible> {
        Ok(ServerFacts {
            product: Some("WebSocket"),
            tls: Some(self.encryption.clone().unwrap_or(Encryption::None)),
            ..ServerFacts::default()
        })
    }
}
