//! Every public future, dropped at every point at which it can be.
//!
//! The harness polls a future `k` times, letting the rest of the world run in between, then drops it and
//! checks that the pool comes to rest with every connection accounted for; for every `k` until the future
//! finishes by itself. So each await in each future is a place where it was dropped.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_core::fake::{Act, FakeConnector};
use pool_core::{AcquireOptions, PoolBuilder, PoolControl, PoolSet, Priority};

use crate::support::{FakePool, check_at_rest, lazy, ms, pass, secs, settle};

/// How a scene is set before the future is made.
type Scene = fn() -> (PoolBuilder<FakeConnector>, FakeConnector);

/// Polls `future` at most `polls` times. Returns whether it finished.
async fn poll_times<T>(mut future: Pin<&mut impl Future<Output = T>>, polls: usize) -> bool {
    for _ in 0..polls {
        let polled = {
            let mut context = Context::from_waker(Waker::noop());
            future.as_mut().poll(&mut context)
        };
        if let Poll::Ready(_output) = polled {
            return true;
        }
        pass(ms(7)).await;
    }
    false
}

/// Drops the future that `make` makes after each number of polls, and checks the pool each time.
async fn drop_at_every_await<T>(
    scene: Scene,
    prepare: impl AsyncFn(&FakePool, &FakeConnector),
    make: impl AsyncFn(FakePool) -> T,
) {
    for polls in 0.. {
        assert!(polls < 200, "the future never finishes");
        let (builder, connector) = scene();
        let pool = builder.build().unwrap();
        prepare(&pool, &connector).await;
        let finished = {
            let future = pin!(make(pool.clone()));
            poll_times(future, polls).await
        };
        // Whatever was left under way comes to its end; scripted acts are used up by now.
        pass(secs(20)).await;
        check_at_rest(&pool, &connector);
        if !pool.is_closed() {
            let max = pool.options().max_connections;
            let mut all = Vec::new();
            for _ in 0..max {
                all.push(pool.acquire().await.unwrap());
            }
            assert_eq!(pool.stats().active, max, "every slot is usable after {polls} polls");
            drop(all);
            settle().await;
            check_at_rest(&pool, &connector);
        }
        if finished {
            assert!(polls > 0);
            return;
        }
    }
}

fn slow() -> (PoolBuilder<FakeConnector>, FakeConnector) {
    let (builder, connector) = lazy(2);
    connector.connects().always(Act::Slow(ms(30)));
    connector.validations().always(Act::Slow(ms(30)));
    connector.resets().always(Act::Slow(ms(30)));
    connector.closes().always(Act::Slow(ms(30)));
    (builder.keepalive_interval(Duration::ZERO), connector)
}

async fn nothing(_pool: &FakePool, _connector: &FakeConnector) {}

/// Both connections are idle for so long that they must be validated.
async fn stale(pool: &FakePool, _connector: &FakeConnector) {
    let both = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    drop(both);
    pass(secs(1)).await;
}

/// Both are idle, and dead.
async fn dead(pool: &FakePool, connector: &FakeConnector) {
    stale(pool, connector).await;
    connector.kill_all();
}

/// Both are held by others for a while, and dirty when they come back.
async fn busy(pool: &FakePool, _connector: &FakeConnector) {
    let both = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    tokio::spawn(async move {
        tokio::time::sleep(ms(40)).await;
        both.0.soil();
        drop(both.0);
        tokio::time::sleep(ms(40)).await;
        both.1.break_it();
        drop(both.1);
    });
}

#[tokio::test(start_paused = true)]
async fn acquire_may_be_dropped_while_the_first_connection_is_opened() {
    drop_at_every_await(slow, nothing, async |pool| drop(pool.acquire().await.unwrap())).await;
}

#[tokio::test(start_paused = true)]
async fn acquire_may_be_dropped_while_it_validates() {
    drop_at_every_await(slow, stale, async |pool| drop(pool.acquire().await.unwrap())).await;
}

#[tokio::test(start_paused = true)]
async fn acquire_may_be_dropped_while_it_replaces_dead_connections() {
    drop_at_every_await(slow, dead, async |pool| drop(pool.acquire().await.unwrap())).await;
}

#[tokio::test(start_paused = true)]
async fn acquire_may_be_dropped_while_it_waits_in_line() {
    drop_at_every_await(slow, busy, async |pool| drop(pool.acquire().await.unwrap())).await;
}

#[tokio::test(start_paused = true)]
async fn acquire_may_be_dropped_before_it_times_out() {
    drop_at_every_await(slow, busy, async |pool| drop(pool.acquire_timeout(ms(25)).await)).await;
}

#[tokio::test(start_paused = true)]
async fn acquire_with_may_be_dropped_anywhere() {
    let options = AcquireOptions::new().priority(Priority::High).validated();
    drop_at_every_await(slow, busy, async |pool| drop(pool.acquire_with(options.clone()).await.unwrap()))
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_pair_of_acquires_may_be_dropped_anywhere() {
    drop_at_every_await(slow, busy, async |pool| {
        let first = pool.acquire().await.unwrap();
        let second = pool.acquire().await.unwrap();
        drop((first, second));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn warm_up_may_be_dropped_anywhere() {
    drop_at_every_await(
        || {
            let (builder, connector) = slow();
            (builder.min_connections(2).connect_concurrency(1), connector)
        },
        nothing,
        async |pool| pool.warm_up().await.unwrap(),
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn check_may_be_dropped_anywhere() {
    drop_at_every_await(slow, stale, async |pool| assert!(pool.check().await.is_ok())).await;
}

#[tokio::test(start_paused = true)]
async fn close_may_be_dropped_anywhere() {
    drop_at_every_await(slow, stale, async |pool| assert!(pool.close(secs(5)).await.is_complete())).await;
}

#[tokio::test(start_paused = true)]
async fn the_futures_of_pool_control_may_be_dropped_anywhere() {
    drop_at_every_await(slow, dead, async |pool| {
        let control: &dyn PoolControl = &pool;
        control.warm_up().await.unwrap();
        control.check().await.unwrap();
        control.close(secs(5)).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_close_of_a_set_may_be_dropped_anywhere() {
    drop_at_every_await(slow, stale, async |pool| {
        let set = PoolSet::new();
        set.insert(pool).unwrap();
        assert_eq!(set.close(secs(5)).await.len(), 1);
    })
    .await;
}

// The harness must fail on a future that loses something: here a guard that is forgotten when dropped.
#[tokio::test(start_paused = true)]
#[should_panic(expected = "left == right")]
async fn the_harness_notices_a_lost_connection() {
    drop_at_every_await(slow, nothing, async |pool| {
        let guard = std::mem::ManuallyDrop::new(pool.acquire().await.unwrap());
        tokio::task::yield_now().await;
        drop(std::mem::ManuallyDrop::into_inner(guard));
    })
    .await;
}
