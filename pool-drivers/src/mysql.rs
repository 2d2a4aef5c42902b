//! MySQL and MariaDB, over sqlx connections.
//!
//! ```no_run
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use pool_drivers::mysql::{Isolation, MySqlPool};
//!
//! let pool = MySqlPool::connect("mysql://app:secret@localhost/orders").await?;
//! let items: i64 = sqlx::query_scalar("SELECT count(*) FROM item").fetch_one(&pool).await?;
//!
//! let mut order = pool.begin_with(Isolation::Serializable).await?;
//! sqlx::query("INSERT INTO item (name) VALUES (?)").bind("lamp").execute(&mut *order).await?;
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
//! | a stream half read | the rest is read for half a second at most; then the connection is closed | 1 |
//! | a query given up before its first row | the connection is closed | 0 |
//! | changed variables, `USE`, temporary tables, locks, prepared statements of SQL | the connection is closed | 0 |
//! | an error after which the connection is of no use | it is closed | 0 |
//!
//! What was left is read off the text of the statements that go through `&mut *connection`, without I/O, while the
//! guard is dropped. Closing a changed session is the price of sqlx, which does not offer the server's command to
//! reset it. Every mutable borrow of the sqlx connection inside makes the connection suspect, and closes it. Not
//! seen: a stored function of yours that changes the session from inside. Say
//! [`mark_dirty`](MySqlConnection::mark_dirty) then. Not undone: `LAST_INSERT_ID()`, and what `SHOW WARNINGS` tells of the
//! last statement.
//!
//! A transaction ends without its holder when a statement in it commits, as those do that define tables (`CREATE`,
//! `ALTER`, `DROP`, `TRUNCATE`); what follows commits statement by statement, and a roll-back undoes less than it seems. Nor
//! is it seen that a lock timeout (1205) ends it where `innodb_rollback_on_timeout` is on, which by default it is not: let
//! such an error end the transaction.
//!
//! A holder whose own query was given up before its first row cannot go on with the connection: sqlx would take the rest
//! of one answer for the beginning of the next. Each further statement fails, and says so.
//!
//! # What an error means
//!
//! | error | [`ErrorClass`](pool_core::ErrorClass) | why |
//! |---|---|---|
//! | 1053 | `FatalAll` | the server shuts down |
//! | 1290 for `--read-only`, 1836 | `FatalAll` | the server has become read-only, as after a fail-over; `Transient` with [`Role::Replica`] |
//! | wrong [`Role`] | `FatalAll` | the same, seen by asking |
//! | 1927, 4031 | `FatalThis` | the session was ended |
//! | 1243 | `FatalThis` | sqlx's prepared statements are gone |
//! | 1040, 1203, 1226 | `Capacity` | the server lives and has no room |
//! | 1044, 1045, 1129, 1130, 1698, 1862, 3118, 3955, 4150, 4151 | `Auth` | trying again soon may lock the account |
//! | 1205, 1213 | `Transient` | [`transaction`](crate::sql::SqlPool::transaction) runs it again |
//! | all others, such as 1062, 1146, 1792, 1969 | `Transient` | nothing is wrong with the connection |
//!
//! Of sqlx's own errors `Io`, `Protocol` and `Tls` are `FatalThis`, all others `Transient`. Errors that pass through
//! `&mut *connection` need no [report](pool_core::Pooled::report): a fatal one closes the connection when the guard
//! is dropped, and one that is fatal to all flushes the pool.

mod class;
mod connection;
mod connector;
mod isolation;
mod words;

pub use connection::{MySqlConnection, MySqlPool, MySqlTransaction};
#[doc(hidden)]
pub use connector::Extras;
pub use connector::MySqlConnector;
pub use isolation::{Begin, Isolation};

pub use crate::server::{ConnectProblem, Refusal, Role, ServerConnector, ServerError};
pub use crate::sql::{Retry, SqlPoolError, acquire_error, into_sqlx};
