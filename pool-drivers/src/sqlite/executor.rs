//! Runs sqlx queries on the connection, and notes on the way what they may leave behind.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{SqliteArguments, SqliteQueryResult, SqliteRow, SqliteStatement, SqliteTypeInfo};
use sqlx::{Describe, Either, Execute, Executor, SqlStr, Sqlite};

use super::connection::{Boxed, SqliteConnection};
use super::traces::Traces;

/// A query taken apart to read its text: only consuming it tells that.
struct Query {
    sql: SqlStr,
    arguments: Result<Option<SqliteArguments>, BoxDynError>,
    persistent: bool,
}

impl Query {
    fn noted<'q, E: Execute<'q, Sqlite>>(mut query: E, traces: &mut Traces) -> Self {
        let (arguments, persistent) = (query.take_arguments(), query.persistent());
        let sql = query.sql();
        traces.statement(sql.as_str());
        Query { sql, arguments, persistent }
    }
}

impl Execute<'_, Sqlite> for Query {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&SqliteStatement> {
        None
    }

    fn take_arguments(&mut self) -> Result<Option<SqliteArguments>, BoxDynError> {
        std::mem::replace(&mut self.arguments, Ok(None))
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}

/// A command, watched from its first poll to its end. Dropped in between, it stays noted as unfinished.
struct Watched<'e, C> {
    command: C,
    traces: &'e mut Traces,
    begun: bool,
}

impl<'e, C> Watched<'e, C> {
    fn new(command: C, traces: &'e mut Traces) -> Self {
        Watched { command, traces, begun: false }
    }

    fn begin(&mut self) {
        if !std::mem::replace(&mut self.begun, true) {
            self.traces.begun();
        }
    }
}

impl<T> Future for Watched<'_, Boxed<'_, T>> {
    type Output = Result<T, sqlx::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.begin();
        let result = ready!(self.command.as_mut().poll(cx));
        self.traces.ended(result.as_ref().err());
        Poll::Ready(result)
    }
}

/// What a query yields: the end of a statement, or a row.
type Step = Result<Either<SqliteQueryResult, SqliteRow>, sqlx::Error>;
type Steps<'e> = Pin<Box<dyn Stream<Item = Step> + Send + 'e>>;

impl Stream for Watched<'_, Steps<'_>> {
    type Item = Step;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Step>> {
        self.begin();
        let step = ready!(self.command.as_mut().poll_next(cx));
        match &step {
            Some(Ok(_)) => {}
            // sqlx's thread gives a command up at its first error.
            Some(Err(error)) => self.traces.ended(Some(error)),
            None => self.traces.ended(None),
        }
        Poll::Ready(step)
    }
}

impl<'c> Executor<'c> for &'c mut SqliteConnection {
    type Database = Sqlite;

    fn fetch_many<'e, 'q, E>(self, query: E) -> Steps<'e>
    where
        'c: 'e,
        'q: 'e,
        E: Execute<'q, Sqlite> + 'q,
    {
        let query = Query::noted(query, &mut self.traces);
        Box::pin(Watched::new(self.raw.fetch_many(query), &mut self.traces))
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> Boxed<'e, Option<SqliteRow>>
    where
        'c: 'e,
        'q: 'e,
        E: Execute<'q, Sqlite> + 'q,
    {
        let query = Query::noted(query, &mut self.traces);
        Box::pin(Watched::new(self.raw.fetch_optional(query), &mut self.traces))
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [SqliteTypeInfo]) -> Boxed<'e, SqliteStatement>
    where
        'c: 'e,
    {
        self.traces.statement(sql.as_str());
        Box::pin(Watched::new(self.raw.prepare_with(sql, parameters), &mut self.traces))
    }

    fn describe<'e>(self, sql: SqlStr) -> Boxed<'e, Describe<Sqlite>>
    where
        'c: 'e,
    {
        self.traces.statement(sql.as_str());
        Box::pin(Watched::new(self.raw.describe(sql), &mut self.traces))
    }
}
