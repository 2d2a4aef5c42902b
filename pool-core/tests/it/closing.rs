//! Group I: closing, pausing, and what is left behind.

use std::time::Duration;

use pool_core::fake::Act;
use pool_core::{CloseReason, PoolEvent, WarmUpError};
use tokio::time::Instant;

use crate::support::{
    Recorder, check_at_rest, check_snapshot, hold, lazy, ms, pass, secs, settle, start, start_acquire,
};

/// Tasks of this runtime that have not ended.
fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

// I1: connects are under way when the pool closes: they are given up, nothing is left open, no task is left.
#[tokio::test(start_paused = true)]
async fn connects_under_way_are_given_up_by_a_close() {
    for act in [Act::Hang, Act::Slow(secs(3))] {
        let (builder, connector) = lazy(4);
        connector.connects().always(act.clone());
        let pool = builder.min_connections(4).connect_concurrency(4).build().unwrap();
        pass(secs(1)).await;
        assert_eq!(pool.stats().creating, 4);
        let begun = Instant::now();
        let report = pool.close(secs(10)).await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "{act:?}");
        assert!(report.is_complete(), "{report}");
        pass(secs(10)).await;
        assert_eq!((pool.stats().total, connector.open_now(), tasks()), (0, 0, 0), "{act:?}");
    }
}

// I1: a connect that succeeds in the same instant is closed on its arrival.
#[tokio::test(start_paused = true)]
async fn a_connection_that_arrives_at_a_closed_pool_is_closed() {
    for early in [ms(999), ms(1_000), ms(1_001)] {
        let (builder, connector) = lazy(1);
        connector.connects().always(Act::Slow(secs(1)));
        let pool = builder.build().unwrap();
        let waiter = start_acquire(&pool).await;
        tokio::time::sleep(early).await;
        pool.close(secs(1)).await;
        let got = waiter.await.unwrap();
        assert!(got.is_ok() || got.as_ref().unwrap_err().is_closed());
        drop(got);
        settle().await;
        assert_eq!((pool.stats().total, connector.open_now()), (0, 0), "closed after {early:?}");
        check_snapshot(&pool.snapshot());
    }
}

// I2: closed with waiters, busy and creating ones at once, by four tasks: waiters get `Closed` at once, busy
// ones finish, every close returns when the last is back.
#[tokio::test(start_paused = true)]
async fn a_close_refuses_waiters_and_lets_holders_finish() {
    let (builder, connector) = lazy(6);
    let pool = builder.connect_concurrency(2).build().unwrap();
    let guards = hold(&pool, 4).await;
    connector.connects().always(Act::Hang);
    let waiters = [start_acquire(&pool).await, start_acquire(&pool).await, start_acquire(&pool).await];
    assert_eq!((pool.stats().active, pool.stats().creating, pool.stats().waiting), (4, 2, 3));
    let begun = Instant::now();
    let mut closes = Vec::new();
    for _ in 0..4 {
        let pool = pool.clone();
        closes.push(start(async move { pool.close(secs(10)).await }).await);
    }
    for waiter in waiters {
        assert!(waiter.await.unwrap().unwrap_err().is_closed());
    }
    assert_eq!((begun.elapsed(), pool.stats().creating), (Duration::ZERO, 0));
    assert!(pool.is_closed());
    assert_eq!(pool.stats().active, 4, "busy ones may finish");
    pass(secs(4)).await;
    assert!(closes.iter().all(|close| !close.is_finished()));
    drop(guards);
    for close in closes {
        let report = close.await.unwrap();
        assert!(report.is_complete(), "{report}");
        assert_eq!((report.took, &*report.pool), (secs(4), "test"));
    }
    assert_eq!((connector.open_now(), pool.counters().closed[CloseReason::PoolClosed]), (0, 4));
    assert_eq!(pool.close(secs(10)).await.took, Duration::ZERO, "and again");
}

// I2: holders who do not finish: each close returns at its own deadline and names them; what they return later
// is closed.
#[tokio::test(start_paused = true)]
async fn a_close_ends_at_its_deadline_and_names_who_still_holds() {
    let (builder, connector) = lazy(4);
    let pool = builder.build().unwrap();
    let (line, first) = (line!(), pool.acquire().await.unwrap());
    pass(secs(1)).await;
    let second = pool.acquire().await.unwrap();
    let begun = Instant::now();
    let (short, long) = tokio::join!(pool.close(secs(2)), pool.close(secs(5)));
    assert_eq!((short.took, long.took, begun.elapsed()), (secs(2), secs(5), secs(5)));
    assert!(!long.is_complete());
    let held: Vec<_> = short.still_held.iter().map(|holder| (holder.connection, holder.held)).collect();
    assert_eq!(held, [(first.id(), secs(3)), (second.id(), secs(2))], "oldest first");
    assert_eq!(short.still_held[0].site.line(), line);
    assert!(short.to_string().contains(&format!("still held: {} held 3s by ", first.id())), "{short}");
    assert!(short.to_string().contains(&format!("{}:{line}", file!())), "{short}");
    assert_eq!(first.number(), 1, "it still works");
    drop(first);
    settle().await;
    assert_eq!(connector.open_now(), 1);
    let (report, ()) = tokio::join!(pool.close(secs(9)), async {
        pass(secs(1)).await;
        drop(second);
    });
    assert!(report.is_complete(), "{report}");
    assert_eq!((report.took, connector.open_now(), tasks()), (secs(1), 0, 0));
}

// I2: a deadline of zero only begins to close, and a deadline without end waits.
#[tokio::test(start_paused = true)]
async fn the_deadline_of_a_close_may_be_zero_or_endless() {
    let (builder, _connector) = lazy(2);
    let pool = builder.build().unwrap();
    let guard = pool.acquire().await.unwrap();
    let report = pool.close(Duration::ZERO).await;
    assert_eq!((report.took, report.still_held.len()), (Duration::ZERO, 1));
    let endless = pool.close(Duration::MAX);
    let (report, ()) = tokio::join!(endless, async {
        pass(secs(3_600)).await;
        drop(guard);
    });
    assert!(report.is_complete());
}

// I3: after a close every acquire fails with `Closed` and the pool's name; what comes back is closed, however
// it comes back.
#[tokio::test(start_paused = true)]
async fn a_closed_pool_gives_nothing_and_keeps_nothing() {
    let recorder = Recorder::default();
    let (builder, connector) = lazy(4);
    let pool = builder.name("orders").observer(recorder.clone()).build().unwrap();
    let guards = hold(&pool, 3).await;
    guards[1].soil();
    pool.close(Duration::ZERO).await;
    let error = pool.acquire().await.unwrap_err();
    assert!(error.is_closed() && !error.is_retryable());
    assert_eq!(&*error.diagnosis().pool, "orders");
    assert!(pool.try_acquire().unwrap_err().is_closed());
    assert!(pool.check().await.unwrap_err().is_closed());
    assert!(matches!(pool.warm_up().await.unwrap_err(), WarmUpError::Closed(_)));
    assert_eq!((pool.counters().closed_pool, pool.counters().checks_failed), (2, 1));
    let mut guards = guards.into_iter();
    drop(guards.next());
    drop(guards.next());
    guards.next().unwrap().discard();
    settle().await;
    assert_eq!((connector.open_now(), pool.stats().total, connector.resets().calls()), (0, 0, 0));
    let over = recorder.count(|event| matches!(event, PoolEvent::PoolClosed));
    assert_eq!((over, recorder.count(|event| matches!(event, PoolEvent::Closing))), (1, 1));
    assert!(matches!(recorder.events().last(), Some(PoolEvent::PoolClosed)), "nothing happens after it");
    // Nothing wakes it again.
    pool.resume();
    pool.resize(10).unwrap();
    pool.reconfigure(|options| options.min_connections = 5).unwrap();
    pool.evict_all();
    pass(secs(10)).await;
    assert_eq!((connector.opened(), pool.stats().total, tasks()), (3, 0, 0));
}

// I4: a goodbye that hangs delays neither callers nor other goodbyes, and ends after five seconds.
#[tokio::test(start_paused = true)]
async fn a_hung_goodbye_delays_nobody() {
    let (builder, connector) = lazy(3);
    let pool = builder.build().unwrap();
    drop(hold(&pool, 3).await);
    connector.closes().next(Act::Hang);
    let ids: Vec<_> = pool.connections().iter().map(|info| info.id).collect();
    assert!(pool.evict(ids[0]));
    settle().await;
    assert_eq!((pool.stats().destroying, pool.stats().idle), (1, 2));
    assert!(pool.evict(ids[1]));
    settle().await;
    assert_eq!((pool.stats().destroying, pool.stats().idle), (1, 1), "the other one is gone");
    let begun = Instant::now();
    let guards = hold(&pool, 2).await;
    assert_eq!(begun.elapsed(), Duration::ZERO);
    pass(secs(5)).await;
    assert_eq!((pool.stats().destroying, connector.open_now()), (0, 2), "dropped without a goodbye");
    drop(guards);
    settle().await;
    check_at_rest(&pool, &connector);
}

// I4: goodbyes that all hang do so side by side, and a shorter deadline does not wait for them.
#[tokio::test(start_paused = true)]
async fn hung_goodbyes_do_not_add_up_at_the_close() {
    let (builder, connector) = lazy(20);
    let pool = builder.build().unwrap();
    drop(hold(&pool, 20).await);
    connector.closes().always(Act::Hang);
    let (short, long) = tokio::join!(pool.close(secs(1)), pool.close(secs(60)));
    assert_eq!((short.took, short.still_closing, short.is_complete()), (secs(1), 20, false));
    assert!(long.is_complete() && long.took <= secs(6), "{long}");
    assert_eq!((connector.open_now(), tasks()), (0, 0));
}

// I5: the last handle is dropped: every task ends, every connection is closed; a guard that is still out keeps
// its own, and nothing but itself.
#[tokio::test(start_paused = true)]
async fn the_drop_of_the_last_handle_stops_every_task() {
    assert_eq!(tasks(), 0);
    let (builder, connector) = lazy(5);
    let pool = builder.min_connections(5).build().unwrap();
    pool.warm_up().await.unwrap();
    assert!(tasks() > 0, "the keeper");
    let (clone, guard) = (pool.clone(), pool.acquire().await.unwrap());
    drop(pool);
    pass(secs(5)).await;
    assert_eq!(connector.open_now(), 5, "one handle is left");
    drop(clone);
    settle().await;
    assert_eq!((connector.open_now(), tasks()), (1, 0));
    assert_eq!(guard.number(), 1, "its holder may go on");
    pass(secs(5)).await;
    drop(guard);
    settle().await;
    assert_eq!((connector.open_now(), connector.closed(), tasks()), (0, 5, 0));
    assert_eq!(connector.closes().calls(), 5, "each with a goodbye");
}

// I5: whatever the pool is in the middle of: connecting, validating, resetting, saying goodbye.
#[tokio::test(start_paused = true)]
async fn the_drop_of_the_last_handle_ends_unfinished_work() {
    let (builder, connector) = lazy(10);
    let pool = builder.connect_concurrency(4).connect_timeout(secs(3600)).build().unwrap();
    let guards = hold(&pool, 3).await;
    guards[0].soil();
    connector.resets().always(Act::Hang);
    connector.validations().always(Act::Hang);
    connector.closes().always(Act::Hang);
    connector.connects().always(Act::Hang);
    drop(guards);
    settle().await;
    pool.evict(pool.connections()[1].id);
    pool.evict_invalid();
    pool.reconfigure(|options| options.min_connections = 3).unwrap();
    settle().await;
    let stats = pool.stats();
    assert_eq!((stats.validating, stats.destroying, stats.creating), (2, 1, 1), "{stats:?}");
    assert_eq!(tasks(), 6, "the keeper and its four jobs, and the timekeeper");
    drop(pool);
    settle().await;
    assert_eq!(tasks(), 4, "nobody waits for the connect");
    pass(secs(5)).await;
    assert_eq!((connector.open_now(), tasks()), (0, 0));
}

// I5: a pool that lost its last connection has no task, and gets one again when it is used.
#[tokio::test(start_paused = true)]
async fn a_pool_without_connections_has_no_task() {
    let (builder, connector) = lazy(5);
    let pool = builder.idle_timeout(secs(30)).build().unwrap();
    assert_eq!(tasks(), 0);
    for round in 1..=3 {
        drop(hold(&pool, 5).await);
        assert_eq!(tasks(), 2, "the keeper and the timekeeper");
        pass(secs(32)).await;
        assert_eq!((tasks(), connector.open_now(), connector.opened()), (0, 0, 5 * round));
    }
}

// I6: paused: callers wait, their deadlines hold, and their error says why.
#[tokio::test(start_paused = true)]
async fn a_paused_pool_keeps_the_deadlines_of_its_callers() {
    let (builder, connector) = lazy(2);
    let pool = builder.min_connections(2).build().unwrap();
    pool.warm_up().await.unwrap();
    let guard = pool.acquire().await.unwrap();
    pool.pause();
    assert!(pool.is_paused());
    let begun = Instant::now();
    let error = pool.acquire_timeout(secs(3)).await.unwrap_err();
    assert!(error.is_paused() && error.is_retryable(), "{error}");
    assert_eq!(begun.elapsed(), secs(3));
    assert!(pool.try_acquire().unwrap_err().is_paused());
    assert_eq!((pool.counters().paused, pool.stats().idle), (2, 1));
    // What comes back stays, for later.
    drop(guard);
    settle().await;
    assert_eq!((pool.stats().idle, connector.open_now()), (2, 2));
}

// I6: resumed: callers are served in the order in which they came.
#[tokio::test(start_paused = true)]
async fn a_resumed_pool_serves_its_callers_in_order() {
    let (builder, connector) = lazy(2);
    let pool = builder.min_connections(2).build().unwrap();
    pool.warm_up().await.unwrap();
    pool.pause();
    let mut waiters = Vec::new();
    for number in 0..6 {
        let pool = pool.clone();
        waiters.push(
            start(async move {
                let guard = pool.acquire_timeout(secs(60)).await.unwrap();
                tokio::time::sleep(ms(10)).await;
                drop(guard);
                (Instant::now(), number)
            })
            .await,
        );
    }
    pass(secs(10)).await;
    assert_eq!(pool.stats().waiting, 6);
    let begun = Instant::now();
    pool.resume();
    assert!(!pool.is_paused());
    let mut ended = Vec::new();
    for waiter in waiters {
        let (at, number) = waiter.await.unwrap();
        ended.push(((at - begun).as_millis(), number));
    }
    assert_eq!(ended, [(10, 0), (10, 1), (20, 2), (20, 3), (30, 4), (30, 5)]);
    settle().await;
    check_at_rest(&pool, &connector);
}

// I6: what was lost during a pause is opened again when it ends, whether or not anyone asks.
#[tokio::test(start_paused = true)]
async fn a_resumed_pool_refills_first() {
    let (builder, connector) = lazy(4);
    let pool = builder.min_connections(4).build().unwrap();
    pool.warm_up().await.unwrap();
    pool.pause();
    assert_eq!(pool.evict_idle(), 4);
    pass(secs(10)).await;
    assert_eq!((pool.stats().total, connector.opened()), (0, 4), "a paused pool opens nothing");
    let begun = Instant::now();
    pool.resume();
    settle().await;
    assert_eq!((pool.stats().idle, begun.elapsed()), (4, Duration::ZERO));
    check_at_rest(&pool, &connector);
}

// I6: pausing twice, resuming twice, and closing while paused.
#[tokio::test(start_paused = true)]
async fn a_paused_pool_can_be_closed() {
    let recorder = Recorder::default();
    let (builder, connector) = lazy(2);
    let pool = builder.min_connections(2).observer(recorder.clone()).build().unwrap();
    pool.warm_up().await.unwrap();
    pool.pause();
    pool.pause();
    pool.resume();
    pool.resume();
    pool.pause();
    let count = |pick: fn(&PoolEvent) -> bool| recorder.count(pick);
    assert_eq!(count(|event| matches!(event, PoolEvent::Paused)), 2);
    assert_eq!(count(|event| matches!(event, PoolEvent::Resumed)), 1);
    let waiter = start_acquire(&pool).await;
    let report = pool.close(secs(1)).await;
    assert!(report.is_complete() && report.took.is_zero());
    assert!(waiter.await.unwrap().unwrap_err().is_closed());
    pool.pause();
    assert!(!pool.is_paused() && pool.is_closed());
    assert_eq!((connector.open_now(), tasks()), (0, 0));
}
