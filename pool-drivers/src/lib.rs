//! Connectors: how a [`pool_core::Pool`] opens, checks, resets and closes real database connections.
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use pool_core::Pool;
//! use pool_drivers::sqlite::SqliteConnector;
//!
//! let pool = Pool::builder(SqliteConnector::memory()).name("orders").build()?;
//!
//! let mut connection = pool.acquire().await?;
//! let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&mut *connection).await?;
//! assert_eq!(one, 1);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "sqlite"))]
//! # fn main() {}
//! ```
//!
//! # What it is, and what it is not
//!
//! It knows the databases, `pool-core` knows the pool. It opens *connections* of the client libraries and
//! leaves their own pools alone. Queries, rows and types stay the client library's: what a holder gets is the
//! client's connection, in a shell that sees what must be cleaned up after the holder.
//!
//! # Features
//!
//! None is on by default.
//!
//! | feature | module | connections | library |
//! |---|---|---|---|
//! | `http` | [`http`] | HTTP/1.1 and HTTP/2 to one origin | hyper 1 |
//! | `mysql` | [`mysql`] | MySQL and MariaDB | sqlx 0.9 |
//! | `postgres` | [`postgres`] | PostgreSQL, also through PgBouncer | sqlx 0.9 |
//! | `redis` | [`redis`] | Redis and its relatives, over TCP, TLS or a socket | redis 1.8 |
//! | `sqlite` | [`sqlite`] | files and shared in-memory databases | sqlx 0.9, with SQLite built in |
//! | `websocket` | [`websocket`] | WebSocket clients | tokio-tungstenite 0.30 |
//!
//! The feature `oauth2` adds passwords that are tokens of an OAuth2 server, for any driver.
//!
//! What goes over the network does so with or without TLS, the same way for all of them: [`tls`]. Whom to log in
//! as, a provider of [`credentials`] tells at each connect.
//!
#![cfg_attr(not(feature = "_net"), doc = "[`credentials`]: # \"needs a feature that goes over the network\"")]
#![cfg_attr(not(feature = "http"), doc = "[`http`]: # \"needs the feature `http`\"")]
#![cfg_attr(not(feature = "mysql"), doc = "[`mysql`]: # \"needs the feature `mysql`\"")]
#![cfg_attr(not(feature = "postgres"), doc = "[`postgres`]: # \"needs the feature `postgres`\"")]
#![cfg_attr(not(feature = "redis"), doc = "[`redis`]: # \"needs the feature `redis`\"")]
#![cfg_attr(not(feature = "sqlite"), doc = "[`sqlite`]: # \"needs the feature `sqlite`\"")]
#![cfg_attr(not(feature = "_net"), doc = "[`tls`]: # \"needs a feature that goes over the network\"")]
#![cfg_attr(not(feature = "websocket"), doc = "[`websocket`]: # \"needs the feature `websocket`\"")]

#[cfg(feature = "_net")]
pub mod credentials;
#[cfg(any(
    feature = "http",
    feature = "mysql",
    feature = "postgres",
    feature = "redis",
    feature = "websocket"
))]
pub mod dns;
pub mod facts;
#[cfg(feature = "http")]
pub mod http;
#[cfg(feature = "mysql")]
pub mod mysql;
#[cfg(any(feature = "http", feature = "redis", feature = "websocket"))]
mod net;
#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg(feature = "redis")]
pub mod redis;
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub mod server;
#[cfg(feature = "_sql")]
pub mod sql;
#[cfg(feature = "sqlite")]
pub mod sqlite;
#[cfg(any(
    feature = "http",
    feature = "mysql",
    feature = "postgres",
    feature = "redis",
    feature = "sqlite",
    feature = "websocket"
))]
mod successor;
#[cfg(feature = "_net")]
pub mod tls;
#[cfg(feature = "websocket")]
pub mod websocket;

/// The hyper that connectors are built with: its requests, answers and bodies are what goes over a connection.
#[cfg(feature = "http")]
pub use hyper;
#[cfg(any(
    feature = "http",
    feature = "mysql",
    feature = "postgres",
    feature = "redis",
    feature = "sqlite",
    feature = "websocket"
))]
pub use successor::Replaceable;

/// The sqlx that the connectors are built with, for code that must not end up with another version.
#[cfg(feature = "_sql")]
pub use sqlx;
