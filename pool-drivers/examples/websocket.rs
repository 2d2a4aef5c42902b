//! A pool of WebSocket connections: requests that share one, and one that was given up in the middle.
//!
//! `cargo run -p pool-drivers --example websocket --features websocket [url]`; without a URL, an echo in this
//! process.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use pool_drivers::websocket::{Message, WebSocketConnector, WebSocketPool};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_tungstenite::accept_async;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = match std::env::args().nth(1) {
        Some(url) => url,
        None => start_echo().await?,
    };
    let pool = WebSocketPool::builder(WebSocketConnector::new(&url)?)
        .name("prices")
        .max_connections(1)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(5))
        .build()?;

    for question in ["lamp", "shade"] {
        println!("{}", pool.acquire().await?.request(question).await?);
    }

    let mut connection = pool.acquire().await?;
    let answer = timeout(Duration::from_millis(50), connection.request("slow")).await;
    println!("{}", if answer.is_err() { "given up" } else { "answered after all" });
    drop(connection); // the answer may still come: the pool opens another connection

    println!("{}", pool.acquire().await?.request("bulb").await?);
    println!("connections opened: {}", pool.counters().created);
    println!("{}", pool.close(Duration::from_secs(5)).await);
    Ok(())
}

/// Sends back what comes, some of it slowly, and returns its URL.
async fn start_echo() -> std::io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let url = format!("ws://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(echo(stream));
        }
    });
    Ok(url)
}

async fn echo(stream: TcpStream) -> Result<(), tokio_tungstenite::tungstenite::Error> {
    let mut stream = accept_async(stream).await?;
    while let Some(message) = stream.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            if message == Message::text("slow") {
                sleep(Duration::from_millis(200)).await;
            }
            stream.send(message).await?;
        }
    }
    Ok(())
}
