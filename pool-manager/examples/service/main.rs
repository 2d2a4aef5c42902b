//! A web shop: orders and reports in PostgreSQL, with a pool each, and a cache in Redis, from one `connection_pool.yaml`.
//!
//! `scripts/example_service.sh` starts it on a machine where nothing is prepared. With servers of your own: load
//! `schema.sql`, set what `connection_pool.yaml` refers to, such as `PGHOST` and `REDIS_HOST`, and
//! `cargo run -p pool-manager --example service [connection_pool.yaml]`. `LISTEN` says where it listens.
//!
//! | I want to see … | in |
//! |---|---|
//! | start, reload, shutdown | this file |
//! | transactions, typed pools, a cache that may be down | `shop.rs` |
//! | liveness, readiness, statistics, metrics for a Prometheus, alerts | `operations.rs` |
//! | what becomes of an error | `failure.rs` |

mod failure;
mod operations;
mod shop;

use std::error::Error;
use std::io::{IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use pool_manager::PoolManager;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing_subscriber::EnvFilter;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/service/connection_pool.yaml");

/// How long requests may go on after the service was told to stop.
const LAST_REQUESTS: Duration = Duration::from_secs(4);
/// How long connections may take after that.
const LAST_CONNECTIONS: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("failed to {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    // From here on these no longer end the process by themselves.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;

    let file = std::env::args().nth(1).unwrap_or_else(|| FILE.to_owned());
    // A file that has changed is read again by itself, and at a SIGHUP at once. One that is wrong changes nothing.
    let manager = PoolManager::builder().reload_on_hangup(true).from_file(file).await?;
    if let Err(error) = manager.warm_up().await {
        tracing::warn!("failed to {error}; not ready, and trying on"); // a service may be up before its database
    }

    let listen = std::env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener =
        TcpListener::bind(&listen).await.map_err(|error| format!("listen on {listen}: {error}"))?;
    writeln!(std::io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    let (stop, stopped) = oneshot::channel::<()>();
    let server = axum::serve(listener, routes(manager.clone())).with_graceful_shutdown(async {
        stopped.await.unwrap_or_default();
    });
    let mut server = tokio::spawn(server.into_future());
    tokio::select! {
        _ = terminate.recv() => tracing::info!("told to stop"),
        _ = interrupt.recv() => tracing::info!("interrupted"),
        ended = &mut server => return Ok(ended??),
    }

    // First the requests, which may still need a connection, then the pools.
    drop(stop);
    if timeout(LAST_REQUESTS, server).await.is_err() {
        tracing::warn!("requests are still running after {LAST_REQUESTS:?}");
    }
    manager.close(LAST_CONNECTIONS).await; // logs its report: who still holds which connection, if anybody does
    Ok(())
}

fn routes(manager: PoolManager) -> Router {
    Router::new()
        .route("/orders", post(shop::place_order).get(shop::orders))
        .route("/items/{name}", get(shop::item))
        .route("/report", get(shop::report))
        .route("/stats", get(operations::stats))
        .route("/metrics", get(operations::metrics))
        .route("/alerts", get(operations::alerts))
        .route("/-/healthy", get(operations::healthy))
        .route("/-/ready", get(operations::ready))
        .with_state(manager)
}
