//! Group A: the basics, and books that always balance.

use std::time::Duration;

use pool_core::fake::Act;
use pool_core::{CloseReason, ConnectionState};

use crate::support::{check_at_rest, check_snapshot, lazy, ms, pass, secs, settle, start, start_acquire};

// A1: acquire, release, acquire: the same connection, one connect.
#[tokio::test(start_paused = true)]
async fn a_returned_connection_is_used_again() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    let first = pool.acquire().await.unwrap();
    let id = first.id();
    drop(first);
    assert_eq!(pool.acquire().await.unwrap().id(), id);
    assert_eq!(connector.opened(), 1);
}

// A2: 20 tasks that hold for 500 ms on a pool of 4: 4 connects, never more than 4 in use, all served.
#[tokio::test(start_paused = true)]
async fn twenty_tasks_share_four_connections() {
    let (builder, connector) = lazy(4);
    let pool = builder.build().unwrap();
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let pool = pool.clone();
        tasks.push(tokio::spawn(async move {
            let guard = pool.acquire().await.unwrap();
            assert!(pool.stats().active <= 4);
            tokio::time::sleep(ms(500)).await;
            drop(guard);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((connector.opened(), connector.open_peak()), (4, 4));
    assert_eq!(pool.counters().acquired, 20);
    check_at_rest(&pool, &connector);
}

// A3: min 5: idle reaches 5 by itself; an acquire during the fill is served by the first connection.
#[tokio::test(start_paused = true)]
async fn a_pool_fills_to_its_minimum_by_itself() {
    let (builder, connector) = lazy(10);
    connector.connects().always(Act::Slow(ms(100)));
    let pool = builder.min_connections(5).connect_concurrency(1).build().unwrap();
    let begun = tokio::time::Instant::now();
    let guard = pool.acquire().await.unwrap();
    assert_eq!(begun.elapsed(), ms(100), "served by the first connect, not after the fill");
    drop(guard);
    pool.warm_up().await.unwrap();
    assert_eq!(begun.elapsed(), ms(500));
    assert_eq!(pool.stats().idle, 5);
    pass(secs(5)).await;
    assert_eq!(pool.stats().total, 5, "and no further");
    check_at_rest(&pool, &connector);
}

// A4: max 10, min idle 5: with 7 held there are 10, of which 3 idle; after the return 10 idle, then 5.
#[tokio::test(start_paused = true)]
async fn a_minimum_of_idle_connections_is_kept_on_top_of_the_busy_ones() {
    let (builder, connector) = lazy(10);
    let pool = builder.min_idle(5).idle_timeout(secs(60)).build().unwrap();
    let mut held = Vec::new();
    for _ in 0..7 {
        held.push(pool.acquire().await.unwrap());
    }
    pass(ms(10)).await;
    assert_eq!((pool.stats().total, pool.stats().idle), (10, 3));
    drop(held);
    assert_eq!((pool.stats().total, pool.stats().idle), (10, 10));
    pass(secs(62)).await;
    assert_eq!((pool.stats().total, pool.stats().idle), (5, 5));
    check_at_rest(&pool, &connector);
}

// A5: min = max: nothing is closed however long it idles.
#[tokio::test(start_paused = true)]
async fn a_pool_of_fixed_size_closes_nothing_for_idleness() {
    let (builder, connector) = lazy(3);
    let pool =
        builder.min_connections(3).idle_timeout(secs(10)).max_lifetime(Duration::ZERO).build().unwrap();
    pool.warm_up().await.unwrap();
    pass(secs(600)).await;
    assert_eq!((pool.stats().idle, connector.closed()), (3, 0));
}

// A7: acquires that end in every possible way add up.
#[tokio::test(start_paused = true)]
async fn every_acquire_is_counted_by_how_it_ended() {
    let (builder, connector) = lazy(1);
    let pool = builder.acquire_timeout(secs(1)).max_waiting(1).build().unwrap();
    let held = pool.acquire().await.unwrap(); // acquired
    let waiter = start_acquire(&pool).await;
    assert!(pool.acquire().await.unwrap_err().is_queue_full());
    assert!(pool.try_acquire().unwrap().is_none());
    waiter.abort();
    settle().await; // cancelled
    assert!(pool.acquire().await.unwrap_err().is_timeout());
    pool.pause();
    assert!(pool.acquire().await.unwrap_err().is_paused());
    assert!(pool.try_acquire().unwrap_err().is_paused());
    pool.resume();
    held.discard();
    connector.go_down();
    let outlasting = pool.acquire_timeout(secs(5)).await; // rides out the blip, then fails fast
    assert!(outlasting.unwrap_err().is_unavailable());
    assert!(pool.acquire().await.unwrap_err().is_unavailable());
    pool.close(secs(1)).await;
    assert!(pool.acquire().await.unwrap_err().is_closed());

    let counters = pool.counters();
    assert_eq!(counters.acquired, 1);
    assert_eq!(counters.queue_full, 1);
    assert_eq!(counters.none_free, 1);
    assert_eq!(counters.cancelled, 1);
    assert_eq!(counters.timed_out, 1);
    assert_eq!(counters.paused, 2);
    assert_eq!(counters.unavailable, 2);
    assert_eq!(counters.closed_pool, 1);
    assert_eq!(counters.requests, 10);
    assert_eq!(counters.requests, counters.finished());
}

// A8: a holder that panics loses its connection, and the pool loses nothing.
#[tokio::test(start_paused = true)]
async fn a_panicking_holder_costs_one_connection_and_no_slot() {
    let (builder, connector) = lazy(2);
    let pool = builder.build().unwrap();
    for _ in 0..10 {
        let pool = pool.clone();
        let task = tokio::spawn(async move {
            let _guard = pool.acquire().await.unwrap();
            panic!("in the middle of something");
        });
        assert!(task.await.unwrap_err().is_panic());
    }
    assert_eq!(pool.counters().closed[CloseReason::Panicked], 10);
    let both = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    drop(both);
    check_at_rest(&pool, &connector);
}

// A8: a holder that returns early with an error gives its connection back as any other.
#[tokio::test(start_paused = true)]
async fn an_error_of_the_holder_keeps_the_connection() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    let work = async || -> Result<(), &'static str> {
        let _guard = pool.acquire().await.map_err(|_| "no connection")?;
        Err("no such row")
    };
    assert_eq!(work().await, Err("no such row"));
    assert_eq!(pool.stats().idle, 1);
    check_at_rest(&pool, &connector);
}

// A11: zero lifetime, idle timeout and queue limit mean never, never, and no limit.
#[tokio::test(start_paused = true)]
async fn zero_means_unlimited() {
    let (builder, connector) = lazy(2);
    let pool = builder
        .min_connections(0)
        .max_lifetime(Duration::ZERO)
        .idle_timeout(Duration::ZERO)
        .keepalive_interval(Duration::ZERO)
        .max_waiting(0)
        .build()
        .unwrap();
    let both = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    let mut waiters = Vec::new();
    for _ in 0..500 {
        waiters.push(start(pool_acquire(pool.clone())).await);
    }
    assert_eq!(pool.stats().waiting, 500);
    drop(both);
    for waiter in waiters {
        waiter.await.unwrap();
    }
    pass(secs(24 * 3600)).await;
    assert_eq!((pool.stats().idle, connector.closed()), (2, 0));
    assert_eq!(connector.validations().calls(), 0);
}

async fn pool_acquire(pool: crate::support::FakePool) {
    drop(pool.acquire().await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_detached_connection_is_its_holders_own() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    let connection = pool.acquire().await.unwrap().detach();
    assert_eq!((pool.stats().total, connector.open_now()), (0, 1));
    let other = pool.acquire().await.unwrap();
    assert_ne!(connection.number(), other.number());
    drop((connection, other));
    assert_eq!(pool.counters().closed[CloseReason::Detached], 1);
    check_at_rest(&pool, &connector);
}

// REQUIREMENTS A4: every state a connection can be in is told apart.
#[tokio::test(start_paused = true)]
async fn a_connection_is_seen_in_each_of_its_states() {
    let (builder, connector) = lazy(1);
    connector.connects().next(Act::Slow(secs(1)));
    connector.resets().next(Act::Slow(secs(1)));
    connector.closes().next(Act::Slow(secs(1)));
    let pool = builder.build().unwrap();
    let state = || pool.connections().first().map(|info| info.state);

    let acquiring = start_acquire(&pool).await;
    assert_eq!(state(), Some(ConnectionState::Creating));
    let guard = acquiring.await.unwrap().unwrap();
    assert_eq!(state(), Some(ConnectionState::Active));
    guard.soil();
    drop(guard);
    settle().await;
    assert_eq!(state(), Some(ConnectionState::Validating));
    pass(secs(1)).await;
    assert_eq!(state(), Some(ConnectionState::Idle));
    pool.evict_idle();
    settle().await;
    assert_eq!(state(), Some(ConnectionState::Destroying));
    pass(secs(1)).await;
    assert_eq!(state(), None);

    let guard = pool.acquire().await.unwrap();
    let fatal = pool_core::fake::FakeError::new(pool_core::ErrorClass::FatalThis, "gone");
    guard.report(&fatal);
    assert_eq!(state(), Some(ConnectionState::Error));
    drop(guard);
    check_snapshot(&pool.snapshot());
    assert_eq!(pool.counters().closed[CloseReason::Discarded], 1);
}
