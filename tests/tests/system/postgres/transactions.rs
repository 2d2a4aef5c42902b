//! Transactions: kinds, nesting, and running them again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pool_drivers::postgres::{Begin, Isolation, PgPool, Retry};
use pool_tests::postgres::Postgres;
use sqlx::Executor as _;
use tokio::sync::Barrier;

use super::{pool, server};
use crate::sql::{a_deadlock_ends_well, at_rest};

async fn count(pool: &PgPool) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM item").fetch_one(pool).await.unwrap()
}

#[tokio::test]
async fn every_kind_of_transaction_is_what_it_says() {
    let server = server().await;
    let pool = pool(&server, 1).await;
    let shown = "SELECT concat_ws(', ', current_setting('transaction_isolation'), \
                 current_setting('transaction_read_only'), current_setting('transaction_deferrable'))";
    for (begin, expected) in [
        (Begin::default(), "read committed, off, off"),
        (Isolation::ReadCommitted.into(), "read committed, off, off"),
        (Isolation::RepeatableRead.into(), "repeatable read, off, off"),
        (Isolation::Serializable.into(), "serializable, off, off"),
        (Isolation::Serializable.read_only().deferrable(), "serializable, on, on"),
        (Begin::default().read_only(), "read committed, on, off"),
    ] {
        let mut transaction = pool.begin_with(begin).await.unwrap();
        let kind: String = sqlx::query_scalar(shown).fetch_one(&mut *transaction).await.unwrap();
        assert_eq!(kind, expected);
        transaction.commit().await.unwrap();
    }
    assert_eq!((at_rest(&pool).await, pool.counters().resets), (1, 0));

    // A write in a transaction that was meant to read is the holder's mistake, not a fail-over.
    let mut transaction = pool.begin_with(Begin::default().read_only()).await.unwrap();
    let error = transaction.execute("CREATE TABLE item (id int)").await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("25006"));
    drop(transaction);
    assert_eq!((at_rest(&pool).await, pool.counters().flushes, pool.counters().created), (1, 0, 1));
}

#[tokio::test]
async fn savepoints_nest_and_each_is_undone_alone() {
    let server = server().await;
    server.execute("CREATE TABLE item (id int)").await.unwrap();
    let pool = pool(&server, 1).await;
    let mut order = pool.begin().await.unwrap();
    order.execute("INSERT INTO item VALUES (1)").await.unwrap();
    let mut second = order.begin().await.unwrap();
    second.execute("INSERT INTO item VALUES (2)").await.unwrap();
    let mut third = second.begin().await.unwrap();
    third.execute("INSERT INTO item VALUES (3)").await.unwrap();
    third.execute("SELECT 1/0").await.unwrap_err();
    third.rollback().await.unwrap();
    let mut again = second.begin().await.unwrap();
    again.execute("INSERT INTO item VALUES (4)").await.unwrap();
    drop(again);
    second.commit().await.unwrap();
    order.commit().await.unwrap();
    let items: Vec<i32> =
        sqlx::query_scalar("SELECT id FROM item ORDER BY id").fetch_all(&pool).await.unwrap();
    assert_eq!(items, [1, 2]);
}

#[tokio::test]
async fn a_commit_never_claims_what_the_server_has_rolled_back() {
    let server = server().await;
    server.execute("CREATE TABLE item (id int)").await.unwrap();
    let pool = pool(&server, 1).await;
    let mut order = pool.begin().await.unwrap();
    order.execute("INSERT INTO item VALUES (1)").await.unwrap();
    order.execute("SELECT 1/0").await.unwrap_err();
    // The server would answer ROLLBACK, and sqlx that all is well.
    let error = order.commit().await.unwrap_err();
    assert!(error.to_string().contains("a statement of this transaction failed"), "{error}");
    assert_eq!(count(&pool).await, 0);
}

#[tokio::test]
async fn a_transaction_ends_with_its_holder_however_that_ends() {
    let server = server().await;
    server.execute("CREATE TABLE item (id int)").await.unwrap();
    let pool = pool(&server, 1).await;
    let mut dropped = pool.begin().await.unwrap();
    dropped.execute("INSERT INTO item VALUES (1)").await.unwrap();
    drop(dropped);
    assert_eq!(count(&pool).await, 0);
    let panicking = tokio::spawn({
        let pool = pool.clone();
        async move {
            let mut transaction = pool.begin().await.unwrap();
            transaction.execute("INSERT INTO item VALUES (1)").await.unwrap();
            panic!("on purpose");
        }
    });
    assert!(panicking.await.unwrap_err().is_panic());
    assert_eq!(count(&pool).await, 0);
}

/// Two transactions that cannot both be serialized: one is run again, in a task of its own, so the future is `Send`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_serialization_failure_is_run_again_and_nothing_is_lost() {
    let server = server().await;
    server.execute("CREATE TABLE counter (value int); INSERT INTO counter VALUES (0)").await.unwrap();
    let pool = pool(&server, 2).await;
    let (both, attempts) = (Arc::new(Barrier::new(2)), Arc::new(AtomicU32::new(0)));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let (pool, both, attempts) = (pool.clone(), Arc::clone(&both), Arc::clone(&attempts));
        tasks.spawn(async move {
            pool.transaction_with(Retry::default(), Isolation::Serializable, |mut transaction| {
                let (both, attempts) = (Arc::clone(&both), Arc::clone(&attempts));
                async move {
                    let value: i32 =
                        sqlx::query_scalar("SELECT value FROM counter").fetch_one(&mut *transaction).await?;
                    if attempts.fetch_add(1, Ordering::Relaxed) < 2 {
                        both.wait().await;
                    }
                    let set = sqlx::query("UPDATE counter SET value = $1").bind(value + 1);
                    set.execute(&mut *transaction).await.map(drop)
                }
            })
            .await
            .unwrap();
        });
    }
    tasks.join_all().await;
    let value: i32 = sqlx::query_scalar("SELECT value FROM counter").fetch_one(&pool).await.unwrap();
    assert_eq!((value, attempts.load(Ordering::Relaxed)), (2, 3));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deadlock_is_run_again() {
    let server = Postgres::new().setting("deadlock_timeout", "20ms").launch().await.unwrap();
    server.execute("CREATE TABLE item (id int); INSERT INTO item VALUES (1), (2)").await.unwrap();
    let pool = pool(&server, 2).await;
    a_deadlock_ends_well(&pool).await;
}

#[tokio::test]
async fn what_cannot_be_helped_is_not_run_again() {
    let server = server().await;
    let pool = pool(&server, 1).await;
    let mut attempts = 0;
    let failed = pool
        .transaction(|mut transaction| {
            attempts += 1;
            async move { transaction.execute("SELECT 1/0").await.map(drop) }
        })
        .await;
    assert_eq!(failed.unwrap_err().as_database_error().unwrap().code().as_deref(), Some("22012"));
    assert_eq!(attempts, 1);
}

// sqlx answers a savepoint that it could not set by rolling back what is around it.
#[tokio::test]
async fn nothing_is_written_after_a_savepoint_that_was_not_set() {
    let server = Postgres::new().launch().await.unwrap();
    server.execute("CREATE TABLE item (id int)").await.unwrap();
    let pool = pool(&server, 1).await;
    let mut order = pool.begin().await.unwrap();
    order.execute("SELECT 1/0").await.unwrap_err();
    order.begin().await.map(drop).unwrap_err();
    order.execute("INSERT INTO item VALUES (1)").await.unwrap_err();
    order.commit().await.unwrap_err();
    assert_eq!(count(&pool).await, 0, "refused");

    let noop = &mut std::task::Context::from_waker(std::task::Waker::noop());
    let mut order = loop {
        let mut order = pool.begin().await.unwrap();
        // Else the server was as quick as this.
        if Box::pin(order.begin()).as_mut().poll(noop).is_pending() {
            break order;
        }
    };
    order.execute("INSERT INTO item VALUES (1)").await.unwrap_err();
    order.commit().await.unwrap_err();
    assert_eq!(count(&pool).await, 0, "given up");
}

const FAIL_ONCE: &str = "DO $$ BEGIN RAISE EXCEPTION 'once' USING ERRCODE = '40001'; END $$";

#[tokio::test]
async fn an_attempt_that_passes_over_its_failure_leaves_nothing_and_is_repeated() {
    let server = Postgres::new().launch().await.unwrap();
    server.execute("CREATE TABLE item (id int)").await.unwrap();
    let pool = pool(&server, 1).await;
    for tells in [true, false] {
        let attempts = AtomicU32::new(0);
        let done: Result<(), sqlx::Error> = pool
            .transaction(|mut order| {
                let first = attempts.fetch_add(1, Ordering::Relaxed) == 0;
                async move {
                    let failed = if first { order.execute(FAIL_ONCE).await.map(drop) } else { Ok(()) };
                    // Its failure is passed over, too.
                    drop(order.begin().await);
                    let inserted = order.execute("INSERT INTO item VALUES (1)").await.map(drop);
                    if tells { failed.and(inserted) } else { Ok(()) }
                }
            })
            .await;
        done.unwrap();
        assert_eq!(attempts.load(Ordering::Relaxed), 2);
    }
    assert_eq!(count(&pool).await, 2, "once for each transaction");
}

#[tokio::test]
async fn no_commit_of_a_void_transaction_says_that_all_is_well() {
    let server = Postgres::new().launch().await.unwrap();
    server.execute("CREATE TABLE item (id int)").await.unwrap();
    let pool = pool(&server, 1).await;

    let mut order = pool.begin().await.unwrap();
    assert!(order.copy_in_raw("COPY nowhere FROM STDIN").await.is_err());
    order.commit().await.expect_err("the failure was sqlx's alone to see");

    let mut order = pool.begin().await.unwrap();
    order.execute("SELECT 1/0").await.unwrap_err();
    order.execute("-- nothing").await.unwrap();
    order.commit().await.expect_err("an empty statement succeeds even now");

    let mut order = pool.begin().await.unwrap();
    order.execute("SELECT 1/0").await.unwrap_err();
    (&mut *order).prepare(sqlx::SqlSafeStr::into_sql_str("ROLLBACK")).await.unwrap();
    order.commit().await.expect_err("it was not rolled back");
}

#[tokio::test]
async fn who_asks_not_to_write_and_writes_flushes_no_pool() {
    let server = Postgres::new().launch().await.unwrap();
    server.execute("CREATE TABLE item (id int)").await.unwrap();
    let pool = pool(&server, 1).await;
    for asked in ["SET transaction_read_only = on", "SET LOCAL transaction_read_only = on"] {
        let mut order = pool.begin().await.unwrap();
        order.execute(asked).await.unwrap();
        order.execute("INSERT INTO item VALUES (1)").await.unwrap_err();
    }
    let init = "SET default_transaction_read_only = on";
    let readers: PgPool = super::pool_of(super::connector(&server).init_sql(init), 1).build().unwrap().into();
    for _ in 0..2 {
        readers.execute("INSERT INTO item VALUES (1)").await.unwrap_err();
        readers.execute("SET work_mem = '9MB'").await.unwrap();
        at_rest(&readers).await;
    }
    assert_eq!((pool.counters().flushes, readers.counters().flushes), (0, 0));
}
