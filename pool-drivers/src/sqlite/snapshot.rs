//! The settings of a session, to be compared with what they were and set back.
//!
//! A snapshot is taken when a connection is new. After a holder who may have changed the session another one
//! is taken; if the two differ, everything is set back and looked at once more. So nothing here knows which
//! settings the pool promises: all that SQLite tells of a session are kept, whoever set them first.

use std::future::poll_fn;

use sqlx::{AssertSqlSafe, Either, Executor as _, Row as _};

use super::error::SqliteError;

/// `PRAGMA`s of one connection that tell their value, and the two statements that are none.
///
/// `locking_mode` is that of databases attached later, `main.locking_mode` the one in use; the others mean
/// `main` anyway.
macro_rules! probes {
    ($($pragma:literal)*) => {
        /// Names, in the order of the statements of [`QUERY`].
        const NAMES: &[&str] = &[$($pragma,)* CASE, DATABASES];
        /// One statement for each of [`NAMES`].
        const QUERY: &str = concat!(
            $("PRAGMA ", $pragma, ";",)*
            // The pragma itself tells nothing.
            "SELECT 'a' NOT LIKE 'A';",
            "SELECT name || ' ' || file FROM pragma_database_list;",
        );
    };
}

const CASE: &str = "case_sensitive_like";
const DATABASES: &str = "database_list";

probes! {
    "foreign_keys" "busy_timeout" "journal_mode" "synchronous" "locking_mode" "main.locking_mode" "query_only"
    "read_uncommitted" "recursive_triggers" "ignore_check_constraints" "defer_foreign_keys"
    "reverse_unordered_selects" "trusted_schema" "writable_schema" "legacy_alter_table" "automatic_index"
    "secure_delete" "cache_size" "cache_spill" "mmap_size" "temp_store" "threads" "analysis_limit"
    "wal_autocheckpoint" "journal_size_limit" "max_page_count" "cell_size_check" "fullfsync"
    "checkpoint_fullfsync" "full_column_names" "short_column_names" "count_changes"
    "empty_result_callbacks"
}

/// Closes the database of temporary tables: SQLite deletes all of them when `temp_store` changes. The value
/// itself is set back with the others.
const DROP_TEMPORARY: &str = "PRAGMA temp_store = 1; PRAGMA temp_store = 2;";

/// See the [module](self).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// In the order of [`NAMES`]; rows of one statement are joined, none make an empty text.
    values: Vec<String>,
}

impl Snapshot {
    /// Reads all settings, in one exchange with sqlx's thread.
    pub(super) async fn take(raw: &mut sqlx::SqliteConnection) -> Result<Self, sqlx::Error> {
        let mut values = Vec::with_capacity(NAMES.len());
        let mut value = String::new();
        // As plain text, never as a cached statement: some pragmas are answered when they are prepared.
        let mut steps = raw.fetch_many(QUERY);
        while let Some(step) = poll_fn(|cx| steps.as_mut().poll_next(cx)).await {
            match step? {
                Either::Right(row) => {
                    value.push_str(&row.try_get_unchecked::<String, _>(0)?);
                    value.push('\n');
                }
                Either::Left(_) => {
                    value.truncate(value.trim_end().len());
                    values.push(std::mem::take(&mut value));
                }
            }
        }
        Ok(Snapshot { values })
    }

    /// The value of one setting.
    pub(super) fn value(&self, name: &str) -> &str {
        NAMES.iter().zip(&self.values).find(|(known, _)| **known == name).map_or("", |(_, value)| value)
    }

    /// Sets everything back to what it was when this snapshot was taken. No transaction may be open.
    pub(super) async fn restore(&self, raw: &mut sqlx::SqliteConnection) -> Result<(), SqliteError> {
        if Snapshot::take(raw).await? == *self {
            return Ok(());
        }
        detach_all(raw).await?;
        raw.execute(AssertSqlSafe(self.script())).await?;
        // Reading it also lets go of a lock that was kept by `locking_mode`.
        let now = Snapshot::take(raw).await?;
        match NAMES.iter().find(|name| now.value(name) != self.value(name)) {
            Some(what) => Err(SqliteError::Changed { what }),
            None => Ok(()),
        }
    }

    /// The statements that set every pragma.
    fn script(&self) -> String {
        let mut script = String::from(DROP_TEMPORARY);
        for (name, value) in NAMES.iter().zip(&self.values) {
            if *name != DATABASES && !value.is_empty() {
                script.push_str(&format!("PRAGMA {name} = {value};"));
            }
        }
        script
    }
}

async fn detach_all(raw: &mut sqlx::SqliteConnection) -> Result<(), sqlx::Error> {
    let attached: Vec<String> =
        sqlx::query_scalar("SELECT name FROM pragma_database_list WHERE name NOT IN ('main', 'temp')")
            .persistent(false)
            .fetch_all(&mut *raw)
            .await?;
    for name in attached {
        let quoted = name.replace('"', "\"\"");
        raw.execute(AssertSqlSafe(format!("DETACH \"{quoted}\""))).await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use pool_core::Connector as _;

    use super::*;
    use crate::sqlite::SqliteConnector;

    #[tokio::test]
    async fn every_name_has_its_value() {
        let directory = tempfile::tempdir().unwrap();
        let mut connection =
            SqliteConnector::file(directory.path().join("orders.db")).connect().await.unwrap();
        let snapshot = Snapshot::take(&mut connection).await.unwrap();
        assert_eq!(snapshot.values.len(), NAMES.len());
        let empty: Vec<_> = NAMES.iter().filter(|name| snapshot.value(name).is_empty()).collect();
        assert_eq!(empty, Vec::<&&str>::new());
        assert_eq!(snapshot.value("journal_mode"), "wal");
        assert_eq!(snapshot.value(CASE), "0");
        assert!(snapshot.value(DATABASES).starts_with("main /"));
    }
}
