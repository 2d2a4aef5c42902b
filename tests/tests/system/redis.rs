//! Pools of Redis connections, while the server is killed, frozen, and wants certificates.

use std::time::Duration;

use pool_core::{AcquireError, Connector as _, Pool};
use pool_drivers::redis::redis::aio::ConnectionLike as _;
use pool_drivers::redis::redis::{self, AsyncCommands as _};
use pool_drivers::redis::{RedisConnector, RedisPool};
use pool_drivers::tls::Tls;
use pool_tests::ca::{Ca, Tls as ServedWith};
use pool_tests::redis::Redis;
use tokio::time::{Instant, sleep, timeout};

fn pool(connector: RedisConnector) -> RedisPool {
    Pool::builder(connector)
        .name("cache")
        .max_connections(3)
        .min_connections(0)
        .acquire_timeout(Duration::from_secs(5))
        .build()
        .unwrap()
}

/// Waits until the pool works again.
async fn recovered(pool: &RedisPool) {
    let begun = Instant::now();
    loop {
        if let Ok(mut connection) = pool.acquire().await
            && connection.ping::<String>().await.is_ok()
        {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "the pool does not recover");
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_pool_tells_that_its_redis_is_gone_and_works_again_when_it_is_back() {
    let server = Redis::new().password("canary-s3cret").launch().await.unwrap();
    let pool = pool(RedisConnector::new(&server.url()).unwrap());
    let mut held = pool.acquire().await.unwrap();
    held.set::<_, _, ()>("lamp", 3).await.unwrap();

    server.kill().await.unwrap();
    held.get::<_, i64>("lamp").await.unwrap_err();
    drop(held);
    let error = pool.acquire().await.unwrap_err();
    assert!(matches!(error, AcquireError::Unavailable { .. }), "{error}");
    let text = error.to_string();
    assert!(!text.contains("canary-s3cret"), "{text}");

    server.start().await.unwrap();
    recovered(&pool).await;
    assert_eq!(pool.acquire().await.unwrap().get::<_, i64>("lamp").await.unwrap(), 3);
}

#[tokio::test]
async fn a_frozen_redis_fails_commands_in_time() {
    let server = Redis::new().launch().await.unwrap();
    let connector = RedisConnector::new(&server.url()).unwrap().response_timeout(Duration::from_millis(100));
    let pool = pool(connector);
    let mut held = pool.acquire().await.unwrap();
    server.freeze().await.unwrap();
    let error =
        timeout(Duration::from_secs(2), held.get::<_, Option<i64>>("lamp")).await.unwrap().unwrap_err();
    assert!(error.is_timeout(), "{error}");
    drop(held);
    server.thaw();
    recovered(&pool).await;
}

#[tokio::test]
async fn a_redis_that_wants_a_certificate_gets_it() {
    let ca = Ca::new();
    let identity = ca.local_server();
    let server = Redis::new()
        .password("canary-s3cret")
        .tls(ServedWith::with_client_certificates(&ca, &identity))
        .launch()
        .await
        .unwrap();
    let connector = RedisConnector::new(&server.url()).unwrap();
    let trusting = Tls::new().ca_certificate(ca.certificate_path());

    let error = connector.clone().tls(trusting.clone()).connect().await.unwrap_err();
    assert!(!format!("{error:?}").contains("canary-s3cret"), "{error:?}");

    let ours = ca.client("orders");
    let presenting = trusting.client_certificate(ours.certificate_path(), ours.key_path());
    let pool = pool(connector.tls(presenting));
    assert_eq!(pool.acquire().await.unwrap().ping::<String>().await.unwrap(), "PONG");
}

#[tokio::test]
async fn a_pipeline_with_a_second_transaction_leaves_none_open() {
    let server = Redis::new().launch().await.unwrap();
    let pool = Pool::builder(RedisConnector::new(&server.url()).unwrap()).max_connections(1).build().unwrap();
    let mut connection = pool.acquire().await.unwrap();
    let mut pipeline = redis::pipe();
    pipeline.cmd("MULTI").cmd("INCR").arg("lamp").cmd("EXEC").cmd("MULTI").cmd("INCR").arg("lamp");
    pipeline.query_async::<()>(&mut *connection).await.unwrap();
    drop(connection);
    assert_eq!(pool.acquire().await.unwrap().get::<_, i64>("lamp").await.unwrap(), 1);

    let mut connection = pool.acquire().await.unwrap();
    let mut pipeline = redis::pipe();
    pipeline.cmd("WATCH").arg("lamp").cmd("UNWATCH").cmd("WATCH").arg("lamp");
    pipeline.query_async::<()>(&mut *connection).await.unwrap();
    drop(connection);
    let mut connection = pool.acquire().await.unwrap();
    connection.set::<_, _, ()>("lamp", 5).await.unwrap();
    let lamp: Option<(i64,)> =
        redis::pipe().atomic().get("lamp").query_async(&mut *connection).await.unwrap();
    assert_eq!(lamp, Some((5,)), "nobody watches any more");
    drop(connection);

    let mut connection = pool.acquire().await.unwrap();
    let mut pipeline = redis::pipe();
    pipeline.cmd("EXEC").cmd("DISCARD").cmd("ECHO").arg("a").cmd("MULTI").cmd("ECHO").arg("b");
    connection.req_packed_commands(&pipeline, 3, 2).await.unwrap();
    drop(connection);
    assert_eq!(pool.acquire().await.unwrap().get::<_, i64>("lamp").await.unwrap(), 5);
}
