//! Group E: validation, and connections that died.

use std::time::Duration;

use pool_core::fake::{Act, FakeConnector, FakeError};
use pool_core::{CloseReason, ErrorClass, PoolEvent, Pooled};
use tokio::time::Instant;

use crate::support::{Recorder, check_at_rest, lazy, ms, pass, secs, settle, start_acquire};

// E1: idle for less than the bypass window: no validation; for at least as long: exactly one.
#[tokio::test(start_paused = true)]
async fn a_connection_is_validated_after_it_was_idle_for_a_while() {
    let (builder, connector) = lazy(1);
    let pool = builder.validate_after_idle(ms(500)).build().unwrap();
    drop(pool.acquire().await.unwrap());
    pass(ms(499)).await;
    drop(pool.acquire().await.unwrap());
    assert_eq!(connector.validations().calls(), 0);
    pass(ms(500)).await;
    drop(pool.acquire().await.unwrap());
    assert_eq!(connector.validations().calls(), 1);
    assert_eq!(pool.counters().validations, 1);
}

#[tokio::test(start_paused = true)]
async fn zero_validates_every_time() {
    let (builder, connector) = lazy(1);
    let pool = builder.validate_after_idle(Duration::ZERO).build().unwrap();
    for _ in 0..3 {
        drop(pool.acquire().await.unwrap());
    }
    assert_eq!(connector.validations().calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_connection_may_be_validated_on_its_return() {
    let (builder, connector) = lazy(1);
    let pool = builder.validate_on_return(true).build().unwrap();
    let guard = pool.acquire().await.unwrap();
    connector.kill_all();
    drop(guard);
    settle().await;
    assert_eq!(pool.counters().closed[CloseReason::ValidationFailed], 1);
    drop(pool.acquire().await.unwrap());
    settle().await;
    check_at_rest(&pool, &connector);
}

// E2: a connection that the server killed while it was idle: the caller gets a working one and sees nothing.
#[tokio::test(start_paused = true)]
async fn a_caller_never_sees_a_connection_that_died_while_idle() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    drop(pool.acquire().await.unwrap());
    pass(secs(1)).await;
    connector.kill_all();
    let guard = pool.acquire().await.unwrap();
    assert_eq!(guard.number(), 2);
    drop(guard);
    check_at_rest(&pool, &connector);
}

// E3: all connections died while idle: the first failed check flushes them all, so the caller waits for one
// validation and one connect, not for one validation each.
#[tokio::test(start_paused = true)]
async fn the_first_dead_connection_takes_all_idle_ones_with_it() {
    let (builder, connector) = lazy(10);
    let recorder = Recorder::default();
    let pool = builder
        .min_connections(10)
        .connect_concurrency(10)
        .validation_timeout(ms(200))
        .observer(recorder.clone())
        .build()
        .unwrap();
    pool.warm_up().await.unwrap();
    pass(secs(1)).await;
    connector.validations().always(Act::Hang);
    connector.connects().always(Act::Slow(ms(100)));
    let begun = Instant::now();
    drop(pool.acquire().await.unwrap());
    assert_eq!(begun.elapsed(), ms(300), "one validation timeout and one connect");
    assert_eq!(connector.validations().calls(), 1);
    let counters = pool.counters();
    assert_eq!((counters.flushes, counters.closed[CloseReason::Flushed]), (1, 9));
    let flushed = |event: &PoolEvent| matches!(event, PoolEvent::Flushed { closed: 9, .. });
    assert_eq!(recorder.count(flushed), 1);
    pass(secs(1)).await;
    assert_eq!(pool.stats().idle, 10, "refilled");
    check_at_rest(&pool, &connector);
}

// E4: a validation that hangs ends at its timeout; the connection is dropped without a goodbye that could
// hang as well.
#[tokio::test(start_paused = true)]
async fn a_hung_validation_ends_and_closes_nothing_politely() {
    let (builder, connector) = lazy(1);
    let pool = builder.validation_timeout(ms(200)).build().unwrap();
    drop(pool.acquire().await.unwrap());
    pass(secs(1)).await;
    connector.validations().next(Act::Hang);
    connector.closes().always(Act::Hang);
    let begun = Instant::now();
    drop(pool.acquire().await.unwrap());
    assert_eq!(begun.elapsed(), ms(200));
    assert_eq!(connector.closes().calls(), 0);
}

// E4: clipped by the caller's deadline: that proves too little to flush the others.
#[tokio::test(start_paused = true)]
async fn a_validation_cut_short_by_the_deadline_flushes_nobody() {
    let (builder, connector) = lazy(3);
    let pool = builder.min_connections(3).connect_concurrency(3).build().unwrap();
    pool.warm_up().await.unwrap();
    pass(secs(1)).await;
    connector.validations().next(Act::Slow(ms(200)));
    let error = pool.acquire_timeout(ms(100)).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(pool.counters().flushes, 0);
    assert_eq!(pool.counters().closed[CloseReason::ValidationFailed], 1);
    settle().await;
    assert_eq!(pool.stats().idle, 3, "the one that was cut off is replaced");
    check_at_rest(&pool, &connector);
}

// E5: a validator that always fails: attempts are spaced, and the acquire ends on time.
#[tokio::test(start_paused = true)]
async fn a_validator_that_always_fails_makes_no_busy_loop() {
    let (builder, connector) = lazy(4);
    connector.validations().always(Act::Fail("no such function: ping"));
    let pool = builder
        .validate_after_idle(Duration::ZERO)
        .fail_fast(false)
        .acquire_timeout(secs(5))
        .build()
        .unwrap();
    let begun = Instant::now();
    let error = pool.acquire().await.unwrap_err();
    assert_eq!(begun.elapsed(), secs(5));
    assert!(error.to_string().contains("no such function: ping"), "{error}");
    let attempts = connector.connects().calls();
    assert!((10..=30).contains(&attempts), "{attempts} connects in 5 s");
    connector.validations().always(Act::Succeed);
    drop(pool.acquire().await.unwrap());
    assert_eq!(pool.outage(), None, "over, now that a connection was of use");
}

// E6: a fatal error reported by the holder: closed on return and replaced; a harmless one keeps it.
#[tokio::test(start_paused = true)]
async fn a_fatal_error_of_the_holder_closes_the_connection() {
    let (builder, connector) = lazy(2);
    let pool = builder.min_connections(1).build().unwrap();
    let guard = pool.acquire().await.unwrap();
    let harmless = FakeError::new(ErrorClass::Transient, "duplicate key");
    assert_eq!(guard.report(&harmless), ErrorClass::Transient);
    let id = guard.id();
    drop(guard);
    let guard = pool.acquire().await.unwrap();
    assert_eq!(guard.id(), id, "kept");
    guard.report(&FakeError::new(ErrorClass::FatalThis, "terminating connection"));
    drop(guard);
    settle().await;
    assert_eq!((connector.opened(), connector.closed(), pool.stats().idle), (2, 1, 1), "replaced");
    check_at_rest(&pool, &connector);
}

// E7: 15 busy connections fail at the same moment: one flush, 15 closes, at most 15 + min opens.
#[tokio::test(start_paused = true)]
async fn fifteen_failures_at_once_are_one_flush() {
    let fatal = FakeError::new(ErrorClass::FatalAll, "the server is shutting down");
    fail_at_once(|guard| {
        guard.report(&fatal);
    })
    .await;
}

// The same, seen by the connector itself when the connections come back.
#[tokio::test(start_paused = true)]
async fn fifteen_returned_all_broken_are_one_flush() {
    fail_at_once(|guard| guard.break_all()).await;
}

async fn fail_at_once(fail: impl Fn(&Pooled<FakeConnector>)) {
    let (builder, connector) = lazy(20);
    let pool = builder.min_connections(2).connect_concurrency(20).build().unwrap();
    let mut held = Vec::new();
    for _ in 0..15 {
        held.push(pool.acquire().await.unwrap());
    }
    let spare = pool.stats().idle as u64;
    for guard in held {
        fail(&guard);
        drop(guard);
    }
    settle().await;
    assert_eq!(pool.counters().flushes, 1);
    assert_eq!(connector.closed(), 15 + spare);
    assert!(connector.opened() <= 15 + spare + 2, "{} opened", connector.opened());
    check_at_rest(&pool, &connector);
}

// E8, E9: dirty: reset before anyone else gets it, and reset only then.
#[tokio::test(start_paused = true)]
async fn only_a_dirty_connection_is_reset_and_nobody_sees_it_dirty() {
    let (builder, connector) = lazy(1);
    connector.resets().always(Act::Slow(ms(20)));
    let pool = builder.build().unwrap();
    drop(pool.acquire().await.unwrap());
    assert_eq!(connector.resets().calls(), 0);
    pool.acquire().await.unwrap().soil();
    let guard = pool.acquire().await.unwrap();
    assert!(!guard.is_dirty());
    assert_eq!((connector.resets().calls(), guard.number()), (1, 1));
    drop(guard);
    check_at_rest(&pool, &connector);
}

// E8: in the middle of an exchange: discarded.
#[tokio::test(start_paused = true)]
async fn a_broken_connection_is_never_handed_on() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    pool.acquire().await.unwrap().break_it();
    assert_eq!(pool.acquire().await.unwrap().number(), 2);
    assert_eq!(pool.counters().closed[CloseReason::Broken], 1);
    check_at_rest(&pool, &connector);
}

// E8: a reset that fails.
#[tokio::test(start_paused = true)]
async fn a_connection_that_cannot_be_reset_is_replaced() {
    let (builder, connector) = lazy(1);
    connector.resets().next(Act::Fail("rollback failed")).next(Act::Panic("rollback panicked"));
    let pool = builder.build().unwrap();
    pool.acquire().await.unwrap().soil();
    pool.acquire().await.unwrap().soil();
    assert_eq!(pool.acquire().await.unwrap().number(), 3);
    assert_eq!(pool.counters().resets_failed, 2);
    assert_eq!(pool.counters().flushes, 0, "a failed reset says nothing about the others");
    check_at_rest(&pool, &connector);
}

// E12: keepalive pings idle connections only, and a caller who comes meanwhile is served right after.
#[tokio::test(start_paused = true)]
async fn keepalive_pings_idle_connections_and_makes_way_for_callers() {
    let (builder, connector) = lazy(2);
    let pool =
        builder.min_connections(2).keepalive_interval(secs(10)).idle_timeout(Duration::ZERO).build().unwrap();
    pool.warm_up().await.unwrap();
    let busy = pool.acquire().await.unwrap();
    connector.validations().always(Act::Slow(ms(100)));
    while connector.validations().calls() == 0 {
        pass(ms(10)).await;
    }
    assert_eq!((pool.stats().idle, pool.stats().validating), (0, 1));
    let begun = Instant::now();
    let guard = pool.acquire().await.unwrap();
    assert!(begun.elapsed() <= ms(100), "served after the ping: {:?}", begun.elapsed());
    pass(secs(60)).await;
    assert_eq!(connector.validations().calls(), 1, "busy connections are left alone");
    drop((busy, guard));
    pass(secs(60)).await;
    assert!(connector.validations().calls() > 8);
    check_at_rest(&pool, &connector);
}

// E12: a ping is no use of a connection: it does not keep it from being closed as idle.
#[tokio::test(start_paused = true)]
async fn keepalive_does_not_keep_a_connection_from_growing_idle() {
    let (builder, connector) = lazy(2);
    let pool = builder.keepalive_interval(secs(5)).idle_timeout(secs(30)).build().unwrap();
    drop(pool.acquire().await.unwrap());
    pass(secs(32)).await;
    assert!(connector.validations().calls() >= 4);
    assert_eq!(pool.counters().closed[CloseReason::IdleTimeout], 1);
    assert_eq!(pool.stats().total, 0);
}

// E3, promise 7: a busy connection of the flushed generation is validated before anyone else gets it.
#[tokio::test(start_paused = true)]
async fn a_connection_that_was_busy_during_a_flush_is_validated_on_its_next_use() {
    let (builder, connector) = lazy(2);
    let pool = builder.build().unwrap();
    let (old, other) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    other.report(&FakeError::new(ErrorClass::FatalAll, "the server is shutting down"));
    drop(other);
    connector.kill_all();
    drop(old);
    let guard = pool.acquire().await.unwrap();
    assert_eq!(connector.validations().calls(), 1, "within the bypass window, and validated all the same");
    assert_eq!(guard.number(), 3);
    drop(guard);
    check_at_rest(&pool, &connector);
}

#[tokio::test(start_paused = true)]
async fn a_failed_validation_of_one_says_nothing_of_others_if_its_class_says_so() {
    let (builder, connector) = lazy(2);
    let pool = builder.min_connections(2).build().unwrap();
    pool.warm_up().await.unwrap();
    pass(secs(1)).await;
    connector.validations().next(Act::FailAs(ErrorClass::FatalThis, "this session was terminated"));
    let waiter = start_acquire(&pool).await;
    drop(waiter.await.unwrap().unwrap());
    assert_eq!(pool.counters().flushes, 0);
    assert_eq!(connector.closed(), 1);
}
