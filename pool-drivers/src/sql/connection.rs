//! The connection that holders get: sqlx's own, in a shell that notices what they leave behind.

use std::fmt;
use std::future::{poll_fn, ready};
use std::ops::{Deref, DerefMut};

use pool_core::{Condition, ErrorClass};
use sqlx::{Acquire, Connection as _, Executor, SqlSafeStr, Transaction};

use super::traces::Traces;
use super::{Boxed, Dialect, Habits};

/// A connection to a database of sqlx.
///
/// `&mut SqlConnection` is a [`sqlx::Executor`], so `&mut *guard` goes wherever sqlx wants one.
/// [`begin`](Self::begin) and [`begin_with`](Self::begin_with) are those of sqlx, but for what they return.
///
/// For everything else, such as migrations, `COPY` and hooks, it dereferences to the connection of sqlx. Borrowing
/// that mutably has the connection reset when it comes back: nobody knows what was done with it. Statements
/// through `&mut *guard` cause a reset only if their text gives reason, transactions only if they were not ended.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use pool_core::Pool;
/// # use pool_drivers::sqlite::SqliteConnector;
/// # let pool = Pool::builder(SqliteConnector::memory()).build()?;
/// let mut connection = pool.acquire().await?;
/// let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&mut *connection).await?;
///
/// let mut transaction = connection.begin().await?;
/// sqlx::raw_sql("CREATE TABLE item (name TEXT)").execute(&mut *transaction).await?;
/// transaction.commit().await?;
/// # assert_eq!(one, 1);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
pub struct SqlConnection<D: Dialect> {
    pub(crate) raw: D::Connection,
    pub(crate) traces: Traces,
    pub(crate) keep: D::Keep,
}

impl<D: Dialect> SqlConnection<D> {
    pub(crate) fn new(raw: D::Connection, keep: D::Keep) -> Self {
        SqlConnection { raw, traces: Traces::new(), keep }
    }

    /// Has the connection reset when it comes back.
    ///
    /// For what cannot be seen in the text of a statement: a function of yours that changes settings, makes temporary
    /// tables or takes locks that outlive the transaction.
    pub fn mark_dirty(&mut self) {
        self.traces.lend();
    }

    /// Notes the end of a command.
    pub(crate) fn ended<T>(&mut self, result: &Result<T, sqlx::Error>) {
        note_end::<D>(&mut self.traces, &self.keep, result.as_ref().err());
    }

    /// What it is like, as far as can be seen without asking the server.
    pub(crate) fn condition(&mut self) -> Condition {
        match self.traces.fatal() {
            Some(ErrorClass::FatalAll) => return Condition::AllBroken,
            Some(_) => return Condition::Broken,
            None => {}
        }
        if self.traces.is_cut_off() && !D::SURVIVES_CANCELLATION {
            Condition::Broken
        } else if self.traces.is_clean() && !self.raw.is_in_transaction() {
            self.traces.wipe();
            Condition::Clean
        } else if self.traces.is_lasting() || (self.traces.of_session() && !D::RESETS_SESSIONS) {
            Condition::Broken
        } else {
            Condition::Dirty
        }
    }
}

impl<D: Dialect> SqlConnection<D> {
    /// Runs one or several statements, and returns how many rows came back.
    ///
    /// For code that does not want to know sqlx. The statements are prepared once for each connection.
    ///
    /// # Errors
    ///
    /// Fails with the first statement that fails; what the ones before it did stays done.
    ///
    /// # Cancel safety
    ///
    /// After dropping the future, it is unknown which of the statements were run. See the module of the database
    /// for what becomes of the statement under way.
    pub async fn run(&mut self, sql: &'static str) -> Result<u64, sqlx::Error> {
        let arguments = Some(D::Arguments::default());
        let mut steps = self.fetch_many((sql.into_sql_str(), arguments));
        let mut rows = 0;
        while let Some(step) = poll_fn(|cx| steps.as_mut().poll_next(cx)).await {
            rows += u64::from(step?.is_right());
        }
        Ok(rows)
    }
}

/// Notes the end of a command.
pub(crate) fn note_end<D: Habits>(traces: &mut Traces, keep: &D::Keep, error: Option<&sqlx::Error>) {
    match error {
        None => traces.succeeded(),
        Some(error) => {
            let class = D::classify(error, keep, traces.asked_read_only());
            traces.failed(class, D::is_retryable(error));
            if D::ends_transaction(error) {
                traces.lose_all();
            }
        }
    }
}

impl<D: Dialect> Deref for SqlConnection<D> {
    type Target = D::Connection;

    fn deref(&self) -> &D::Connection {
        &self.raw
    }
}

impl<D: Dialect> DerefMut for SqlConnection<D> {
    fn deref_mut(&mut self) -> &mut D::Connection {
        self.traces.lend();
        &mut self.raw
    }
}

/// For functions that take any [`sqlx::Acquire`], such as `sqlx::migrate::Migrator::run`.
impl<'c, D: Dialect> Acquire<'c> for &'c mut SqlConnection<D> {
    type Database = D;
    type Connection = &'c mut D::Connection;

    fn acquire(self) -> Boxed<'c, Self::Connection> {
        Box::pin(ready(Ok(&mut **self)))
    }

    fn begin(self) -> Boxed<'c, Transaction<'c, D>> {
        Box::pin(sqlx::Connection::begin(&mut **self))
    }
}

impl<D: Dialect> fmt::Debug for SqlConnection<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlConnection").field("traces", &self.traces).finish_non_exhaustive()
    }
}
