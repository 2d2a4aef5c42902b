//! SQLite: files and shared in-memory databases, over sqlx connections.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use pool_core::Pool;
//! use pool_drivers::sqlite::SqliteConnector;
//!
//! let pool = Pool::builder(SqliteConnector::memory()).build()?;
//! let mut connection = pool.acquire().await?;
//! sqlx::raw_sql("CREATE TABLE item (name TEXT NOT NULL)").execute(&mut *connection).await?;
//!
//! let mut transaction = connection.begin().await?;
//! sqlx::query("INSERT INTO item VALUES (?)").bind("lamp").execute(&mut *transaction).await?;
//! drop(transaction); // never committed
//!
//! let items: i64 = sqlx::query_scalar("SELECT count(*) FROM item").fetch_one(&mut *connection).await?;
//! assert_eq!(items, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # One writer and several readers
//!
//! SQLite lets one connection write at a time. [`SqlitePool`] is a pool of equals: whoever wants to write waits in
//! SQLite, which polls the lock, for `busy_timeout`. [`SqliteReadWritePool`] has one connection that writes, for which
//! callers queue in the pool, and several that cannot write.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use pool_drivers::sqlite::SqliteReadWritePool;
//!
//! let pool = SqliteReadWritePool::connect("sqlite::memory:").await?;
//! sqlx::raw_sql("CREATE TABLE item (name TEXT NOT NULL)").execute(pool.writer()).await?;
//!
//! let mut order = pool.begin().await?; // on the writer, with the write lock
//! sqlx::query("INSERT INTO item VALUES (?)").bind("lamp").execute(&mut *order).await?;
//! order.commit().await?;
//!
//! let items: i64 = sqlx::query_scalar("SELECT count(*) FROM item").fetch_one(pool.readers()).await?;
//! assert_eq!(items, 1);
//! # Ok(())
//! # }
//! ```
//!
//! In a file with a write-ahead log, which is the default, readers and writer do not wait for each other. In memory, and
//! with any other [journal](SqliteConnector::journal_mode), they do, so there they *take turns*: several readers or the
//! writer, in the order in which they come to hold a connection, until they give it back. Three things follow:
//!
//! - A task that holds a reader and asks for the writer waits for itself. It is let go on when `busy_timeout` has
//!   passed; the other way round as well, if it has written nothing yet.
//! - A connection that is [detached](pool_core::Pooled::detach) keeps its turn as long as it lives.
//! - Whoever holds a connection for longer than `busy_timeout` is not waited for any longer. The others then meet
//!   SQLite's own lock, and its "database is locked" if they want what he has locked. (A reader that has not yet
//!   seen a new table is told "no such table" then: SQLite looks no further when it cannot read the schema.)
//!
//! # What the next holder finds
//!
//! A connection as good as new, whatever the last holder did with it:
//!
//! | the last holder left | what happens |
//! |---|---|
//! | nothing but finished queries and transactions | the connection is free at once, without a statement or a task |
//! | a transaction, however begun | it is rolled back |
//! | a query under way (its future or stream was dropped) | SQLite is told to stop it; see below |
//! | changed `PRAGMA`s | they are set back to what they were after the connect |
//! | attached databases, temporary tables | they are detached and dropped |
//! | update, commit, rollback or progress hooks | they are removed |
//! | anything of these that resists | the connection is closed and another one opened |
//! | an error that tells the connection is of no more use | the same |
//!
//! What was left is seen without I/O, while the guard is dropped: [`SqliteConnection`] reads the words of
//! each statement that goes through `&mut *connection`, and distrusts every borrow of the sqlx connection
//! inside it. Only a connection under suspicion is reset.
//!
//! Not undone: collations and functions that a holder registered, and `last_insert_rowid()`.
//!
//! A statement that fails may end its transaction: where `ON CONFLICT ROLLBACK` says so, or when the disk is full. So after
//! a failure SQLite is asked before anything more is run, and what follows in a transaction that is over is refused.
//!
//! # A future dropped in the middle of a query
//!
//! Each sqlx connection has a thread of its own that runs its commands in order. A future or stream that is
//! dropped takes its channel with it, so nobody else can receive its rows; but the thread only notices when it
//! has the next row to send. A statement that computes for long, or writes, goes on: sqlx's next command
//! waits for it.
//!
//! While the holder keeps the connection, that is left as it is: to interrupt a write would roll back the
//! holder's transaction behind its back. When the guard is dropped, nobody can want the result any more, and
//! SQLite is made to stop the statement within some ten thousand steps of its machine. A statement that
//! waits for a lock does not take steps: it gives up at its `busy_timeout`.
//!
//! # What an error means for the pool
//!
//! | SQLite says | [`ErrorClass`](pool_core::ErrorClass) | why |
//! |---|---|---|
//! | `BUSY`, `LOCKED` | `Capacity` | the database works and somebody else has it; flushing or backing off as from an outage would be wrong |
//! | `CORRUPT`, `NOTADB` | `FatalAll` | the file is damaged, or was replaced under all open connections |
//! | `READONLY_DBMOVED`; validation, when the path no longer leads to the open file | `FatalAll` | the file was moved, deleted or replaced under all open connections |
//! | `READONLY` | `FatalThis` | opened anew it may be writable; with [`read_only`](SqliteConnector::read_only) `Transient`: it is the statement's fault |
//! | `IOERR`, `CANTOPEN`, `PROTOCOL`, `NOMEM`, `INTERNAL`, `MISUSE` | `FatalThis` | this handle is not to be trusted; a bad disk shows at the next connect |
//! | `FULL`, `CONSTRAINT`, `ERROR`, `INTERRUPT` and all others | `Transient` | nothing is wrong with the connection |
//!
//! Of sqlx's own errors, a dead worker thread, `Io` and `Protocol` are `FatalThis`, all others `Transient`.
//! Errors that pass through `&mut *connection` need no
//! [report](pool_core::Pooled::report): a fatal one closes the connection when the guard is dropped.

mod class;
mod connection;
mod connector;
mod error;
mod pair;
mod place;
mod pool;
mod read_write;
mod snapshot;
mod stop;
mod words;

#[doc(hidden)]
pub use connection::Keep;
pub use connection::SqliteConnection;
pub use connector::SqliteConnector;
pub use error::{OpenProblem, SqliteError};
pub use pool::{Begin, SqlitePool, SqliteTransaction};
pub use read_write::{ReadWrite, SqliteReadWriteBuilder, SqliteReadWritePool};

pub use crate::sql::{Retry, SqlPoolError, acquire_error, into_sqlx};
