//! A pool of Redis connections: commands, a pipeline, and what becomes of a transaction that was left open.
//!
//! `cargo run -p pool-drivers --example redis --features redis [url]`; without a URL, that in `REDIS_URL`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use pool_core::Pool;
use pool_drivers::redis::RedisConnector;
use pool_drivers::redis::redis::{self, AsyncCommands as _};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(url) = std::env::args().nth(1).or_else(|| std::env::var("REDIS_URL").ok()) else {
        println!("Which server? Give its URL, such as redis://127.0.0.1:6379/0, or set REDIS_URL.");
        return Ok(());
    };
    show(&url).await
}

pub(crate) async fn show(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let pool = Pool::builder(RedisConnector::new(url)?.client_name("example"))
        .name("cache")
        .max_connections(1)
        .acquire_timeout(Duration::from_secs(5))
        .build()?;
    pool.warm_up().await?;

    let mut connection = pool.acquire().await?;
    let mut pipeline = redis::pipe();
    pipeline
        .atomic()
        .cmd("SET")
        .arg("pool:example")
        .arg(3)
        .arg("EX")
        .arg(60)
        .ignore()
        .incr("pool:example", 1);
    let (lamps,): (i64,) = pipeline.query_async(&mut *connection).await?;
    println!("lamps: {lamps}");

    redis::cmd("MULTI").exec_async(&mut *connection).await?;
    redis::cmd("DEL").arg("pool:example").exec_async(&mut *connection).await?;
    drop(connection); // the transaction is still open: the pool discards it

    let lamps: i64 = pool.acquire().await?.get("pool:example").await?;
    println!("lamps: {lamps}");
    println!("resets: {}", pool.counters().resets);
    println!("{}", pool.close(Duration::from_secs(5)).await);
    Ok(())
}
