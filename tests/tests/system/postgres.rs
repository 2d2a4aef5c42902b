//! The PostgreSQL driver against a real server.

mod connecting;
mod leftovers;
mod pgbouncer;
mod queries;
mod transactions;

use std::time::Duration;

use pool_core::{Pool, PoolBuilder};
use pool_drivers::postgres::{PgConnector, PgPool};
use pool_tests::postgres::{PASSWORD, Postgres, SUPERUSER};
use pool_tests::process::Server;

async fn server() -> Server<Postgres> {
    Postgres::new().launch().await.unwrap()
}

fn url(server: &Server<Postgres>) -> String {
    server.url(SUPERUSER, PASSWORD, "postgres")
}

fn connector(server: &Server<Postgres>) -> PgConnector {
    PgConnector::from_url(&url(server)).unwrap()
}

/// A pool that opens connections only when asked, so that of one the next holder gets the same.
fn pool_of(connector: PgConnector, max_connections: usize) -> PoolBuilder<PgConnector> {
    Pool::builder(connector)
        .name("orders")
        .max_connections(max_connections)
        .min_connections(0)
        .acquire_timeout(Duration::from_secs(20))
}

async fn pool(server: &Server<Postgres>, max_connections: usize) -> PgPool {
    pool_of(connector(server), max_connections).build().unwrap().into()
}
