//! Whole-system tests: several crates together, real servers, and the documents that show code.
//!
//! The tests are in `tests/`. This library runs the servers they need: a child process each, on a port and in a
//! folder of its own, which a test can stop, kill and freeze, and which is gone when the test is.
//!
//! | I want | use |
//! |---|---|
//! | PostgreSQL, also a standby that can be promoted | [`postgres::Postgres`] |
//! | MariaDB | [`mariadb::MariaDb`] |
//! | Redis | [`redis::Redis`] |
//! | PostgreSQL and Redis for the example service | [`shop::Shop`] |
//! | PgBouncer in front of a PostgreSQL | [`pgbouncer::PgBouncer`] |
//! | Prometheus | [`prometheus::Prometheus`] |
//! | Alertmanager | [`alertmanager::Alertmanager`] |
//! | HTTP/1.1 and HTTP/2, inside the test process | [`http::Http`] |
//! | WebSockets, inside the test process | [`websocket::WebSocket`] |
//! | an endpoint that keeps what is posted to it | [`inbox::Inbox`] |
//! | one answer of an HTTP server | [`ask`] |
//! | a directory that checks passwords | [`directory::Directory`] |
//! | an OAuth2 token endpoint, inside the test process | [`token::TokenEndpoint`] |
//! | to break one of these, and to mend it | [`local::LocalServer`] |
//! | to break one of the others, and to mend it | [`process::Server`] |
//! | certificates, good and bad | [`ca::Ca`] |
//!
//! ```no_run
//! # async fn example() -> Result<(), pool_tests::process::ServerError> {
//! use pool_tests::postgres::Postgres;
//!
//! let server = Postgres::new().max_connections(5).launch().await?;
//! server.create_user("app", "canary-secret").await?;
//! let url = server.url("app", "canary-secret", "postgres");
//! server.kill().await?;
//! server.start().await?; // the same port, the same data
//! # Ok(()) }
//! ```
//!
//! What everything logs can be kept: [`log`].
//!
//! Linux only. The programs are Debian's; `scripts/test.sh --install` installs them. A missing one is an error:
//! no test is skipped.

pub mod alertmanager;
pub mod ask;
pub mod ca;
pub mod directory;
pub mod http;
pub mod inbox;
pub mod local;
pub mod log;
pub mod mariadb;
pub mod pgbouncer;
pub mod postgres;
pub mod process;
pub mod prometheus;
pub mod redis;
pub mod shop;
pub mod token;
pub mod websocket;

/// The README, whose examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

/// The guide for those who come from other pools, likewise.
#[cfg(doctest)]
#[doc = include_str!("../../docs/migrating.md")]
pub struct Migrating;

/// The guide to the manager, likewise.
#[cfg(doctest)]
#[doc = include_str!("../../docs/manager.md")]
pub struct Manager;
