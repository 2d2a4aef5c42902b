//! Through a real PgBouncer that assigns a server anew for each transaction.

use pool_drivers::postgres::{PgConnector, PgPool};
use pool_tests::pgbouncer::PgBouncer;
use pool_tests::postgres::{PASSWORD, SUPERUSER};

use super::{pool_of, server};

/// It must show 2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_mixed_statements_of_twenty_tasks_meet_no_prepared_statement_error() {
    let server = server().await;
    server.execute("CREATE TABLE item (id int PRIMARY KEY, name text)").await.unwrap();
    let bouncer =
        PgBouncer::in_front_of(&server).user(SUPERUSER, PASSWORD).pool_size(4).launch().await.unwrap();
    let url = bouncer.url(SUPERUSER, PASSWORD, "postgres");
    let connector = PgConnector::from_url(&url).unwrap().transaction_pooling(true);
    let pool: PgPool = pool_of(connector, 20).build().unwrap().into();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..20_i32 {
        let pool = pool.clone();
        tasks.spawn(async move {
            for round in 0..125_i32 {
                let id = task * 1000 + round;
                sqlx::query("INSERT INTO item VALUES ($1, $2)")
                    .bind(id)
                    .bind("lamp")
                    .execute(&pool)
                    .await
                    .unwrap();
                let name: String = sqlx::query_scalar("SELECT name FROM item WHERE id = $1")
                    .bind(id)
                    .fetch_one(&pool)
                    .await
                    .unwrap();
                assert_eq!(name, "lamp");
                sqlx::raw_sql("SELECT 1").execute(&pool).await.unwrap();
                let mut transaction = pool.begin().await.unwrap();
                sqlx::query("UPDATE item SET name = $2 WHERE id = $1")
                    .bind(id)
                    .bind(format!("lamp {round}"))
                    .execute(&mut *transaction)
                    .await
                    .unwrap();
                transaction.commit().await.unwrap();
            }
        });
    }
    tasks.join_all().await;
    let renamed: i64 = sqlx::query_scalar("SELECT count(*) FROM item WHERE name LIKE 'lamp %'")
        .fetch_one(&pool)
        .await
        .unwrap();
    assert_eq!(renamed, 2500);
    assert_eq!(
        pool.counters().closed.iter().map(|(_, closed)| closed).sum::<u64>(),
        0,
        "{:?}",
        pool.counters()
    );
}

#[tokio::test]
async fn a_failed_statement_leaves_no_transaction_behind_the_pooler() {
    let server = server().await;
    server.execute("CREATE TABLE item (id int PRIMARY KEY)").await.unwrap();
    let bouncer =
        PgBouncer::in_front_of(&server).user(SUPERUSER, PASSWORD).pool_size(1).launch().await.unwrap();
    let connector = PgConnector::from_url(&bouncer.url(SUPERUSER, PASSWORD, "postgres"))
        .unwrap()
        .transaction_pooling(true);
    let pool: PgPool = pool_of(connector, 2).build().unwrap().into();
    let insert = |id: i32| sqlx::query("INSERT INTO item VALUES ($1)").bind(id);
    insert(1).execute(&pool).await.unwrap();
    insert(1).execute(&pool).await.unwrap_err();
    // With a transaction left open, the one server connection would be taken and this would hang.
    insert(2).execute(&pool).await.unwrap();
    let mut other = pool.acquire().await.unwrap();
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM item WHERE id < $1")
        .bind(9)
        .fetch_one(&mut *other)
        .await
        .unwrap();
    assert_eq!(count, 2);
}

// Whose connection was borrowed may have begun a transaction or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_borrowed_connection_never_runs_the_statement_of_another() {
    let server = server().await;
    let bouncer =
        PgBouncer::in_front_of(&server).user(SUPERUSER, PASSWORD).pool_size(4).launch().await.unwrap();
    let connector = PgConnector::from_url(&bouncer.url(SUPERUSER, PASSWORD, "postgres"))
        .unwrap()
        .transaction_pooling(true);
    let pool: PgPool = pool_of(connector, 12).build().unwrap().into();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..12_usize {
        let pool = pool.clone();
        tasks.spawn(async move {
            let (sql, sum) = [("SELECT $1::int4 + 1000", 1000), ("SELECT $1::int4 + 2000", 2000)][task % 2];
            let mut connection = pool.acquire().await.unwrap();
            connection.mark_dirty();
            for round in 0..100 {
                let answer: i32 =
                    sqlx::query_scalar(sql).bind(round).fetch_one(&mut *connection).await.unwrap();
                assert_eq!(answer, sum + round);
            }
            // A transaction of the text's own stays what it is.
            sqlx::raw_sql("BEGIN").execute(&mut *connection).await.unwrap();
            let first: i32 = sqlx::query_scalar(sql).bind(1).fetch_one(&mut *connection).await.unwrap();
            sqlx::raw_sql("SAVEPOINT still_open").execute(&mut *connection).await.unwrap();
            assert_eq!(first, sum + 1);
        });
    }
    tasks.join_all().await;
}
