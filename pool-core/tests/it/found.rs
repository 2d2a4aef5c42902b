//! Defects that reviews of this pool found, each with the story that showed it.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_core::fake::{Act, FakeConnector};
use pool_core::{AcquireOptions, BuildError, Condition, Connector, ErrorClass, Pool, PoolEvent, PoolSet};
use tokio::time::Instant;

use crate::support::{
    Recorder, check_at_rest, check_snapshot, hold, lazy, ms, pass, secs, settle, start_acquire,
};

fn poll_once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

// The keeper slept to its next round of housekeeping though a back-off had ended long before.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_back_off_wakes_the_keeper() {
    let (builder, connector) = lazy(4);
    let pool = builder.maintenance_interval(secs(60)).build().unwrap();
    let _held = pool.acquire().await.unwrap();
    connector.connects().next(Act::FailAs(ErrorClass::Capacity, "full"));
    // Gives up before its connect fails, so that nobody waits when it does.
    let mut impatient = Box::pin(pool.acquire());
    assert!(poll_once(impatient.as_mut()).is_pending());
    drop(impatient);
    settle().await;
    let begun = Instant::now();
    drop(pool.acquire().await.unwrap());
    assert!(begun.elapsed() <= ms(250), "took {:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn one_bad_connection_costs_one_back_off() {
    let (builder, connector) = lazy(4);
    connector.validations().next(Act::Fail("no answer"));
    let pool = builder.validate_after_idle(Duration::ZERO).maintenance_interval(secs(20)).build().unwrap();
    let begun = Instant::now();
    drop(pool.acquire().await.unwrap());
    assert!(begun.elapsed() <= ms(100), "took {:?}", begun.elapsed());
}

// A connection that failed its first validation made the pool connect without end.
#[tokio::test(start_paused = true)]
async fn one_bad_connection_does_not_open_the_whole_pool() {
    let (builder, connector) = lazy(50);
    connector.validations().next(Act::FailAs(ErrorClass::FatalThis, "bad")).always(Act::Slow(ms(300)));
    connector.connects().always(Act::Slow(ms(5)));
    let pool = builder.build().unwrap();
    let validated = AcquireOptions::new().validated();
    drop(pool.acquire_with(validated).await.unwrap());
    pass(secs(60)).await;
    assert!(connector.opened() <= 3, "{} opened", connector.opened());
    assert_eq!(pool.outage(), None);
}

// A connect that hung and failed in the end was taken for an outage, though others had succeeded since it began.
#[tokio::test(start_paused = true)]
async fn a_connect_that_hung_while_others_succeeded_is_no_outage() {
    let (builder, connector) = lazy(4);
    connector.connects().next(Act::Hang);
    let pool = builder.build().unwrap();
    drop(pool.acquire().await.unwrap());
    pass(secs(20)).await;
    assert_eq!((pool.outage(), pool.counters().connect_failed), (None, 1));
}

// A pool with connections to live on did not learn that others could be opened again.
#[tokio::test(start_paused = true)]
async fn new_connections_are_tried_until_they_work_again() {
    let (builder, connector) = lazy(4);
    let pool = builder.build().unwrap();
    let held = pool.acquire().await.unwrap();
    connector.connects().always(Act::Fail("no room"));
    drop(pool.acquire_timeout(ms(200)).await.unwrap_err());
    pass(secs(20)).await;
    assert!(pool.outage().is_some());
    let attempts = connector.connects().calls();
    pass(secs(60)).await;
    assert!((20..=250).contains(&(connector.connects().calls() - attempts)), "as the back-off allows");
    connector.connects().always(Act::Succeed);
    pass(secs(5)).await;
    assert_eq!(pool.outage(), None);
    drop(held);
}

// Trying again and again opened every connection that the pool may have.
#[tokio::test(start_paused = true)]
async fn trying_does_not_open_what_nobody_needs() {
    let (builder, connector) = lazy(10);
    let pool = builder.min_connections(1).build().unwrap();
    pool.warm_up().await.unwrap();
    for _ in 0..12 {
        pass(ms(700)).await;
        drop(pool.try_acquire().unwrap());
        pass(ms(5)).await;
        assert!(pool.try_acquire().unwrap().is_some());
    }
    assert_eq!(connector.opened(), 1);

    let (builder, connector) = lazy(10);
    let pool = builder.reserve_connections(8).build().unwrap();
    let _normal = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    for _ in 0..20 {
        assert!(pool.try_acquire().unwrap().is_none());
        settle().await;
    }
    assert_eq!(connector.opened(), 2, "no normal caller may have more");
}

// A connection that was granted, evicted, and never fetched was handed to the next.
#[tokio::test(start_paused = true)]
async fn a_granted_connection_can_be_evicted() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    for fetched in [false, true] {
        let held = pool.acquire().await.unwrap();
        let id = held.id();
        let mut waiter = Box::pin(pool.acquire());
        assert!(poll_once(waiter.as_mut()).is_pending());
        drop(held);
        assert!(pool.evict(id));
        let guard = if fetched {
            waiter.await.unwrap()
        } else {
            drop(waiter);
            pool.acquire().await.unwrap()
        };
        assert_ne!(guard.id(), id);
        drop(guard);
    }
    pass(secs(1)).await;
    check_at_rest(&pool, &connector);
}

// A waiter that is granted a connection and never polled again kept it for ever.
#[tokio::test(start_paused = true)]
async fn a_grant_that_nobody_fetches_goes_to_the_next_after_its_deadline() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    let held = pool.acquire().await.unwrap();
    let mut forgotten = Box::pin(pool.acquire_timeout(secs(2)));
    assert!(poll_once(forgotten.as_mut()).is_pending());
    let next = start_acquire(&pool).await;
    drop(held);
    drop(next.await.unwrap().unwrap());
    assert!(forgotten.await.unwrap_err().is_timeout());
    settle().await;
    check_at_rest(&pool, &connector);
}

// What was known before a pause failed the callers after it.
#[tokio::test(start_paused = true)]
async fn a_pause_makes_old_knowledge_doubtful() {
    let (builder, connector) = lazy(2);
    let pool = builder.acquire_timeout(secs(7_200)).build().unwrap();
    connector.go_down();
    assert!(pool.acquire().await.unwrap_err().is_unavailable());
    pool.pause();
    connector.come_back();
    let waiter = start_acquire(&pool).await;
    pass(secs(3_600)).await;
    pool.resume();
    drop(waiter.await.unwrap().unwrap());
}

// One failure long ago, while connections lived, was held against the target an hour later.
#[tokio::test(start_paused = true)]
async fn one_failure_long_ago_is_no_outage() {
    let (builder, connector) = lazy(2);
    let pool = builder.build().unwrap();
    let held = pool.acquire().await.unwrap();
    connector.connects().next(Act::Fail("connection refused"));
    assert!(pool.acquire_timeout(ms(1)).await.is_err());
    pool.resize(1).unwrap();
    pass(secs(3_600)).await;
    held.discard();
    drop(pool.acquire().await.unwrap());
}

// An error of the connector was dropped under the lock; here its drop looks at the pool.
#[tokio::test(start_paused = true)]
async fn errors_of_the_connector_are_dropped_outside_the_lock() {
    use std::sync::{Arc, OnceLock};

    #[derive(Clone)]
    struct Failing(Arc<OnceLock<Pool<Failing>>>);

    struct Curious(Arc<OnceLock<Pool<Failing>>>);

    impl std::fmt::Debug for Curious {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("Curious")
        }
    }
    impl std::fmt::Display for Curious {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("curious")
        }
    }
    impl std::error::Error for Curious {}
    impl Drop for Curious {
        fn drop(&mut self) {
            self.0.get().map(Pool::stats);
        }
    }
    impl Connector for Failing {
        type Connection = ();
        type Error = Curious;

        async fn connect(&self) -> Result<(), Curious> {
            Err(Curious(Arc::clone(&self.0)))
        }
        async fn validate(&self, _connection: &mut ()) -> Result<(), Curious> {
            Ok(())
        }
    }

    let pool_of_error = Arc::new(OnceLock::new());
    let pool = Pool::builder(Failing(Arc::clone(&pool_of_error))).build().unwrap();
    pool_of_error.set(pool.clone()).ok().unwrap();
    pass(secs(5)).await;
    assert!(pool.counters().connect_failed > 5);
    pool.close(secs(1)).await;
}

// An error that cannot be displayed tore a hole into the carrying out of effects.
#[tokio::test(start_paused = true)]
async fn an_error_that_panics_when_displayed_harms_nobody() {
    struct Mute;

    #[derive(Debug)]
    struct Unspeakable;

    impl std::fmt::Display for Unspeakable {
        fn fmt(&self, _f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("no words")
        }
    }
    impl std::error::Error for Unspeakable {}
    impl Connector for Mute {
        type Connection = ();
        type Error = Unspeakable;

        async fn connect(&self) -> Result<(), Unspeakable> {
            Ok(())
        }
        async fn validate(&self, _connection: &mut ()) -> Result<(), Unspeakable> {
            Err(Unspeakable)
        }
        async fn reset(&self, _connection: &mut ()) -> Result<(), Unspeakable> {
            Err(Unspeakable)
        }
        fn condition(&self, _connection: &mut ()) -> Condition {
            Condition::Dirty
        }
    }

    let pool = Pool::builder(Mute).min_connections(0).max_connections(2).build().unwrap();
    for _ in 0..4 {
        drop(pool.acquire().await.unwrap());
        settle().await;
    }
    assert_eq!((pool.stats().total, pool.counters().resets_failed), (0, 4));
    assert!(pool.counters().panics >= 4);
}

#[test]
fn a_runtime_without_timers_is_refused() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let built = runtime.block_on(async { lazy(1).0.build().map(drop) });
    assert!(matches!(built, Err(BuildError::NoTimers { .. })), "{built:?}");
}

// Timers of a runtime that is gone panicked instead of ending the wait.
#[test]
fn closing_after_the_runtime_is_gone_returns_at_once() {
    let own = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (builder, connector) = lazy(2);
    let (pool, guard) = own.block_on(async {
        let pool = builder.build().unwrap();
        let guard = pool.acquire().await.unwrap();
        (pool, guard)
    });
    drop(own);
    let other = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let report = other.block_on(pool.close(secs(3_600)));
    assert_eq!(report.still_held.len(), 1);
    drop(guard);
    assert_eq!(connector.open_now(), 0);
    assert!(other.block_on(pool.acquire()).unwrap_err().is_closed());
}

// A set whose close was dropped after its first poll left its pools open.
#[tokio::test(start_paused = true)]
async fn the_first_poll_of_closing_a_set_closes_its_pools() {
    let (builder, _) = lazy(1);
    let pool = builder.build().unwrap();
    let _held = pool.acquire().await.unwrap();
    let set = PoolSet::new();
    set.insert(pool.clone()).unwrap();
    let mut closing = Box::pin(set.close(secs(5)));
    assert!(poll_once(closing.as_mut()).is_pending());
    drop(closing);
    assert!(pool.is_closed());
}

// A pool that nobody used renewed its last connection for ever.
#[tokio::test(start_paused = true)]
async fn an_unused_pool_renews_nothing() {
    let (builder, connector) = lazy(4);
    let pool = builder.max_lifetime(secs(60)).idle_timeout(secs(90)).build().unwrap();
    drop(pool.acquire().await.unwrap());
    pass(secs(6_000)).await;
    assert_eq!(pool.stats().total, 0);
    assert!(connector.opened() <= 2, "{} opened", connector.opened());
}

// A server that says it is full has answered: the outage is over, and that must be told.
#[tokio::test(start_paused = true)]
async fn a_full_server_ends_an_outage_that_was_announced() {
    let (builder, connector) = lazy(2);
    let recorder = Recorder::default();
    let pool = builder.observer(recorder.clone()).build().unwrap();
    connector.connects().always(Act::Fail("connection refused"));
    assert!(pool.acquire().await.unwrap_err().is_unavailable());
    connector.connects().next(Act::FailAs(ErrorClass::Capacity, "full")).always(Act::Succeed);
    pass(secs(5)).await;
    drop(pool.acquire().await.unwrap());
    let count = |pick: fn(&PoolEvent) -> bool| recorder.count(pick);
    assert_eq!(count(|event| matches!(event, PoolEvent::OutageStarted { .. })), 1);
    assert_eq!(count(|event| matches!(event, PoolEvent::OutageEnded { .. })), 1);
}

// While connects failed, one that hung held up all others until its timeout.
#[tokio::test(start_paused = true)]
async fn a_hung_probe_delays_recovery_by_moments() {
    let (builder, connector) = lazy(4);
    connector.connects().next(Act::Fail("connection refused")).next(Act::Hang);
    let pool = builder.connect_timeout(secs(30)).build().unwrap();
    let begun = Instant::now();
    drop(pool.acquire_timeout(secs(20)).await.unwrap());
    assert!(begun.elapsed() <= secs(4), "took {:?}", begun.elapsed());
}

// Connections about to come back from their reset were not counted on, and others opened instead.
#[tokio::test(start_paused = true)]
async fn a_reset_under_way_is_counted_on() {
    let (builder, connector) = lazy(20);
    connector.resets().always(Act::Slow(ms(2)));
    connector.connects().always(Act::Slow(ms(50)));
    let pool = builder.build().unwrap();
    for _ in 0..100 {
        pool.acquire().await.unwrap().soil();
    }
    assert_eq!(connector.opened(), 1);
}

// ... unless it hangs.
#[tokio::test(start_paused = true)]
async fn a_hung_reset_is_not_counted_on_for_long() {
    let (builder, connector) = lazy(2);
    let pool = builder.build().unwrap();
    connector.resets().always(Act::Hang);
    pool.acquire().await.unwrap().soil();
    let begun = Instant::now();
    drop(pool.acquire().await.unwrap());
    assert!(begun.elapsed() <= ms(60), "took {:?}", begun.elapsed());
}

// A shorter housekeeping interval had no effect until the old one was over, and was taken for starvation.
#[tokio::test(start_paused = true)]
async fn a_shorter_interval_applies_at_once() {
    let (builder, _) = lazy(1);
    let recorder = Recorder::default();
    let pool = builder
        .maintenance_interval(secs(3_600))
        .leak_detection_threshold(secs(5))
        .observer(recorder.clone())
        .build()
        .unwrap();
    let _held = pool.acquire().await.unwrap();
    pass(secs(60)).await;
    pool.reconfigure(|options| options.maintenance_interval = secs(1)).unwrap();
    pass(secs(2)).await;
    assert_eq!(recorder.count(|event| matches!(event, PoolEvent::Leaked { .. })), 1);
    assert_eq!(recorder.count(|event| matches!(event, PoolEvent::Starved { .. })), 0);
}

// A connect whose future panics when dropped was repeated without back-off.
#[tokio::test(start_paused = true)]
async fn a_connect_that_panics_when_dropped_is_a_failed_connect() {
    struct Explosive;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(std::thread::panicking(), "boom");
        }
    }
    impl Connector for Explosive {
        type Connection = ();
        type Error = std::io::Error;

        async fn connect(&self) -> Result<(), std::io::Error> {
            let _bomb = Bomb;
            std::future::pending().await
        }
        async fn validate(&self, _connection: &mut ()) -> Result<(), std::io::Error> {
            Ok(())
        }
    }

    let pool = Pool::builder(Explosive).connect_timeout(ms(1)).fail_fast(false).build().unwrap();
    pass(secs(5)).await;
    let failed = pool.counters().connect_failed;
    assert!((10..=30).contains(&failed), "{failed} connects in 5 s");
    assert!(pool.counters().panics >= failed);
}

// Thousands of connections were given new dates in quadratic time under the lock.
#[tokio::test(start_paused = true)]
async fn every_connection_gets_its_own_date_on_a_resize() {
    let connector = FakeConnector::new();
    let pool = Pool::builder(connector.clone())
        .max_connections(1_000)
        .min_connections(500)
        .connect_concurrency(100)
        .build()
        .unwrap();
    pool.warm_up().await.unwrap();
    for size in 600..700 {
        pool.resize(size).unwrap();
    }
    assert_eq!(pool.stats().total, 500);
    check_at_rest(&pool, &connector);
}

// A pool of one was refused because of a minimum that nobody had chosen.
#[tokio::test(start_paused = true)]
async fn a_pool_of_one_needs_no_other_option() {
    let pool = Pool::builder(FakeConnector::new()).max_connections(1).build().unwrap();
    pool.warm_up().await.unwrap();
    assert_eq!((pool.stats().idle, pool.options().min_connections), (1, 1));
    let chosen = Pool::builder(FakeConnector::new()).max_connections(1).min_connections(2).build();
    assert!(matches!(chosen, Err(BuildError::Options(_))), "what was chosen is not changed");
}

// A pool made smaller while connects failed wanted no further one, and so was called failing for ever.
#[tokio::test(start_paused = true)]
async fn a_pool_made_as_small_as_it_is_fails_no_longer() {
    let (builder, connector) = lazy(3);
    let pool = builder.build().unwrap();
    let held = hold(&pool, 1).await;
    connector.connects().always(Act::Fail("connection refused"));
    assert!(pool.acquire_timeout(secs(2)).await.unwrap_err().is_timeout());
    assert!(pool.outage().is_some());
    pool.resize(2).unwrap();
    pass(secs(1)).await;
    assert!(pool.outage().is_some(), "there is room for another one, and it is tried");
    pool.resize(1).unwrap();
    pass(secs(60)).await;
    assert_eq!(pool.outage(), None);
    let calls = connector.connects().calls();
    pass(secs(60)).await;
    assert_eq!(connector.connects().calls(), calls, "nobody wants one");
    drop(held);
    pool.resize(3).unwrap();
    let held = hold(&pool, 1).await;
    assert!(pool.acquire_timeout(secs(2)).await.is_err());
    assert!(pool.outage().is_some(), "it is found anew when it matters");
    drop(held);
}

// A check of a pool whose callers were all served counted as one that was not.
#[tokio::test(start_paused = true)]
async fn a_check_that_gets_no_connection_is_no_error_of_a_caller() {
    let recorder = Recorder::default();
    let (builder, connector) = lazy(1);
    let pool = builder.observer(recorder.clone()).build().unwrap();
    let held = hold(&pool, 1).await;
    assert!(pool.check_timeout(secs(1)).await.unwrap_err().is_timeout());
    assert!(pool.check_timeout(Duration::ZERO).await.unwrap_err().is_timeout());
    drop(held);
    connector.go_down();
    assert!(pool.check().await.unwrap_err().is_unavailable());
    let counters = pool.counters();
    assert_eq!((counters.checks_failed, counters.failed(), counters.requests), (3, 0, 4));
    assert_eq!(recorder.count(|event| matches!(event, PoolEvent::AcquireFailed { .. })), 0);
    assert!(pool.acquire().await.is_err());
    assert_eq!((pool.counters().checks_failed, pool.counters().failed()), (3, 1));
    check_snapshot(&pool.snapshot());
}
