//! What users of `sqlx::PgPool` write, on ours.

use std::future::poll_fn;

use sqlx::{Executor as _, Row as _};

use super::{pool, server};
use crate::sql::at_rest;

#[tokio::test]
async fn every_way_to_run_a_query_works_on_the_pool_itself() {
    let server = server().await;
    let pool = &pool(&server, 2).await;
    sqlx::raw_sql("CREATE TABLE item (id serial PRIMARY KEY, name text NOT NULL); INSERT INTO item (name) VALUES ('lamp')")
        .execute(pool)
        .await
        .unwrap();
    let done = sqlx::query("INSERT INTO item (name) VALUES ($1), ($2)")
        .bind("chair")
        .bind("desk")
        .execute(pool)
        .await;
    assert_eq!(done.unwrap().rows_affected(), 2);

    let row = sqlx::query("SELECT name FROM item WHERE id = $1").bind(2).fetch_one(pool).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "chair");
    let none = sqlx::query("SELECT name FROM item WHERE id = $1").bind(9).fetch_optional(pool).await.unwrap();
    assert!(none.is_none());
    let items: Vec<(i32, String)> =
        sqlx::query_as("SELECT id, name FROM item ORDER BY id").fetch_all(pool).await.unwrap();
    assert_eq!(items.last(), Some(&(3, String::from("desk"))));
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM item").fetch_one(pool).await.unwrap();
    assert_eq!(count, 3);

    let mut rows = sqlx::query("SELECT generate_series(1, 1000)").fetch(pool);
    let mut sum = 0;
    while let Some(row) = poll_fn(|cx| rows.as_mut().poll_next(cx)).await {
        sum += row.unwrap().get::<i32, _>(0);
    }
    drop(rows);
    assert_eq!(sum, 500_500);

    let prepared =
        pool.prepare(sqlx::SqlSafeStr::into_sql_str("SELECT name FROM item WHERE id = $1")).await.unwrap();
    let row = sqlx::Statement::query(&prepared).bind(1).fetch_one(pool).await.unwrap();
    assert_eq!(row.get::<String, _>("name"), "lamp");

    assert!(at_rest(pool).await <= 2);
    assert_eq!(pool.counters().resets, 0, "nothing was dirty");
}

#[tokio::test]
async fn statement_timeout_and_application_name_are_those_of_the_connector() {
    let server = server().await;
    let connector = super::connector(&server)
        .application_name("warehouse")
        .statement_timeout(std::time::Duration::from_millis(50));
    let pool: pool_drivers::postgres::PgPool = super::pool_of(connector, 1).build().unwrap().into();
    let name: String = sqlx::query_scalar("SHOW application_name").fetch_one(&pool).await.unwrap();
    assert_eq!(name, "warehouse");
    // J7: the server cancels it, and the connection is good afterwards.
    let error = sqlx::query("SELECT pg_sleep(20)").execute(&pool).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("57014"));
    sqlx::query("SET statement_timeout = 0").execute(&pool).await.unwrap();
    let limit: String = sqlx::query_scalar("SHOW statement_timeout").fetch_one(&pool).await.unwrap();
    assert_eq!(limit, "50ms", "the next holder has the timeout again");
    assert_eq!(pool.counters().created, 1);
}

// J8: the server ends a transaction that does nothing; the next holder gets another connection.
#[tokio::test]
async fn a_transaction_that_idles_too_long_is_ended_by_the_server() {
    let server = server().await;
    let connector =
        super::connector(&server).idle_in_transaction_timeout(std::time::Duration::from_millis(50));
    let pool: pool_drivers::postgres::PgPool = super::pool_of(connector, 1).build().unwrap().into();
    let mut transaction = pool.begin().await.unwrap();
    let witness = server.connect().await.unwrap();
    until_nobody_is_in_a_transaction(witness).await;
    let error = transaction.execute("SELECT 1").await.unwrap_err();
    assert!(error.to_string().contains("idle-in-transaction timeout"), "{error}");
    drop(transaction);
    let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&pool).await.unwrap();
    assert_eq!((one, pool.counters().created), (1, 2));
}

async fn until_nobody_is_in_a_transaction(mut witness: sqlx::PgConnection) {
    let begun = tokio::time::Instant::now();
    loop {
        let busy: i64 =
            sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE state = 'idle in transaction'")
                .fetch_one(&mut witness)
                .await
                .unwrap();
        if busy == 0 {
            return;
        }
        assert!(begun.elapsed().as_secs() < 20);
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}
