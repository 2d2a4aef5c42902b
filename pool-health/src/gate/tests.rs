use pool_core::Pool;
use pool_core::fake::{Act, FakeConnector};
use tokio::time::{Instant, sleep};

use super::*;
use crate::BreakerSettings;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Opens after three failures in a row.
fn breaker() -> CircuitBreaker {
    let settings = BreakerSettings {
        consecutive_failures: 3,
        open_base: ms(1_000),
        open_growth: 2.0,
        open_max: ms(8_000),
        ..BreakerSettings::default()
    };
    CircuitBreaker::with_seed("orders", settings, 7).expect("they are allowed")
}

fn pool(name: &str, connector: &FakeConnector, breaker: &CircuitBreaker) -> Pool<FakeConnector> {
    let builder = Pool::builder(connector.clone()).name(name).min_connections(0).connect_timeout(ms(300));
    builder.gate(breaker.clone()).build().expect("options and runtime are as they should be")
}

/// Lets `pool` fail until the breaker is open.
async fn lose(pool: &Pool<FakeConnector>, breaker: &CircuitBreaker) {
    while breaker.state() != BreakerState::Open {
        drop(pool.acquire().await.expect_err("its target is down"));
    }
}

#[tokio::test(start_paused = true)]
async fn one_pool_finds_the_outage_and_the_others_of_the_target_believe_it() {
    let (connector, breaker) = (FakeConnector::new(), breaker());
    let (first, second) = (pool("first", &connector, &breaker), pool("second", &connector, &breaker));
    connector.go_down();
    lose(&first, &breaker).await;
    let tried = connector.connects().calls();
    let begun = Instant::now();
    let error = second.acquire().await.expect_err("the breaker is open");
    assert!(error.is_unavailable() && begun.elapsed() < ms(5), "{error}");
    let text = error.to_string();
    assert!(text.contains("circuit breaker") && text.contains("connection refused"), "{text}");
    assert_eq!(connector.connects().calls(), tried, "the target was not asked");
}

#[tokio::test(start_paused = true)]
async fn nobody_has_to_ask_for_a_pool_to_come_back() {
    let (connector, breaker) = (FakeConnector::new(), breaker());
    let pool = pool("orders", &connector, &breaker);
    connector.go_down();
    lose(&pool, &breaker).await;
    connector.come_back();
    let opened = breaker.snapshot();
    let due = opened.next_probe.expect("it is open");
    // A tenth later at most.
    sleep(due.mul_f64(1.11)).await;
    assert_eq!(breaker.state(), BreakerState::Closed);
    assert!(pool.outage().is_none());
}

#[tokio::test(start_paused = true)]
async fn attempts_are_as_far_apart_as_the_breaker_is_open() {
    let (connector, breaker) = (FakeConnector::new(), breaker());
    let pool = pool("orders", &connector, &breaker);
    connector.go_down();
    lose(&pool, &breaker).await;
    let before = connector.connects().calls();
    sleep(ms(60_000)).await;
    let probes = connector.connects().calls() - before;
    // Open for 1, 2, 4 and then 8 seconds each, of which chance takes up to a half.
    assert!((6..=16).contains(&probes), "{probes} probes in a minute");
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_hangs_counts_as_failed_when_its_time_is_over() {
    let (connector, breaker) = (FakeConnector::new(), breaker());
    connector.connects().always(Act::Hang);
    let pool = pool("orders", &connector, &breaker);
    lose(&pool, &breaker).await;
    let cause = breaker.snapshot().cause.expect("three connects failed");
    assert_eq!(&*cause.text, "no connection within 300ms");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_full_opens_no_breaker() {
    let (connector, breaker) = (FakeConnector::new(), breaker());
    connector.connects().always(Act::FailAs(ErrorClass::Capacity, "too many connections"));
    let pool = pool("orders", &connector, &breaker);
    for _ in 0..3 {
        drop(pool.acquire_timeout(ms(2_000)).await.expect_err("there is no room"));
    }
    assert!(connector.connects().calls() > 3);
    assert_eq!((breaker.state(), breaker.snapshot().calls), (BreakerState::Closed, 0));
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_closes_in_the_middle_of_a_probe_gives_its_permit_back() {
    let (connector, breaker) = (FakeConnector::new(), breaker());
    let pool = pool("orders", &connector, &breaker);
    connector.go_down();
    lose(&pool, &breaker).await;
    connector.connects().always(Act::Hang);
    while breaker.snapshot().probes_out == 0 {
        sleep(ms(10)).await;
    }
    pool.close(Duration::ZERO).await;
    sleep(ms(1)).await;
    assert_eq!((breaker.state(), breaker.snapshot().probes_out), (BreakerState::HalfOpen, 0));
}
