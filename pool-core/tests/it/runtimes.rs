//! Group J, the runtime under the pool: it shuts down, it unwinds, it lacks timers, it carries very many pools.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use pool_core::fake::{Act, FakeConnector};
use pool_core::{BuildError, Pool};
use tokio::runtime::{Builder, Runtime};

use crate::support::{FakePool, Guard, alone, lazy, ms, secs};

fn runtime(threads: usize) -> Runtime {
    Builder::new_multi_thread().worker_threads(threads).enable_all().build().unwrap()
}

// J11: a runtime shuts down under fifty callers who wait, hold and validate: no panic anywhere, and no
// connection is left when the last guard is gone.
#[test]
fn a_runtime_may_shut_down_under_its_callers() {
    alone("runtimes::a_runtime_may_shut_down_under_its_callers", || {
        for round in 0..20 {
            let runtime = runtime(2);
            let (builder, connector) = lazy(8);
            connector.connects().always(Act::Slow(ms(1)));
            connector.validations().always(Act::Slow(ms(1)));
            let pool = builder
                .runtime(runtime.handle().clone())
                .validate_after_idle(Duration::ZERO)
                .min_connections(2)
                .build()
                .unwrap();
            let served = Arc::new(AtomicUsize::new(0));
            for _ in 0..50 {
                let (pool, served) = (pool.clone(), Arc::clone(&served));
                runtime.spawn(async move {
                    while let Ok(guard) = pool.acquire().await {
                        guard.soil();
                        served.fetch_add(1, Ordering::Relaxed);
                        tokio::time::sleep(ms(1)).await;
                    }
                });
            }
            let guard = pool.acquire_blocking().unwrap();
            while served.load(Ordering::Relaxed) < 10 * (1 + round % 5) {
                std::thread::yield_now();
            }
            drop(runtime);
            assert!(pool.is_closed());
            drop(guard);
            assert_eq!((connector.open_now(), pool.stats().total, pool.stats().pending), (0, 0, 0));
            drop(pool);
        }
    });
}

/// A caller of another thread, in whatever stage `prepare` brings its acquire to, when the pool's runtime
/// shuts down.
fn caught_by_a_shutdown(
    prepare: impl FnOnce(&Runtime, &FakePool, &FakeConnector),
    stage: impl Fn(&FakePool) -> bool,
) -> std::thread::Result<Result<Guard, pool_core::AcquireError>> {
    let runtime = runtime(1);
    let (builder, connector) = lazy(1);
    let pool = builder.runtime(runtime.handle().clone()).build().unwrap();
    prepare(&runtime, &pool, &connector);
    let caller = {
        let pool = pool.clone();
        std::thread::spawn(move || {
            Builder::new_current_thread().enable_all().build().unwrap().block_on(pool.acquire())
        })
    };
    while !stage(&pool) {
        std::thread::yield_now();
    }
    drop(runtime);
    caller.join()
}

// J11: a caller of another runtime waits in line when the pool's runtime shuts down: it is told so.
#[test]
fn a_waiting_caller_survives_the_shutdown_of_the_pools_runtime() {
    let outcome = caught_by_a_shutdown(
        |_, _, connector| {
            connector.connects().always(Act::Hang);
        },
        |pool| pool.stats().waiting == 1,
    );
    assert!(outcome.expect("it does not panic").unwrap_err().is_closed());
}

// J11: the same while it validates a connection.
#[test]
fn a_validating_caller_survives_the_shutdown_of_the_pools_runtime() {
    let outcome = caught_by_a_shutdown(
        |runtime, pool, connector| {
            drop(runtime.block_on(pool.acquire()).unwrap());
            pool.reconfigure(|options| options.validate_after_idle = Duration::ZERO).unwrap();
            connector.validations().always(Act::Hang);
        },
        |pool| pool.stats().validating == 1,
    );
    assert!(outcome.expect("it does not panic").is_err());
}

// J11: the same while it waits for the end of a pause, in a pool that has no keeper.
#[test]
fn a_caller_of_a_paused_pool_survives_the_shutdown_of_the_pools_runtime() {
    let outcome = caught_by_a_shutdown(|_, pool, _| pool.pause(), |pool| pool.stats().waiting == 1);
    assert!(outcome.expect("it does not panic").is_err());
}

// J11: guards that are dropped outside any runtime give their connections back as ever.
#[test]
fn a_guard_may_be_dropped_outside_any_runtime() {
    let runtime = runtime(1);
    let (builder, connector) = lazy(2);
    let pool = builder.runtime(runtime.handle().clone()).build().unwrap();
    let (one, two) = (pool.acquire_blocking().unwrap(), pool.acquire_blocking().unwrap());
    one.soil();
    let number = two.number();
    std::thread::spawn(move || drop((one, two))).join().unwrap();
    while pool.stats().idle < 2 {
        std::thread::yield_now();
    }
    assert_eq!(connector.resets().calls(), 1);
    let (one, two) = (pool.acquire_blocking().unwrap(), pool.acquire_blocking().unwrap());
    assert!(one.number() == number || two.number() == number);
    assert_eq!(connector.opened(), 2);
}

// J11: guards that outlive their runtime: each connection is closed when its guard is dropped, whatever its
// state, and nothing panics or blocks.
#[test]
fn a_guard_may_outlive_its_runtime() {
    alone("runtimes::a_guard_may_outlive_its_runtime", || {
        let runtime = runtime(1);
        let (builder, connector) = lazy(6);
        let pool = builder.runtime(runtime.handle().clone()).validate_on_return(true).build().unwrap();
        let mut guards: Vec<_> = (0..6).map(|_| pool.acquire_blocking().unwrap()).collect();
        guards[0].soil();
        guards[1].break_it();
        drop(guards.pop());
        drop(runtime);
        assert!(pool.is_closed());
        guards.pop().unwrap().discard();
        drop(guards.pop().unwrap().detach());
        for left in (0..guards.len()).rev() {
            drop(guards.pop());
            assert_eq!((connector.open_now(), pool.stats().total), (left, left));
        }
        assert!(pool.acquire_blocking().unwrap_err().is_closed());
        assert!(pool.try_acquire().unwrap_err().is_closed());
        let other = Builder::new_current_thread().enable_all().build().unwrap();
        assert!(other.block_on(pool.acquire()).unwrap_err().is_closed());
        assert!(other.block_on(pool.warm_up()).is_err());
        assert!(other.block_on(pool.close(secs(1))).is_complete());
    });
}

// J11: a pool that never had a connection when its runtime went away notices at the first use.
#[test]
fn a_pool_that_was_never_used_survives_its_runtime() {
    alone("runtimes::a_pool_that_was_never_used_survives_its_runtime", || {
        let runtime = runtime(1);
        let (builder, _connector) = lazy(2);
        let pool = builder.runtime(runtime.handle().clone()).build().unwrap();
        drop(runtime);
        let other = Builder::new_current_thread().enable_all().build().unwrap();
        assert!(other.block_on(pool.acquire()).unwrap_err().is_closed());
        assert!(other.block_on(pool.close(secs(1))).is_complete());
    });
}

// J11: closing a pool whose runtime is gone while somebody still holds a connection: a report, no panic.
#[test]
fn a_pool_whose_runtime_is_gone_can_be_closed() {
    let gone = runtime(1);
    let (builder, connector) = lazy(2);
    let pool = builder.runtime(gone.handle().clone()).build().unwrap();
    let guard = pool.acquire_blocking().unwrap();
    drop(gone);
    let closing = {
        let pool = pool.clone();
        std::thread::spawn(move || {
            Builder::new_current_thread().enable_all().build().unwrap().block_on(pool.close(ms(10)))
        })
    };
    let report = closing.join().expect("it does not panic");
    assert_eq!(report.still_held.len(), 1);
    drop(guard);
    assert_eq!(connector.open_now(), 0);
}

// J11: a panic unwinds through the runtime, as it does in every failing `#[tokio::test]`: the pool's keeper is
// dropped by a panicking thread, and must not bring the process down.
#[test]
fn a_panic_that_unwinds_through_the_runtime_is_only_that() {
    alone("runtimes::a_panic_that_unwinds_through_the_runtime_is_only_that", || {
        for hold_one in [false, true] {
            let (builder, connector) = lazy(3);
            let outcome = std::panic::catch_unwind(AssertUnwindSafe(move || {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async move {
                    let pool = builder.min_connections(3).build().unwrap();
                    pool.warm_up().await.unwrap();
                    let guard = pool.acquire().await.unwrap();
                    if !hold_one {
                        drop(guard);
                    }
                    // As a panic, but not written to stderr, which is watched.
                    std::panic::resume_unwind(Box::new("as planned"));
                });
            }));
            assert!(outcome.is_err());
            assert_eq!(connector.open_now(), 0);
        }
    });
}

// J11: a runtime without timers cannot keep a pool: that is said when the pool is built.
#[test]
fn a_runtime_without_timers_is_refused() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let (builder, connector) = lazy(2);
    let error = builder.min_connections(1).runtime(runtime.handle().clone()).build().err().unwrap();
    assert!(matches!(error, BuildError::NoTimers { pool } if pool == "test"));
    assert_eq!(connector.connects().calls(), 0);
}

// J12: ten thousand pools that keep no connection cost no task. How long they take is measured, not judged, by
// `cargo bench -p pool-manager`.
#[tokio::test]
async fn ten_thousand_pools_cost_nothing_until_they_are_used() {
    let metrics = tokio::runtime::Handle::current().metrics();
    let connector = FakeConnector::new();
    let pools: Vec<_> = (0..10_000)
        .map(|number| {
            Pool::builder(connector.clone())
                .name(format!("tenant {number}"))
                .min_connections(0)
                .build()
                .unwrap()
        })
        .collect();
    tokio::task::yield_now().await;
    assert_eq!((metrics.num_alive_tasks(), connector.connects().calls()), (0, 0));
    let guard = pools[9_999].acquire().await.unwrap();
    assert_eq!(guard.pool_name(), "tenant 9999");
    assert!(metrics.num_alive_tasks() <= 2, "one keeper, and one connect that is about to end");
    drop(guard);
    drop(pools);
    while metrics.num_alive_tasks() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(connector.open_now(), 0);
}

// J12: a pool that was never used needs no task to end either.
#[tokio::test]
async fn the_end_of_an_unused_pool_costs_no_task() {
    let metrics = tokio::runtime::Handle::current().metrics();
    let (builder, _connector) = lazy(4);
    drop(builder.build().unwrap());
    assert_eq!(metrics.num_alive_tasks(), 0);
}
