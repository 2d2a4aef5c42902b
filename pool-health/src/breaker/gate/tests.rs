//! Pools with a breaker as their gate, on a scripted connector and a paused clock.

use std::sync::Arc;

use pool_core::Pool;
use pool_core::fake::{Act, FakeConnector};
use tokio::time::{Instant, sleep};

use super::*;
use crate::breaker::BreakerSettings;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn gated(settings: BreakerSettings) -> (Pool<FakeConnector>, CircuitBreaker, FakeConnector) {
    let (connector, breaker) =
        (FakeConnector::new(), CircuitBreaker::with_seed("orders", settings, 7).unwrap());
    let builder = Pool::builder(connector.clone()).name("orders").connect_timeout(secs(2));
    (builder.gate(Arc::new(breaker.clone())).build().unwrap(), breaker, connector)
}

#[tokio::test(start_paused = true)]
async fn an_outage_shuts_the_gate_tells_callers_the_cause_and_ends_without_them() {
    let (pool, breaker, connector) = gated(BreakerSettings::default());
    pool.warm_up().await.unwrap();
    connector.go_down();
    pool.evict_all();
    sleep(secs(1)).await;
    assert_eq!(breaker.state(), BreakerState::Open);
    let asked = connector.connects().calls();
    for _ in 0..100 {
        let begun = Instant::now();
        let error = pool.acquire().await.unwrap_err();
        assert!(error.is_unavailable() && error.to_string().contains("connection refused"), "{error}");
        assert_eq!((begun.elapsed(), connector.connects().calls()), (Duration::ZERO, asked));
    }
    sleep(secs(120)).await;
    let probes = connector.connects().calls() - asked;
    assert!((6..=12).contains(&probes), "after 1, 2, 4, 8 and from then on 15 to 30 s: {probes}");
    connector.come_back();
    sleep(secs(34)).await;
    assert_eq!((breaker.state(), pool.stats().idle), (BreakerState::Closed, 2));
}

#[tokio::test(start_paused = true)]
async fn connects_that_time_out_are_failures_and_a_full_target_is_none() {
    let (pool, breaker, connector) = gated(BreakerSettings::default());
    connector.connects().always(Act::Hang);
    assert!(pool.acquire().await.unwrap_err().is_unavailable());
    sleep(secs(20)).await;
    let snapshot = breaker.snapshot();
    assert!(snapshot.opened >= 1, "{snapshot:?}");
    assert_eq!(snapshot.cause.unwrap().to_string(), "no connection within 2s");

    let (pool, breaker, connector) = gated(BreakerSettings::default());
    connector.connects().always(Act::FailAs(ErrorClass::Capacity, "too many clients"));
    assert!(pool.acquire().await.unwrap_err().is_timeout());
    assert!(connector.connects().calls() > 5, "it was asked again and again");
    assert_eq!((breaker.snapshot().calls, breaker.snapshot().opened), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_second_pool_of_the_target_knows_at_once() {
    let (_pool, breaker, connector) = gated(BreakerSettings::default());
    connector.connects().always(Act::FailAs(ErrorClass::FatalAll, "shutting down"));
    sleep(secs(1)).await;
    assert_eq!(breaker.state(), BreakerState::Open);
    let asked = connector.connects().calls();
    let builder = Pool::builder(connector.clone()).name("reports");
    let second = builder.gate(Arc::new(breaker.clone())).build().unwrap();
    let begun = Instant::now();
    let error = second.acquire().await.unwrap_err();
    assert_eq!((begun.elapsed(), connector.connects().calls()), (Duration::ZERO, asked));
    let text = error.to_string();
    assert!(text.contains("call `orders`: its circuit breaker has been open for"), "{text}");
    assert!(text.contains("(next probe in ") && text.contains("): shutting down (0s ago)"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn forced_open_it_stops_all_connects_and_forced_closed_it_lets_the_pool_go_on() {
    let (pool, breaker, connector) = gated(BreakerSettings::default());
    breaker.force_open();
    sleep(secs(600)).await;
    assert_eq!(connector.connects().calls(), 0);
    assert!(pool.acquire().await.unwrap_err().to_string().contains("(by hand)"));
    breaker.force_closed();
    sleep(secs(3)).await;
    assert_eq!(pool.stats().idle, 2, "without a caller");
}

#[tokio::test(start_paused = true)]
async fn new_settings_count_from_then_on() {
    let breaker = CircuitBreaker::with_seed("orders", BreakerSettings::default(), 7).unwrap();
    let strict = BreakerSettings { consecutive_failures: 1, ..BreakerSettings::default() };
    breaker.set_settings(strict.clone()).unwrap();
    assert_eq!(breaker.settings(), strict);
    breaker.try_acquire().unwrap().fail(ms(1));
    assert_eq!(breaker.state(), BreakerState::Open);
    let wrong = BreakerSettings { half_open_permits: 0, ..strict.clone() };
    assert!(breaker.set_settings(wrong).is_err());
    assert_eq!(breaker.settings(), strict);
    breaker.set_settings(BreakerSettings { half_open_permits: 3, ..strict }).unwrap();
    assert_eq!(breaker.state(), BreakerState::Open, "it stays open");
    let due = breaker.snapshot().next_probe.unwrap();
    tokio::time::advance(due).await;
    let probes = [(); 3].map(|()| breaker.try_acquire().unwrap());
    assert!(breaker.try_acquire().is_err());
    drop(probes);
}

#[tokio::test(start_paused = true)]
async fn who_is_refused_is_told_when_to_ask_again() {
    let breaker = CircuitBreaker::with_seed("orders", BreakerSettings::default(), 7).unwrap();
    assert_eq!(breaker.ask_again_in(), None, "it is closed");
    (0..5).for_each(|_| breaker.try_acquire().unwrap().fail(ms(1)));
    let due = breaker.snapshot().next_probe.unwrap();
    assert_eq!(breaker.ask_again_in(), Some(due));
    tokio::time::advance(due).await;
    assert_eq!(breaker.ask_again_in(), None, "a probe may begin");
    let probe = breaker.try_acquire().unwrap();
    assert_eq!(breaker.ask_again_in(), Some(ms(500)), "another one's verdict is near");
    drop(probe);
    breaker.force_open();
    assert_eq!(breaker.ask_again_in(), None, "nobody knows");
}

/// What accepts connections and answers nothing on them is as good as down.
#[tokio::test(start_paused = true)]
async fn a_target_that_accepts_and_is_of_no_use_opens_the_breaker() {
    let (pool, breaker, connector) = gated(BreakerSettings::default());
    connector.validations().always(Act::FailAs(ErrorClass::FatalThis, "the database is starting up"));
    assert!(pool.acquire().await.unwrap_err().is_unavailable());
    sleep(secs(10)).await;
    assert_eq!(breaker.state(), BreakerState::Open);
    let asked = connector.connects().calls();
    let error = pool.acquire().await.unwrap_err().to_string();
    assert!(error.contains("the database is starting up"), "{error}");
    sleep(secs(120)).await;
    let probes = connector.connects().calls() - asked;
    assert!((6..=13).contains(&probes), "{probes} probes in two minutes");
    assert!(pool.counters().created == 0 && connector.open_now() == 0);
    connector.validations().always(Act::Succeed);
    sleep(secs(34)).await;
    assert_eq!((breaker.state(), pool.stats().idle), (BreakerState::Closed, 2), "without a caller");
}

/// One whose new connection is asked whether it works, and dropped meanwhile.
#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_while_it_is_validated_gives_its_permit_back() {
    let (pool, breaker, connector) = gated(BreakerSettings::default());
    (0..5).for_each(|_| breaker.try_acquire().unwrap().fail(ms(1)));
    sleep(breaker.snapshot().next_probe.unwrap()).await;
    connector.validations().always(Act::Hang);
    sleep(secs(1)).await;
    assert_eq!((breaker.state(), breaker.snapshot().probes_out), (BreakerState::HalfOpen, 1));
    pool.close(secs(1)).await;
    assert_eq!((breaker.state(), breaker.snapshot().probes_out), (BreakerState::HalfOpen, 0));
    assert_eq!(connector.open_now(), 0);
}
