//! What taking and giving back a free connection does not do, and what is counted all the same.

use std::time::Duration;

use pool_core::Pool;
use tokio::time::Instant;

use crate::allocations::allocations;
use crate::support::{check_at_rest, hold, lazy, ms, pass, secs};

// Promise of speed: no allocation for a connection that is free.
#[tokio::test(start_paused = true)]
async fn taking_a_free_connection_allocates_nothing() {
    let (builder, _connector) = lazy(4);
    let pool = builder.build().unwrap();
    drop(hold(&pool, 4).await);
    let before = allocations();
    for _ in 0..1_000 {
        drop(pool.acquire().await.unwrap());
        drop(pool.try_acquire().unwrap().unwrap());
    }
    assert_eq!(allocations() - before, 0);
}

// Promise of speed: nor for one that must be waited for, once as many have waited before.
#[tokio::test(start_paused = true)]
async fn waiting_allocates_nothing_after_warm_up() {
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    let (builder, _connector) = lazy(1);
    let pool = builder.build().unwrap();
    let context = &mut Context::from_waker(Waker::noop());
    let round = |context: &mut Context<'_>| {
        let guard = pool.try_acquire().unwrap().unwrap();
        let mut waiting: [_; 8] = std::array::from_fn(|_| pool.acquire());
        let mut guard = Some(guard);
        for acquire in &mut waiting {
            assert!(std::pin::Pin::new(&mut *acquire).poll(context).is_pending());
        }
        for acquire in &mut waiting {
            drop(guard.take());
            match std::pin::Pin::new(acquire).poll(context) {
                Poll::Ready(next) => guard = Some(next.unwrap()),
                Poll::Pending => panic!("its turn has come"),
            }
        }
    };
    drop(pool.acquire().await.unwrap());
    round(context);
    for _ in 0..100 {
        // A task that goes on and on is told to give way, and its acquires to come again.
        tokio::task::yield_now().await;
        let before = allocations();
        round(context);
        assert_eq!(allocations() - before, 0);
    }
}

// Requirement on statistics: what went without the lock is counted to the last one, on a real clock as well.
#[test]
fn nothing_that_goes_without_the_lock_is_lost_from_the_counts() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(async {
        let (builder, connector) = lazy(4);
        let pool = builder.build().unwrap();
        let tasks: Vec<_> = (0..4)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move {
                    for _ in 0..50_000 {
                        drop(pool.acquire().await.unwrap());
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let counters = pool.counters();
        assert_eq!((counters.requests, counters.acquired, counters.released), (200_000, 200_000, 200_000));
        let histograms = pool.histograms();
        assert_eq!((histograms.wait.count(), histograms.usage.count()), (200_000, 200_000));
        let uses: u64 = pool.connections().iter().map(|info| info.uses).sum();
        assert_eq!(uses, 200_000);
        check_at_rest(&pool, &connector);
    });
}

// Requirement on statistics: histograms of waits, uses and connects; a reset empties them.
#[tokio::test(start_paused = true)]
async fn histograms_tell_waits_uses_and_connects() {
    let (builder, connector) = lazy(1);
    connector.connects().always(pool_core::fake::Act::Slow(ms(80)));
    let pool = builder.build().unwrap();
    let guard = pool.acquire().await.unwrap();
    let waiter = crate::support::start_acquire(&pool).await;
    pass(ms(400)).await;
    drop(guard);
    drop(waiter.await.unwrap().unwrap());
    let about = |told: Duration, real: Duration| {
        assert!(told >= real && told <= real + real / 8, "{told:?} for {real:?}");
    };
    let histograms = pool.histograms();
    assert_eq!((histograms.wait.count(), histograms.usage.count(), histograms.connect.count()), (2, 2, 1));
    about(histograms.connect.quantile(0.5), ms(80));
    about(histograms.wait.quantile(1.0), ms(400));
    about(histograms.usage.quantile(1.0), ms(400));
    pool.reset_stats();
    assert_eq!(pool.histograms(), pool_core::PoolHistograms::default());
}

// Promise 7 on a real clock: the coarse clock may send a connection to validation early, and never late.
#[test]
fn a_connection_idle_for_too_long_is_validated_by_the_coarse_clock_too() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (builder, connector) = lazy(1);
        let pool: Pool<_> = builder.validate_after_idle(ms(200)).build().unwrap();
        drop(pool.acquire().await.unwrap());
        let begun = Instant::now();
        while begun.elapsed() < ms(100) {
            drop(pool.acquire().await.unwrap());
            tokio::task::yield_now().await;
        }
        assert_eq!(connector.validations().calls(), 0, "it was never idle");
        tokio::time::sleep(ms(250)).await;
        drop(pool.acquire().await.unwrap());
        assert_eq!(connector.validations().calls(), 1);
        // Held on the real clock: told to a step or so, and the sum is never more than the time that passed.
        let guard = pool.acquire().await.unwrap();
        tokio::time::sleep(ms(300)).await;
        drop(guard);
        let used = pool.counters().use_time;
        assert!(used >= ms(100) && used <= begun.elapsed() + ms(250), "{used:?}");
        pool.close(secs(1)).await;
    });
}

// The option precise_timing: held times are exact on a real clock.
#[test]
fn precise_timing_measures_each_use() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (builder, _connector) = lazy(1);
        let pool = builder.precise_timing(true).build().unwrap();
        drop(pool.acquire().await.unwrap());
        let (mut least, mut most) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..10 {
            let outer = Instant::now();
            let guard = pool.acquire().await.unwrap();
            let inner = Instant::now();
            tokio::time::sleep(ms(3)).await;
            least += inner.elapsed();
            drop(guard);
            most += outer.elapsed();
        }
        let used = pool.counters().use_time;
        assert!(used >= least && used <= most + ms(1), "{least:?} <= {used:?} <= {most:?}");
    });
}
