//! Group H, the target comes back: who is served when, and what is told of it.

use std::time::Duration;

use pool_core::fake::Act;
use pool_core::{CloseReason, ErrorClass, PoolEvent, Reuse, WarmUpError};
use tokio::time::Instant;

use crate::outage::{down, ended, failures, started};
use crate::support::{Timeline, check_at_rest, hold, lazy, ms, pass, secs, settle, start, start_acquire};

/// Lets time pass until `holds`, and tells how long that took; fails after `limit`.
#[track_caller]
fn until(limit: Duration, holds: impl Fn() -> bool) -> impl Future<Output = Duration> {
    let at = std::panic::Location::caller();
    async move {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < limit, "not within {limit:?}: {at}");
            pass(ms(1)).await;
        }
        begun.elapsed()
    }
}

fn exhausted(timeline: &Timeline) -> Vec<Duration> {
    timeline.times(|event| matches!(event, PoolEvent::RecoveryExhausted { .. }))
}

// H7: the first success lets in one, then two, four, eight: no herd meets a server that has just come back.
#[tokio::test(start_paused = true)]
async fn recovery_doubles_what_is_under_way_with_each_round() {
    let (builder, connector) = lazy(100);
    let pool = builder.fail_fast(false).connect_concurrency(16).build().unwrap();
    connector.go_down();
    let mut waiters = Vec::new();
    for _ in 0..80 {
        waiters.push(start_acquire(&pool).await);
    }
    pass(secs(5)).await;
    connector.connects().always(Act::Slow(ms(100)));
    connector.come_back();
    // The probe, and then one round every 100 ms, looked at in its middle.
    until(secs(1), || pool.stats().creating == 1).await;
    until(secs(1), || connector.opened() == 1).await;
    let mut rounds = Vec::new();
    pass(ms(50)).await;
    for _ in 0..6 {
        rounds.push(pool.stats().creating);
        pass(ms(100)).await;
    }
    assert_eq!(rounds, [1, 2, 4, 8, 16, 16]);
    for waiter in waiters {
        waiter.await.unwrap().unwrap();
    }
}

// H2: callers who were in line before the recovery are served by it, in order, and none is lost.
#[tokio::test(start_paused = true)]
async fn callers_in_line_are_served_by_the_recovery() {
    let (builder, connector) = lazy(4);
    connector.connects().always(Act::Slow(ms(20)));
    let pool = builder.fail_fast(false).acquire_timeout(secs(7_200)).build().unwrap();
    connector.go_down();
    let mut waiters = Vec::new();
    for number in 0..12_u32 {
        let pool = pool.clone();
        waiters.push(
            start(async move {
                let guard = pool.acquire().await.unwrap();
                tokio::time::sleep(ms(10)).await;
                drop(guard);
                (Instant::now(), number)
            })
            .await,
        );
    }
    pass(secs(3_600)).await;
    connector.come_back();
    let back = Instant::now();
    let mut order = Vec::new();
    for waiter in waiters {
        order.push(waiter.await.unwrap());
    }
    assert!(order.is_sorted(), "{order:?}");
    assert!(order[11].0 - back <= secs(2) + ms(100), "{:?}", order[11].0 - back);
    pass(ms(100)).await;
    check_at_rest(&pool, &connector);
}

// H2, E3: all connections die at once with their server: one flush, no caller sees a dead one, errors are
// immediate while it lasts, and two seconds after the server's return the minimum is idle again.
#[tokio::test(start_paused = true)]
async fn when_all_connections_die_at_once_no_caller_sees_a_dead_one() {
    for outage in [secs(5), secs(3_600)] {
        let timeline = Timeline::new();
        let (builder, connector) = lazy(20);
        let pool = builder
            .min_connections(10)
            .keepalive_interval(Duration::ZERO)
            .observer(timeline.clone())
            .build()
            .unwrap();
        pool.warm_up().await.unwrap();
        pass(secs(1)).await;
        connector.go_down();
        let mut callers = Vec::new();
        for _ in 0..10 {
            callers.push(start_acquire(&pool).await);
        }
        for caller in callers {
            let error = caller.await.unwrap().unwrap_err();
            assert!(error.is_unavailable(), "{error}");
        }
        assert_eq!((pool.counters().flushes, pool.stats().open(), connector.open_now()), (1, 0, 0));
        pass(outage).await;
        assert!(pool.acquire().await.unwrap_err().is_unavailable());
        connector.come_back();
        until(secs(2), || pool.stats().idle >= 10).await;
        for guard in hold(&pool, 10).await {
            assert!(guard.number() > 10, "{} died", guard.number());
        }
        assert_eq!((started(&timeline).len(), ended(&timeline).len()), (1, 1));
        assert_eq!(pool.counters().flushes, 1);
        pass(ms(10)).await;
        check_at_rest(&pool, &connector);
    }
}

// E3, E7: connections that were busy when the others were flushed, and turn out to be dead as well, cost a
// caller one validation, not one each.
#[tokio::test(start_paused = true)]
async fn dead_connections_that_come_back_after_a_flush_cost_one_validation_timeout() {
    for reuse in [Reuse::Lifo, Reuse::Fifo] {
        let (builder, connector) = lazy(10);
        let pool = builder
            .validation_timeout(secs(2))
            .keepalive_interval(Duration::ZERO)
            .reuse(reuse)
            .build()
            .unwrap();
        let mut guards = hold(&pool, 10).await;
        drop(guards.pop());
        pass(secs(1)).await;
        // The network forgets them all, without a word.
        connector.validations().always(Act::Hang);
        let newest = pool.acquire().await.unwrap();
        assert_eq!((pool.counters().flushes, newest.number()), (1, 11));
        drop(guards);
        pass(secs(1)).await;
        let begun = Instant::now();
        assert_eq!(pool.acquire().await.unwrap().number(), 12, "{reuse:?}");
        assert!(begun.elapsed() <= secs(2) + ms(50), "{reuse:?}: took {:?}", begun.elapsed());
    }
}

// H7: an outage that was announced is also seen to end when the server comes back with no room at first, as it
// does when all its clients come back at once.
#[tokio::test(start_paused = true)]
async fn an_outage_that_ends_at_a_full_server_is_told_to_have_ended() {
    let (pool, connector, timeline) = down(4).await;
    assert_eq!(started(&timeline).len(), 1);
    connector.connects().always(Act::FailAs(ErrorClass::Capacity, "too many connections"));
    connector.come_back();
    pass(secs(2)).await;
    connector.connects().always(Act::Succeed);
    pool.acquire().await.unwrap();
    settle().await;
    assert_eq!(ended(&timeline).len(), 1, "started once, ended once");
    assert_eq!(started(&timeline).len(), 1);
}

// H8, failing at start-up: a target that is down makes warm_up fail, with the cause, as soon as that is known.
#[tokio::test(start_paused = true)]
async fn warm_up_fails_with_the_cause_when_the_target_is_down() {
    let (builder, connector) = lazy(4);
    connector.go_down();
    let pool = builder.min_connections(2).acquire_timeout(secs(30)).build().unwrap();
    let begun = Instant::now();
    let error = pool.warm_up().await.unwrap_err();
    assert!(matches!(error, WarmUpError::Unavailable(_)), "{error}");
    assert!(error.to_string().contains("connection refused"), "{error}");
    assert!(begun.elapsed() <= secs(1), "{:?}", begun.elapsed());
}

// H8, tolerant at start-up: the pool is built, is not ready, and becomes ready by itself.
#[tokio::test(start_paused = true)]
async fn a_pool_whose_target_is_down_at_start_becomes_ready_by_itself() {
    for outage in [secs(10), secs(3_600)] {
        let (builder, connector) = lazy(4);
        connector.go_down();
        let pool = builder.min_connections(3).build().unwrap();
        pass(outage).await;
        assert_eq!(pool.stats().open(), 0);
        assert!(pool.outage().is_some());
        connector.come_back();
        let took = until(secs(2), || pool.stats().idle == 3).await;
        assert!(pool.outage().is_none(), "after {took:?}");
        pool.acquire().await.unwrap();
        settle().await;
        check_at_rest(&pool, &connector);
    }
}

// H11: an outage that outlasts max_retries times retry_delay is reported once; probing goes on, and the next
// outage is reported again.
#[tokio::test(start_paused = true)]
async fn an_exhausted_recovery_is_reported_once_for_each_outage_and_probing_goes_on() {
    let timeline = Timeline::new();
    let (builder, connector) = lazy(4);
    let pool = builder
        .min_connections(2)
        .max_retries(4)
        .retry_delay(secs(2))
        .keepalive_interval(secs(1))
        .observer(timeline.clone())
        .build()
        .unwrap();
    pool.warm_up().await.unwrap();
    for round in 1..=2 {
        connector.go_down();
        until(secs(5), || pool.outage().is_some()).await;
        pass(ms(7_400)).await;
        assert_eq!(exhausted(&timeline).len(), round - 1, "not before 8 s");
        pass(secs(1_200)).await;
        assert_eq!(exhausted(&timeline).len(), round, "once");
        let lasted = exhausted(&timeline)[round - 1] - started(&timeline)[round - 1];
        assert!(lasted >= secs(7) && lasted <= secs(9), "{lasted:?}");
        let before = failures(&timeline).len();
        pass(secs(10)).await;
        assert!(failures(&timeline).len() >= before + 4, "it goes on probing");
        connector.come_back();
        until(secs(2), || pool.stats().idle == 2).await;
        assert_eq!(ended(&timeline).len(), round);
        assert!(ended(&timeline)[round - 1].1 >= secs(1_200));
    }
    assert_eq!(started(&timeline).len(), 2);
    settle().await;
    check_at_rest(&pool, &connector);
}

// H11: zero retries: an exhausted recovery is not reported, and probing goes on all the same.
#[tokio::test(start_paused = true)]
async fn zero_retries_report_no_exhausted_recovery() {
    let timeline = Timeline::new();
    let (builder, connector) = lazy(4);
    let pool = builder.min_connections(1).max_retries(0).observer(timeline.clone()).build().unwrap();
    connector.go_down();
    pass(secs(120)).await;
    assert!(exhausted(&timeline).is_empty());
    connector.come_back();
    until(secs(2) + ms(1), || pool.stats().idle == 1).await;
}

// H11, H10: the pool has a connection that works and cannot open more: that is no outage, so there is no
// recovery to be exhausted.
#[tokio::test(start_paused = true)]
async fn no_recovery_is_exhausted_while_a_connection_lives() {
    let timeline = Timeline::new();
    let (builder, connector) = lazy(2);
    let pool = builder.observer(timeline.clone()).build().unwrap();
    let guard = pool.acquire().await.unwrap();
    connector.connects().always(Act::Fail("connection refused"));
    let waiter = start_acquire(&pool).await;
    pass(secs(20)).await;
    assert!(failures(&timeline).len() > 10);
    assert!(started(&timeline).is_empty());
    assert!(exhausted(&timeline).is_empty(), "the target was never down");
    drop((guard, waiter));
}

// H6: an outage that is over leaves its cause for later errors, with its age, and no longer fails fast.
#[tokio::test(start_paused = true)]
async fn a_past_outage_is_remembered_but_not_held_against_the_target() {
    let (pool, connector, _timeline) = down(1).await;
    connector.come_back();
    pass(secs(1)).await;
    let guard = pool.acquire().await.unwrap();
    pass(secs(9)).await;
    let error = pool.acquire_timeout(secs(1)).await.unwrap_err();
    assert!(error.is_timeout());
    let failure = error.diagnosis().last_connect_failure.as_ref().unwrap();
    assert!(failure.age >= secs(10) && failure.age <= secs(12), "{:?}", failure.age);
    assert!(error.diagnosis().outage.is_none());
    drop(guard);
    assert_eq!(pool.counters().closed[CloseReason::Flushed], 0);
    settle().await;
    check_at_rest(&pool, &connector);
}
