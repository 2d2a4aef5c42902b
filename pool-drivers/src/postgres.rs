//! PostgreSQL, over sqlx connections.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use pool_drivers::postgres::{Isolation, PgPool};
//!
//! let pool = PgPool::connect("postgres://app:secret@localhost/orders").await?;
//! let items: i64 = sqlx::query_scalar("SELECT count(*) FROM item").fetch_one(&pool).await?;
//!
//! let mut order = pool.begin_with(Isolation::Serializable).await?;
//! sqlx::query("INSERT INTO item (name) VALUES ($1)").bind("lamp").execute(&mut *order).await?;
//! order.commit().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What the next holder finds
//!
//! A connection as good as new, or another one:
//!
//! | the last holder left | what happens | round trips |
//! |---|---|---|
//! | nothing but finished statements and transactions | the connection is free at once | 0 |
//! | a transaction, dropped or begun in SQL | it is rolled back | 1 |
//! | a query under way, a stream or `COPY` half read | the rest is read for half a second at most; then the connection is closed | 1 |
//! | changed settings, roles, temporary tables, cursors `WITH HOLD`, `LISTEN`, advisory locks | all are undone, in one query; the statements that sqlx has prepared stay | 1 |
//! | what lasts as long as the session: connections of `dblink`, `LOAD` | the connection is closed | 0 |
//! | both a dropped transaction and one of these | both | 2 |
//! | `PREPARE`, `DEALLOCATE` or `DISCARD` in SQL | prepared statements are dropped too | 2 |
//! | an error after which the connection is of no use | it is closed | 0 |
//!
//! What was left is read off the text of the statements that go through `&mut *connection`, without I/O, while the
//! guard is dropped. The status of the transaction comes from the server with each answer, but sqlx keeps it to itself;
//! what is known of it is what sqlx counts. Every mutable borrow of the sqlx connection inside makes the connection
//! suspect. Not seen: a function of yours that changes the session from inside. Say
//! [`mark_dirty`](PgConnection::mark_dirty) then. Not undone: `lastval()` after plain inserts, `setseed`.
//!
//! A query whose future is dropped goes on at the server until it ends, or its `statement_timeout` ends it: sqlx does
//! not offer what it takes to cancel it.
//!
//! # What an error means
//!
//! | SQLSTATE | [`ErrorClass`](pool_core::ErrorClass) | why |
//! |---|---|---|
//! | `57P01`, `57P02` | `FatalAll` | the server shuts down, or somebody ended this session |
//! | `25006` | `FatalAll` | the server has become read-only, as after a fail-over; `Transient` if the holder asked for a read-only transaction, or with [`Role::Replica`] |
//! | wrong [`Role`] | `FatalAll` | the same, seen by asking |
//! | `08…`, `57P03`, `57P04`, `57P05`, `25P03` | `FatalThis` | the session is over |
//! | `26000`; `0A000` of a cached plan | `FatalThis` | sqlx's prepared statements are gone or outdated |
//! | `53300`; PgBouncer's "no more connections allowed" | `Capacity` | the server lives and has no room |
//! | `28…`; `42501` when connecting; PgBouncer's refusals | `Auth` | trying again soon may lock the account |
//! | `40001`, `40P01` | `Transient` | [`transaction`](crate::sql::SqlPool::transaction) runs it again |
//! | all others, such as `23505`, `42P01`, `57014` | `Transient` | nothing is wrong with the connection |
//!
//! Of sqlx's own errors `Io`, `Protocol` and `Tls` are `FatalThis`, all others `Transient`. Errors that pass through
//! `&mut *connection` need no [report](pool_core::Pooled::report): a fatal one closes the connection when the guard
//! is dropped, and one that is fatal to all flushes the pool.

mod class;
mod connection;
mod connector;
mod isolation;
mod words;

pub use connection::{PgConnection, PgPool, PgTransaction};
#[doc(hidden)]
pub use connector::Extras;
pub use connector::PgConnector;
pub use isolation::{Begin, Isolation};

pub use crate::server::{ConnectProblem, Refusal, Role, ServerConnector, ServerError};
pub use crate::sql::{Retry, SqlPoolError, acquire_error, into_sqlx};
