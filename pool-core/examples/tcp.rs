//! A pool of something new: TCP connections to a server that answers each line in capitals.
//!
//! Run it with `cargo run -p pool-core --example tcp`. It starts the server, uses the pool, stops the server,
//! and prints the error that callers get then.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use pool_core::{Connector, ErrorClass, Pool, Target};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Opens and checks connections to the server.
struct Capitals {
    server: SocketAddr,
}

impl Connector for Capitals {
    type Connection = BufStream<TcpStream>;
    type Error = io::Error;

    async fn connect(&self) -> io::Result<BufStream<TcpStream>> {
        Ok(BufStream::new(TcpStream::connect(self.server).await?))
    }

    async fn validate(&self, connection: &mut BufStream<TcpStream>) -> io::Result<()> {
        ask(connection, "ping").await.map(drop)
    }

    fn classify(&self, error: &io::Error) -> ErrorClass {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => ErrorClass::FatalAll,
            _ => ErrorClass::Transient,
        }
    }

    fn target(&self) -> Option<Target> {
        Some(Target::new("capitals", "").at(self.server.ip().to_string(), self.server.port()))
    }
}

/// Sends a line and reads the answer.
async fn ask(connection: &mut BufStream<TcpStream>, line: &str) -> io::Result<String> {
    connection.write_all(format!("{line}\n").as_bytes()).await?;
    connection.flush().await?;
    let mut answer = String::new();
    match connection.read_line(&mut answer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(answer.trim_end().to_owned()),
    }
}

/// Answers every line in capitals until it is dropped.
async fn serve(listener: TcpListener) -> io::Result<()> {
    let mut callers = JoinSet::new();
    loop {
        let (caller, _) = listener.accept().await?;
        callers.spawn(async move {
            let mut caller = BufStream::new(caller);
            let mut line = String::new();
            while caller.read_line(&mut line).await? > 0 {
                caller.write_all(line.to_uppercase().as_bytes()).await?;
                caller.flush().await?;
                line.clear();
            }
            io::Result::Ok(())
        });
    }
}

#[tokio::main]
#[expect(clippy::print_stdout, reason = "an example shows what it does")]
async fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = listener.local_addr()?;
    let serving = tokio::spawn(serve(listener));

    let pool = Pool::builder(Capitals { server })
        .name("capitals")
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(2))
        .on_error(|pool, message| println!("[{pool}] {message}"))
        .build()?;

    let mut callers = JoinSet::new();
    for number in 0..20 {
        let pool = pool.clone();
        callers.spawn(async move {
            let mut connection = pool.acquire().await?;
            let answer = ask(&mut connection, &format!("caller {number}")).await?;
            Ok::<_, Box<dyn Error + Send + Sync>>(answer)
        });
    }
    for answer in callers.join_all().await {
        println!("{}", answer.map_err(|error| error.to_string())?);
    }
    let counters = pool.counters();
    println!("{} callers were served by {} connections", counters.acquired, counters.created);

    serving.abort();
    pool.evict_all();
    match pool.acquire().await {
        Ok(_) => println!("the server is still there"),
        Err(error) => println!("failed to {error}"),
    }
    println!("{}", pool.close(Duration::from_secs(1)).await);
    Ok(())
}
