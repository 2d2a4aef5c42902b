//! A pool of SQLite connections: queries, a transaction, and what becomes of one that was left open.
//!
//! `cargo run -p pool-drivers --example sqlite --features sqlite [path]`; without a path, in memory.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use pool_core::Pool;
use pool_drivers::sqlite::SqliteConnector;
use pool_drivers::sqlx::{self, Executor as _};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let database = std::env::args().nth(1).unwrap_or_else(|| String::from(":memory:"));
    let pool = Pool::builder(SqliteConnector::from_database(&database))
        .name("orders")
        .max_connections(4)
        .acquire_timeout(Duration::from_secs(5))
        .build()?;
    pool.warm_up().await?;

    let mut connection = pool.acquire().await?;
    connection.execute("CREATE TABLE IF NOT EXISTS item (name TEXT NOT NULL)").await?;

    let mut transaction = connection.begin().await?;
    sqlx::query("INSERT INTO item VALUES (?)").bind("lamp").execute(&mut *transaction).await?;
    transaction.commit().await?;

    connection.execute("BEGIN; DELETE FROM item").await?;
    drop(connection); // the transaction is still open: the pool rolls it back

    let mut connection = pool.acquire().await?;
    let items: i64 = sqlx::query_scalar("SELECT count(*) FROM item").fetch_one(&mut *connection).await?;
    drop(connection);

    println!("items: {items}");
    println!("resets: {}", pool.counters().resets);
    println!("{}", pool.close(Duration::from_secs(5)).await);
    Ok(())
}
