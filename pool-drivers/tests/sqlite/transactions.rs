//! Transactions through the connection itself: REQUIREMENTS E3.

use pool_core::Pool;
use pool_drivers::sqlite::{SqliteConnection, SqliteConnector, SqlitePool};
use sqlx::{Connection as _, Executor as _};

use crate::harness::{Home, ask, poll_and_drop, pool_of, pool_with_items, tell};

async fn items(connection: &mut SqliteConnection) -> i64 {
    ask(connection, "SELECT count(*) FROM item").await
}

#[tokio::test]
async fn a_committed_transaction_stays_and_causes_no_reset() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    for begin in [None, Some("BEGIN"), Some("BEGIN IMMEDIATE"), Some("begin exclusive")] {
        let mut connection = pool.acquire().await.unwrap();
        let mut transaction = match begin {
            None => connection.begin().await.unwrap(),
            Some(begin) => connection.begin_with(begin).await.unwrap(),
        };
        tell(&mut transaction, "INSERT INTO item VALUES ('outer')").await;
        let mut nested = transaction.begin().await.unwrap();
        tell(&mut nested, "INSERT INTO item VALUES ('nested')").await;
        nested.commit().await.unwrap();
        transaction.commit().await.unwrap();
        drop(connection);

        let mut connection = pool.acquire().await.unwrap();
        assert_eq!(items(&mut connection).await, 2, "{begin:?}");
        let mut transaction = connection.begin().await.unwrap();
        tell(&mut transaction, "DELETE FROM item").await;
        transaction.commit().await.unwrap();
    }
    let counters = pool.counters();
    assert_eq!((counters.created, counters.resets), (1, 0));
}

#[tokio::test]
async fn a_savepoint_is_rolled_back_alone() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    let mut connection = pool.acquire().await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    tell(&mut transaction, "INSERT INTO item VALUES ('outer')").await;
    let mut nested = transaction.begin().await.unwrap();
    tell(&mut nested, "INSERT INTO item VALUES ('rolled back')").await;
    nested.rollback().await.unwrap();
    let mut nested = transaction.begin().await.unwrap();
    tell(&mut nested, "INSERT INTO item VALUES ('dropped')").await;
    drop(nested);
    assert_eq!(ask::<String>(&mut transaction, "SELECT name FROM item").await, "outer");
    transaction.commit().await.unwrap();
    assert_eq!(items(&mut connection).await, 1);
    drop(connection);
    drop(pool.acquire().await.unwrap());
    assert_eq!(pool.counters().resets, 0, "all of it was ended");
}

#[tokio::test]
async fn a_transaction_rolled_back_or_dropped_leaves_nothing_to_its_holder() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    let mut connection = pool.acquire().await.unwrap();
    let mut transaction = connection.begin().await.unwrap();
    tell(&mut transaction, "INSERT INTO item VALUES ('x')").await;
    transaction.rollback().await.unwrap();
    assert_eq!(items(&mut connection).await, 0);
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
    tell(&mut transaction, "INSERT INTO item VALUES ('x')").await;
    drop(transaction);
    assert_eq!(items(&mut connection).await, 0);
    assert!(!connection.is_in_transaction());
}

#[tokio::test]
async fn a_setting_changed_in_a_transaction_is_still_set_back() {
    // The one way to look that raises no suspicion itself.
    let look = "SELECT cache_size FROM pragma_cache_size";
    let pool = pool_with_items(SqliteConnector::memory()).await;
    for (begin, then) in [("BEGIN", "PRAGMA cache_size = 7"), ("PRAGMA cache_size = 7; BEGIN", "SELECT 1")] {
        let mut connection = pool.acquire().await.unwrap();
        let mut transaction = connection.begin_with(begin).await.unwrap();
        tell(&mut transaction, then).await;
        assert_eq!(ask::<i64>(&mut transaction, look).await, 7);
        transaction.commit().await.unwrap();
        drop(connection);
        assert_eq!(ask::<i64>(&mut pool.acquire().await.unwrap(), look).await, -2000, "{begin}; {then}");
    }
}

#[tokio::test]
async fn a_failed_begin_leaves_the_open_transaction_alone() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    let mut connection = pool.acquire().await.unwrap();
    assert!(connection.begin_with("SELECT 1").await.is_err(), "that begins nothing");
    let mut transaction = connection.begin().await.unwrap();
    tell(&mut transaction, "INSERT INTO item VALUES ('x')").await;
    // sqlx refuses it, and its own transaction would then roll back the outer one.
    assert!(transaction.begin_with("BEGIN IMMEDIATE").await.is_err());
    transaction.commit().await.unwrap();
    assert_eq!(items(&mut connection).await, 1);
}

/// ACCEPTANCE C1.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_savepoint_leaves_the_open_transaction_alone() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    for round in 0..200 {
        let mut connection = pool.acquire().await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        tell(&mut transaction, "INSERT INTO item VALUES ('x')").await;
        poll_and_drop(transaction.begin(), round % 40);
        transaction.commit().await.unwrap();
        assert_eq!(items(&mut connection).await, round as i64 + 1);
    }
    assert_eq!(pool.counters().created, 1);
}

/// REQUIREMENTS E4: there is one writer, and `BEGIN IMMEDIATE` waits for its turn.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_and_write_transactions_of_many_tasks_take_turns() {
    let home = Home::new();
    let pool = pool_of(home.connector(), 4).build().unwrap();
    tell(
        &mut pool.acquire().await.unwrap(),
        "CREATE TABLE counter (value INTEGER); INSERT INTO counter VALUES (0)",
    )
    .await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for _ in 0..10 {
                    let mut connection = pool.acquire().await.unwrap();
                    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
                    let value: i64 = ask(&mut transaction, "SELECT value FROM counter").await;
                    sqlx::query("UPDATE counter SET value = ?")
                        .bind(value + 1)
                        .execute(&mut *transaction)
                        .await
                        .unwrap();
                    transaction.commit().await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(ask::<i64>(&mut pool.acquire().await.unwrap(), "SELECT value FROM counter").await, 200);
}

#[tokio::test]
async fn a_commit_that_fails_rolls_back() {
    let pool = pool_with_items(SqliteConnector::memory()).await;
    let mut connection = pool.acquire().await.unwrap();
    tell(&mut connection, "CREATE TABLE parent (id INTEGER PRIMARY KEY)").await;
    tell(
        &mut connection,
        "CREATE TABLE child (parent INTEGER REFERENCES parent (id) DEFERRABLE INITIALLY DEFERRED)",
    )
    .await;
    let mut transaction = connection.begin().await.unwrap();
    tell(&mut transaction, "INSERT INTO child VALUES (1)").await;
    let error = transaction.commit().await.unwrap_err();
    assert!(error.as_database_error().unwrap().is_foreign_key_violation(), "{error}");
    assert_eq!(ask::<i64>(&mut connection, "SELECT count(*) FROM child").await, 0);
    connection.execute("BEGIN").await.expect("no transaction is open");
}

#[tokio::test]
async fn nothing_is_written_in_a_transaction_that_a_failure_has_ended() {
    let pool: SqlitePool = Pool::builder(SqliteConnector::memory())
        .max_connections(1)
        .min_connections(0)
        .build()
        .unwrap()
        .into();
    pool.execute("CREATE TABLE item (id INTEGER PRIMARY KEY ON CONFLICT ROLLBACK)").await.unwrap();
    let mut order = pool.begin().await.unwrap();
    order.execute("INSERT INTO item VALUES (1)").await.unwrap();
    order.execute("INSERT INTO item VALUES (1)").await.unwrap_err();
    for refused in
        [order.execute("INSERT INTO item VALUES (2)").await.map(drop), order.begin().await.map(drop)]
    {
        let error = refused.unwrap_err();
        assert!(error.to_string().contains("rolled back before this"), "{error}");
    }
    order.commit().await.unwrap_err();
    let mut order = pool.begin().await.unwrap();
    order.execute("INSERT INTO item VALUES (1)").await.unwrap();
    let mut part = order.begin().await.unwrap();
    part.execute("INSERT INTO item VALUES (1)").await.unwrap_err();
    drop(part);
    order.execute("INSERT INTO item VALUES (2)").await.unwrap_err();
    drop(order);
    let items: i64 = sqlx::query_scalar("SELECT count(*) FROM item").fetch_one(&pool).await.unwrap();
    assert_eq!(items, 0);

    // Other failures end nothing.
    let mut order = pool.begin().await.unwrap();
    order.execute("INSERT INTO item VALUES (3)").await.unwrap();
    order.execute("SELECT no FROM nothing").await.unwrap_err();
    let mut part = order.begin().await.unwrap();
    part.execute("SELECT no FROM nothing").await.unwrap_err();
    part.execute("INSERT INTO item VALUES (4)").await.unwrap();
    part.commit().await.unwrap();
    order.commit().await.unwrap();
    let items: i64 = sqlx::query_scalar("SELECT count(*) FROM item").fetch_one(&pool).await.unwrap();
    assert_eq!((items, pool.counters().created), (2, 1));
}
