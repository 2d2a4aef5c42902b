//! One request, one answer, over HTTP/1.1 without TLS: for the APIs of servers.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// What was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status of HTTP.
    pub status: u16,
    /// The body.
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// If it is none; shows it.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// Asks for a path, which may have a query.
///
/// # Errors
///
/// Nobody answers within 30 s, or not in HTTP.
///
/// # Cancel safety
///
/// Dropping the future closes the connection.
pub async fn get(address: SocketAddr, path: &str) -> io::Result<Answer> {
    ask(address, Method::GET, path, Vec::new()).await
}

/// Posts JSON to a path.
///
/// # Errors
///
/// Nobody answers within 30 s, or not in HTTP.
///
/// # Cancel safety
///
/// Dropping the future closes the connection. The request may have arrived.
pub async fn post(address: SocketAddr, path: &str, json: &Value) -> io::Result<Answer> {
    ask(address, Method::POST, path, json.to_string().into_bytes()).await
}

async fn ask(address: SocketAddr, method: Method, path: &str, body: Vec<u8>) -> io::Result<Answer> {
    let exchange = async {
        let stream = TcpStream::connect(address).await?;
        let (mut client, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Dropping the set ends the connection.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let request = Request::builder().method(method).uri(path).header(HOST, address.to_string());
        let request = request.header(CONTENT_TYPE, "application/json").body(Full::new(Bytes::from(body)));
        let response =
            client.send_request(request.map_err(io::Error::other)?).await.map_err(io::Error::other)?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
        Ok(Answer { status, text: String::from_utf8_lossy(&body).into_owned() })
    };
    timeout(PATIENCE, exchange).await.unwrap_or_else(|late| Err(late.into()))
}
