//! A database for sqlx without I/O: connecting, pinging and closing do nothing, and there is nothing to query.
//!
//! sqlx's pool is generic over its `Database`, whose types for rows, values and statements must exist. They are one
//! type without values here, so that none of their methods can ever be called.

use std::borrow::Cow;
use std::fmt;
use std::future::{Future, ready};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use log::LevelFilter;
use sqlx_core::Either;
use sqlx_core::Url;
use sqlx_core::arguments::{Arguments, IntoArguments};
use sqlx_core::column::{Column, ColumnIndex};
use sqlx_core::connection::{ConnectOptions, Connection};
use sqlx_core::database::Database;
use sqlx_core::encode::Encode;
use sqlx_core::error::{BoxDynError, Error};
use sqlx_core::row::Row;
use sqlx_core::sql_str::SqlStr;
use sqlx_core::statement::Statement;
use sqlx_core::transaction::{Transaction, TransactionManager};
use sqlx_core::type_info::TypeInfo;
use sqlx_core::types::Type;
use sqlx_core::value::{Value, ValueRef};

use crate::connection::{Conn, Opener};

/// The database.
#[derive(Debug)]
pub(crate) struct Noop;

/// What opens its connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct NoopOptions(Arc<Opener>);

/// What this database has none of: rows, columns, values, types, statements.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Nothing {}

/// The arguments of statements that cannot exist.
#[derive(Debug, Default)]
pub(crate) struct NoArguments;

impl Database for Noop {
    type Connection = Conn;
    type TransactionManager = Noop;
    type Row = Nothing;
    type QueryResult = ();
    type Column = Nothing;
    type TypeInfo = Nothing;
    type Value = Nothing;
    type ValueRef<'r> = Nothing;
    type Arguments = NoArguments;
    type ArgumentBuffer = ();
    type Statement = Nothing;
    const NAME: &'static str = "no-op";
    const URL_SCHEMES: &'static [&'static str] = &["noop"];
}

impl Connection for Conn {
    type Database = Noop;
    type Options = NoopOptions;

    fn close(self) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        ready(Ok(()))
    }

    fn close_hard(self) -> impl Future<Output = Result<(), Error>> + Send + 'static {
        ready(Ok(()))
    }

    fn ping(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        ready(Ok(()))
    }

    fn begin(&mut self) -> impl Future<Output = Result<Transaction<'_, Noop>, Error>> + Send + '_ {
        Transaction::begin(self, None)
    }

    fn shrink_buffers(&mut self) {}

    fn flush(&mut self) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        ready(Ok(()))
    }

    fn should_flush(&self) -> bool {
        false
    }
}

impl FromStr for NoopOptions {
    type Err = Error;

    fn from_str(_url: &str) -> Result<Self, Error> {
        Ok(Self::default())
    }
}

impl ConnectOptions for NoopOptions {
    type Connection = Conn;

    fn from_url(_url: &Url) -> Result<Self, Error> {
        Ok(Self::default())
    }

    fn connect(&self) -> impl Future<Output = Result<Conn, Error>> + Send + '_ {
        ready(Ok(self.0.open()))
    }

    fn log_statements(self, _level: LevelFilter) -> Self {
        self
    }

    fn log_slow_statements(self, _level: LevelFilter, _duration: Duration) -> Self {
        self
    }
}

impl TransactionManager for Noop {
    type Database = Noop;

    fn begin(_: &mut Conn, _: Option<SqlStr>) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        ready(Ok(()))
    }

    fn commit(_: &mut Conn) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        ready(Ok(()))
    }

    fn rollback(_: &mut Conn) -> impl Future<Output = Result<(), Error>> + Send + '_ {
        ready(Ok(()))
    }

    fn start_rollback(_: &mut Conn) {}

    fn get_transaction_depth(_: &Conn) -> usize {
        0
    }
}

impl Arguments for NoArguments {
    type Database = Noop;

    fn reserve(&mut self, _additional: usize, _size: usize) {}

    fn add<'t, T: Encode<'t, Noop> + Type<Noop>>(&mut self, _value: T) -> Result<(), BoxDynError> {
        Ok(())
    }

    fn len(&self) -> usize {
        0
    }
}

impl IntoArguments<Noop> for NoArguments {
    fn into_arguments(self) -> NoArguments {
        self
    }
}

impl Row for Nothing {
    type Database = Noop;

    fn columns(&self) -> &[Nothing] {
        match *self {}
    }

    fn try_get_raw<I: ColumnIndex<Self>>(&self, _index: I) -> Result<Nothing, Error> {
        match *self {}
    }
}

impl Column for Nothing {
    type Database = Noop;

    fn ordinal(&self) -> usize {
        match *self {}
    }

    fn name(&self) -> &str {
        match *self {}
    }

    fn type_info(&self) -> &Nothing {
        match *self {}
    }
}

impl ColumnIndex<Nothing> for usize {
    fn index(&self, container: &Nothing) -> Result<usize, Error> {
        match *container {}
    }
}

impl ColumnIndex<Nothing> for &str {
    fn index(&self, container: &Nothing) -> Result<usize, Error> {
        match *container {}
    }
}

impl TypeInfo for Nothing {
    fn is_null(&self) -> bool {
        match *self {}
    }

    fn name(&self) -> &str {
        match *self {}
    }
}

impl fmt::Display for Nothing {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {}
    }
}

impl Value for Nothing {
    type Database = Noop;

    fn as_ref(&self) -> Nothing {
        match *self {}
    }

    fn type_info(&self) -> Cow<'_, Nothing> {
        match *self {}
    }

    fn is_null(&self) -> bool {
        match *self {}
    }
}

impl ValueRef<'_> for Nothing {
    type Database = Noop;

    fn to_owned(&self) -> Nothing {
        match *self {}
    }

    fn type_info(&self) -> Cow<'_, Nothing> {
        match *self {}
    }

    fn is_null(&self) -> bool {
        match *self {}
    }
}

impl Statement for Nothing {
    type Database = Noop;

    fn into_sql(self) -> SqlStr {
        match self {}
    }

    fn sql(&self) -> &SqlStr {
        match *self {}
    }

    fn parameters(&self) -> Option<Either<&[Nothing], usize>> {
        match *self {}
    }

    fn columns(&self) -> &[Nothing] {
        match *self {}
    }

    sqlx_core::impl_statement_query!(NoArguments);
}
