//! What the drivers over sqlx share: a connection that notices what its holder leaves behind, transactions,
//! and a pool that is an executor.
//!
//! Users meet these types under the names of their database: `PgConnection`, `MySqlPool`, `SqliteTransaction`.

mod connection;
mod executor;
mod pool;
mod retry;
mod scope;
mod statement;
mod traces;
mod transaction;

use std::future::Future;
use std::pin::Pin;

use pool_core::{Connector, ErrorClass};
use sqlx::{Database, Describe, SqlStr};

pub use connection::SqlConnection;
pub(crate) use executor::forward_to_sqlx;
#[doc(hidden)]
pub use executor::{Query, Steps};
pub use pool::{SqlPool, SqlPoolError, acquire_error, into_sqlx};
pub use retry::Retry;
pub use scope::Scope;
pub use transaction::SqlTransaction;

#[doc(hidden)]
pub use statement::Effect;
#[cfg(any(feature = "mysql", feature = "postgres"))]
pub(crate) use statement::{Statements, Word};

/// What sqlx's traits return.
#[doc(hidden)]
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = Result<T, sqlx::Error>> + Send + 'a>>;

/// A database of sqlx that this crate has a driver for. Nobody else can implement it.
pub trait Dialect: Database + Habits {
    /// What opens its connections.
    type Connector: Connector<Connection = SqlConnection<Self>>;
}

/// What differs between the databases. Not to be named outside this crate.
#[doc(hidden)]
pub trait Habits: Database {
    /// What a connection keeps beside that of sqlx.
    type Keep: Send + Sync + 'static;

    /// Forwards to sqlx.
    #[doc(hidden)]
    fn fetch_many<'e>(raw: &'e mut Self::Connection, query: Query<Self>) -> Steps<'e, Self>;

    /// Forwards to sqlx.
    #[doc(hidden)]
    fn fetch_optional<'e>(raw: &'e mut Self::Connection, query: Query<Self>) -> Boxed<'e, Option<Self::Row>>;

    /// Forwards to sqlx.
    #[doc(hidden)]
    fn prepare_with<'e>(
        raw: &'e mut Self::Connection,
        sql: SqlStr,
        parameters: &'e [Self::TypeInfo],
    ) -> Boxed<'e, Self::Statement>;

    /// Forwards to sqlx.
    #[doc(hidden)]
    fn describe<'e>(raw: &'e mut Self::Connection, sql: SqlStr) -> Boxed<'e, Describe<Self>>;

    /// What running this text may leave behind.
    #[doc(hidden)]
    fn effect_of(sql: &str) -> Effect;

    /// What an error means for the pool; `asked_read_only` if the holder asked for transactions that may not write.
    #[doc(hidden)]
    fn classify(error: &sqlx::Error, keep: &Self::Keep, asked_read_only: bool) -> ErrorClass;

    /// Whether a transaction that failed so may well succeed if it is run again.
    #[doc(hidden)]
    fn is_retryable(error: &sqlx::Error) -> bool;

    /// Whether the database has rolled back a transaction by itself, and does not refuse what comes next in it.
    #[doc(hidden)]
    fn ends_transaction(error: &sqlx::Error) -> bool {
        let _ = error;
        false
    }

    /// Whether a statement that fails may end its transaction, which neither sqlx nor its holder is told.
    #[doc(hidden)]
    const MAY_END_ON_ERROR: bool;

    /// Whether sqlx finds its way back when a query is dropped before its first row or result.
    #[doc(hidden)]
    const SURVIVES_CANCELLATION: bool;

    /// Whether sqlx takes back a `BEGIN` whose future was dropped, and counts transactions only when it comes to
    /// them: it has a thread of its own.
    #[doc(hidden)]
    const TAKES_BACK_BEGIN: bool;

    /// Whether a statement that fails makes its transaction void.
    #[doc(hidden)]
    const ABORTS_ON_ERROR: bool;

    /// Whether `fetch_optional` of sqlx leaves rows unread.
    #[doc(hidden)]
    const LEAVES_ROWS: bool;

    /// Whether what a session has beside its transaction can be undone.
    #[doc(hidden)]
    const RESETS_SESSIONS: bool;

    /// Waits until it is the turn of a connection that was just acquired, where those of one database take turns.
    #[doc(hidden)]
    fn take_turn(keep: &mut Self::Keep) -> impl Future<Output = ()> + Send {
        let _ = keep;
        std::future::ready(())
    }

    /// Whether each statement outside a transaction needs one of its own, and no statement a name, since the
    /// server behind this connection changes from transaction to transaction.
    #[doc(hidden)]
    fn is_multiplexed(keep: &Self::Keep) -> bool {
        let _ = keep;
        false
    }
}
