//! A pool of PostgreSQL connections: queries through the pool, a transaction that is run again when it has to, and what
//! becomes of a session that was changed.
//!
//! `cargo run -p pool-drivers --example postgres --features postgres [url]`; without a URL, that in `DATABASE_URL`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use pool_core::Pool;
use pool_drivers::postgres::{Isolation, PgConnector, PgPool, Retry};
use pool_drivers::sqlx::{self, Executor as _};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(url) = std::env::args().nth(1).or_else(|| std::env::var("DATABASE_URL").ok()) else {
        println!(
            "Which server? Give its URL, such as postgres://app:secret@127.0.0.1/app, or set DATABASE_URL."
        );
        return Ok(());
    };
    show(&url).await
}

pub(crate) async fn show(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let connector =
        PgConnector::from_url(url)?.application_name("example").statement_timeout(Duration::from_secs(10));
    let pool = Pool::builder(connector)
        .name("orders")
        .max_connections(8)
        .acquire_timeout(Duration::from_secs(5))
        .build()?;
    let pool = PgPool::from(pool);
    pool.warm_up().await?; // optional: min_connections open, or the cause why not

    // A query through the pool borrows a connection for as long as it runs.
    pool.execute("CREATE TABLE IF NOT EXISTS pool_example (name text PRIMARY KEY, pieces int)").await?;

    // Run again after a serialization failure or a deadlock, with a growing pause and within a budget.
    let pieces: i32 = pool
        .transaction_with(Retry::default(), Isolation::Serializable, |mut stock| async move {
            let add = "INSERT INTO pool_example VALUES ($1, 1)
                ON CONFLICT (name) DO UPDATE SET pieces = pool_example.pieces + 1 RETURNING pieces";
            sqlx::query_scalar::<_, i32>(add).bind("lamp").fetch_one(&mut *stock).await
        })
        .await
        .map_err(|error: sqlx::Error| error)?;
    println!("lamps: {pieces}");

    let mut connection = pool.acquire().await?;
    connection.execute("SET search_path TO pg_catalog").await?;
    drop(connection); // the session was changed: the pool sets it back before anybody else gets it

    let path: String = sqlx::query_scalar("SHOW search_path").fetch_one(&pool).await?;
    println!("search_path: {path}");
    println!("resets: {}", pool.counters().resets);

    pool.execute("DROP TABLE pool_example").await?;
    println!("{}", pool.close(Duration::from_secs(5)).await);
    Ok(())
}
