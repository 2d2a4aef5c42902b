//! Runs sqlx queries on the connection, and notes on the way what they may leave behind.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use async_stream::try_stream;
use futures_core::Stream;
use sqlx::error::BoxDynError;
use sqlx::{Connection as _, Database, Describe, Either, Execute, Executor, SqlSafeStr as _, SqlStr};

use super::connection::{SqlConnection, note_end};
use super::traces::Traces;
use super::{Boxed, Dialect, Habits};

/// A query taken apart to read its text: only consuming it tells that.
#[derive(Debug)]
pub struct Query<D: Database> {
    sql: SqlStr,
    arguments: Result<Option<D::Arguments>, BoxDynError>,
    persistent: bool,
}

impl<D: Habits> Query<D> {
    fn noted<'q, E: Execute<'q, D>>(mut query: E, traces: &mut Traces, depth: usize) -> Self {
        let (arguments, persistent) = (query.take_arguments(), query.persistent());
        let sql = query.sql();
        traces.statement(D::effect_of(sql.as_str()), depth);
        Query { sql, arguments, persistent }
    }
}

impl<D: Database> Execute<'_, D> for Query<D> {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&D::Statement> {
        None
    }

    fn take_arguments(&mut self) -> Result<Option<D::Arguments>, BoxDynError> {
        std::mem::replace(&mut self.arguments, Ok(None))
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}

/// A command, watched from its first poll to its end. Dropped in between, it stays noted as unfinished.
struct Watched<'e, C, D: Habits> {
    command: C,
    traces: &'e mut Traces,
    keep: &'e D::Keep,
    begun: bool,
}

impl<'e, C, D: Habits> Watched<'e, C, D> {
    fn new(command: C, traces: &'e mut Traces, keep: &'e D::Keep) -> Self {
        Watched { command, traces, keep, begun: false }
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            self.traces.begun();
        }
    }

    fn end(&mut self, error: Option<&sqlx::Error>) {
        note_end::<D>(self.traces, self.keep, error);
    }
}

// Nothing in it is pinned in place: commands are boxed.
impl<C, D: Habits> Unpin for Watched<'_, C, D> {}

impl<T, D: Habits> Future for Watched<'_, Boxed<'_, T>, D> {
    type Output = Result<T, sqlx::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.begin();
        let result = ready!(self.command.as_mut().poll(cx));
        self.end(result.as_ref().err());
        Poll::Ready(result)
    }
}

/// What a query yields: the end of a statement, or a row.
type Step<D> = Result<Either<<D as Database>::QueryResult, <D as Database>::Row>, sqlx::Error>;
/// What a query yields, one after another.
pub type Steps<'e, D> = Pin<Box<dyn Stream<Item = Step<D>> + Send + 'e>>;

impl<D: Habits> Stream for Watched<'_, Steps<'_, D>, D> {
    type Item = Step<D>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Step<D>>> {
        self.begin();
        let step = ready!(self.command.as_mut().poll_next(cx));
        match &step {
            Some(Ok(Either::Right(_))) => self.traces.row(),
            Some(Ok(Either::Left(_))) => self.traces.result(),
            // sqlx gives a command up at its first error.
            Some(Err(error)) => self.end(Some(error)),
            None => self.end(None),
        }
        Poll::Ready(step)
    }
}

/// The SQLSTATE of a savepoint outside a transaction.
const NO_TRANSACTION: &str = "25P01";

/// What must be done around a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Around {
    Nothing,
    /// A transaction that nobody asked for may be open: it must end first.
    RollBackFirst,
    /// The query needs a transaction of its own.
    Transaction,
    /// The query needs a transaction of its own unless one is open, which only the server knows.
    AskFirst,
    /// The transaction may have ended, since a statement in it failed.
    MakeSure,
    /// The connection does not know what the server will say next.
    Refusal,
}

impl<D: Dialect> SqlConnection<D> {
    /// Looks at what is to be run, and decides how.
    fn plan(&mut self, query: &mut Query<D>) -> Around {
        if self.check_usable().is_err() {
            return Around::Refusal;
        }
        query.persistent &= !D::is_multiplexed(&self.keep);
        if self.traces.begin_is_abandoned() {
            return Around::RollBackFirst;
        }
        if self.may_have_ended() {
            return Around::MakeSure;
        }
        match self.is_exposed(query) && !self.raw.is_in_transaction() {
            true if self.traces.of_transaction() => Around::AskFirst,
            true => Around::Transaction,
            false => Around::Nothing,
        }
    }

    /// Whether the server may change in the middle of the query, unless a transaction is open.
    fn is_exposed(&self, query: &Query<D>) -> bool {
        D::is_multiplexed(&self.keep) && matches!(query.arguments, Ok(Some(_)))
    }

    /// Runs a query with something around it.
    fn run_around<'e>(&'e mut self, query: Query<D>, mut around: Around) -> Steps<'e, D> {
        Box::pin(try_stream! {
            self.check_usable()?;
            if around == Around::RollBackFirst {
                self.command("ROLLBACK").await?;
                self.traces.abandon_begin(false);
                if self.is_exposed(&query) {
                    around = Around::Transaction;
                }
            }
            if around == Around::MakeSure {
                self.make_sure().await?;
            }
            if around == Around::AskFirst && !self.has_open_transaction().await? {
                around = Around::Transaction;
            }
            if around == Around::Transaction {
                self.traces.abandon_begin(true);
                self.command("BEGIN").await?;
            }
            let mut failure = None;
            {
                let SqlConnection { raw, traces, keep } = &mut *self;
                let mut steps = Watched::<_, D>::new(D::fetch_many(raw, query), traces, keep);
                while let Some(step) = poll_fn(|cx| Pin::new(&mut steps).poll_next(cx)).await {
                    match step {
                        Ok(step) => yield step,
                        Err(error) => failure = Some(error),
                    }
                }
            }
            if around == Around::Transaction {
                // Cancel: what is left open is seen to, as `abandon_begin` says so until the end.
                self.command(if failure.is_none() { "COMMIT" } else { "ROLLBACK" }).await?;
                self.traces.abandon_begin(false);
            }
            if let Some(failure) = failure {
                Err(failure)?;
            }
        })
    }

    /// Whether the transaction may have ended, since a statement in it failed.
    pub(super) fn may_have_ended(&self) -> bool {
        D::MAY_END_ON_ERROR && self.traces.has_failed() && self.raw.is_in_transaction()
    }

    /// Asks whether the transaction is still open, and fails if it is not.
    pub(super) async fn make_sure(&mut self) -> Result<(), sqlx::Error> {
        if self.traces.is_behind() {
            // A roll-back that is queued counts when sqlx's thread comes to it.
            self.raw.ping().await?;
        }
        if !self.raw.is_in_transaction() {
            self.traces.pardon();
            return Ok(());
        }
        match self.command("BEGIN").await {
            // There is none inside another.
            Err(sqlx::Error::Database(_)) => {
                self.traces.pardon();
                Ok(())
            }
            Err(error) => Err(error),
            Ok(()) => {
                self.command("ROLLBACK").await?;
                self.traces.lose_all();
                self.check_usable()
            }
        }
    }

    /// Asks the server whether a transaction is open, be it void.
    async fn has_open_transaction(&mut self) -> Result<bool, sqlx::Error> {
        match self.command("SAVEPOINT pool_asks; RELEASE SAVEPOINT pool_asks").await {
            Ok(()) => Ok(true),
            Err(sqlx::Error::Database(error)) => Ok(error.code().as_deref() != Some(NO_TRANSACTION)),
            Err(error) => Err(error),
        }
    }

    /// Runs a statement that sqlx does not need to know of.
    pub(crate) async fn command(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        let SqlConnection { raw, traces, keep } = self;
        traces.own_command();
        let query = Query::<D> { sql: sql.into_sql_str(), arguments: Ok(None), persistent: false };
        Watched::<_, D>::new(D::fetch_optional(raw, query), traces, keep).await?;
        Ok(())
    }
}

impl<'c, D: Dialect> Executor<'c> for &'c mut SqlConnection<D> {
    type Database = D;

    fn fetch_many<'e, 'q, E>(self, query: E) -> Steps<'e, D>
    where
        'c: 'e,
        'q: 'e,
        E: Execute<'q, D> + 'q,
    {
        let depth = self.depth();
        let mut query = Query::noted(query, &mut self.traces, depth);
        match self.plan(&mut query) {
            Around::Nothing => {
                let SqlConnection { raw, traces, keep } = self;
                Box::pin(Watched::<_, D>::new(D::fetch_many(raw, query), traces, keep))
            }
            around => self.run_around(query, around),
        }
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> Boxed<'e, Option<D::Row>>
    where
        'c: 'e,
        'q: 'e,
        E: Execute<'q, D> + 'q,
    {
        let depth = self.depth();
        let mut query = Query::noted(query, &mut self.traces, depth);
        let around = self.plan(&mut query);
        if around == Around::Nothing && !D::LEAVES_ROWS {
            let SqlConnection { raw, traces, keep } = self;
            return Box::pin(Watched::<_, D>::new(D::fetch_optional(raw, query), traces, keep));
        }
        let mut steps: Steps<'e, D> = if around == Around::Nothing {
            let SqlConnection { raw, traces, keep } = self;
            Box::pin(Watched::<_, D>::new(D::fetch_many(raw, query), traces, keep))
        } else {
            self.run_around(query, around)
        };
        Box::pin(async move {
            let mut first = None;
            while let Some(step) = poll_fn(|cx| steps.as_mut().poll_next(cx)).await {
                if let Either::Right(row) = step? {
                    first.get_or_insert(row);
                }
            }
            Ok(first)
        })
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [D::TypeInfo]) -> Boxed<'e, D::Statement>
    where
        'c: 'e,
    {
        let depth = self.depth();
        self.traces.preparation(D::effect_of(sql.as_str()), depth);
        let SqlConnection { raw, traces, keep } = self;
        Box::pin(Watched::<_, D>::new(D::prepare_with(raw, sql, parameters), traces, keep))
    }

    fn describe<'e>(self, sql: SqlStr) -> Boxed<'e, Describe<D>>
    where
        'c: 'e,
    {
        let depth = self.depth();
        self.traces.preparation(D::effect_of(sql.as_str()), depth);
        let SqlConnection { raw, traces, keep } = self;
        Box::pin(Watched::<_, D>::new(D::describe(raw, sql), traces, keep))
    }
}

/// Writes the forwarding methods of [`Habits`] for a database.
///
/// Why not a bound `for<'c> &'c mut D::Connection: Executor<'c>` on what is generic here: our connection is an executor
/// itself, so whoever is generic over executors would send the compiler round in circles.
macro_rules! forward_to_sqlx {
    () => {
        fn fetch_many<'e>(
            raw: &'e mut Self::Connection,
            query: $crate::sql::Query<Self>,
        ) -> $crate::sql::Steps<'e, Self> {
            sqlx::Executor::fetch_many(raw, query)
        }

        fn fetch_optional<'e>(
            raw: &'e mut Self::Connection,
            query: $crate::sql::Query<Self>,
        ) -> $crate::sql::Boxed<'e, Option<Self::Row>> {
            sqlx::Executor::fetch_optional(raw, query)
        }

        fn prepare_with<'e>(
            raw: &'e mut Self::Connection,
            sql: sqlx::SqlStr,
            parameters: &'e [Self::TypeInfo],
        ) -> $crate::sql::Boxed<'e, Self::Statement> {
            sqlx::Executor::prepare_with(raw, sql, parameters)
        }

        fn describe<'e>(
            raw: &'e mut Self::Connection,
            sql: sqlx::SqlStr,
        ) -> $crate::sql::Boxed<'e, sqlx::Describe<Self>> {
            sqlx::Executor::describe(raw, sql)
        }
    };
}
pub(crate) use forward_to_sqlx;
