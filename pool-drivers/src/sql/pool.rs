//! A pool that is an executor, like the pool of sqlx.

use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::panic::Location;

use async_stream::try_stream;
use pool_core::{AcquireError, BuildError, Pool, Pooled, WarmUpError};
use sqlx::{Database, Describe, Execute, Executor, SqlSafeStr, SqlStr};

use super::connection::SqlConnection;
use super::executor::Steps;
use super::retry::{Attempts, Retry};
use super::scope::Scope;
use super::transaction::SqlTransaction;
use super::{Boxed, Dialect};

/// A pool of connections to a database of sqlx: a [`Pool`], to which it dereferences, whose reference is a
/// [`sqlx::Executor`].
///
/// `query(…).fetch_all(&pool)` borrows a connection for one query; [`begin`](Self::begin) keeps one until the end of
/// the transaction; [`acquire`](Pool::acquire) gives one to keep. Clones are handles of the same pool.
///
/// When no connection can be acquired, a query through `&pool` fails with [`sqlx::Error::Io`], whose text is that
/// of the [`AcquireError`]; [`acquire_error`] finds it again.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pool_drivers::sqlite::SqlitePool;
///
/// let pool = SqlitePool::connect("sqlite::memory:").await?;
/// let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&pool).await?;
/// assert_eq!((one, pool.stats().active), (1, 0));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
pub struct SqlPool<D: Dialect>(Pool<D::Connector>);

/// Why no pool could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SqlPoolError {
    /// The URL cannot be understood, or says something that cannot be had.
    #[error("read the database URL")]
    Url(#[source] sqlx::Error),
    /// The pool cannot be built, as outside a runtime.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// A pool that writes was to be made of a connector that may only read.
    #[error("build a pool with a writer: its connector is `read_only`; a plain pool is enough to read")]
    ReadOnly,
    /// No connection could be opened.
    #[error(transparent)]
    Connect(#[from] WarmUpError),
}

/// A line of code, to which an acquire is put down.
type Site = &'static Location<'static>;

impl<D: Dialect> SqlPool<D> {
    /// Wraps a pool, however it was built. `Pool::builder(connector).build()?.into()` does the same.
    pub fn new(pool: Pool<D::Connector>) -> Self {
        SqlPool(pool)
    }

    /// The pool itself.
    pub fn into_pool(self) -> Pool<D::Connector> {
        self.0
    }

    /// Opens a pool and waits for its first connections, so that a wrong password is told here.
    pub(crate) async fn open(connector: D::Connector) -> Result<Self, SqlPoolError> {
        let pool = Pool::builder(connector).build()?;
        pool.warm_up().await?;
        Ok(SqlPool(pool))
    }

    /// Opens a pool that connects when it is first asked, or in its own time.
    pub(crate) fn open_lazily(connector: D::Connector) -> Result<Self, SqlPoolError> {
        Ok(SqlPool(Pool::builder(connector).build()?))
    }
}

impl<D: Dialect> SqlPool<D> {
    /// Acquires a connection, for the code at `site`, and waits for its turn, where connections take turns.
    pub(crate) async fn lease(&self, site: Site) -> Result<Pooled<D::Connector>, AcquireError> {
        let mut guard = self.0.acquire().at(site).await?;
        D::take_turn(&mut guard.keep).await;
        Ok(guard)
    }

    /// Acquires a connection and begins a transaction on it, as the database does by default.
    ///
    /// # Errors
    ///
    /// Fails if no connection can be acquired, and as the statement fails.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no transaction has begun.
    #[track_caller]
    pub fn begin(&self) -> impl Future<Output = Result<SqlTransaction<'static, D>, sqlx::Error>> + Send + '_ {
        self.begun(Location::caller(), None)
    }

    /// Acquires a connection and begins a transaction of a certain kind on it; see
    /// [`SqlConnection::begin_with`].
    ///
    /// # Errors
    ///
    /// Fails if no connection can be acquired, as the statement fails, and if it begins no transaction.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no transaction has begun.
    #[track_caller]
    pub fn begin_with<S: SqlSafeStr>(
        &self,
        statement: S,
    ) -> impl Future<Output = Result<SqlTransaction<'static, D>, sqlx::Error>> + Send + use<'_, S, D> {
        self.begun(Location::caller(), Some(statement.into_sql_str()))
    }

    async fn begun(
        &self,
        site: Site,
        statement: Option<SqlStr>,
    ) -> Result<SqlTransaction<'static, D>, sqlx::Error> {
        SqlTransaction::on(self.lease(site).await.map_err(into_sqlx)?, statement).await
    }

    /// Runs `work` in a transaction and commits it; runs all of it again, in a new transaction, if it failed for a
    /// reason which may have gone. See [`Retry`] for how often, and the module of the database for which reasons.
    ///
    /// Whether to try again goes by the errors that the statements of the transaction met, whatever `work` makes of
    /// them. When none of them was of that kind, an error of `work` ends it at once. A lost connection, or one that cannot
    /// be had, is not tried again.
    ///
    /// `work` must be fit to be run several times: what it uses of its surroundings it borrows, so `async move` wants
    /// references. The closure has to name its kind of error, in the type of the result or by `Ok::<_, sqlx::Error>(…)`.
    ///
    /// # Errors
    ///
    /// Fails with the last error of `work`, or of beginning or committing. Everything is rolled back then.
    ///
    /// # Panics
    ///
    /// If `work` panics; everything is rolled back then.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, everything or nothing was committed.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(feature = "sqlite")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use pool_drivers::sqlite::SqlitePool;
    /// # let pool = SqlitePool::connect("sqlite::memory:").await?;
    /// # sqlx::raw_sql("CREATE TABLE item (name TEXT)").execute(&pool).await?;
    /// let name = &String::from("lamp");
    /// let items: i64 = pool
    ///     .transaction(|mut order| async move {
    ///         sqlx::query("INSERT INTO item VALUES (?)").bind(name).execute(&mut *order).await?;
    ///         let items = sqlx::query_scalar("SELECT count(*) FROM item").fetch_one(&mut *order).await?;
    ///         Ok::<_, sqlx::Error>(items)
    ///     })
    ///     .await?;
    /// assert_eq!(items, 1);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "sqlite"))]
    /// # fn main() {}
    /// ```
    #[track_caller]
    pub fn transaction<T, E, F>(&self, work: impl FnMut(Scope<D>) -> F) -> impl Future<Output = Result<T, E>>
    where
        E: From<sqlx::Error>,
        F: Future<Output = Result<T, E>>,
    {
        self.repeat(Location::caller(), Retry::default(), None, work)
    }

    /// [`transaction`](Self::transaction) of a certain kind, as in [`begin_with`](Self::begin_with), and with a
    /// patience of its own.
    ///
    /// # Errors
    ///
    /// As [`transaction`](Self::transaction).
    ///
    /// # Panics
    ///
    /// As [`transaction`](Self::transaction).
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, everything or nothing was committed.
    #[track_caller]
    pub fn transaction_with<T, E, F>(
        &self,
        retry: Retry,
        statement: impl SqlSafeStr,
        work: impl FnMut(Scope<D>) -> F,
    ) -> impl Future<Output = Result<T, E>>
    where
        E: From<sqlx::Error>,
        F: Future<Output = Result<T, E>>,
    {
        self.repeat(Location::caller(), retry, Some(statement.into_sql_str()), work)
    }

    async fn repeat<T, E, F>(
        &self,
        site: Site,
        retry: Retry,
        statement: Option<SqlStr>,
        mut work: impl FnMut(Scope<D>) -> F,
    ) -> Result<T, E>
    where
        E: From<sqlx::Error>,
        F: Future<Output = Result<T, E>>,
    {
        let mut attempts = Attempts::new(retry);
        loop {
            let (error, worth_it) = match self.attempt(site, statement.clone(), &mut work).await {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            if !worth_it || !attempts.again().await {
                return Err(error);
            }
            tracing::debug!(pool = self.0.name(), "a transaction is run again");
        }
    }

    /// Tries once. A failure tells whether it is worth another attempt.
    async fn attempt<T, E, F>(
        &self,
        site: Site,
        statement: Option<SqlStr>,
        work: &mut impl FnMut(Scope<D>) -> F,
    ) -> Result<T, (E, bool)>
    where
        E: From<sqlx::Error>,
        F: Future<Output = Result<T, E>>,
    {
        let judged = |error: sqlx::Error| {
            let worth_it = D::is_retryable(&error);
            (E::from(error), worth_it)
        };
        let guard = self.lease(site).await.map_err(|error| judged(into_sqlx(error)))?;
        let mut transaction = SqlTransaction::on(guard, statement).await.map_err(judged)?;
        transaction.traces.take_retryable();
        let (scope, way_back) = Scope::new(transaction);
        let outcome = work(scope).await;
        let Some(mut transaction) = way_back.take() else {
            // Somebody kept it, and nobody may commit behind his back.
            let kept =
                String::from("cannot commit: the transaction was kept beyond the code that it was meant for");
            return Err((outcome.err().unwrap_or_else(|| E::from(sqlx::Error::Protocol(kept))), false));
        };
        match outcome {
            Ok(value) => {
                // `work` has passed over an error that made it void: nothing can have been committed.
                let again = transaction.is_void() && transaction.traces.take_retryable();
                match transaction.commit().await.map_err(judged) {
                    Ok(()) => Ok(value),
                    Err((error, worth_it)) => Err((error, worth_it || again)),
                }
            }
            Err(error) => {
                let worth_it = transaction.traces.take_retryable();
                // The error to tell of is the first one; what cannot be rolled back is closed.
                drop(transaction.rollback().await);
                Err((error, worth_it))
            }
        }
    }
}

impl<D: Dialect> From<Pool<D::Connector>> for SqlPool<D> {
    fn from(pool: Pool<D::Connector>) -> Self {
        SqlPool::new(pool)
    }
}

impl<D: Dialect> Clone for SqlPool<D> {
    fn clone(&self) -> Self {
        SqlPool(self.0.clone())
    }
}

impl<D: Dialect> Deref for SqlPool<D> {
    type Target = Pool<D::Connector>;

    fn deref(&self) -> &Pool<D::Connector> {
        &self.0
    }
}

impl<D: Dialect> fmt::Debug for SqlPool<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The error of sqlx that a query through `&pool` fails with when no connection can be had: an
/// [`Io`](sqlx::Error::Io), whose text is that of the error. For functions that acquire a connection and return errors
/// of sqlx: `pool.acquire().await.map_err(into_sqlx)?`.
// Why not `PoolTimedOut`: it says nothing of what the pool looked like, nor what the last connect died of.
pub fn into_sqlx(error: AcquireError) -> sqlx::Error {
    let kind = match &error {
        AcquireError::Timeout(_) | AcquireError::Paused(_) => std::io::ErrorKind::TimedOut,
        AcquireError::Unavailable(_) => std::io::ErrorKind::ConnectionRefused,
        AcquireError::QueueFull(_) => std::io::ErrorKind::WouldBlock,
        _ => std::io::ErrorKind::NotConnected,
    };
    sqlx::Error::Io(std::io::Error::new(kind, error))
}

/// The error of the pool, if that is what a query through `&pool` failed with.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use pool_drivers::sqlite::{SqlitePool, acquire_error};
/// # let pool = SqlitePool::connect("sqlite::memory:").await?;
/// pool.close(std::time::Duration::from_secs(1)).await;
/// let error = sqlx::query("SELECT 1").execute(&pool).await.unwrap_err();
/// assert!(acquire_error(&error).is_some_and(|error| error.is_closed()));
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
pub fn acquire_error(error: &sqlx::Error) -> Option<&AcquireError> {
    match error {
        sqlx::Error::Io(error) => error.get_ref()?.downcast_ref(),
        _ => None,
    }
}

impl<'p, D: Dialect> Executor<'p> for &'p SqlPool<D> {
    type Database = D;

    fn fetch_many<'e, 'q, E>(self, query: E) -> Steps<'e, D>
    where
        'p: 'e,
        'q: 'e,
        E: Execute<'q, D> + 'q,
    {
        Box::pin(try_stream! {
            let mut guard = self.lease(Location::caller()).await.map_err(into_sqlx)?;
            let connection: &mut SqlConnection<D> = &mut guard;
            let mut steps = connection.fetch_many(query);
            while let Some(step) = poll_fn(|cx| steps.as_mut().poll_next(cx)).await {
                yield step?;
            }
        })
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> Boxed<'e, Option<D::Row>>
    where
        'p: 'e,
        'q: 'e,
        E: Execute<'q, D> + 'q,
    {
        Box::pin(async move {
            let mut guard = self.lease(Location::caller()).await.map_err(into_sqlx)?;
            let connection: &mut SqlConnection<D> = &mut guard;
            connection.fetch_optional(query).await
        })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [<D as Database>::TypeInfo],
    ) -> Boxed<'e, D::Statement>
    where
        'p: 'e,
    {
        Box::pin(async move {
            let mut guard = self.lease(Location::caller()).await.map_err(into_sqlx)?;
            let connection: &mut SqlConnection<D> = &mut guard;
            connection.prepare_with(sql, parameters).await
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> Boxed<'e, Describe<D>>
    where
        'p: 'e,
    {
        Box::pin(async move {
            let mut guard = self.lease(Location::caller()).await.map_err(into_sqlx)?;
            let connection: &mut SqlConnection<D> = &mut guard;
            connection.describe(sql).await
        })
    }
}
