//! A pool of MySQL or MariaDB connections: queries through the pool, a transaction that is run again after a deadlock, and
//! what becomes of one that was left open.
//!
//! `cargo run -p pool-drivers --example mysql --features mysql [url]`; without a URL, that in `DATABASE_URL`.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;

use pool_core::Pool;
use pool_drivers::mysql::{MySqlConnector, MySqlPool};
use pool_drivers::sqlx::{self, Executor as _};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let Some(url) = std::env::args().nth(1).or_else(|| std::env::var("DATABASE_URL").ok()) else {
        println!(
            "Which server? Give its URL, such as mysql://app:secret@127.0.0.1/app, or set DATABASE_URL."
        );
        return Ok(());
    };
    show(&url).await
}

pub(crate) async fn show(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    let connector = MySqlConnector::from_url(url)?.statement_timeout(Duration::from_secs(10));
    let pool = Pool::builder(connector).name("orders").max_connections(8).build()?;
    let pool = MySqlPool::from(pool);

    pool.execute("CREATE TABLE IF NOT EXISTS pool_example (name varchar(20) PRIMARY KEY, pieces int)")
        .await?;
    pool.transaction(|mut stock| async move {
        let add = "INSERT INTO pool_example VALUES (?, 1) ON DUPLICATE KEY UPDATE pieces = pieces + 1";
        sqlx::query(add).bind("lamp").execute(&mut *stock).await
    })
    .await
    .map_err(|error: sqlx::Error| error)?;

    let mut connection = pool.acquire().await?;
    connection.execute("START TRANSACTION").await?;
    connection.execute("DELETE FROM pool_example").await?;
    drop(connection); // the transaction is still open: the pool rolls it back

    let pieces: i32 = sqlx::query_scalar("SELECT pieces FROM pool_example").fetch_one(&pool).await?;
    println!("lamps: {pieces}");
    println!("resets: {}", pool.counters().resets);

    pool.execute("DROP TABLE pool_example").await?;
    println!("{}", pool.close(Duration::from_secs(5)).await);
    Ok(())
}
