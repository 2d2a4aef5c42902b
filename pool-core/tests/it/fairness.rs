//! Who gets a connection that comes back: strict, adaptive, throughput.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pool_core::{AcquireError, Fairness};
use tokio::time::advance;

use crate::support::{FakePool, Guard, check_at_rest, lazy, ms, settle};

/// Polls an acquire once.
fn poll<F: Future<Output = Result<Guard, AcquireError>>>(future: Pin<&mut F>) -> Option<Guard> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result.unwrap()),
        Poll::Pending => None,
    }
}

async fn pool_of_one(fairness: Fairness) -> (FakePool, pool_core::fake::FakeConnector) {
    let (builder, connector) = lazy(1);
    let pool = builder.fairness(fairness).build().unwrap();
    drop(pool.acquire().await.unwrap());
    (pool, connector)
}

// Promise 3, adaptive: a connection does not idle with a task that does not run, and that task is overtaken once.
#[tokio::test(start_paused = true)]
async fn a_grant_that_nobody_comes_for_may_be_taken_over_once() {
    let (pool, connector) = pool_of_one(Fairness::Adaptive).await;
    {
        let guard = pool.acquire().await.unwrap();
        let (mut slow, mut second) = (pin!(pool.acquire()), pin!(pool.acquire()));
        assert!(poll(slow.as_mut()).is_none() && poll(second.as_mut()).is_none());
        drop(guard);
        // Granted to the first, who does not run.
        advance(Duration::from_micros(99)).await;
        let mut early = pin!(pool.acquire());
        assert!(poll(early.as_mut()).is_none(), "not yet");
        advance(ms(1)).await;
        let mut looking = pin!(pool.acquire());
        assert!(poll(looking.as_mut()).is_none(), "the first to see it");
        advance(ms(1)).await;
        let mut quick = pin!(pool.acquire());
        let taken = poll(quick.as_mut()).expect("taken over");
        assert!(poll(slow.as_mut()).is_none(), "it was taken from the first");
        drop(taken);
        advance(ms(10)).await;
        let mut quick = pin!(pool.acquire());
        assert!(poll(quick.as_mut()).is_none(), "not twice from the same");
        drop(poll(slow.as_mut()).expect("still the first in line"));
        drop(poll(second.as_mut()).expect("then the second"));
        drop(poll(early.as_mut()).expect("then those that came later, in order"));
        drop(poll(looking.as_mut()).expect("in order"));
        drop(poll(quick.as_mut()).expect("the last"));
    }
    settle().await;
    check_at_rest(&pool, &connector);
}

// Promise 3, strict: whatever happens, the one who has waited longest gets it.
#[tokio::test(start_paused = true)]
async fn a_strict_pool_keeps_a_grant_for_its_waiter() {
    let (pool, connector) = pool_of_one(Fairness::Strict).await;
    {
        let guard = pool.acquire().await.unwrap();
        let (mut slow, mut quick) = (pin!(pool.acquire()), pin!(pool.acquire()));
        assert!(poll(slow.as_mut()).is_none());
        drop(guard);
        advance(ms(100)).await;
        assert!(poll(quick.as_mut()).is_none());
        drop(poll(slow.as_mut()).expect("kept for it"));
        drop(poll(quick.as_mut()).expect("the next"));
    }
    settle().await;
    check_at_rest(&pool, &connector);
}

// Fairness::Throughput: who asks while the next in line is on its way goes first, for a millisecond.
#[tokio::test(start_paused = true)]
async fn a_pool_for_throughput_serves_who_comes_first_for_a_millisecond() {
    let (pool, connector) = pool_of_one(Fairness::Throughput).await;
    {
        let guard = pool.acquire().await.unwrap();
        let mut waiting = pin!(pool.acquire());
        assert!(poll(waiting.as_mut()).is_none());
        drop(guard);
        let guard = poll(pin!(pool.acquire())).expect("before the one who waits");
        assert!(poll(waiting.as_mut()).is_none(), "it was woken, and came too late");
        advance(ms(1)).await;
        drop(guard);
        let mut quick = pin!(pool.acquire());
        assert!(poll(quick.as_mut()).is_none(), "it has been overtaken for long enough");
        drop(poll(waiting.as_mut()).expect("its turn"));
        drop(poll(quick.as_mut()).expect("the next"));
    }
    settle().await;
    check_at_rest(&pool, &connector);
}

// Promise 4 with Fairness::Throughput: who was woken to look and gives up passes the wake-up on.
#[tokio::test(start_paused = true)]
async fn a_waiter_that_gives_up_after_it_was_woken_wakes_the_next() {
    let (pool, connector) = pool_of_one(Fairness::Throughput).await;
    let guard = pool.acquire().await.unwrap();
    let mut first = Box::pin(pool.acquire());
    assert!(poll(first.as_mut()).is_none());
    let second = crate::support::start_acquire(&pool).await;
    drop(guard);
    drop(first);
    settle().await;
    assert!(second.is_finished(), "the connection is free, and somebody waits for it");
    drop(second.await.unwrap().unwrap());
    check_at_rest(&pool, &connector);
}
