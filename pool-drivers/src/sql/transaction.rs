//! Transactions that leave no suspicion behind.
//!
//! sqlx's own [`Transaction`](sqlx::Transaction) hands out the sqlx connection, with which anything can be
//! done unseen; a connection that served one must be reset. This one hands out our connection, so a committed
//! transaction of plain statements leaves nothing to reset.

use std::fmt;
use std::ops::{Deref, DerefMut};

use pool_core::Pooled;
use sqlx::{Connection as _, SqlSafeStr, SqlStr};
use sqlx_core::transaction::TransactionManager;

use super::Dialect;
use super::connection::SqlConnection;

/// A transaction, or a savepoint in one. Rolled back when dropped, unless it was committed.
///
/// It is used like [`sqlx::Transaction`]: queries go through `&mut *transaction`.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # use pool_drivers::sqlite::SqlitePool;
/// let pool = SqlitePool::connect("sqlite::memory:").await?;
/// sqlx::raw_sql("CREATE TABLE item (name TEXT)").execute(&pool).await?;
///
/// let mut order = pool.begin().await?;
/// sqlx::query("INSERT INTO item VALUES ('lamp')").execute(&mut *order).await?;
///
/// let mut extra = order.begin().await?; // a savepoint
/// sqlx::query("INSERT INTO item VALUES ('shade')").execute(&mut *extra).await?;
/// extra.rollback().await?;
///
/// order.commit().await?;
/// let items: i64 = sqlx::query_scalar("SELECT count(*) FROM item").fetch_one(&pool).await?;
/// assert_eq!(items, 1);
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
#[must_use = "a transaction that is dropped is rolled back"]
pub struct SqlTransaction<'c, D: Dialect> {
    connection: Held<'c, D>,
    /// How many transactions and savepoints are open when it is the innermost.
    depth: usize,
    open: bool,
}

/// The connection of a transaction.
enum Held<'c, D: Dialect> {
    Borrowed(&'c mut SqlConnection<D>),
    Owned(Pooled<D::Connector>),
}

impl<D: Dialect> SqlConnection<D> {
    /// Begins a transaction as the database does by default, or sets a savepoint in the one that is open.
    ///
    /// # Errors
    ///
    /// Fails as its statement fails. A transaction that was open before stays open.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no transaction has begun.
    pub async fn begin(&mut self) -> Result<SqlTransaction<'_, D>, sqlx::Error> {
        let depth = self.enter(None).await?;
        Ok(SqlTransaction { connection: Held::Borrowed(self), depth, open: true })
    }

    /// Begins a transaction of a certain kind: by the options of the database's module, such as its isolation
    /// level, or by a statement of one's own.
    ///
    /// # Errors
    ///
    /// Fails as the statement fails, if it begins no transaction, and if one is open already.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no transaction has begun.
    pub async fn begin_with(
        &mut self,
        statement: impl SqlSafeStr,
    ) -> Result<SqlTransaction<'_, D>, sqlx::Error> {
        let depth = self.enter(Some(statement.into_sql_str())).await?;
        Ok(SqlTransaction { connection: Held::Borrowed(self), depth, open: true })
    }

    /// Returns how many transactions and savepoints are open now.
    async fn enter(&mut self, statement: Option<SqlStr>) -> Result<usize, sqlx::Error> {
        self.check_usable()?;
        if self.traces.begin_is_abandoned() {
            self.command("ROLLBACK").await?;
            self.traces.abandon_begin(false);
        }
        if self.may_have_ended() {
            self.make_sure().await?;
        }
        if let Some(statement) = &statement {
            self.traces.begin_statement(D::effect_of(statement.as_str()));
        }
        let before = self.depth();
        self.traces.own_command();
        self.traces.begun();
        self.traces.abandon_begin(!D::TAKES_BACK_BEGIN && before == 0);
        // Cancel: sqlx may answer a savepoint given up half-way by rolling back what is around it.
        self.traces.lose((!D::TAKES_BACK_BEGIN && before > 0).then_some(before));
        let begun = D::TransactionManager::begin(&mut self.raw, statement).await;
        self.ended(&begun);
        self.traces.abandon_begin(false);
        // So also when a savepoint cannot be set.
        self.traces.lose((self.depth() < before).then_some(before));
        begun?;
        Ok(self.depth())
    }
}

impl<D: Dialect> SqlConnection<D> {
    pub(super) fn depth(&self) -> usize {
        D::TransactionManager::get_transaction_depth(&self.raw)
    }

    /// Refuses a connection of which nobody knows what the server will say next.
    pub(super) fn check_usable(&self) -> Result<(), sqlx::Error> {
        self.check_answers()?;
        if self.traces.is_lost() {
            return Err(sqlx::Error::Protocol(String::from(
                "the transaction was rolled back before this, by the database or since a savepoint in it was not set",
            )));
        }
        Ok(())
    }

    fn check_answers(&self) -> Result<(), sqlx::Error> {
        if self.traces.is_cut_off() && !D::SURVIVES_CANCELLATION {
            return Err(sqlx::Error::Protocol(String::from(
                "a query on this connection was given up before its answer came; give the connection back",
            )));
        }
        Ok(())
    }
}

impl<D: Dialect> SqlTransaction<'static, D> {
    /// Begins a transaction on a connection that it keeps until its end.
    pub(crate) async fn on(
        mut connection: Pooled<D::Connector>,
        statement: Option<SqlStr>,
    ) -> Result<Self, sqlx::Error> {
        let depth = connection.enter(statement).await?;
        Ok(SqlTransaction { connection: Held::Owned(connection), depth, open: true })
    }
}

impl<D: Dialect> SqlTransaction<'_, D> {
    /// Makes what was done permanent; of a savepoint, part of its transaction.
    ///
    /// # Errors
    ///
    /// If it fails, everything is rolled back; so also where the database would take the commit of a transaction
    /// that one of its statements has made void, and answer that all is well. If the connection broke while the
    /// answer was under way, nobody knows whether it was committed.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, everything or nothing was committed.
    pub async fn commit(mut self) -> Result<(), sqlx::Error> {
        self.check().await?;
        let connection = self.connection_mut();
        connection.check_usable()?;
        if D::ABORTS_ON_ERROR && connection.traces.is_unfinished() {
            // What was given up half-way may have failed since.
            let drained = connection.raw.flush().await;
            connection.ended(&drained);
            drained?;
        }
        if D::ABORTS_ON_ERROR && connection.traces.has_failed() {
            return Err(sqlx::Error::Protocol(String::from(
                "cannot commit: a statement of this transaction failed, so it is rolled back",
            )));
        }
        if D::ABORTS_ON_ERROR && connection.traces.was_lent() {
            connection.command("SELECT 1").await?;
        }
        connection.traces.own_command();
        connection.traces.begun();
        let ended = D::TransactionManager::commit(&mut connection.raw).await;
        self.leave(ended)
    }

    /// Undoes what was done. Dropping the transaction does the same, without telling of errors.
    ///
    /// # Errors
    ///
    /// Fails if the database has rolled back by itself, or cannot be reached.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, everything is undone all the same.
    pub async fn rollback(mut self) -> Result<(), sqlx::Error> {
        self.check().await?;
        let connection = self.connection_mut();
        connection.traces.own_command();
        connection.traces.begun();
        let ended = D::TransactionManager::rollback(&mut connection.raw).await;
        self.leave(ended)
    }

    /// Whether it is still there, and the innermost.
    async fn check(&mut self) -> Result<(), sqlx::Error> {
        let connection = self.connection_mut();
        connection.check_answers()?;
        if D::TAKES_BACK_BEGIN && connection.traces.is_behind() {
            // The count follows when sqlx's thread comes to it.
            connection.raw.ping().await?;
        }
        let depth = connection.depth();
        if depth == self.depth {
            return Ok(());
        }
        // Less: sqlx answers a savepoint given up half-way by rolling back what is around it.
        self.open = depth > self.depth;
        Err(sqlx::Error::Protocol(format!(
            "cannot end this transaction: {depth} are open where there were {}; a savepoint in it was given up \
             before it was set, or never ended",
            self.depth
        )))
    }

    /// Whether it cannot be committed any more, as far as is known.
    pub(super) fn is_void(&self) -> bool {
        self.traces.is_lost() || (D::ABORTS_ON_ERROR && self.traces.has_failed())
    }

    fn leave(&mut self, ended: Result<(), sqlx::Error>) -> Result<(), sqlx::Error> {
        self.connection_mut().ended(&ended);
        self.open = ended.is_err();
        ended
    }

    fn connection_mut(&mut self) -> &mut SqlConnection<D> {
        match &mut self.connection {
            Held::Borrowed(connection) => connection,
            Held::Owned(guard) => guard,
        }
    }
}

impl<D: Dialect> Drop for SqlTransaction<'_, D> {
    fn drop(&mut self) {
        let (open, depth) = (self.open, self.depth);
        let connection = self.connection_mut();
        connection.traces.let_go(depth);
        if open {
            // Only queues the command. It is sent with the next one, or when the connection is reset.
            D::TransactionManager::start_rollback(&mut connection.raw);
            connection.traces.owe();
        }
    }
}

impl<D: Dialect> Deref for SqlTransaction<'_, D> {
    type Target = SqlConnection<D>;

    fn deref(&self) -> &SqlConnection<D> {
        match &self.connection {
            Held::Borrowed(connection) => connection,
            Held::Owned(guard) => guard,
        }
    }
}

impl<D: Dialect> DerefMut for SqlTransaction<'_, D> {
    fn deref_mut(&mut self) -> &mut SqlConnection<D> {
        self.connection_mut()
    }
}

impl<D: Dialect> fmt::Debug for SqlTransaction<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqlTransaction").field("open", &self.open).finish_non_exhaustive()
    }
}
