//! One configuration with a pool of each driver, and what each is used for.

use pool_drivers::redis::redis::{self, AsyncCommands as _, aio::ConnectionLike as _};
use pool_tests::http::Http;
use pool_tests::mariadb::MariaDb;
use pool_tests::postgres::Postgres;
use pool_tests::redis::Redis;
use pool_tests::websocket::WebSocket;

use super::{PATIENCE, manager};

const PASSWORD: &str = "canary-typed";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_configuration_opens_a_pool_of_each_driver() {
    let postgres = Postgres::new().launch().await.unwrap();
    postgres.create_user("app", PASSWORD).await.unwrap();
    let mariadb = MariaDb::new().launch().await.unwrap();
    mariadb.create_user("app", PASSWORD).await.unwrap();
    let redis = Redis::new().user("app", PASSWORD).launch().await.unwrap();
    let (http, websocket) = (Http::new().launch().unwrap(), WebSocket::new().launch().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("password");
    std::fs::write(&secret, format!("{PASSWORD}\n")).unwrap();
    let (secret, folder) = (secret.display(), folder.path().display());

    let manager = manager(&format!(
        "default_pool: {{min_connections: 1, max_connections: 3}},
        pools: [
            {{name: orders, host: 127.0.0.1, port: {}, database: app, user: app, password_file: '{secret}',
                application_name: shop, statement_timeout_ms: 1500, idle_in_transaction_timeout_ms: 2500,
                init_sql: ['SET search_path TO orders', 'SET work_mem = 1024;']}},
            {{name: stock, driver: mysql, host: 127.0.0.1, port: {}, database: app, user: app,
                password_command: [cat, '{secret}'], init_sql: [SET @stock = 7]}},
            {{name: cache, driver: redis, host: 127.0.0.1, port: {}, database: '3', user: app,
                password: {PASSWORD}, application_name: the shop}},
            {{name: local, driver: sqlite, database: '{folder}/local.db'}},
            {{name: prices, driver: http, host: 127.0.0.1, port: {}, health_path: /}},
            {{name: feed, driver: websocket, url: '{}'}}]",
        postgres.port(),
        mariadb.port(),
        redis.port(),
        http.address().port(),
        websocket.url(),
    ))
    .await;
    manager.warm_up().await.unwrap();
    let readiness = manager.readiness().await;
    assert!(readiness.is_ready() && readiness.pools.len() == 6, "{readiness}");

    let shown = |setting: &'static str| {
        let pool = manager.postgres("orders").unwrap();
        async move {
            let query = "SELECT current_setting($1)";
            sqlx::query_scalar::<_, String>(query).bind(setting).fetch_one(&pool).await.unwrap()
        }
    };
    assert_eq!(shown("application_name").await, "shop");
    assert_eq!(shown("statement_timeout").await, "1500ms");
    assert_eq!(shown("idle_in_transaction_session_timeout").await, "2500ms");
    assert_eq!((shown("search_path").await, shown("work_mem").await), ("orders".into(), "1MB".into()));

    let stock = manager.mysql("stock").unwrap();
    let answer: i64 = sqlx::query_scalar("SELECT @stock").fetch_one(&stock).await.unwrap();
    assert_eq!(answer, 7);

    let mut cache = manager.redis("cache").unwrap().acquire().await.unwrap();
    cache.set::<_, _, ()>("lamp", 3).await.unwrap();
    let name: String = redis::cmd("CLIENT").arg("GETNAME").query_async(&mut *cache).await.unwrap();
    assert_eq!((cache.get_db(), name.as_str()), (3, "the-shop"));

    manager.sqlite("local").unwrap().acquire().await.unwrap().run("CREATE TABLE item (name)").await.unwrap();
    let answer = manager.http("prices").unwrap().acquire().await.unwrap().get("/").await.unwrap();
    assert!(answer.status().is_success());
    assert_eq!(
        manager
            .websocket("feed")
            .unwrap()
            .acquire()
            .await
            .unwrap()
            .request("hello")
            .await
            .unwrap()
            .to_string(),
        "hello"
    );

    drop(cache);
    let report = manager.close(PATIENCE).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(report.pools.len(), 6);
}

#[tokio::test]
async fn a_host_with_a_slash_is_a_socket() {
    let postgres = Postgres::new().launch().await.unwrap();
    postgres.create_user("app", PASSWORD).await.unwrap();
    let mariadb = MariaDb::new().launch().await.unwrap();
    mariadb.create_user("app", PASSWORD).await.unwrap();
    let redis = Redis::new().user("app", PASSWORD).launch().await.unwrap();
    let manager = manager(&format!(
        "security: {{ssl: {{enabled: true}}}},
        pools: [
            {{name: a, host: '{}', port: {}, database: app, user: app, password: {PASSWORD}}},
            {{name: b, driver: mysql, host: '{}', database: app, user: app, password: {PASSWORD}}},
            {{name: c, driver: redis, host: '{}', user: app, password: {PASSWORD}}}]",
        postgres.socket_dir().display(),
        postgres.port(),
        mariadb.socket().display(),
        redis.socket().display(),
    ))
    .await;
    for name in ["a", "b", "c"] {
        manager.acquire(name).await.unwrap_or_else(|error| panic!("failed to {error}"));
    }
}
