//! A pool of HTTP connections: requests that share connections, and one whose answer nobody reads.
//!
//! `cargo run -p pool-drivers --example http --features http [origin]`; without an origin, a server in this
//! process.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use pool_drivers::http::{HttpConnector, HttpPool};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let origin = match std::env::args().nth(1) {
        Some(origin) => origin,
        None => start_server().await?,
    };
    let pool = HttpPool::builder(HttpConnector::new(&origin)?)
        .name("orders")
        .max_connections(1)
        .min_connections(1)
        .acquire_timeout(Duration::from_secs(5))
        .build()?;

    for path in ["/one", "/two", "/three"] {
        let answer = pool.acquire().await?.get(path).await?;
        println!("{path}: {}, {} bytes", answer.status(), answer.body().len());
    }

    let mut connection = pool.acquire().await?;
    let order = Request::post("/orders").body(Full::new(Bytes::from("lamp")))?;
    let answer = connection.send(order).await?;
    println!("/orders: {}", answer.status());
    drop(answer);
    drop(connection); // the body is unread: the pool reads and forgets it

    drop(pool.acquire().await?);
    println!("connections opened: {}", pool.counters().created);
    println!("resets: {}", pool.counters().resets);
    println!("{}", pool.close(Duration::from_secs(5)).await);
    Ok(())
}

/// Answers everything, and returns its origin.
async fn start_server() -> std::io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let origin = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    Ok(origin)
}

/// Knows as much of HTTP as the requests above need: the one body fits into the buffer with its head.
async fn serve(stream: TcpStream) -> std::io::Result<()> {
    let mut stream = BufStream::new(stream);
    loop {
        let received = stream.fill_buf().await?.len();
        if received == 0 {
            return Ok(());
        }
        stream.consume(received);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nhello\n").await?;
        stream.flush().await?;
    }
}
