//! The health of the pools of a configuration, on a real server: what is asked of the manager, and what it does of itself.

use std::time::Duration;

use pool_health::{BreakerState, HealthStatus};
use pool_manager::ReadyState;
use pool_tests::postgres::Postgres;
use tokio::time::Instant;

use super::{manager, until};

/// With two pools of one target: the breaker is theirs together, and nobody but the pools themselves finds out that the
/// server is back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_breaker_opens_with_the_server_gone_and_closes_without_a_caller() {
    let server = Postgres::new().launch().await.unwrap();
    server.create_user("app", "canary-health").await.unwrap();
    let pool = |name| {
        let port = server.port();
        format!(
            "{{name: {name}, host: 127.0.0.1, port: {port}, database: app, user: app, password: canary-health}}"
        )
    };
    let manager = manager(&format!(
        "health_monitoring: {{check_interval_ms: 1000, fast_interval_ms: 200, down_interval_ms: 500, connection_timeout_ms: 900}},
         default_pool: {{min_connections: 1, max_connections: 3, connection_timeout_ms: 5000,
             circuit_breaker: {{enabled: true, consecutive_failures: 2, open_ms: 250, open_max_ms: 1000}}}},
         pools: [{}, {}]",
        pool("orders"),
        pool("stock")
    ))
    .await;
    manager.warm_up().await.unwrap();
    let status = |pool: &str| manager.health().status(pool);
    until("both are healthy", async || {
        ["orders", "stock"].iter().all(|pool| status(pool) == HealthStatus::Healthy)
    })
    .await;
    let breaker = manager.circuit_breaker("orders").unwrap().unwrap();
    assert_eq!(breaker.state(), BreakerState::Closed);

    server.stop_immediately().await.unwrap();
    until("the breaker is open", async || breaker.snapshot().opened > 0).await;
    until("both are lost", async || {
        ["orders", "stock"].iter().all(|pool| status(pool) == HealthStatus::Unhealthy)
    })
    .await;
    let error = manager.acquire("orders").await.unwrap_err().to_string();
    assert!(error.contains("Connection refused"), "the cause is told through the breaker: {error}");
    let readiness = manager.readiness().await;
    assert!(!readiness.is_ready(), "{readiness}");
    assert!(readiness.pools.iter().all(|pool| matches!(pool.state, ReadyState::Unhealthy(_))), "{readiness}");

    server.start().await.unwrap();
    until("both are healthy again", async || {
        ["orders", "stock"].iter().all(|pool| status(pool) == HealthStatus::Healthy)
    })
    .await;
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert!(manager.readiness().await.is_ready());
    drop(manager.acquire("orders").await.unwrap());
    let begun = Instant::now();
    assert!(manager.close(Duration::from_secs(20)).await.is_complete(), "after {:?}", begun.elapsed());
}
