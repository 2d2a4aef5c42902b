//! WebSocket client connections, over tokio-tungstenite, with and without TLS.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use pool_drivers::websocket::{WebSocketConnector, WebSocketPool};
//!
//! let connector = WebSocketConnector::new("wss://prices.internal/feed")?.header("Authorization", "Bearer …")?;
//! let pool = WebSocketPool::builder(connector).name("prices").build()?;
//!
//! let mut connection = pool.acquire().await?;
//! let price = connection.request("lamp").await?;
//! println!("{price}");
//! # Ok(())
//! # }
//! ```
//!
//! # Who says that an exchange is over
//!
//! WebSocket has messages and no idea which of them answers which. A message that the last holder asked for
//! must not reach the next one, so a connection is used again only if it is known that none is
//! to come:
//!
//! - [`request`](WebSocketConnection::request) sends a message and waits for one. When it returns, the
//!   exchange is over.
//! - After [`send`](WebSocketConnection::send) and [`next`](WebSocketConnection::next), only the holder knows, and
//!   says so with [`settled`](WebSocketConnection::settled). A protocol that never answers is settled after each
//!   `send`; a subscription, when the peer has confirmed its end.
//!
//! Without that word the connection is closed when it is given back. So a pool is of use for exchanges;
//! a subscription is better [detached](pool_core::Pooled::detach).
//!
//! # What the next holder finds
//!
//! | the last holder left | what happens |
//! |---|---|
//! | nothing but finished requests, or what it calls settled | the connection is free at once, without a task |
//! | a message sent or received without `settled` | it is closed |
//! | a `request` or `send` under way (the future was dropped) | it is closed |
//! | a message that has arrived and nobody has read | it is closed |
//! | a connection that the peer has closed, or that failed | it is closed |
//! | one that the peer has closed with code 1012 (it restarts) | all connections of its age are given up |
//!
//! This is seen when the guard is dropped, from what has arrived by then. A message that nobody asked for may
//! arrive later: validation fails then, and so does the next `request` before it sends anything. What cannot
//! be seen is such a message of which only a part has arrived.
//!
//! # Whether a connection still works
//!
//! Validation sends a ping with a payload of its own and waits for its pong. Between uses nobody reads, so the
//! peer's own pings are answered at the next use or validation: for a peer that gives up on those who do
//! not answer, set the pool's `keepalive_interval` to less than its patience.
//!
//! # What is logged
//!
//! Nothing of headers, queries and messages by this crate. The library under it, tungstenite, logs whole requests and
//! frames at level `trace`: keep its target above that where they hold secrets.
//!
//! # What an error means for the pool
//!
//! | what | [`ErrorClass`](pool_core::ErrorClass) | why |
//! |---|---|---|
//! | name not resolved, refused, unreachable, reset during the connect | `Transient` | may work the next time |
//! | TLS | see [`tls`](crate::tls) | |
//! | the upgrade is answered with 401, 403 or 407 | `Auth` | the peer refuses the credentials |
//! | with 429 or 503 | `Capacity` | the peer lives and has too much to do |
//! | with another 5xx | `Transient` | the peer, or what is behind it, does not work now |
//! | with anything else, or not according to the protocol | `FatalThis` | no better until somebody acts |
//! | closed with code 1012 | `FatalAll` | the peer restarts |
//! | closed with code 1013 | `Capacity` | the peer asks to come later |
//! | closed with code 3000 or 3003 | `Auth` | the peer refuses the credentials |
//! | closed otherwise, reset, no pong, a message nobody asked for, not according to the protocol | `FatalThis` | says nothing about the others |

mod class;
mod connection;
mod connector;
mod error;

pub use tokio_tungstenite::tungstenite::Message;
pub use tokio_tungstenite::tungstenite::protocol::CloseFrame;

pub use crate::net::{NetError, UrlError, UrlProblem};
pub use connection::WebSocketConnection;
pub use connector::WebSocketConnector;
pub use error::{HeaderProblem, WebSocketError};

/// A pool of WebSocket connections.
pub type WebSocketPool = pool_core::Pool<WebSocketConnector>;
