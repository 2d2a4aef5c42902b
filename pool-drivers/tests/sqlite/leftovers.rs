//! What one holder leaves behind, the next one does not find.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pool_core::{CloseReason, Connector as _, ErrorClass, Pool};
use pool_drivers::sqlite::{SqliteConnection, SqliteConnector};
use sqlx::{Acquire as _, Connection as _, Executor as _};

use crate::harness::{Home, ask, poll_and_drop, pool_of_one, pool_with_items, tell};

/// Asserts that the next holder gets the same connection, without a transaction and without rows.
async fn assert_as_new(pool: &Pool<SqliteConnector>, case: &str) {
    let mut next = pool.acquire().await.unwrap();
    assert_eq!(ask::<i64>(&mut next, "SELECT count(*) FROM item").await, 0, "{case}: rows");
    // Fails inside a transaction.
    next.execute("BEGIN").await.unwrap_or_else(|error| panic!("{case}: {error}"));
    next.execute("ROLLBACK").await.unwrap();
    assert!(!next.is_in_transaction(), "{case}: sqlx counts a transaction");
    drop(next);
    let counters = pool.counters();
    assert_eq!(counters.created, 1, "{case}: the connection was replaced");
}

#[tokio::test]
async fn plain_statements_cause_no_reset() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    for _ in 0..50 {
        let mut connection = pool.acquire().await.unwrap();
        sqlx::query("INSERT INTO item VALUES (?)").bind("lamp").execute(&mut *connection).await.unwrap();
        let names: Vec<String> =
            sqlx::query_scalar("SELECT name FROM item").fetch_all(&mut *connection).await.unwrap();
        assert!(names.iter().all(|name| name == "lamp"));
        sqlx::query("SELECT name FROM item").fetch_optional(&mut *connection).await.unwrap();
        assert!(connection.execute("SELECT nonsense").await.is_err());
        connection.prepare(sqlx::SqlStr::from_static("SELECT name FROM item")).await.unwrap();
        assert!(!connection.is_in_transaction());
        connection.run("SELECT 1").await.unwrap();
    }
    let counters = pool.counters();
    assert_eq!((counters.created, counters.resets, counters.closed.total()), (1, 0, 0));
}

#[tokio::test]
async fn a_query_that_is_not_to_be_kept_is_not_kept() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    let mut connection = pool.acquire().await.unwrap();
    let before = connection.cached_statements_size();
    sqlx::query("SELECT 7").persistent(false).execute(&mut *connection).await.unwrap();
    assert_eq!(connection.cached_statements_size(), before);
    sqlx::query("SELECT 7").execute(&mut *connection).await.unwrap();
    assert_eq!(connection.cached_statements_size(), before + 1);
}

#[tokio::test]
async fn a_reset_clears_the_suspicion() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    for leave in ["BEGIN", "PRAGMA query_only = 1"] {
        tell(&mut pool.acquire().await.unwrap(), leave).await;
        drop(pool.acquire().await.unwrap());
        let resets = pool.counters().resets;
        drop(pool.acquire().await.unwrap());
        drop(pool.acquire().await.unwrap());
        assert_eq!(pool.counters().resets, resets, "after {leave}");
    }
    assert_eq!(pool.counters().resets, 2);
}

#[tokio::test]
async fn the_next_holder_gets_the_same_connection() {
    let pool = pool_of_one(SqliteConnector::memory());
    let first = pool.acquire().await.unwrap().id();
    for _ in 0..10 {
        assert_eq!(pool.acquire().await.unwrap().id(), first);
    }
}

/// ACCEPTANCE E8.
#[tokio::test]
async fn a_transaction_begun_in_sql_is_rolled_back() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    for begin in [
        "BEGIN",
        "begin immediate",
        "BEGIN EXCLUSIVE",
        "SAVEPOINT here",
        "BEGIN; SAVEPOINT one; SAVEPOINT two",
        "/* a comment */ Begin Transaction",
    ] {
        let mut connection = pool.acquire().await.unwrap();
        tell(&mut connection, begin).await;
        tell(&mut connection, "INSERT INTO item VALUES ('uncommitted')").await;
        drop(connection);
        assert_as_new(&pool, begin).await;
    }
    assert_eq!(pool.counters().resets_failed, 0);
}

/// Ours, and sqlx's own on the connection inside.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Ours,
    Theirs,
}

const KINDS: [Kind; 2] = [Kind::Ours, Kind::Theirs];

/// ACCEPTANCE E8.
#[tokio::test]
async fn a_transaction_dropped_uncommitted_is_rolled_back() {
    const INSERT: &str = "INSERT INTO item VALUES ('uncommitted')";
    let pool = pool_with_items(SqliteConnector::memory()).await;
    for (begin, kind) in ["BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"]
        .into_iter()
        .flat_map(|begin| KINDS.map(|kind| (begin, kind)))
    {
        let mut connection = pool.acquire().await.unwrap();
        match kind {
            Kind::Ours => {
                let mut transaction = connection.begin_with(begin).await.unwrap();
                transaction.execute(INSERT).await.unwrap();
                let mut nested = transaction.begin().await.unwrap();
                nested.execute(INSERT).await.unwrap();
            }
            Kind::Theirs => {
                let mut transaction = (**connection).begin_with(begin).await.unwrap();
                transaction.execute(INSERT).await.unwrap();
                let mut nested = transaction.begin().await.unwrap();
                nested.execute(INSERT).await.unwrap();
            }
        }
        drop(connection);
        assert_as_new(&pool, &format!("{kind:?} {begin}")).await;
    }
    assert_eq!(pool.counters().resets_failed, 0);
}

/// ACCEPTANCE E8: nothing rolls it back but the pool.
#[tokio::test]
async fn a_transaction_that_was_forgotten_is_rolled_back() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    for kind in KINDS {
        let mut connection = pool.acquire().await.unwrap();
        match kind {
            Kind::Ours => {
                let mut transaction = connection.begin().await.unwrap();
                transaction.execute("INSERT INTO item VALUES ('x')").await.unwrap();
                std::mem::forget(transaction.begin().await.unwrap());
                std::mem::forget(transaction);
            }
            Kind::Theirs => {
                let mut transaction = (**connection).begin_with("BEGIN").await.unwrap();
                transaction.execute("INSERT INTO item VALUES ('x')").await.unwrap();
                std::mem::forget(transaction.begin().await.unwrap());
                std::mem::forget(transaction);
            }
        }
        drop(connection);
        assert_as_new(&pool, &format!("{kind:?}")).await;
    }
}

/// The savepoint that was forgotten would make the commit one of the savepoint only.
#[tokio::test]
async fn a_transaction_around_a_forgotten_savepoint_is_rolled_back() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    let mut connection = pool.acquire().await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    transaction.execute("INSERT INTO item VALUES ('x')").await.unwrap();
    std::mem::forget(transaction.begin().await.unwrap());
    let error = transaction.commit().await.unwrap_err();
    assert!(error.to_string().contains("2 are open where there were 1"), "{error}");
    drop(connection);
    assert_as_new(&pool, "half committed").await;
}

/// SQLite ends it, and sqlx goes on counting it.
#[tokio::test]
async fn a_transaction_ended_behind_the_back_of_sqlx_is_put_right() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    let mut connection = pool.acquire().await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    let mut nested = transaction.begin().await.unwrap();
    nested.execute("ROLLBACK").await.unwrap();
    drop(nested);
    drop(transaction);
    assert!(connection.is_in_transaction(), "sqlx counts it no more; this test is of no use then");
    drop(connection);
    assert_as_new(&pool, "rolled back by text").await;
}

#[tokio::test]
async fn what_a_transaction_of_sqlx_committed_stays() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    let mut connection = pool.acquire().await.unwrap();
    let mut transaction = (**connection).begin_with("BEGIN").await.unwrap();
    transaction.execute("INSERT INTO item VALUES ('committed')").await.unwrap();
    transaction.commit().await.unwrap();
    drop(connection);
    let mut next = pool.acquire().await.unwrap();
    assert_eq!(ask::<String>(&mut next, "SELECT name FROM item").await, "committed");
}

/// ACCEPTANCE E8, C1: at whatever point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_begin_that_is_cancelled_leaves_no_transaction() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    let mut cancelled = 0;
    for round in 0..400 {
        let mut connection = pool.acquire().await.unwrap();
        let finished = match KINDS[round % 2] {
            Kind::Ours => poll_and_drop(connection.begin(), round % 40),
            Kind::Theirs => poll_and_drop((**connection).begin_with("BEGIN"), round % 40),
        };
        cancelled += usize::from(!finished);
        drop(connection);
        assert_as_new(&pool, &format!("round {round}")).await;
    }
    assert!(cancelled > 10, "only {cancelled} were cancelled");
}

/// ACCEPTANCE E8, C1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_is_cancelled_commits_all_or_nothing() {
    const INSERT: &str = "INSERT INTO item VALUES ('a'); INSERT INTO item VALUES ('b')";
    let pool = pool_with_items(SqliteConnector::memory()).await;
    for round in 0..200 {
        let mut connection = pool.acquire().await.unwrap();
        match KINDS[round % 2] {
            Kind::Ours => {
                let mut transaction = connection.begin().await.unwrap();
                transaction.execute(INSERT).await.unwrap();
                poll_and_drop(transaction.commit(), round % 40);
            }
            Kind::Theirs => {
                let mut transaction = (**connection).begin_with("BEGIN").await.unwrap();
                transaction.execute(INSERT).await.unwrap();
                poll_and_drop(transaction.commit(), round % 40);
            }
        }
        drop(connection);
        let mut next = pool.acquire().await.unwrap();
        let rows = ask::<i64>(&mut next, "SELECT count(*) FROM item").await;
        assert!(rows == 0 || rows == 2, "{rows} rows");
        tell(&mut next, "DELETE FROM item").await;
        drop(next);
        assert_as_new(&pool, &format!("round {round}")).await;
    }
}

/// ACCEPTANCE E9. Each changes the session in its own way; all must be as before for the next holder.
#[tokio::test]
async fn changed_settings_are_set_back() {
    let home = Home::new();
    let pool = pool_with_items(home.connector()).await;
    for (change, look, expected) in [
        ("PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys", "1"),
        ("pragma busy_timeout(1)", "PRAGMA busy_timeout", "5000"),
        ("PRAGMA synchronous = OFF", "PRAGMA synchronous", "1"),
        ("PRAGMA journal_mode = DELETE", "PRAGMA journal_mode", "wal"),
        ("PRAGMA query_only = 1", "PRAGMA query_only", "0"),
        ("PRAGMA locking_mode = EXCLUSIVE", "PRAGMA main.locking_mode", "normal"),
        ("PRAGMA case_sensitive_like = 1", "SELECT 'a' LIKE 'A'", "1"),
        ("PRAGMA temp_store = 2", "PRAGMA temp_store", "0"),
        ("PRAGMA cache_size = 3", "PRAGMA cache_size", "-2000"),
        ("PRAGMA short_column_names = 0", "PRAGMA short_column_names", "1"),
        ("ATTACH ':memory:' AS \"odd \"\"name\"", "SELECT count(*) FROM pragma_database_list", "1"),
        ("CREATE TEMP TABLE item (x)", "SELECT count(*) FROM pragma_database_list", "1"),
        ("CREATE TABLE temp.other (x)", "SELECT count(*) FROM sqlite_temp_schema", "0"),
        (
            "ATTACH ':memory:' AS a; BEGIN; CREATE TABLE a.t (x); CREATE TEMPORARY TABLE t (x)",
            "SELECT group_concat(name) FROM pragma_database_list",
            "main",
        ),
    ] {
        let mut connection = pool.acquire().await.unwrap();
        tell(&mut connection, change).await;
        drop(connection);
        let mut next = pool.acquire().await.unwrap();
        assert_eq!(ask::<String>(&mut next, look).await, expected, "after {change}");
        assert_eq!(ask::<i64>(&mut next, "SELECT count(*) FROM item").await, 0, "after {change}");
    }
    let counters = pool.counters();
    assert_eq!((counters.created, counters.resets_failed), (1, 0));
}

/// ACCEPTANCE E9: sqlx's own connection was borrowed, so its text was not seen.
#[tokio::test]
async fn settings_changed_behind_our_back_are_set_back() {
    let pool = pool_of_one(SqliteConnector::memory());
    let mut connection = pool.acquire().await.unwrap();
    let inside: &mut sqlx::SqliteConnection = &mut connection;
    inside.execute("PRAGMA foreign_keys = OFF; BEGIN; CREATE TEMP TABLE t (x)").await.unwrap();
    drop(connection);
    let mut next = pool.acquire().await.unwrap();
    assert_eq!(ask::<i64>(&mut next, "PRAGMA foreign_keys").await, 1);
    assert!(next.execute("SELECT * FROM t").await.is_err());
    assert_eq!(pool.counters().created, 1);
}

/// ACCEPTANCE E9: SQLite executes this pragma when it is prepared.
#[tokio::test]
async fn a_pragma_that_was_only_prepared_is_set_back() {
    let pool = pool_of_one(SqliteConnector::memory());
    let mut connection = pool.acquire().await.unwrap();
    connection.prepare(sqlx::SqlStr::from_static("PRAGMA foreign_keys = OFF")).await.unwrap();
    // The one way to look that raises no suspicion itself.
    let look = "SELECT foreign_keys FROM pragma_foreign_keys";
    assert_eq!(ask::<i64>(&mut connection, look).await, 0, "it takes effect when prepared");
    drop(connection);
    assert_eq!(ask::<i64>(&mut pool.acquire().await.unwrap(), look).await, 1);
}

/// ACCEPTANCE E9: a write-ahead log begun under an exclusive lock keeps that lock for good.
#[tokio::test]
async fn what_cannot_be_set_back_costs_the_connection() {
    let home = Home::new();
    let pool = pool_with_items(home.connector()).await;
    let mut connection = pool.acquire().await.unwrap();
    for step in [
        "PRAGMA journal_mode = DELETE",
        "PRAGMA locking_mode = EXCLUSIVE",
        "PRAGMA journal_mode = WAL",
        "INSERT INTO item VALUES ('x')",
    ] {
        tell(&mut connection, step).await;
    }
    drop(connection);
    let mut next = pool.acquire().await.unwrap();
    assert_eq!(ask::<String>(&mut next, "PRAGMA main.locking_mode").await, "normal");
    let counters = pool.counters();
    assert_eq!((counters.created, counters.resets_failed), (2, 1));
    assert_eq!(counters.closed[CloseReason::ResetFailed], 1);
}

/// ACCEPTANCE E9: SQLite lets go of it only when the file is read again.
#[tokio::test]
async fn a_file_kept_locked_is_let_go() {
    let home = Home::new();
    let pool = pool_with_items(home.connector()).await;
    tell(
        &mut pool.acquire().await.unwrap(),
        "PRAGMA locking_mode = EXCLUSIVE; INSERT INTO item VALUES ('x')",
    )
    .await;
    drop(pool.acquire().await.unwrap());
    let mut other = home.connector().connect().await.unwrap();
    tell(&mut other, "INSERT INTO item VALUES ('y')").await;
    assert_eq!(pool.counters().created, 1);
}

/// ACCEPTANCE E9: this one stops every statement, those of a reset included.
#[tokio::test]
async fn a_progress_handler_is_replaced() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    let mut connection = pool.acquire().await.unwrap();
    connection.lock_handle().await.unwrap().set_progress_handler(1, || false);
    assert!(connection.execute("SELECT * FROM item").await.is_err(), "the handler was not installed");
    drop(connection);
    assert_as_new(&pool, "progress handler").await;
}

/// ACCEPTANCE E9.
#[tokio::test]
async fn hooks_are_removed() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    let calls = Arc::new(AtomicU64::new(0));
    let mut connection = pool.acquire().await.unwrap();
    let mut handle = connection.lock_handle().await.unwrap();
    for_all_hooks(&mut handle, &calls);
    drop(handle);
    tell(
        &mut connection,
        "INSERT INTO item VALUES ('x'); BEGIN; DELETE FROM item WHERE name = 'x'; ROLLBACK",
    )
    .await;
    let heard = calls.load(Ordering::SeqCst);
    assert!(heard >= 4, "the hooks were not installed: {heard} calls");
    drop(connection);

    let mut next = pool.acquire().await.unwrap();
    let before = calls.load(Ordering::SeqCst);
    tell(&mut next, "BEGIN; INSERT INTO item VALUES ('x'); ROLLBACK; INSERT INTO item VALUES ('y')").await;
    assert_eq!(calls.load(Ordering::SeqCst), before);
    assert_eq!(pool.counters().created, 1);
}

fn for_all_hooks(handle: &mut sqlx::sqlite::LockedSqliteHandle<'_>, calls: &Arc<AtomicU64>) {
    let call = || {
        let calls = Arc::clone(calls);
        move || {
            calls.fetch_add(1, Ordering::SeqCst);
        }
    };
    let (update, commit, rollback) = (call(), call(), call());
    handle.set_update_hook(move |_| update());
    handle.set_commit_hook(move || {
        commit();
        true
    });
    handle.set_rollback_hook(rollback);
}

/// ACCEPTANCE A8.
#[tokio::test]
async fn a_holder_that_panics_costs_its_connection_and_nothing_else() {
    let home = Home::new();
    let pool = pool_with_items(home.connector()).await;
    let holder = pool.clone();
    let outcome = tokio::spawn(async move {
        let mut connection = holder.acquire().await.unwrap();
        tell(&mut connection, "BEGIN IMMEDIATE; INSERT INTO item VALUES ('half')").await;
        panic!("the holder panics");
    })
    .await;
    assert!(outcome.unwrap_err().is_panic());
    let mut next = pool.acquire().await.unwrap();
    // Waits for the lock, should the thread of the other connection not be done yet.
    tell(&mut next, "INSERT INTO item VALUES ('whole')").await;
    assert_eq!(ask::<String>(&mut next, "SELECT name FROM item").await, "whole");
    assert_eq!(pool.counters().closed[CloseReason::Panicked], 1);
}

/// ACCEPTANCE E6.
#[tokio::test]
async fn a_fatal_error_closes_the_connection_without_a_report() {
    let home = Home::new();
    let connector = home.connector().journal_mode(sqlx::sqlite::SqliteJournalMode::Delete);
    let pool = pool_with_items(connector).await;
    let mut connection = pool.acquire().await.unwrap();
    std::fs::write(home.path(), "this was a database once".repeat(1000)).unwrap();
    let error = connection.execute("SELECT * FROM item").await.unwrap_err();
    assert!(error.to_string().contains("not a database"), "{error}");
    drop(connection);
    assert_eq!(pool.counters().closed[CloseReason::Broken], 1);
}

/// ACCEPTANCE E6: the other connections write into a file that nobody will find.
#[tokio::test]
async fn a_file_that_was_deleted_flushes_the_pool() {
    let home = Home::new();
    let connector = home.connector().journal_mode(sqlx::sqlite::SqliteJournalMode::Delete);
    let pool = pool_with_items(connector).await;
    let mut connection = pool.acquire().await.unwrap();
    std::fs::remove_file(home.path()).unwrap();
    let error = connection.execute("INSERT INTO item VALUES ('x')").await.unwrap_err();
    assert_eq!(connection.report(&error.into()), ErrorClass::FatalAll);
    drop(connection);
    tell(&mut pool.acquire().await.unwrap(), "CREATE TABLE item (name TEXT)").await;
    assert_eq!((pool.counters().created, pool.counters().flushes), (2, 1));
}

/// ACCEPTANCE E6.
#[tokio::test]
async fn an_error_of_the_statement_keeps_the_connection() {
    let pool = pool_of_one(SqliteConnector::memory());
    let mut connection = pool.acquire().await.unwrap();
    tell(&mut connection, "CREATE TABLE item (name TEXT UNIQUE); INSERT INTO item VALUES ('a')").await;
    let error = connection.execute("INSERT INTO item VALUES ('a')").await.unwrap_err();
    assert!(error.as_database_error().unwrap().is_unique_violation());
    drop(connection);
    drop(pool.acquire().await.unwrap());
    assert_eq!(pool.counters().created, 1);
}

/// What functions that take any `sqlx::Acquire` do.
async fn add<'a>(to: impl sqlx::Acquire<'a, Database = sqlx::Sqlite>) {
    let mut transaction = to.begin().await.unwrap();
    transaction.execute("INSERT INTO item VALUES ('x')").await.unwrap();
    transaction.commit().await.unwrap();
}

#[tokio::test]
async fn the_connection_goes_wherever_sqlx_takes_one() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    let mut connection = pool.acquire().await.unwrap();
    add(&mut *connection).await;
    let shell: &mut SqliteConnection = &mut connection;
    shell.acquire().await.unwrap().ping().await.unwrap();
    assert_eq!(ask::<i64>(&mut connection, "SELECT count(*) FROM item").await, 1);
}
