//! The examples that need a server, run against one.
#![expect(dead_code, reason = "the `main` of an example")]

use pool_tests::mariadb::MariaDb;
use pool_tests::postgres::Postgres;
use pool_tests::redis::Redis;

#[path = "../../../pool-drivers/examples/mysql.rs"]
mod mysql;
#[path = "../../../pool-drivers/examples/postgres.rs"]
mod postgres;
#[path = "../../../pool-drivers/examples/redis.rs"]
mod redis;

const PASSWORD: &str = "canary-secret";

#[tokio::test]
async fn the_example_of_postgres_runs() {
    let server = Postgres::new().launch().await.unwrap();
    server.create_user("app", PASSWORD).await.unwrap();
    postgres::show(&server.url("app", PASSWORD, "app")).await.unwrap();
}

#[tokio::test]
async fn the_example_of_mysql_runs() {
    let server = MariaDb::new().launch().await.unwrap();
    server.create_user("app", PASSWORD).await.unwrap();
    mysql::show(&server.url("app", PASSWORD, "app")).await.unwrap();
}

#[tokio::test]
async fn the_example_of_redis_runs() {
    let server = Redis::new().launch().await.unwrap();
    redis::show(&server.url()).await.unwrap();
}
