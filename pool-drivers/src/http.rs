//! HTTP/1.1 and HTTP/2 connections to one origin, over hyper, with and without TLS.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use pool_drivers::http::{HttpConnector, HttpPool};
//!
//! let connector = HttpConnector::new("https://orders.internal:8443")?.health_path("/health")?;
//! let pool = HttpPool::builder(connector).name("orders").build()?;
//!
//! let answer = pool.acquire().await?.get("/items?name=lamp").await?;
//! println!("{}: {} bytes", answer.status(), answer.body().len());
//! # Ok(())
//! # }
//! ```
//!
//! A connector knows one origin: scheme, host and port. Redirects, cookies, compression, proxies and
//! upgrades are not for it: a holder gets the exchange of one request for one answer, as hyper has it. Several
//! origins are several pools.
//!
//! # What the next holder finds
//!
//! A connection on which no exchange is under way:
//!
//! | the last holder left | HTTP/1.1 | HTTP/2 |
//! |---|---|---|
//! | nothing but answers read to their end | free at once | free at once |
//! | an answer whose body it did not read, of which at most 64 KiB are to come | these are read and thrown away | free at once; the stream is cancelled |
//! | one of which more is to come | closed | free at once; the stream is cancelled |
//! | an answer whose body somebody still reads | free when that has been read; see below | free at once |
//! | a request whose answer had not begun (the future was dropped) | closed | free at once; the stream is cancelled |
//! | a request whose own body was not sent to its end | closed | free at once; the stream is cancelled |
//! | an answer that closes the connection (`connection: close`, HTTP/1.0, a body without a length) | closed | – |
//! | an error of the connection, or the peer has closed it | closed | closed |
//!
//! All of that is seen without I/O when the guard is dropped.
//!
//! # A body that outlives its guard
//!
//! [`HttpBody`] lives on its own, so the guard may be dropped first, also by accident as in
//! `pool.acquire().await?.send(request).await?`. With HTTP/1.1 nobody else gets the connection until the body was
//! read to its end or dropped. That wait is a reset, so it ends with the pool's `reset_timeout`: then
//! the pool opens another connection instead, and the body can still be read. A connection is closed when
//! neither a pool nor a body has it.
//!
//! # Whether a connection still works
//!
//! Each connection is driven by a task of its own, so one that the peer has closed is known to be closed
//! without asking. For HTTP/2, pings find a peer that has gone silent
//! ([`http2_keepalive_interval`](HttpConnector::http2_keepalive_interval)). Validation is therefore without I/O,
//! unless [`health_path`](HttpConnector::health_path) names something to ask for: then that is asked for, and
//! also once at each connect.
//!
//! A peer may close an idle connection in the moment a request is on its way. Whether such a request can be
//! sent again, [`HttpError::is_unsent`] tells; with HTTP/1.1 often nobody knows.
//!
//! # What an error means for the pool
//!
//! | what | [`ErrorClass`](pool_core::ErrorClass) | why |
//! |---|---|---|
//! | name not resolved, refused, unreachable, reset during the connect | `Transient` | may work the next time |
//! | TLS | see [`tls`](crate::tls) | |
//! | HTTP/2 was asked for and the peer does not offer it | `FatalThis` | no better until somebody acts |
//! | health: 401, 403 | `Auth` | the peer refuses the credentials |
//! | health: 429, or 503 with `Retry-After` | `Capacity` | the peer lives and has too much to do |
//! | health: 503 without, 500, 502, 504 | `Transient` | the peer, or what is behind it, does not work now |
//! | health: any other status but 2xx and 3xx; a body of more than 64 KiB | `FatalThis` | the path is the wrong one |
//! | an exchange failed: reset, closed, not HTTP, `GOAWAY` | `FatalThis` | says nothing about the others |
//! | HTTP/2: `ENHANCE_YOUR_CALM` | `Capacity` | the peer says that it is too much |
//! | HTTP/2: another error of this one stream | `Transient` | nothing is wrong with the connection |
//! | a request that cannot be sent as it is | `Transient` | the request's fault |
//!
//! An answer is an answer, whatever its status: only for `health_path` does a status mean anything to the pool.

mod body;
mod class;
mod connection;
mod connector;
mod driver;
mod error;
mod exchange;
mod health;
mod request;

pub use crate::net::{NetError, UrlError, UrlProblem};
pub use body::HttpBody;
pub use connection::HttpConnection;
pub use connector::{HttpConnector, HttpVersion};
pub use error::{HttpError, RequestProblem};

/// A pool of HTTP connections.
pub type HttpPool = pool_core::Pool<HttpConnector>;
