//! The kinds of transaction that MySQL and MariaDB have.

use sqlx::{AssertSqlSafe, SqlSafeStr, SqlStr};

/// How much a transaction sees of others
/// (<https://dev.mysql.com/doc/refman/8.4/en/innodb-transaction-isolation-levels.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isolation {
    /// Even what was not committed.
    ReadUncommitted,
    /// Each statement sees what was committed before it began.
    ReadCommitted,
    /// All statements see what was committed before the first one. The default of both servers.
    RepeatableRead,
    /// As if all transactions had run one after another: what is read is locked.
    Serializable,
}

impl Isolation {
    /// A transaction that may not write.
    pub fn read_only(self) -> Begin {
        Begin::from(self).read_only()
    }
}

/// How a transaction begins: for [`begin_with`](crate::sql::SqlConnection::begin_with).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[must_use]
pub struct Begin {
    isolation: Option<Isolation>,
    read_only: bool,
}

impl Begin {
    /// It may not write.
    pub fn read_only(mut self) -> Self {
        self.read_only = true;
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
        // Of the next transaction only, which is the one that begins in the same round trip.
        let isolation = match self.isolation {
            Some(Isolation::ReadUncommitted) => "SET TRANSACTION ISOLATION LEVEL READ UNCOMMITTED; ",
            Some(Isolation::ReadCommitted) => "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; ",
            Some(Isolation::RepeatableRead) => "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; ",
            Some(Isolation::Serializable) => "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; ",
            None => "",
        };
        let read_only = if self.read_only { " READ ONLY" } else { "" };
        AssertSqlSafe(format!("{isolation}START TRANSACTION{read_only}")).into_sql_str()
    }
}
