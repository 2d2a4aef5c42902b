//! The types that a `Database` of sqlx must name and that none of ours has values of.
//!
//! sqlx's pool is generic over its `Database`, whose types for rows, values and statements must exist. They are one
//! type without values here, so that none of their methods can ever be called. Each refers to its database, so
//! there is a set for each; only the connection is its author's.

/// Makes a type a database of sqlx that opens connections of a type and has nothing else. The name is that of its URLs, too.
///
/// The module that uses it has `std::future::ready` and sqlx's `Database` and `Error` in scope.
macro_rules! hollow_database {
    ($database:ident, $connection:ident, $name:literal) => {
        use std::borrow::Cow;

        use sqlx_core::Either;
        use sqlx_core::arguments::{Arguments, IntoArguments};
        use sqlx_core::column::{Column, ColumnIndex};
        use sqlx_core::encode::Encode;
        use sqlx_core::error::BoxDynError;
        use sqlx_core::row::Row;
        use sqlx_core::sql_str::SqlStr;
        use sqlx_core::statement::Statement;
        use sqlx_core::transaction::TransactionManager;
        use sqlx_core::type_info::TypeInfo;
        use sqlx_core::types::Type;
        use sqlx_core::value::{Value, ValueRef};

        /// What this database has none of: rows, columns, values, types, statements.
        #[derive(Debug, Clone, PartialEq)]
        pub(crate) enum Nothing {}

        /// The arguments of statements that cannot exist.
        #[derive(Debug, Default)]
        pub(crate) struct NoArguments;

        impl Database for $database {
            type Connection = $connection;
            type TransactionManager = $database;
            type Row = Nothing;
            type QueryResult = ();
            type Column = Nothing;
            type TypeInfo = Nothing;
            type Value = Nothing;
            type ValueRef<'r> = Nothing;
            type Arguments = NoArguments;
            type ArgumentBuffer = ();
            type Statement = Nothing;
            const NAME: &'static str = $name;
            const URL_SCHEMES: &'static [&'static str] = &[$name];
        }

        impl TransactionManager for $database {
            type Database = $database;

            fn begin(
                _: &mut $connection,
                _: Option<SqlStr>,
            ) -> impl Future<Output = Result<(), Error>> + Send + '_ {
                ready(Ok(()))
            }

            fn commit(_: &mut $connection) -> impl Future<Output = Result<(), Error>> + Send + '_ {
                ready(Ok(()))
            }

            fn rollback(_: &mut $connection) -> impl Future<Output = Result<(), Error>> + Send + '_ {
                ready(Ok(()))
            }

            fn start_rollback(_: &mut $connection) {}

            fn get_transaction_depth(_: &$connection) -> usize {
                0
            }
        }

        impl Arguments for NoArguments {
            type Database = $database;

            fn reserve(&mut self, _additional: usize, _size: usize) {}

            fn add<'t, T: Encode<'t, $database> + Type<$database>>(
                &mut self,
                _value: T,
            ) -> Result<(), BoxDynError> {
                Ok(())
            }

            fn len(&self) -> usize {
                0
            }
        }

        impl IntoArguments<$database> for NoArguments {
            fn into_arguments(self) -> NoArguments {
                self
            }
        }

        impl Row for Nothing {
            type Database = $database;

            fn columns(&self) -> &[Nothing] {
                match *self {}
            }

            fn try_get_raw<I: ColumnIndex<Self>>(&self, _index: I) -> Result<Nothing, Error> {
                match *self {}
            }
        }

        impl Column for Nothing {
            type Database = $database;

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

        impl std::fmt::Display for Nothing {
            fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match *self {}
            }
        }

        impl Value for Nothing {
            type Database = $database;

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
            type Database = $database;

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
            type Database = $database;

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
    };
}

pub(crate) use hollow_database;
