//! Redis: one connection for each slot, over the crate `redis`.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use pool_core::Pool;
//! use pool_drivers::redis::{RedisConnector, redis};
//! use redis::AsyncCommands as _;
//!
//! let pool = Pool::builder(RedisConnector::new("redis://127.0.0.1:6379/0")?).build()?;
//! let mut connection = pool.acquire().await?;
//!
//! connection.set::<_, _, ()>("lamp", 3).await?;
//! let (lamps, all): (i64, i64) =
//!     redis::pipe().get("lamp").cmd("DBSIZE").query_async(&mut *connection).await?;
//! let left: i64 = redis::cmd("DECR").arg("lamp").query_async(&mut *connection).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Nobody else uses a connection while a guard is held, so `WATCH`, `MULTI`, subscriptions and blocking commands
//! work, which they do not on a connection that many share.
//!
//! # What the next holder finds
//!
//! A connection as good as new, in its database and logged in as its user, whatever the last holder did with it.
//! [`RedisConnection`] sees each command that goes by, so a connection that needs nothing costs nothing:
//!
//! | the last holder left | what happens |
//! |---|---|
//! | nothing but answered commands | it is free at once, without a command or a task |
//! | `WATCH`, or `MULTI` without its `EXEC` or `DISCARD` | `DISCARD`, if there was a `MULTI`, and `UNWATCH`, in one round trip |
//! | a command whose future was dropped | `UNWATCH`, whose answer shows that the late one is out of the way |
//! | `SELECT`, `AUTH`, `HELLO`, `CLIENT SETNAME`, `CLIENT TRACKING`, `READONLY`, `ASKING` … | `RESET`, then login, name and database again, in one round trip. It needs Redis 6.2; where that is missing, the connection is closed |
//! | subscriptions | they are ended, then `RESET` as above; messages that nobody read are dropped |
//! | a blocking command (`BLPOP`, `XREAD BLOCK`, `WAIT` …) whose future was dropped | the connection is closed, which takes the command off the server |
//! | `MONITOR`, `CLIENT REPLY`, `CLIENT NO-EVICT`, `SCRIPT DEBUG`, `SUBSCRIBE` as a plain command … | it is closed: what comes from it can no longer be told apart, or cannot be undone |
//! | an error that tells the connection is of no more use | it is closed |
//!
//! # A future dropped in the middle of a command
//!
//! The command may be carried out all the same. Its answer is taken off the connection when it comes and reaches
//! nobody: answers come in the order of the commands, and each is kept for its own future.
//!
//! # What an error means for the pool
//!
//! | Redis says | [`ErrorClass`](pool_core::ErrorClass) | why |
//! |---|---|---|
//! | nothing: refused, closed, timed out, unreadable | `FatalThis` | this connection is gone; what comes next on it cannot be trusted |
//! | `READONLY` | `FatalAll` | after a fail-over this server is a replica, and so it is for all connections |
//! | `LOADING`, `MASTERDOWN`, `CLUSTERDOWN`, `TRYAGAIN` | `Transient` | the connection is sound, the server not ready |
//! | `NOAUTH`, `WRONGPASS`, `NOPERM` | `Auth` | the credentials are refused |
//! | `ERR max number of clients reached` | `Capacity` | the server lives and is full |
//! | `OOM`, `BUSY`, `WRONGTYPE`, `NOSCRIPT`, `EXECABORT`, `ERR` and all others | `Transient` | the command's fault, or it passes |
//!
//! Errors of commands through `&mut *connection` need no [report](pool_core::Pooled::report): a fatal one, and
//! `NOAUTH`, closes the connection when the guard is dropped, `READONLY` all of its age. `NOPERM` does not: a
//! new connection would have no more rights.
//!
//! # A peer that has gone silent
//!
//! After a minute of silence on a TCP connection the kernel asks whether the peer is still there. The pool's
//! `keepalive_interval` finds out earlier.
//!
//! # Publish and subscribe
//!
//! With [`Protocol::Resp3`]: [`subscribe`](RedisConnection::subscribe), then
//! [`message`](RedisConnection::message). Commands work meanwhile. In RESP2 a connection with subscriptions
//! cannot be used for anything else, and messages cannot be told from answers, so it is refused there.

mod class;
mod connection;
mod connector;
mod error;
mod place;
mod settings;
mod subscriptions;
mod traces;

pub use connection::RedisConnection;
pub use connector::{Protocol, RedisConnector};
pub use error::{LoginProblem, RedisError};

pub use crate::net::NetError;

/// The client library that connections are of, for code that must not end up with another version.
pub use ::redis;

/// A pool of Redis connections.
pub type RedisPool = pool_core::Pool<RedisConnector>;
