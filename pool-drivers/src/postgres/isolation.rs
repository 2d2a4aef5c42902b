//! The kinds of transaction that PostgreSQL has.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// How much a transaction sees of others (<https://www.postgresql.org/docs/current/transaction-iso.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// Each statement sees what was committed before it began. PostgreSQL's default.
    ReadCommitted,
    /// All statements see what was committed before the first one; a concurrent change of the same row is an error
    /// that [`transaction`](crate::sql::SqlPool::transaction) runs again for.
    RepeatableRead,
    /// As if all transactions had run one after another, or an error to run it again for.
    Serializable,
}

impl Isolation {
    /// A transaction that may not write.
    pub fn read_only(self) -> Begin {
        Begin::from(self).read_only()
    }
}

/// How a transaction begins: for [`begin_with`](crate::sql::SqlConnection::begin_with).
///
/// # Examples
///
/// ```
/// # use pool_drivers::postgres::{Begin, Isolation, PgPool};
/// # async fn report(pool: PgPool) -> Result<(), sqlx::Error> {
/// let mut order = pool.begin_with(Isolation::Serializable).await?;
/// let mut report = pool.begin_with(Isolation::Serializable.read_only().deferrable()).await?;
/// let mut glance = pool.begin_with(Begin::default().read_only()).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[must_use]
pub struct Begin {
    isolation: Option<Isolation>,
    read_only: bool,
    deferrable: bool,
}

impl Begin {
    /// It may not write.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    /// It waits at its beginning until it can run without failing, and without making others fail. Of use with
    /// [`Isolation::Serializable`] and [`read_only`](Self::read_only) only.
    pub fn deferrable(mut self) -> Self {
        self.deferrable = true;
        self
    }
}

impl From<Isolation> for Begin {
    fn from(isolation: Isolation) -> Self {
        Begin { isolation: Some(isolation), ..Begin::default() }
    }
}

impl SqlSafeStr for Isolation {
    fn into_sql_str(self) -> SqlStr {
        Begin::from(self).into_sql_str()
    }
}

impl SqlSafeStr for Begin {
    fn into_sql_str(self) -> SqlStr {
        let mut statement = String::from("BEGIN");
        statement += match self.isolation {
            Some(Isolation::ReadCommitted) => " ISOLATION LEVEL READ COMMITTED",
            Some(Isolation::RepeatableRead) => " ISOLATION LEVEL REPEATABLE READ",
            Some(Isolation::Serializable) => " ISOLATION LEVEL SERIALIZABLE",
            None => "",
        };
        statement += if self.read_only { " READ ONLY" } else { "" };
        statement += if self.deferrable { " DEFERRABLE" } else { "" };
        AssertSqlSafe(statement).into_sql_str()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_spelled_out() {
        for (begin, statement) in [
            (Begin::default(), "BEGIN"),
            (Isolation::ReadCommitted.into(), "BEGIN ISOLATION LEVEL READ COMMITTED"),
            (Isolation::RepeatableRead.into(), "BEGIN ISOLATION LEVEL REPEATABLE READ"),
            (
                Isolation::Serializable.read_only().deferrable(),
                "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE",
            ),
        ] {
            assert_eq!(begin.into_sql_str().as_str(), statement);
        }
    }
}
