//! Group F, a process that was stopped: the clock jumps, and nobody suffers for it.

use std::time::Duration;

use pool_core::fake::Act;
use pool_core::{CloseReason, PoolEvent, Reuse};
use tokio::time::Instant;

use crate::support::{Timeline, check_at_rest, hold, lazy, most_within, ms, pass, secs, settle};

// F14: the process is stopped for an hour: nobody is closed for the lost time, no holder is called a leak,
// the first caller gets a validated connection, and one event tells of it.
#[tokio::test(start_paused = true)]
async fn an_hour_of_suspension_closes_nobody_and_accuses_nobody() {
    let timeline = Timeline::new();
    let (builder, connector) = lazy(20);
    let pool = builder
        .min_connections(2)
        .leak_detection_threshold(secs(60))
        .max_lifetime(secs(3 * 3600))
        .observer(timeline.clone())
        .build()
        .unwrap();
    let mut guards = hold(&pool, 15).await;
    let held = guards.split_off(10);
    drop(guards);
    pass(secs(5)).await;
    drop(pool.acquire().await.unwrap());
    let validated = connector.validations().calls();
    tokio::time::advance(secs(3600)).await;
    drop(pool.acquire().await.unwrap());
    assert!(connector.validations().calls() > validated, "used a moment ago, but the server may have gone");
    pass(secs(2)).await;
    let late = timeline.pick(|event| match event {
        PoolEvent::Starved { late } => Some(*late),
        _ => None,
    });
    assert_eq!(late.len(), 1, "{late:?}");
    assert!(late[0].1 > secs(3590) && late[0].1 <= secs(3600), "{late:?}");
    assert_eq!((pool.counters().closed.total(), pool.counters().leaks), (0, 0));
    // The clocks go on where they stood: 7 s before the jump, 53 s after it.
    pass(secs(51)).await;
    assert_eq!(pool.counters().leaks, 0);
    pass(secs(4)).await;
    assert_eq!(pool.counters().leaks, 5);
    pass(secs(300)).await;
    assert_eq!(pool.counters().closed[CloseReason::IdleTimeout], 10, "idle for five minutes of real life");
    drop(held);
    settle().await;
    check_at_rest(&pool, &connector);
}

// F14: lifetimes that ended during the suspension: one after another, as ever.
#[tokio::test(start_paused = true)]
async fn lifetimes_that_ended_during_a_suspension_retire_one_after_another() {
    let (timeline, lifetime) = (Timeline::new(), secs(30 * 60));
    let (builder, connector) = lazy(20);
    let pool = builder.min_connections(20).max_lifetime(lifetime).observer(timeline.clone()).build().unwrap();
    pool.warm_up().await.unwrap();
    pass(secs(60)).await;
    tokio::time::advance(2 * lifetime).await;
    pass(lifetime + secs(60)).await;
    let deaths = timeline.closed(CloseReason::MaxLifetime);
    assert!(deaths.len() >= 20, "{deaths:?}");
    assert!(most_within(lifetime / 20 - secs(2), &deaths) <= 1, "{deaths:?}");
    check_at_rest(&pool, &connector);
}

// F14, E3: all connections died unheard during the suspension: the first one found dead takes the others with
// it, so a caller waits for one validation at most.
#[tokio::test(start_paused = true)]
async fn connections_that_died_during_a_suspension_cost_one_validation_timeout() {
    for reuse in [Reuse::Lifo, Reuse::Fifo] {
        let (builder, connector) = lazy(10);
        let pool = builder
            .min_connections(10)
            .validation_timeout(secs(2))
            .keepalive_interval(Duration::ZERO)
            .reuse(reuse)
            .build()
            .unwrap();
        pool.warm_up().await.unwrap();
        drop(hold(&pool, 10).await);
        tokio::time::advance(secs(3600)).await;
        connector.validations().always(Act::Hang);
        let begun = Instant::now();
        let guard = pool.acquire().await.unwrap();
        assert!(guard.number() > 10, "{}", guard.number());
        assert!(begun.elapsed() <= secs(2) + ms(50), "{reuse:?}: took {:?}", begun.elapsed());
        assert_eq!(pool.counters().flushes, 1, "{reuse:?}");
    }
}

// F14: a pool without connections has no keeper; its sleep is no starvation.
#[tokio::test(start_paused = true)]
async fn a_pool_that_slept_is_not_called_starved() {
    let timeline = Timeline::new();
    let (builder, connector) = lazy(2);
    let pool = builder.idle_timeout(secs(10)).observer(timeline.clone()).build().unwrap();
    drop(pool.acquire().await.unwrap());
    pass(secs(12)).await;
    assert_eq!(pool.stats().total, 0);
    tokio::time::advance(secs(3600)).await;
    drop(pool.acquire().await.unwrap());
    pass(secs(3)).await;
    assert!(timeline.times(|event| matches!(event, PoolEvent::Starved { .. })).is_empty());
    check_at_rest(&pool, &connector);
}
