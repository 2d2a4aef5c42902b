//! Tokens of an OAuth2 server as the passwords of real databases.

use std::time::Duration;

use pool_core::{AcquireError, Pool};
use pool_drivers::credentials::{Credentials, OAuth2Config, OAuth2Credentials};
use pool_drivers::mysql::MySqlConnector;
use pool_drivers::postgres::PgConnector;
use pool_drivers::redis::RedisConnector;
use pool_drivers::redis::redis::AsyncCommands as _;
use pool_tests::local::LocalServer;
use pool_tests::mariadb::MariaDb;
use pool_tests::postgres::Postgres;
use pool_tests::redis::Redis;
use pool_tests::token::{Mood, TokenEndpoint};
use tokio::time::{Instant, sleep};

const SECRET: &str = "canary-client-secret";

fn endpoint(tokens: &[&str]) -> LocalServer<TokenEndpoint> {
    let endpoint = TokenEndpoint::new("orders", SECRET).launch().unwrap();
    for token in tokens {
        endpoint.next_token(*token);
    }
    endpoint
}

fn provider(endpoint: &LocalServer<TokenEndpoint>) -> OAuth2Credentials {
    let config = OAuth2Config::new(endpoint.url(), "orders", Credentials::password(SECRET));
    OAuth2Credentials::new(config.user("app").allow_plain_http(true)).unwrap()
}

/// The token is replaced while it is still good, so no connect ever meets one that has expired.
#[tokio::test]
async fn a_pool_of_postgres_logs_in_with_tokens_that_are_replaced_in_time() {
    let server = Postgres::new().launch().await.unwrap();
    server.create_user("app", "canary-token-1").await.unwrap();
    let endpoint = endpoint(&["canary-token-1", "canary-token-2"]);
    endpoint.expires_in(Some(Duration::from_secs(4)));
    let connector = PgConnector::from_url(&server.url("app", "canary-unused", "app")).unwrap();
    let pool = Pool::builder(connector.credentials(provider(&endpoint))).min_connections(0).build().unwrap();
    let run = async || pool.acquire().await.unwrap().run("SELECT 1").await.unwrap();
    run().await;
    assert_eq!(endpoint.issued(), ["canary-token-1"]);

    // Further connects have the same token, until it is time for the next one.
    let begun = Instant::now();
    while endpoint.issued().len() < 2 {
        assert!(begun.elapsed() < Duration::from_secs(4), "the token was not replaced in its time");
        pool.evict_all();
        run().await;
        sleep(Duration::from_millis(50)).await;
    }
    server.execute("alter role app password 'canary-token-2'").await.unwrap();
    // What was issued has still to arrive.
    sleep(Duration::from_millis(200)).await;
    pool.evict_all();
    run().await;
    assert_eq!(pool.counters().connect_failed, 0);
}

#[tokio::test]
async fn mariadb_and_redis_take_tokens_as_well() {
    let mariadb = MariaDb::new().launch().await.unwrap();
    mariadb.create_user("app", "canary-token-1").await.unwrap();
    let first = endpoint(&["canary-token-1"]);
    let connector = MySqlConnector::from_url(&mariadb.url("app", "canary-unused", "app")).unwrap();
    let pool = Pool::builder(connector.credentials(provider(&first))).build().unwrap();
    pool.acquire().await.unwrap().run("SELECT 1").await.unwrap();

    let redis = Redis::new().user("app", "canary-token-9").launch().await.unwrap();
    let second = endpoint(&["canary-token-9"]);
    let connector = RedisConnector::new(&format!("redis://{}", redis.address())).unwrap();
    let pool = Pool::builder(connector.credentials(provider(&second))).build().unwrap();
    pool.acquire().await.unwrap().ping::<String>().await.unwrap();
}

#[tokio::test]
async fn an_endpoint_that_fails_is_named_and_not_hammered() {
    let server = Postgres::new().launch().await.unwrap();
    let endpoint = endpoint(&[]);
    endpoint.mood(Mood::Fail(hyper::StatusCode::INTERNAL_SERVER_ERROR));
    let connector = PgConnector::from_url(&server.url("app", "canary-unused", "app")).unwrap();
    let pool = Pool::builder(connector.credentials(provider(&endpoint))).build().unwrap();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        let error = pool.acquire_timeout(Duration::from_millis(100)).await.unwrap_err();
        let text = error.to_string();
        assert!(!text.contains("canary"), "{text}");
        if let AcquireError::Unavailable { .. } = error {
            assert!(text.contains(&endpoint.url()) && text.contains("500"), "{text}");
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert!((1..20).contains(&endpoint.requests()), "{} requests in two seconds", endpoint.requests());
}
