//! Group F, lifetimes: how connections retire, and what an eviction leaves.

use std::time::Duration;

use pool_core::fake::Act;
use pool_core::{CloseReason, ConnectionState, PoolEvent};
use tokio::time::Instant;

use crate::support::{
    FakePool, Timeline, check_at_rest, hold, lazy, most_within, ms, pass, secs, settle, start, start_acquire,
};

fn closed(pool: &FakePool, reason: CloseReason) -> u64 {
    pool.counters().closed[reason]
}

// F1: in use when it expires: it works on until it comes back, and is then closed and replaced.
#[tokio::test(start_paused = true)]
async fn a_connection_that_expires_in_use_is_replaced_when_it_comes_back() {
    for max in [1, 2] {
        let (builder, connector) = lazy(max);
        let pool = builder.min_connections(1).max_lifetime(secs(60)).lifetime_jitter(0.0).build().unwrap();
        let guard = pool.acquire().await.unwrap();
        let old = guard.id();
        pass(secs(90)).await;
        assert_eq!(closed(&pool, CloseReason::MaxLifetime), 0, "max {max}");
        assert_eq!(guard.info().unwrap().state, ConnectionState::Active);
        assert_eq!(guard.number(), 1);
        drop(guard);
        pass(ms(10)).await;
        assert_eq!(closed(&pool, CloseReason::MaxLifetime), 1, "max {max}");
        assert_eq!(pool.stats().idle, 1, "replaced without anyone asking, max {max}");
        assert_ne!(pool.acquire().await.unwrap().id(), old);
        pass(ms(10)).await;
        check_at_rest(&pool, &connector);
    }
}

// F2: 100 connections born together: no window of a hundredth of their lifetime sees more than two deaths,
// with jitter and without.
#[tokio::test(start_paused = true)]
async fn connections_born_together_retire_one_after_another() {
    let lifetime = secs(30 * 60);
    for jitter in [0.0, 0.2, 0.5] {
        let timeline = Timeline::new();
        let (builder, connector) = lazy(100);
        let pool = builder
            .min_connections(100)
            .connect_concurrency(100)
            .max_lifetime(lifetime)
            .lifetime_jitter(jitter)
            .keepalive_interval(Duration::ZERO)
            .observer(timeline.clone())
            .build()
            .unwrap();
        pool.warm_up().await.unwrap();
        assert_eq!(connector.opened(), 100);
        pass(2 * lifetime + secs(1)).await;
        let deaths = timeline.closed(CloseReason::MaxLifetime);
        assert!(deaths.len() >= 100, "all of the first generation, jitter {jitter}: {}", deaths.len());
        assert!(deaths[0] >= lifetime.mul_f64(1.0 - jitter));
        assert!(most_within(lifetime / 100, &deaths) <= 2, "jitter {jitter}: {deaths:?}");
        check_at_rest(&pool, &connector);
    }
}

// F2: a full pool has no room for successors; the connect that fills the place of one that retired does not
// send others away before their time.
#[tokio::test(start_paused = true)]
async fn a_death_does_not_hasten_the_next_ones() {
    let (timeline, lifetime) = (Timeline::new(), secs(60));
    let (builder, _connector) = lazy(100);
    let pool = builder
        .min_connections(100)
        .connect_concurrency(100)
        .max_lifetime(lifetime)
        .observer(timeline.clone())
        .build()
        .unwrap();
    pool.warm_up().await.unwrap();
    pass(2 * lifetime).await;
    let deaths = timeline.closed(CloseReason::MaxLifetime);
    assert!(deaths.len() >= 50, "{}", deaths.len());
    assert!(most_within(lifetime / 100, &deaths) <= 2, "{deaths:?}");
}

// F2: the gap is kept even if it is shorter than the time between two rounds of housekeeping.
#[tokio::test(start_paused = true)]
async fn a_round_of_housekeeping_retires_no_crowd() {
    let (timeline, lifetime) = (Timeline::new(), secs(20));
    let (builder, _connector) = lazy(100);
    let pool = builder
        .min_connections(100)
        .connect_concurrency(100)
        .max_lifetime(lifetime)
        .maintenance_interval(secs(1))
        .observer(timeline.clone())
        .build()
        .unwrap();
    pool.warm_up().await.unwrap();
    pass(2 * lifetime).await;
    let deaths = timeline.closed(CloseReason::MaxLifetime);
    assert!(deaths.len() >= 50, "{}", deaths.len());
    assert!(most_within(lifetime / 100, &deaths) <= 2, "{deaths:?}");
}

// F2: what the expiry of 100 busy connections costs callers: the 99th percentile of the wait between L and
// 1.3 L is at most twice that of the time before anyone expires.
#[tokio::test(start_paused = true)]
async fn callers_do_not_notice_the_expiry_of_a_hundred_connections() {
    let (begun, timeline, lifetime) = (Instant::now(), Timeline::new(), secs(30));
    let (builder, connector) = lazy(100);
    let pool = builder
        .min_connections(100)
        .max_lifetime(lifetime)
        .maintenance_interval(ms(50))
        .observer(timeline.clone())
        .build()
        .unwrap();
    pool.warm_up().await.unwrap();
    // Slow enough that a hundred deaths at once would take ten seconds to make good.
    connector.connects().always(Act::Slow(ms(200)));
    let end = begun + lifetime.mul_f64(1.3);
    let mut workers = Vec::new();
    for seed in 0..110 {
        let pool = pool.clone();
        workers.push(tokio::spawn(async move {
            let mut rng = fastrand::Rng::with_seed(seed);
            while Instant::now() < end {
                let guard = pool.acquire().await.unwrap();
                tokio::time::sleep(ms(rng.u64(50..150))).await;
                drop(guard);
            }
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
    let waits = timeline.pick(|event| match event {
        PoolEvent::Acquired { waited, .. } => Some(*waited),
        _ => None,
    });
    let p99 = |from: Duration, to: Duration| {
        let mut chosen: Vec<_> =
            waits.iter().filter(|(at, _)| (from..to).contains(at)).map(|(_, waited)| *waited).collect();
        chosen.sort_unstable();
        assert!(chosen.len() > 1_000, "{}", chosen.len());
        chosen[chosen.len() * 99 / 100]
    };
    let before = p99(secs(1), lifetime.mul_f64(0.8));
    let during = p99(lifetime, lifetime.mul_f64(1.3));
    assert!(before > Duration::ZERO, "110 callers on 100 connections wait");
    assert!(during <= 2 * before, "{during:?} against {before:?}");
    let deaths = timeline.closed(CloseReason::MaxLifetime);
    assert!(deaths.len() >= 20, "{}", deaths.len());
}

// F3: no room for a successor: the pool is one short at most, and only for one connect.
#[tokio::test(start_paused = true)]
async fn without_head_room_idle_is_never_more_than_one_short() {
    let (builder, connector) = lazy(4);
    connector.connects().always(Act::Slow(ms(100)));
    let pool = builder
        .min_connections(4)
        .connect_concurrency(4)
        .max_lifetime(secs(60))
        .keepalive_interval(Duration::ZERO)
        .build()
        .unwrap();
    pool.warm_up().await.unwrap();
    let mut short = 0;
    for _ in 0..6_000 {
        pass(ms(20)).await;
        let idle = pool.stats().idle;
        assert!(idle >= 3, "{:?}", pool.stats());
        short += usize::from(idle == 3);
    }
    let retired = usize::try_from(closed(&pool, CloseReason::MaxLifetime)).unwrap();
    assert!(retired >= 4, "{retired}");
    assert!(short <= retired * 6, "100 ms each: {short} samples for {retired} deaths");
}

// F3: with room for one, the successor is there before its predecessor goes.
#[tokio::test(start_paused = true)]
async fn with_head_room_the_successor_is_opened_first() {
    let (builder, connector) = lazy(5);
    connector.connects().always(Act::Slow(ms(100)));
    let pool = builder
        .min_connections(4)
        .connect_concurrency(4)
        .max_lifetime(secs(60))
        .keepalive_interval(Duration::ZERO)
        .build()
        .unwrap();
    pool.warm_up().await.unwrap();
    for _ in 0..6_000 {
        pass(ms(20)).await;
        assert!(pool.stats().idle >= 4, "{:?}", pool.stats());
    }
    assert!(closed(&pool, CloseReason::MaxLifetime) >= 4);
    assert!(connector.open_peak() <= 5);
}

// F4: an expired idle connection is not handed out, though nobody has looked after it since.
#[tokio::test(start_paused = true)]
async fn an_expired_idle_connection_is_never_handed_out() {
    let (builder, connector) = lazy(2);
    let pool = builder
        .max_lifetime(secs(60))
        .lifetime_jitter(0.0)
        .maintenance_interval(secs(3_600))
        .build()
        .unwrap();
    let first = pool.acquire().await.unwrap().id();
    pass(secs(60) - ms(1)).await;
    assert_eq!(pool.acquire().await.unwrap().id(), first, "not yet");
    // The clock jumps, so that the keeper has not run since.
    tokio::time::advance(ms(1)).await;
    assert_eq!(pool.stats().idle, 1, "nobody has looked yet");
    assert!(pool.try_acquire().unwrap().is_none());
    assert_ne!(pool.acquire().await.unwrap().id(), first);
    settle().await;
    assert_eq!(closed(&pool, CloseReason::MaxLifetime), 1);
    check_at_rest(&pool, &connector);
}

// F5: all ten die while idle, the server is up, nobody asks: ten are idle again within two seconds.
#[tokio::test(start_paused = true)]
async fn a_pool_refills_by_itself_after_mass_death() {
    let (timeline, begun) = (Timeline::new(), Instant::now());
    let (builder, connector) = lazy(10);
    connector.connects().always(Act::Slow(ms(50)));
    let pool = builder
        .min_connections(10)
        .keepalive_interval(secs(1))
        .maintenance_interval(ms(250))
        .observer(timeline.clone())
        .build()
        .unwrap();
    pool.warm_up().await.unwrap();
    pass(secs(10)).await;
    connector.kill_all();
    let killed = begun.elapsed();
    pass(secs(2)).await;
    assert_eq!((pool.stats().idle, connector.opened()), (10, 20));
    assert_eq!(pool.counters().flushes, 1, "the first dead one told of all");
    let last = timeline.times(|event| matches!(event, PoolEvent::Created { .. })).pop().unwrap();
    assert!(last > killed && last <= killed + secs(2), "{killed:?}, {last:?}");
    assert!(pool.acquire().await.unwrap().number() > 10, "one of the new ones");
    check_at_rest(&pool, &connector);
}

// F12: handed out max_uses times: closed at its return, and replaced unasked.
#[tokio::test(start_paused = true)]
async fn a_worn_out_connection_is_replaced_when_it_comes_back() {
    let (builder, connector) = lazy(2);
    let pool = builder.min_connections(1).max_uses(3).build().unwrap();
    pool.warm_up().await.unwrap();
    for _ in 0..3 {
        assert_eq!(closed(&pool, CloseReason::MaxUses), 0);
        assert_eq!(pool.acquire().await.unwrap().number(), 1);
    }
    settle().await;
    assert_eq!((closed(&pool, CloseReason::MaxUses), pool.stats().idle), (1, 1));
    assert_eq!(pool.acquire().await.unwrap().number(), 2);
    check_at_rest(&pool, &connector);
}

// F13: after evict_all no connection that existed or was being opened is handed out again, wherever it was:
// idle, busy, being validated, promised to a waiter, being opened.
#[tokio::test(start_paused = true)]
async fn nothing_older_than_an_eviction_is_handed_out_after_it() {
    let (builder, connector) = lazy(6);
    let pool = builder.build().unwrap();
    let mut guards = hold(&pool, 4).await;
    // One idle, one in a validation that takes its time.
    drop(guards.pop());
    drop(guards.pop());
    connector.validations().next(Act::Slow(ms(200)));
    pass(secs(1)).await;
    let validating = start_acquire(&pool).await;
    assert_eq!((pool.stats().idle, pool.stats().validating), (1, 1));
    // Two being opened. A caller that has been promised the idle one, and has not run since.
    connector.connects().next(Act::Slow(ms(100))).next(Act::Slow(ms(100)));
    let _idle = pool.acquire().await.unwrap();
    let opening = [start_acquire(&pool).await, start_acquire(&pool).await];
    assert_eq!((pool.stats().active, pool.stats().creating), (3, 2));
    let mut promised = std::pin::pin!(pool.acquire());
    assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(promised.as_mut().poll(cx).is_pending())).await);
    let newest = pool.connections().last().unwrap().id;

    opening.iter().for_each(tokio::task::JoinHandle::abort);
    settle().await;
    drop(guards.pop());
    assert_eq!(pool.stats().waiting, 0, "the promise is given");
    pool.evict_all();
    let busy = guards.pop().unwrap();
    assert!(busy.id() <= newest, "a busy one stays with its holder");
    drop(busy);

    let first = promised.await.unwrap();
    assert!(first.id() > newest, "promised: {} after {newest}", first.id());
    let second = validating.await.unwrap().unwrap();
    assert!(second.id() > newest, "validated: {} after {newest}", second.id());
    pass(ms(200)).await;
    for guard in hold(&pool, 3).await {
        assert!(guard.id() > newest, "{} after {newest}", guard.id());
    }
}

// Who changes what a pool connects to can wait until nothing of before is left: not in use, not being opened.
#[tokio::test(start_paused = true)]
async fn whoever_evicts_all_can_wait_until_they_are_gone() {
    let (builder, connector) = lazy(4);
    let pool = builder.build().unwrap();
    let mut guards = hold(&pool, 3).await;
    drop(guards.pop());
    connector.connects().next(Act::Slow(ms(100)));
    let held = pool.acquire().await.unwrap();
    let opening = start_acquire(&pool).await;

    let first_new = pool.evict_all();
    let newest = pool.connections().last().unwrap().id;
    assert!(newest < first_new, "the one being opened is of before");
    let left = pool.wait_gone(first_new, ms(50)).await;
    assert_eq!(left.len(), 4);

    let waiting = start({
        let pool = pool.clone();
        async move { pool.wait_gone(first_new, secs(60)).await }
    })
    .await;
    drop(guards.pop());
    drop(held);
    pass(secs(1)).await;
    assert!(!waiting.is_finished(), "one is held still");
    assert!(pool.abandon(guards[0].id()));
    assert!(waiting.await.unwrap().is_empty());
    let new = opening.await.unwrap().unwrap();
    assert!(new.id() >= first_new);
    assert!(pool.wait_gone(first_new, Duration::ZERO).await.is_empty(), "new ones are not waited for");
}

#[tokio::test(start_paused = true)]
async fn a_pool_knows_how_many_handles_it_has() {
    let (builder, _) = lazy(2);
    let pool = builder.build().unwrap();
    let second = pool.clone();
    let _guard = second.acquire().await.unwrap();
    assert_eq!(pool.handles(), 2, "a connection in use is no handle");
    drop(second);
    assert_eq!(pool.handles(), 1);
}
