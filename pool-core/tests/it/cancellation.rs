//! Group C: a future may be dropped at any time, and nothing is lost.

use std::time::Duration;

use pool_core::CloseReason;
use pool_core::fake::Act;

use crate::support::{check_at_rest, lazy, ms, pass, secs, settle, start, start_acquire};

// C1: 3 connections, 9 tasks, all cancelled: 3 available, nobody waits, the pool works.
#[tokio::test(start_paused = true)]
async fn cancelling_every_task_leaves_a_working_pool() {
    let (builder, connector) = lazy(3);
    let pool = builder.build().unwrap();
    let mut tasks = Vec::new();
    for _ in 0..9 {
        let pool = pool.clone();
        tasks.push(
            start(async move {
                let _guard = pool.acquire().await.unwrap();
                std::future::pending::<()>().await;
            })
            .await,
        );
    }
    assert_eq!((pool.stats().active, pool.stats().waiting), (3, 6));
    for task in tasks {
        task.abort();
    }
    settle().await;
    assert_eq!((pool.stats().idle, pool.stats().waiting), (3, 0));
    assert_eq!(connector.opened(), 3);
    drop(pool.acquire().await.unwrap());
    check_at_rest(&pool, &connector);
}

// C2: dropped after the connection was assigned, before it was polled: the next in line gets it.
#[tokio::test(start_paused = true)]
async fn a_connection_granted_to_a_dropped_future_goes_to_the_next() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    let held = pool.acquire().await.unwrap();
    let mut first = Box::pin(pool.acquire());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(first.as_mut().poll(&mut context).is_pending());
    let second = start_acquire(&pool).await;
    drop(held);
    drop(first);
    let guard = second.await.unwrap().unwrap();
    assert_eq!(connector.opened(), 1);
    drop(guard);
    check_at_rest(&pool, &connector);
    assert_eq!(pool.counters().cancelled, 1);
}

// C2: the same with nobody behind: the connection is idle again.
#[tokio::test(start_paused = true)]
async fn a_connection_granted_to_a_dropped_future_is_idle_again() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    let held = pool.acquire().await.unwrap();
    let id = held.id();
    let waiter = start_acquire(&pool).await;
    drop(held);
    waiter.abort();
    settle().await;
    assert_eq!(pool.stats().idle, 1);
    assert_eq!(pool.acquire().await.unwrap().id(), id);
    check_at_rest(&pool, &connector);
}

// C3 (and C6: hooks are part of the connector): dropped while validating: the connection is replaced.
#[tokio::test(start_paused = true)]
async fn a_caller_dropped_while_it_validates_costs_one_connection_and_no_slot() {
    let (builder, connector) = lazy(1);
    let pool = builder.keepalive_interval(Duration::ZERO).build().unwrap();
    drop(pool.acquire().await.unwrap());
    pass(secs(1)).await;
    connector.validations().next(Act::Hang);
    let caller = start_acquire(&pool).await;
    assert_eq!(pool.stats().validating, 1);
    caller.abort();
    settle().await;
    assert_eq!(pool.counters().closed[CloseReason::Cancelled], 1);
    drop(pool.acquire().await.unwrap());
    assert_eq!(connector.opened(), 2);
    check_at_rest(&pool, &connector);
}

// C4, D7: dropped while it waits for a connect: the connect goes on and joins the pool.
#[tokio::test(start_paused = true)]
async fn a_connect_outlives_the_caller_who_wanted_it() {
    let (builder, connector) = lazy(2);
    connector.connects().next(Act::Slow(secs(1)));
    let pool = builder.build().unwrap();
    let caller = start_acquire(&pool).await;
    caller.abort();
    settle().await;
    assert_eq!(pool.stats().creating, 1);
    pass(secs(1)).await;
    assert_eq!((pool.stats().idle, connector.opened()), (1, 1));
    check_at_rest(&pool, &connector);
}

// C5: a reset that is given up leaves no dirty connection behind. It runs in the keeper, so no caller can
// cancel it; its timeout can.
#[tokio::test(start_paused = true)]
async fn a_reset_that_does_not_finish_costs_the_connection() {
    let (builder, connector) = lazy(1);
    connector.resets().next(Act::Hang);
    let pool = builder.reset_timeout(secs(2)).build().unwrap();
    pool.acquire().await.unwrap().soil();
    let waiter = start_acquire(&pool).await;
    pass(secs(2)).await;
    let guard = waiter.await.unwrap().unwrap();
    assert!(!guard.is_dirty());
    assert_eq!((guard.number(), pool.counters().closed[CloseReason::ResetFailed]), (2, 1));
    drop(guard);
    check_at_rest(&pool, &connector);
}

// C7: a guard may be dropped on a thread that has no runtime.
#[test]
fn a_guard_may_be_dropped_outside_any_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (builder, connector) = lazy(2);
    let (clean, dirty, pool) = runtime.block_on(async {
        let pool = builder.build().unwrap();
        let clean = pool.acquire().await.unwrap();
        let dirty = pool.acquire().await.unwrap();
        dirty.soil();
        (clean, dirty, pool)
    });
    std::thread::spawn(move || drop((clean, dirty))).join().unwrap();
    runtime.block_on(async {
        settle().await;
        assert_eq!(pool.stats().idle, 2);
        assert_eq!(connector.resets().calls(), 1, "what must be awaited is done by the keeper");
    });
}

// C7: on runtime shutdown: no panic, no deadlock, the connection is closed.
#[test]
fn a_guard_may_outlive_its_runtime() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (builder, connector) = lazy(3);
    let (pool, clean, dirty) = runtime.block_on(async {
        let pool = builder.min_connections(3).build().unwrap();
        pool.warm_up().await.unwrap();
        let guards = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        guards.1.soil();
        (pool, guards.0, guards.1)
    });
    drop(runtime);
    assert!(pool.is_closed());
    assert_eq!(connector.open_now(), 2, "the idle one went with the runtime");
    drop((clean, dirty));
    assert_eq!(connector.open_now(), 0);
    assert!(pool.try_acquire().unwrap_err().is_closed());
    check_at_rest(&pool, &connector);
}

// C9: a storm of cancels: served callers lose nothing, and the queue leaves no nodes behind.
#[tokio::test(start_paused = true)]
async fn a_storm_of_cancels_slows_nobody_down() {
    let (builder, connector) = lazy(2);
    let pool = builder.build().unwrap();
    let serve = async |storm: bool| {
        let before = pool.counters().acquired;
        let mut live = Vec::new();
        for _ in 0..100 {
            let pool = pool.clone();
            live.push(tokio::spawn(async move {
                loop {
                    let guard = pool.acquire().await.unwrap();
                    tokio::time::sleep(ms(10)).await;
                    drop(guard);
                }
            }));
        }
        for _ in 0..1_000 {
            if storm {
                let doomed = start_acquire(&pool).await;
                tokio::time::sleep(ms(1)).await;
                doomed.abort();
            } else {
                tokio::time::sleep(ms(1)).await;
            }
        }
        for task in live {
            task.abort();
        }
        settle().await;
        pool.counters().acquired - before
    };
    let calm = serve(false).await;
    let stormy = serve(true).await;
    assert!(stormy * 100 >= calm * 95, "{stormy} served in the storm, {calm} without");
    assert!(pool.counters().cancelled >= 1_000);
    check_at_rest(&pool, &connector);
    assert_eq!(connector.opened(), 2);
}

// C10: when the only caller who wanted a connection is gone, no connect is begun for it.
#[tokio::test(start_paused = true)]
async fn a_connect_that_nobody_wants_any_more_is_not_begun() {
    let (builder, connector) = lazy(5);
    connector.connects().always(Act::Slow(ms(100)));
    let pool = builder.connect_concurrency(1).build().unwrap();
    let mut callers = Vec::new();
    for _ in 0..5 {
        callers.push(start_acquire(&pool).await);
    }
    for caller in callers {
        caller.abort();
    }
    pass(secs(5)).await;
    assert_eq!(connector.opened(), 1, "only the one that was under way");
    check_at_rest(&pool, &connector);
}

// C11: with a deadline that has passed already: an immediate timeout that takes nothing.
#[tokio::test(start_paused = true)]
async fn a_deadline_in_the_past_fails_at_once() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    drop(pool.acquire().await.unwrap());
    let error = pool.acquire_timeout(Duration::ZERO).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!((pool.stats().idle, pool.counters().acquired), (1, 1));
    check_at_rest(&pool, &connector);
}

// C12: shutdown and cancel in the same instant: both end.
#[tokio::test(start_paused = true)]
async fn shutdown_and_cancel_at_once_both_end() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    let held = pool.acquire().await.unwrap();
    let waiters = [start_acquire(&pool).await, start_acquire(&pool).await];
    let closing = {
        let pool = pool.clone();
        tokio::spawn(async move { pool.close(secs(5)).await })
    };
    waiters[0].abort();
    let [cancelled, told] = waiters;
    assert!(cancelled.await.unwrap_err().is_cancelled());
    assert!(told.await.unwrap().unwrap_err().is_closed());
    drop(held);
    assert!(closing.await.unwrap().is_complete());
    check_at_rest(&pool, &connector);
}
