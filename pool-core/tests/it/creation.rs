//! Group D: opening connections.

use std::collections::HashSet;
use std::time::Duration;

use pool_core::fake::Act;
use pool_core::{ConnectError, ErrorClass, PoolControl, PoolEvent};
use tokio::time::Instant;

use crate::support::{Recorder, check_at_rest, lazy, ms, pass, secs, settle, start, start_acquire};

// D1, and point 3 of what the first release must show: 5 idle, max 50, connect 150 ms, 50 callers with
// 2 ms of work: all are done within 60 ms, and a second later at most 7 connections are open.
#[tokio::test(start_paused = true)]
async fn a_spike_of_short_work_does_not_make_the_pool_grow() {
    let (builder, connector) = lazy(50);
    let pool = builder.min_connections(5).build().unwrap();
    pool.warm_up().await.unwrap();
    connector.connects().always(Act::Slow(ms(150)));
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..50 {
        let pool = pool.clone();
        tasks.push(tokio::spawn(async move {
            let guard = pool.acquire().await.unwrap();
            tokio::time::sleep(ms(2)).await;
            drop(guard);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(begun.elapsed() < ms(60), "took {:?}", begun.elapsed());
    pass(secs(1)).await;
    assert!(pool.stats().total <= 7, "{:?}", pool.stats());
    check_at_rest(&pool, &connector);
}

// D2: never more connects under way than connect_concurrency.
#[tokio::test(start_paused = true)]
async fn connects_under_way_are_bounded() {
    for concurrency in [1, 3] {
        let (builder, connector) = lazy(50);
        connector.connects().always(Act::Slow(ms(10)));
        let pool = builder.connect_concurrency(concurrency).build().unwrap();
        let mut tasks = Vec::new();
        for _ in 0..50 {
            tasks.push(start_acquire(&pool).await);
        }
        let mut guards = Vec::new();
        for task in tasks {
            guards.push(task.await.unwrap().unwrap());
        }
        assert_eq!((connector.connecting_peak(), connector.opened()), (concurrency, 50));
    }
}

// D3: one hung connect delays nobody else, and its slot is freed at its timeout.
#[tokio::test(start_paused = true)]
async fn one_hung_connect_delays_nobody_else() {
    let (builder, connector) = lazy(3);
    connector.connects().next(Act::Hang);
    let pool = builder.connect_timeout(secs(5)).build().unwrap();
    let begun = Instant::now();
    let first = pool.acquire_timeout(secs(1));
    let second = pool.acquire_timeout(secs(1));
    let (first, second) = tokio::join!(first, second);
    let (first, second) = (first.unwrap(), second.unwrap());
    // The sibling of the hung connect serves the first at once; for the second a third connect is begun
    // when the hung one is overdue.
    assert_eq!(begun.elapsed(), ms(50));
    assert_eq!((pool.stats().active, pool.stats().creating), (2, 1));
    drop((first, second));
    pass(secs(5)).await;
    assert_eq!(pool.stats().creating, 0);
    assert_eq!(pool.counters().connect_failed, 1);
    pass(secs(1)).await;
    check_at_rest(&pool, &connector);
}

// D4: the target heals after 300 ms: the waiter has its connection within one back-off step.
#[tokio::test(start_paused = true)]
async fn a_waiter_rides_out_a_short_outage() {
    let (builder, connector) = lazy(1);
    connector.go_down();
    let pool = builder.build().unwrap();
    let begun = Instant::now();
    let waiter = start_acquire(&pool).await;
    pass(ms(300)).await;
    connector.come_back();
    drop(waiter.await.unwrap().unwrap());
    // The step after 300 ms of failures is at most 380 ms: 50 ms * 1.5^5.
    assert!(begun.elapsed() <= ms(300 + 380), "took {:?}", begun.elapsed());
    check_at_rest(&pool, &connector);
}

// D5: connects are refused, but a busy connection comes back: the waiter is served by it.
#[tokio::test(start_paused = true)]
async fn a_returned_connection_serves_while_connects_are_refused() {
    let (builder, connector) = lazy(2);
    let pool = builder.build().unwrap();
    let held = pool.acquire().await.unwrap();
    connector.connects().always(Act::Fail("connection refused"));
    let waiter = start_acquire(&pool).await;
    pass(secs(3)).await;
    assert_eq!(pool.stats().waiting, 1, "a connection lives, so nobody fails fast");
    let object: &dyn PoolControl = &pool;
    let failure = object.last_connect_failure().unwrap();
    assert_eq!(failure.cause.to_string(), "connection refused");
    assert!(failure.age < secs(3));
    drop(held);
    drop(waiter.await.unwrap().unwrap());
}

// D6: every connect fails: six callers on a pool of two all get their answer.
#[tokio::test(start_paused = true)]
async fn every_waiter_is_told_when_all_connects_fail() {
    for fail_fast in [true, false] {
        let (builder, connector) = lazy(2);
        connector.connects().always(Act::Fail("connection refused"));
        let pool = builder.fail_fast(fail_fast).acquire_timeout(secs(5)).build().unwrap();
        let mut tasks = Vec::new();
        for _ in 0..6 {
            tasks.push(start_acquire(&pool).await);
        }
        for task in tasks {
            let error = task.await.unwrap().unwrap_err();
            assert_eq!(error.is_unavailable(), fail_fast, "{error}");
            assert!(error.to_string().contains("connection refused"), "{error}");
        }
    }
}

// D8: a connect whose set-up fails counts as a failed connect, with back-off, and its text is in the error.
#[tokio::test(start_paused = true)]
async fn a_failing_set_up_is_a_failed_connect() {
    let (builder, connector) = lazy(1);
    connector.connects().always(Act::Fail("init SQL: no such schema `orders`"));
    let pool = builder.fail_fast(false).acquire_timeout(secs(5)).build().unwrap();
    let error = pool.acquire().await.unwrap_err();
    assert!(error.to_string().contains("no such schema `orders`"), "{error}");
    let attempts = connector.connects().calls();
    assert!((10..=30).contains(&attempts), "spaced by back-off: {attempts} attempts in 5 s");
    assert_eq!((connector.opened(), pool.counters().connect_failed), (0, attempts));
}

// D9: the database is down and 1,000 callers wait for 30 s: as many attempts as the back-off allows, one
// log line (event) each; on recovery growth resumes with few connects at a time.
#[tokio::test(start_paused = true)]
async fn a_thousand_waiters_make_no_herd() {
    let (builder, connector) = lazy(100);
    connector.go_down();
    let recorder = Recorder::default();
    let pool = builder
        .fail_fast(false)
        .acquire_timeout(secs(40))
        .connect_concurrency(4)
        .observer(recorder.clone())
        .build()
        .unwrap();
    let mut tasks = Vec::new();
    for _ in 0..1_000 {
        let pool = pool.clone();
        tasks.push(tokio::spawn(async move { pool.acquire().await.map(drop) }));
    }
    pass(secs(30)).await;
    let attempts = connector.connects().calls();
    // At most every 250 ms: half of the cap of 500 ms; and no rarer than the cap.
    assert!((60..=125).contains(&attempts), "{attempts} attempts");
    let lines = recorder.count(|event| event.trouble().is_some());
    assert!(lines as u64 <= attempts + 2, "{lines} lines for {attempts} attempts");
    connector.connects().always(Act::Slow(ms(20)));
    connector.come_back();
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert!(connector.connecting_peak() <= 4);
    pass(secs(1)).await;
    check_at_rest(&pool, &connector);
}

// D10: pools of the same configuration do not connect in step.
#[tokio::test(start_paused = true)]
async fn pools_of_one_configuration_do_not_march_in_step() {
    let mut third_attempts = HashSet::new();
    for _ in 0..100 {
        let (builder, connector) = lazy(1);
        connector.go_down();
        let pool = builder.build().unwrap();
        let begun = Instant::now();
        let _waiter = start_acquire(&pool).await;
        while connector.connects().calls() < 3 {
            pass(ms(1)).await;
        }
        third_attempts.insert(begun.elapsed().as_millis());
    }
    assert!(third_attempts.len() > 20, "{} different times in 100", third_attempts.len());
}

// D11: a server that is full is not down: growth stops, what there is is kept, and it is asked again later.
#[tokio::test(start_paused = true)]
async fn a_full_server_stops_growth_and_is_no_outage() {
    let (builder, connector) = lazy(4);
    let pool = builder.acquire_timeout(secs(2)).build().unwrap();
    let held = pool.acquire().await.unwrap();
    connector.connects().always(Act::FailAs(ErrorClass::Capacity, "too many clients already"));
    let error = pool.acquire().await.unwrap_err();
    assert!(error.is_timeout() && error.to_string().contains("too many clients already"), "{error}");
    assert_eq!(pool.outage(), None);
    assert!(connector.connects().calls() <= 8, "{} calls", connector.connects().calls());
    let waiter = start_acquire(&pool).await;
    drop(held);
    drop(waiter.await.unwrap().unwrap());
    assert_eq!(pool.stats().idle, 1, "the connection there is was kept");

    connector.connects().always(Act::Succeed);
    let _held = pool.acquire().await.unwrap();
    drop(pool.acquire_timeout(secs(6)).await.unwrap());
}

// D12: a refused login is told as such, at once, and is not repeated in haste.
#[tokio::test(start_paused = true)]
async fn a_refused_login_is_not_hammered() {
    let (builder, connector) = lazy(4);
    connector.connects().always(Act::FailAs(ErrorClass::Auth, "password authentication failed"));
    let pool = builder.build().unwrap();
    let begun = Instant::now();
    let error = pool.acquire().await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    let failure = error.diagnosis().last_connect_failure.clone().unwrap();
    assert_eq!(failure.class, ErrorClass::Auth);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    pass(secs(60)).await;
    assert!(connector.connects().calls() <= 7, "{} logins in a minute", connector.connects().calls());
    connector.connects().always(Act::Succeed);
    pool.evict_all(); // the operator mended the password
    drop(pool.acquire().await.unwrap());
}

// D13 (the pool's part): what the connector connects with is its own affair, asked at each connect; old
// connections go with evict_all, and a connector that panics is met with back-off.
#[tokio::test(start_paused = true)]
async fn a_panicking_connect_is_met_with_back_off() {
    let (builder, connector) = lazy(1);
    connector.connects().always(Act::Panic("no credentials"));
    let pool = builder.fail_fast(false).acquire_timeout(secs(5)).build().unwrap();
    let error = pool.acquire().await.unwrap_err();
    let failure = error.diagnosis().last_connect_failure.clone().unwrap();
    assert!(matches!(&failure.cause, ConnectError::Panicked(message) if message == "no credentials"));
    assert!(connector.connects().calls() <= 30);
    assert_eq!(pool.counters().panics, connector.connects().calls());
    connector.connects().always(Act::Succeed);
    drop(pool.acquire().await.unwrap());
}

// D14: a thousand failures leave every slot usable.
#[tokio::test(start_paused = true)]
async fn failed_connects_leak_no_slot() {
    let (builder, connector) = lazy(8);
    for _ in 0..1_000 {
        connector.connects().next(Act::Fail("connection refused"));
    }
    let pool = builder.min_connections(8).build().unwrap();
    while pool.stats().idle < 8 {
        pass(secs(10)).await;
    }
    assert_eq!(pool.counters().connect_failed, 1_000);
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(pool.acquire().await.unwrap());
    }
    assert!(pool.try_acquire().unwrap().is_none());
    drop(held);
    check_at_rest(&pool, &connector);
}

#[tokio::test(start_paused = true)]
async fn a_connect_that_takes_too_long_is_told_as_such() {
    let (builder, connector) = lazy(1);
    connector.connects().always(Act::Hang);
    let recorder = Recorder::default();
    let pool = builder.connect_timeout(secs(1)).observer(recorder.clone()).build().unwrap();
    let error = pool.acquire().await.unwrap_err();
    assert!(error.is_unavailable() && error.to_string().contains("no connection within 1s"), "{error}");
    assert_eq!(recorder.count(|event| matches!(event, PoolEvent::OutageStarted { .. })), 1);
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn growth_after_an_outage_doubles() {
    let (builder, connector) = lazy(32);
    connector.go_down();
    let pool = builder.fail_fast(false).connect_concurrency(8).build().unwrap();
    let mut tasks = Vec::new();
    for _ in 0..32 {
        let pool = pool.clone();
        tasks.push(
            start(async move {
                let _guard = pool.acquire().await.unwrap();
                tokio::time::sleep(secs(60)).await;
            })
            .await,
        );
    }
    pass(secs(2)).await;
    connector.connects().always(Act::Slow(ms(10)));
    connector.come_back();
    let mut under_way = Vec::new();
    while pool.stats().total < 32 || pool.stats().creating > 0 {
        let creating = pool.stats().creating;
        if creating > 0 && under_way.last() != Some(&creating) {
            under_way.push(creating);
        }
        pass(ms(1)).await;
    }
    assert_eq!(under_way[..4], [1, 2, 4, 8], "{under_way:?}");
    assert_eq!(connector.connecting_peak(), 8);
}
