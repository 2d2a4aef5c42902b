//! Several crates together, on a real SQLite and on real servers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod backends;
mod configured;
mod dns;
mod doctor;
mod documents;
mod examples;
mod facts;
mod given_up;
mod inprocess;
mod manager;
mod mysql;
mod oauth2;
mod observability;
mod postgres;
mod redis;
mod routing;
mod secrets;
mod servers;
mod service;
mod sql;
mod sqlite_pool;

/// The folder of the project.
fn root() -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}
