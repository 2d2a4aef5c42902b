//! Group B: waiting, fairness, deadlines.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use pool_core::fake::Act;
use pool_core::{AcquireOptions, PoolEvent, Priority};
use tokio::time::Instant;

use crate::support::{
    FakePool, Guard, Recorder, check_at_rest, lazy, ms, pass, secs, settle, start, start_acquire,
};

/// Tasks that note their number and the time when they are served, and hold for `hold`.
async fn queue(pool: &FakePool, count: usize, hold: Duration) -> Vec<(usize, Duration)> {
    let (log, begun) = (Arc::new(Mutex::new(Vec::new())), Instant::now());
    let mut tasks = Vec::new();
    for number in 0..count {
        let (pool, log) = (pool.clone(), Arc::clone(&log));
        tasks.push(
            start(async move {
                let guard = pool.acquire().await.unwrap();
                tokio::time::sleep(hold).await;
                log.lock().unwrap().push((number, begun.elapsed()));
                drop(guard);
            })
            .await,
        );
    }
    for task in tasks {
        task.await.unwrap();
    }
    Arc::into_inner(log).unwrap().into_inner().unwrap()
}

// B1: six tasks of 200 ms on two connections end at 200, 200, 400, 400, 600, 600, in order.
#[tokio::test(start_paused = true)]
async fn six_tasks_on_two_connections_end_two_by_two() {
    let (builder, _) = lazy(2);
    let pool = builder.build().unwrap();
    let log = queue(&pool, 6, ms(200)).await;
    let ends: Vec<_> = log.iter().map(|(_, end)| end.as_millis()).collect();
    assert_eq!(ends, [200, 200, 400, 400, 600, 600]);
    let order: Vec<_> = log.iter().map(|(number, _)| *number).collect();
    assert_eq!(order, [0, 1, 2, 3, 4, 5]);
}

// B2: waiters are served in the order of their arrival, and a late comer overtakes nobody.
#[tokio::test(start_paused = true)]
async fn waiters_are_served_in_the_order_they_came() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    let log = queue(&pool, 200, ms(1)).await;
    assert!(log.iter().map(|(number, _)| *number).eq(0..200));

    let held = pool.acquire().await.unwrap();
    let waiter = start_acquire(&pool).await;
    drop(held);
    // The waiter has not run yet; the connection is its own all the same.
    assert!(pool.try_acquire().unwrap().is_none());
    drop(waiter.await.unwrap().unwrap());
    check_at_rest(&pool, &connector);
}

/// How long an acquire with a timeout of 300 ms takes, and whether it failed by timeout.
async fn timed_out_after(pool: &FakePool) -> Duration {
    let begun = Instant::now();
    let error = pool.acquire_timeout(ms(300)).await.unwrap_err();
    assert!(error.is_timeout(), "{error}");
    begun.elapsed()
}

// B3: one deadline, whatever hangs: here the pool is simply exhausted.
#[tokio::test(start_paused = true)]
async fn an_exhausted_pool_fails_at_the_deadline() {
    let (builder, _) = lazy(1);
    let pool = builder.build().unwrap();
    let _held = pool.acquire().await.unwrap();
    assert_eq!(timed_out_after(&pool).await, ms(300));
}

// B3: a connect that hangs.
#[tokio::test(start_paused = true)]
async fn a_hung_connect_does_not_hold_the_caller_past_the_deadline() {
    let (builder, connector) = lazy(1);
    connector.connects().always(Act::Hang);
    let pool = builder.build().unwrap();
    assert_eq!(timed_out_after(&pool).await, ms(300));
}

// B3: a validation that hangs.
#[tokio::test(start_paused = true)]
async fn a_hung_validation_does_not_hold_the_caller_past_the_deadline() {
    let (builder, connector) = lazy(1);
    let pool = builder.keepalive_interval(Duration::ZERO).build().unwrap();
    drop(pool.acquire().await.unwrap());
    pass(secs(1)).await;
    connector.validations().always(Act::Hang);
    connector.connects().always(Act::Hang);
    assert_eq!(timed_out_after(&pool).await, ms(300));
}

// B3: a reset that hangs, so the connection does not come back.
#[tokio::test(start_paused = true)]
async fn a_hung_reset_does_not_hold_the_caller_past_the_deadline() {
    let (builder, connector) = lazy(1);
    connector.resets().always(Act::Hang);
    let pool = builder.build().unwrap();
    pool.acquire().await.unwrap().soil();
    assert_eq!(timed_out_after(&pool).await, ms(300));
}

// B3: all of them at once, and closing as well, on every connection of the pool.
#[tokio::test(start_paused = true)]
async fn everything_hung_at_once_does_not_hold_the_caller_past_the_deadline() {
    let (builder, connector) = lazy(3);
    let pool = builder.keepalive_interval(Duration::ZERO).build().unwrap();
    let held: [Guard; 3] =
        [pool.acquire().await.unwrap(), pool.acquire().await.unwrap(), pool.acquire().await.unwrap()];
    held[0].soil();
    drop(held);
    pass(secs(1)).await;
    for script in [connector.connects(), connector.validations(), connector.resets(), connector.closes()] {
        script.always(Act::Hang);
    }
    for _ in 0..5 {
        assert_eq!(timed_out_after(&pool).await, ms(300));
    }
}

// B4: of ten callers that come at once to a full pool, none gives up early.
#[tokio::test(start_paused = true)]
async fn nobody_times_out_early() {
    let (builder, _) = lazy(1);
    let pool = builder.build().unwrap();
    let _held = pool.acquire().await.unwrap();
    let mut tasks = Vec::new();
    for _ in 0..10 {
        let pool = pool.clone();
        tasks.push(tokio::spawn(async move { timed_out_after(&pool).await }));
    }
    for task in tasks {
        assert_eq!(task.await.unwrap(), ms(300));
    }
}

// B5: a connection that comes back at 800 ms serves a waiter at once.
#[tokio::test(start_paused = true)]
async fn a_waiter_is_served_as_soon_as_a_connection_comes_back() {
    let (builder, _) = lazy(1);
    let pool = builder.acquire_timeout(ms(2_800)).build().unwrap();
    let held = pool.acquire().await.unwrap();
    tokio::spawn(async move {
        tokio::time::sleep(ms(800)).await;
        drop(held);
    });
    let begun = Instant::now();
    let _guard = pool.acquire().await.unwrap();
    assert_eq!(begun.elapsed(), ms(800));
}

// B6: the deadline and the hand-over in the same instant, many times: one of the two owns the connection.
#[tokio::test(start_paused = true)]
async fn a_timeout_that_races_a_hand_over_loses_nothing() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    let mut served = 0;
    for round in 0..10_000 {
        let held = pool.acquire().await.unwrap();
        let waiter = {
            let pool = pool.clone();
            tokio::spawn(async move { pool.acquire_timeout(ms(10)).await.map(drop).is_ok() })
        };
        tokio::spawn(async move {
            // Sometimes polled before the waiter's timer, sometimes after.
            if round % 2 == 0 {
                tokio::task::yield_now().await;
            }
            tokio::time::sleep(ms(10)).await;
            drop(held);
        });
        served += usize::from(waiter.await.unwrap());
        settle().await;
        check_at_rest(&pool, &connector);
        assert_eq!(pool.stats().idle, 1);
    }
    assert_eq!(connector.opened(), 1);
    assert!(pool.counters().timed_out + served as u64 == 10_000);
}

// B7: with a limit of three waiters the fourth is refused at once; a cancelled one frees its place.
#[tokio::test(start_paused = true)]
async fn one_waiter_too_many_is_refused_at_once() {
    let (builder, _) = lazy(1);
    let pool = builder.max_waiting(3).build().unwrap();
    let held = pool.acquire().await.unwrap();
    let mut waiters = Vec::new();
    for _ in 0..3 {
        waiters.push(start_acquire(&pool).await);
    }
    let begun = Instant::now();
    let error = pool.acquire().await.unwrap_err();
    assert!(error.is_queue_full(), "{error}");
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!((error.diagnosis().max_waiting, error.diagnosis().stats.waiting), (3, 3));

    waiters.remove(1).abort();
    settle().await;
    waiters.push(start_acquire(&pool).await);
    assert_eq!(pool.stats().waiting, 3);
    drop(held);
    for waiter in waiters {
        drop(waiter.await.unwrap().unwrap());
    }
}

// B8: a timeout given with the call wins over the pool's.
#[tokio::test(start_paused = true)]
async fn a_call_may_have_its_own_timeout() {
    let (builder, _) = lazy(1);
    let pool = builder.acquire_timeout(secs(10)).build().unwrap();
    let _held = pool.acquire().await.unwrap();
    assert_eq!(timed_out_after(&pool).await, ms(300));
    let begun = Instant::now();
    let patient = pool.acquire_with(AcquireOptions::new().timeout(secs(20))).await;
    assert!(patient.unwrap_err().is_timeout());
    assert_eq!(begun.elapsed(), secs(20));
}

// B9: try_acquire never waits, and makes an exhausted pool that may grow do so.
#[tokio::test(start_paused = true)]
async fn trying_never_waits_and_lets_the_pool_grow() {
    let (builder, connector) = lazy(2);
    let pool = builder.build().unwrap();
    assert!(pool.try_acquire().unwrap().is_none(), "nothing is open yet");
    settle().await;
    let first = pool.try_acquire().unwrap().expect("one was opened in the background");
    assert!(pool.try_acquire().unwrap().is_none());
    settle().await;
    let second = pool.try_acquire().unwrap().expect("and another one");
    assert!(pool.try_acquire().unwrap().is_none());
    settle().await;
    assert_eq!((pool.stats().total, connector.opened()), (2, 2), "never past the limit");
    drop((first, second));
    check_at_rest(&pool, &connector);
}

// B9: a connection that would need validation is not handed out untested, nor waited for.
#[tokio::test(start_paused = true)]
async fn trying_does_not_hand_out_a_stale_connection() {
    let (builder, connector) = lazy(1);
    let pool = builder.keepalive_interval(Duration::ZERO).build().unwrap();
    drop(pool.acquire().await.unwrap());
    pass(secs(1)).await;
    assert!(pool.try_acquire().unwrap().is_none());
    settle().await;
    assert_eq!(connector.validations().calls(), 1, "validated in the background");
    assert!(pool.try_acquire().unwrap().is_some());
}

// B10: waiters whose time has run out are passed over, however many stand before the live one.
#[tokio::test(start_paused = true)]
async fn expired_waiters_are_never_served() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    let held = pool.acquire().await.unwrap();
    // Futures that are not polled again after their deadline: their timers cannot take them out of line.
    let mut stuck: Vec<_> = (0..5).map(|_| Box::pin(pool.acquire_timeout(ms(10)))).collect();
    for waiter in &mut stuck {
        assert!(futures_poll(waiter.as_mut()).is_none());
    }
    let live = start_acquire(&pool).await;
    pass(ms(50)).await;
    drop(held);
    let guard = live.await.unwrap().unwrap();
    assert_eq!(pool.counters().acquired, 2);
    drop(guard);
    for waiter in stuck {
        assert!(waiter.await.unwrap_err().is_timeout());
    }
    check_at_rest(&pool, &connector);
}

/// Polls once without a task.
fn futures_poll<F: Future + ?Sized>(future: std::pin::Pin<&mut F>) -> Option<F::Output> {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut context) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

// B11: after a stall has filled the queue, throughput is back as soon as the queue is worked off, and
// nothing is done for callers that have given up.
#[tokio::test(start_paused = true)]
async fn a_stall_leaves_no_lasting_damage() {
    let (builder, connector) = lazy(2);
    let pool = builder.acquire_timeout(secs(1)).build().unwrap();
    // Two connections, 10 ms of work each: 200 a second; 100 a second arrive.
    let stall = Instant::now() + secs(2);
    let stall_end = stall + secs(5);
    let served = Arc::new(Mutex::new(Vec::new()));
    let begun = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..1_000 {
        let (pool, served) = (pool.clone(), Arc::clone(&served));
        tasks.push(tokio::spawn(async move {
            if let Ok(guard) = pool.acquire().await {
                let now = Instant::now();
                if now >= stall && now < stall_end {
                    tokio::time::sleep_until(stall_end).await;
                }
                tokio::time::sleep(ms(10)).await;
                served.lock().unwrap().push(begun.elapsed());
                drop(guard);
            }
        }));
        tokio::time::sleep(ms(10)).await;
    }
    for task in tasks {
        task.await.unwrap();
    }
    let served = served.lock().unwrap();
    let per_second = |second: u64| served.iter().filter(|at| at.as_secs() == second).count();
    assert_eq!(per_second(1), 100);
    assert_eq!(per_second(4), 0, "stalled");
    // The queue holds at most one second of arrivals: the others have given up.
    assert!(per_second(8) >= 95, "back to {} a second", per_second(8));
    assert_eq!(per_second(9), 100);
    assert_eq!(pool.counters().acquired, served.len() as u64, "every grant was used");
    check_at_rest(&pool, &connector);
}

// B12: a task that waits while it holds a connection is named, in an event and in its timeout error.
#[tokio::test(start_paused = true)]
async fn a_task_that_locks_itself_out_is_named() {
    let (builder, _) = lazy(2);
    let recorder = Recorder::default();
    let pool = builder.acquire_timeout(secs(1)).observer(recorder.clone()).build().unwrap();
    let both_hold = Arc::new(tokio::sync::Barrier::new(2));
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let (pool, both_hold) = (pool.clone(), Arc::clone(&both_hold));
        tasks.push(
            start(async move {
                let _first = pool.acquire().await.unwrap();
                both_hold.wait().await;
                pool.acquire().await.unwrap_err()
            })
            .await,
        );
    }
    let errors = (tasks.remove(0).await.unwrap(), tasks.remove(0).await.unwrap());
    for error in [&errors.0, &errors.1] {
        let nested = error.diagnosis().nested.as_ref().expect("the caller holds one");
        assert!(nested.site.file().ends_with("waiting.rs"));
        assert!(error.to_string().contains("tasks * (k - 1) + 1"), "{error}");
    }
    let named = recorder.count(|event| matches!(event, PoolEvent::NestedAcquire { .. }));
    assert_eq!(named, 1, "told once for each call site, not for each caller");
    assert_eq!(pool.counters().nested_acquires, 2);
}

// DESIGN promise 15: high priority goes first, and does not starve the others.
#[tokio::test(start_paused = true)]
async fn high_priority_goes_first_without_starving_the_others() {
    let (builder, _) = lazy(1);
    let pool = builder.build().unwrap();
    let held = pool.acquire().await.unwrap();
    let order = Arc::new(Mutex::new(String::new()));
    let mut tasks = Vec::new();
    for priority in [Priority::Normal; 2].into_iter().chain([Priority::High; 12]) {
        let (pool, order) = (pool.clone(), Arc::clone(&order));
        tasks.push(
            start(async move {
                let guard = pool.acquire_with(AcquireOptions::new().priority(priority)).await.unwrap();
                order.lock().unwrap().push(if priority == Priority::High { 'H' } else { 'n' });
                drop(guard);
            })
            .await,
        );
    }
    drop(held);
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(*order.lock().unwrap(), "HHHHHHHHnHHHHn");
}

// DESIGN promise 15: the reserve is for high priority only.
#[tokio::test(start_paused = true)]
async fn the_reserve_is_kept_for_high_priority() {
    let (builder, connector) = lazy(3);
    let pool = builder.reserve_connections(1).build().unwrap();
    let normal = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    let waiter = start_acquire(&pool).await;
    assert_eq!(
        (pool.stats().waiting, pool.stats().total),
        (1, 2),
        "nothing is opened for who may not have it"
    );
    let high = AcquireOptions::new().priority(Priority::High).timeout(ms(100));
    let urgent = pool.acquire_with(high.clone()).await.unwrap();
    assert!(pool.acquire_with(high).await.unwrap_err().is_timeout(), "the reserve is one connection");
    drop(urgent);
    settle().await;
    assert_eq!(pool.stats().waiting, 1, "its return does not serve the normal waiter");
    drop(normal.0);
    drop(waiter.await.unwrap().unwrap());
    drop(normal.1);
    check_at_rest(&pool, &connector);
}

#[tokio::test(start_paused = true)]
async fn a_thread_without_a_runtime_may_block_for_a_connection() {
    let (builder, _) = lazy(1);
    let pool = builder.build().unwrap();
    let held = pool.acquire().await.unwrap();
    let thread = {
        let pool = pool.clone();
        tokio::task::spawn_blocking(move || {
            std::thread::spawn(move || pool.acquire_blocking().map(drop)).join()
        })
    };
    while pool.stats().waiting == 0 {
        tokio::task::yield_now().await;
    }
    drop(held);
    thread.await.unwrap().unwrap().unwrap();
}
