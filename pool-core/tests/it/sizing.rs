//! Group F, sizes: how the pool shrinks by itself, and how it is made smaller and larger.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::{CloseReason, PoolEvent, PoolOptions, Reuse};
use tokio::time::Instant;

use crate::support::{
    FakePool, Guard, Timeline, check_at_rest, hold, lazy, ms, pass, secs, settle, start, start_acquire,
};

/// A busy worker: holds a connection for `work`, gives it back, and asks for the next at once.
fn keep_busy(pool: &FakePool, work: Duration, until: Instant) -> tokio::task::JoinHandle<()> {
    let pool = pool.clone();
    tokio::spawn(async move {
        while Instant::now() < until {
            let guard = pool.acquire().await.unwrap();
            tokio::time::sleep(work).await;
            drop(guard);
        }
    })
}

fn closed(pool: &FakePool, reason: CloseReason) -> u64 {
    pool.counters().closed[reason]
}

// F6: idleness closes down to the minimum; those used last survive.
#[tokio::test(start_paused = true)]
async fn idle_expiry_spares_the_minimum_and_those_used_last() {
    let (timeline, idle_timeout) = (Timeline::new(), secs(60));
    let (builder, connector) = lazy(10);
    let pool =
        builder.min_connections(3).idle_timeout(idle_timeout).observer(timeline.clone()).build().unwrap();
    drop(hold(&pool, 10).await);
    // The busy ones: the five on top of the stack.
    let mut used = Vec::new();
    for _ in 0..20 {
        pass(secs(1)).await;
        let guards = hold(&pool, 5).await;
        used = guards.iter().map(Guard::id).collect();
    }
    pass(idle_timeout - secs(20) - ms(1)).await;
    assert_eq!(pool.stats().idle, 10, "not yet");
    pass(secs(2)).await;
    let mut left: Vec<_> = pool.connections().into_iter().map(|info| info.id).collect();
    used.sort_unstable();
    left.sort_unstable();
    assert_eq!(left, used, "only the unused five are gone");
    pass(secs(20)).await;
    assert_eq!(pool.stats().idle, 3);
    assert!(pool.connections().iter().all(|info| used.contains(&info.id)));
    pass(secs(3600)).await;
    assert_eq!(timeline.closed(CloseReason::IdleTimeout).len(), 7, "and never fewer than three");
    check_at_rest(&pool, &connector);
}

// F7: a burst to 20, then 5 busy: within idle_timeout and two intervals the pool has what it needs, and then
// neither closes nor opens any for ten more of these spans, whichever connection is used next.
#[tokio::test(start_paused = true)]
async fn after_a_burst_the_pool_shrinks_to_what_is_needed_and_stays_there() {
    let (idle_timeout, interval) = (secs(60), secs(1));
    for reuse in [Reuse::Lifo, Reuse::Fifo] {
        let (builder, connector) = lazy(20);
        let pool = builder
            .min_idle(2)
            .idle_timeout(idle_timeout)
            .maintenance_interval(interval)
            .keepalive_interval(Duration::ZERO)
            .max_lifetime(Duration::ZERO)
            .reuse(reuse)
            .build()
            .unwrap();
        let burst = hold(&pool, 20).await;
        pass(secs(10)).await;
        drop(burst);
        let end = Instant::now() + 12 * idle_timeout;
        let workers: Vec<_> = (0..5).map(|_| keep_busy(&pool, ms(100), end)).collect();
        pass(idle_timeout - 2 * interval).await;
        assert_eq!(pool.stats().total, 20, "{reuse:?}: not at once");
        pass(4 * interval).await;
        let stats = pool.stats();
        assert!((7..=8).contains(&stats.total), "{reuse:?}: 5 busy and 2 to spare: {stats:?}");
        pass(10 * idle_timeout).await;
        assert_eq!(pool.stats().total, stats.total, "{reuse:?}: it swings");
        assert_eq!(connector.opened(), 20, "{reuse:?}: it swings");
        for worker in workers {
            worker.await.unwrap();
        }
    }
}

// F7: a connection that is being pinged is not missing: nothing is opened in its place, only to be closed
// again.
#[tokio::test(start_paused = true)]
async fn a_ping_does_not_make_the_pool_open_another_connection() {
    let (builder, connector) = lazy(10);
    let pool = builder.min_idle(2).max_lifetime(Duration::ZERO).build().unwrap();
    pass(secs(3600)).await;
    assert!(connector.validations().calls() >= 40, "pinged every two minutes");
    assert_eq!((connector.opened(), pool.stats().idle), (2, 2));
    check_at_rest(&pool, &connector);
}

// F6, F7: nobody is closed before idle_timeout has passed since all were busy, whichever is used next.
#[tokio::test(start_paused = true)]
async fn nothing_is_closed_for_idleness_before_its_time() {
    for reuse in [Reuse::Lifo, Reuse::Fifo] {
        let timeline = Timeline::new();
        let (builder, _connector) = lazy(10);
        let pool = builder
            .idle_timeout(secs(2))
            .maintenance_interval(secs(1))
            .reuse(reuse)
            .observer(timeline.clone())
            .build()
            .unwrap();
        let busy = hold(&pool, 10).await;
        pass(ms(9_900)).await;
        drop(busy);
        pass(secs(10)).await;
        let deaths = timeline.closed(CloseReason::IdleTimeout);
        assert_eq!(deaths.len(), 10, "{reuse:?}");
        assert!(deaths[0] >= ms(11_900) && deaths[9] <= ms(13_900), "{reuse:?}: {deaths:?}");
    }
}

// F8: connections that died of age within a window are taken off what the window found spare.
#[tokio::test(start_paused = true)]
async fn deaths_of_age_count_as_shrinking() {
    let begun = Instant::now();
    let (builder, _connector) = lazy(20);
    // Ages end at 1000 s, 1050 s, 1100 s and so on, in the order of birth.
    let pool = builder
        .idle_timeout(secs(600))
        .max_lifetime(secs(1_000))
        .lifetime_jitter(0.0)
        .reuse(Reuse::Fifo)
        .keepalive_interval(Duration::ZERO)
        .build()
        .unwrap();
    let mut guards = hold(&pool, 20).await;
    let busy = guards.split_off(10);
    tokio::time::sleep_until(begun + secs(680)).await;
    // A window opens: ten idle, the elder half; ten busy.
    drop(guards);
    tokio::time::sleep_until(begun + secs(1_262)).await;
    assert_eq!(closed(&pool, CloseReason::MaxLifetime), 6);
    assert_eq!(closed(&pool, CloseReason::IdleTimeout), 0);
    // Everybody happens to be idle when the window closes.
    drop(busy);
    tokio::time::sleep_until(begun + secs(1_295)).await;
    settle().await;
    // Of ten spare ones six are gone already.
    assert_eq!(closed(&pool, CloseReason::MaxLifetime), 6);
    assert_eq!(closed(&pool, CloseReason::IdleTimeout), 4, "{:?}", pool.stats());
    assert_eq!(pool.stats().total, 10, "as many as are usually busy");
}

// F9: made smaller while eight are busy: nobody is killed, the total falls as they come back, none is
// opened, and waiters are served in order.
#[tokio::test(start_paused = true)]
async fn a_smaller_pool_kills_no_busy_connection_and_keeps_its_queue() {
    let (builder, connector) = lazy(10);
    let pool = builder.build().unwrap();
    let mut guards = hold(&pool, 8).await;
    let served = Arc::new(Mutex::new(Vec::new()));
    pool.resize(4).unwrap();
    for waiter in 0..3 {
        let (pool, served) = (pool.clone(), Arc::clone(&served));
        start(async move {
            let guard = pool.acquire().await.unwrap();
            served.lock().unwrap().push(waiter);
            std::future::pending::<()>().await;
            drop(guard);
        })
        .await;
    }
    settle().await;
    assert_eq!((connector.open_now(), pool.stats().active), (8, 8), "no busy one is killed");
    for left in (4..8).rev() {
        drop(guards.pop());
        settle().await;
        assert_eq!((connector.open_now(), pool.stats().total), (left, left));
        assert!(served.lock().unwrap().is_empty(), "nobody is served beyond the limit");
    }
    for waiter in 0..3 {
        drop(guards.pop());
        settle().await;
        assert_eq!(*served.lock().unwrap(), (0..=waiter).collect::<Vec<_>>());
    }
    assert_eq!((connector.opened(), pool.stats().total), (8, 4));
    assert_eq!(closed(&pool, CloseReason::Surplus), 4);
}

// F9: they come back in the same instant: only the surplus is closed.
#[tokio::test(start_paused = true)]
async fn a_crowd_that_returns_at_once_to_a_smaller_pool_loses_only_the_surplus() {
    let (builder, connector) = lazy(10);
    let pool = builder.build().unwrap();
    let guards = hold(&pool, 8).await;
    pool.resize(4).unwrap();
    drop(guards);
    settle().await;
    assert_eq!((closed(&pool, CloseReason::Surplus), pool.stats().idle), (4, 4));
    check_at_rest(&pool, &connector);
}

// F9: made smaller twice in a row: those on their way out are not counted twice.
#[tokio::test(start_paused = true)]
async fn two_cuts_in_a_row_close_only_the_surplus() {
    let (builder, connector) = lazy(10);
    let pool = builder.build().unwrap();
    drop(hold(&pool, 10).await);
    pool.resize(6).unwrap();
    pool.resize(4).unwrap();
    settle().await;
    assert_eq!((closed(&pool, CloseReason::Surplus), pool.stats().idle), (6, 4));
    check_at_rest(&pool, &connector);
}

// F10: made larger: waiters are served at once, not at the next return or round.
#[tokio::test(start_paused = true)]
async fn a_larger_pool_serves_its_waiters_at_once() {
    let (builder, _connector) = lazy(2);
    let pool = builder.connect_concurrency(1).build().unwrap();
    let _held = hold(&pool, 2).await;
    let waiters = [start_acquire(&pool).await, start_acquire(&pool).await, start_acquire(&pool).await];
    assert_eq!(pool.stats().waiting, 3);
    let begun = Instant::now();
    pool.resize(4).unwrap();
    settle().await;
    let served = waiters.iter().filter(|waiter| waiter.is_finished()).count();
    assert_eq!((served, pool.stats().waiting, begun.elapsed()), (2, 1, Duration::ZERO));
}

// F11: a size below the minimum is refused, and nothing changes.
#[tokio::test(start_paused = true)]
async fn a_resize_below_the_minimum_changes_nothing() {
    let timeline = Timeline::new();
    let (builder, connector) = lazy(6);
    let pool = builder.min_connections(3).observer(timeline.clone()).build().unwrap();
    drop(hold(&pool, 6).await);
    let before = pool.options();
    let error = pool.resize(2).unwrap_err();
    assert_eq!(error.problems.len(), 1);
    assert_eq!(error.problems[0].option, "min_connections");
    let error = pool.set_options(PoolOptions { max_connections: 0, ..before.clone() }).unwrap_err();
    assert!(error.problems.iter().any(|problem| problem.option == "max_connections"));
    settle().await;
    assert_eq!((pool.options(), pool.stats().idle), (before, 6));
    assert!(timeline.times(|event| matches!(event, PoolEvent::Reconfigured)).is_empty());
    check_at_rest(&pool, &connector);
}
