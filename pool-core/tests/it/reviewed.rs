//! Defects that the review of the gated bitmap found on 2026-11-21, each with the scenario that showed it.

use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};
use std::time::Duration;

use pool_core::{AcquireError, AcquireOptions, Fairness, Priority};
use tokio::time::{Instant, advance};

use crate::support::{Guard, hold, lazy, ms, secs, settle};

fn poll<F: Future<Output = Result<Guard, AcquireError>>>(future: Pin<&mut F>) -> Option<Guard> {
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => Some(result.unwrap()),
        Poll::Pending => None,
    }
}

fn high() -> AcquireOptions {
    AcquireOptions::new().priority(Priority::High)
}

thread_local! {
    static WHEN_CLONED: RefCell<Option<Box<dyn FnOnce()>>> = const { RefCell::new(None) };
}

/// A waker that does something when it is cloned, as if another thread did it in that moment.
#[expect(unsafe_code, reason = "the only way to a waker whose clone is seen")]
fn meddling_waker() -> Waker {
    static TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| {
            if let Some(meddle) = WHEN_CLONED.with(|hook| hook.borrow_mut().take()) {
                meddle();
            }
            RawWaker::new(data, &TABLE)
        },
        |_| {},
        |_| {},
        |_| {},
    );
    // SAFETY: the table touches no data.
    unsafe { Waker::from_raw(RawWaker::new(std::ptr::null(), &TABLE)) }
}

// Review, 1: put_aside() lays a connection among the idle ones of a pool that closes; nothing ever closes it.
#[tokio::test(start_paused = true)]
async fn a_connection_looked_at_while_the_pool_closes_is_closed_too() {
    let (builder, connector) = lazy(1);
    let pool = builder.keepalive_interval(Duration::ZERO).build().unwrap();
    drop(pool.acquire().await.unwrap());
    // It must be validated, so the acquire takes it from the shelf and goes to the lock with it.
    advance(secs(1)).await;
    let closer = pool.clone();
    WHEN_CLONED.with(|hook| {
        *hook.borrow_mut() = Some(Box::new(move || {
            let mut close = Box::pin(async move { closer.close(secs(1)).await });
            assert!(close.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        }));
    });
    {
        let mut acquire = pin!(pool.acquire());
        let waker = meddling_waker();
        match acquire.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => assert!(result.unwrap_err().is_closed()),
            Poll::Pending => panic!("the pool is closed"),
        }
    }
    settle().await;
    let begun = Instant::now();
    let report = pool.close(secs(30)).await;
    assert!(begun.elapsed() < secs(1), "nobody holds anything, and close took {:?}", begun.elapsed());
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(connector.open_now(), 0, "{:?}", pool.stats());
}

// Review, 2: a guard of high priority goes back over the shelf, where the number of connections laid out counted it not:
// callers of normal priority take the reserve.
#[tokio::test(start_paused = true)]
async fn a_connection_given_back_by_high_priority_is_still_reserved() {
    let (builder, _connector) = lazy(2);
    let pool = builder.reserve_connections(1).connect_concurrency(2).build().unwrap();
    let first = pool.acquire().await.unwrap();
    let second = pool.acquire_with(high()).await.unwrap();
    drop((first, second));
    settle().await;
    let high = pool.acquire_with(high()).await.unwrap();
    drop(high);
    let one = pool.try_acquire().unwrap();
    let two = pool.try_acquire().unwrap();
    assert!(one.is_some());
    assert!(two.is_none(), "one is reserved, and normal callers hold both: {:?}", pool.stats());
}

// Review, 2b: the hold of a high priority outlives it when the connection is taken again before the lock holder looks.
#[tokio::test(start_paused = true)]
async fn a_normal_holder_after_a_high_one_counts_as_normal() {
    let (builder, _connector) = lazy(3);
    let pool = builder.reserve_connections(1).connect_concurrency(3).build().unwrap();
    let guards = [
        pool.acquire().await.unwrap(),
        pool.acquire().await.unwrap(),
        pool.acquire_with(high()).await.unwrap(),
    ];
    drop(guards);
    settle().await;
    drop(pool.acquire_with(high()).await.unwrap());
    // The same one, over the shelf.
    let one = pool.try_acquire().unwrap().unwrap();
    let mut held = vec![one];
    for _ in 0..3 {
        // Through the lock, which is what counts.
        let _ = pool.stats();
        held.extend(pool.try_acquire().unwrap());
    }
    assert_eq!(held.len(), 2, "three less the reserve");
}

// Review, 3: a hold that was collected keeps its `promised`, so after pass_on the last holder is accused of holding still.
#[tokio::test(start_paused = true)]
async fn who_gave_his_connection_back_is_not_named_as_its_holder() {
    let (builder, _connector) = lazy(1);
    let pool = builder.fairness(Fairness::Strict).build().unwrap();
    let guard = pool.acquire().await.unwrap();
    let (go, gone) = tokio::sync::oneshot::channel::<()>();
    let (have, had) = tokio::sync::oneshot::channel::<()>();
    let task = {
        let pool = pool.clone();
        tokio::spawn(async move {
            let mine = pool.acquire().await.unwrap();
            have.send(()).unwrap();
            gone.await.unwrap();
            drop(mine);
            // Given back: to the next in line, who does not run just now.
            let error = pool.acquire_timeout(ms(100)).await.unwrap_err();
            error.diagnosis().clone()
        })
    };
    settle().await;
    drop(guard);
    had.await.unwrap();
    let (mut second, mut third) = (pin!(pool.acquire()), pin!(pool.acquire()));
    assert!(poll(second.as_mut()).is_none() && poll(third.as_mut()).is_none());
    advance(secs(5)).await;
    go.send(()).unwrap();
    let diagnosis = task.await.unwrap();
    assert!(diagnosis.nested.is_none(), "it holds nothing: {:?}", diagnosis.nested);
    assert!(diagnosis.holders.iter().all(|holder| holder.held < secs(1)), "{:?}", diagnosis.holders);
}

// Review, 5: a normal caller takes over a grant while a caller of high priority waits.
#[tokio::test(start_paused = true)]
async fn nobody_of_normal_priority_goes_before_high_priority() {
    let (builder, _connector) = lazy(1);
    let pool = builder.build().unwrap();
    let guard = pool.acquire().await.unwrap();
    let mut slow = pin!(pool.acquire());
    assert!(poll(slow.as_mut()).is_none());
    drop(guard);
    let mut urgent = pin!(pool.acquire_with(high()));
    assert!(poll(urgent.as_mut()).is_none(), "granted a moment ago to the other");
    advance(ms(1)).await;
    let mut newcomer = pin!(pool.acquire());
    assert!(poll(newcomer.as_mut()).is_none(), "before one of high priority who waits");
}

// Review, 6: "a caller is overtaken at most once": the head of the line is overtaken once for each grant that is out.
#[tokio::test(start_paused = true)]
async fn the_first_in_line_is_overtaken_once() {
    let (builder, _connector) = lazy(4);
    let pool = builder.connect_concurrency(4).build().unwrap();
    let guards = hold(&pool, 4).await;
    let mut slow: Vec<_> = (0..4).map(|_| Box::pin(pool.acquire())).collect();
    for acquire in &mut slow {
        assert!(poll(acquire.as_mut()).is_none());
    }
    drop(guards);
    let mut newcomers = 0;
    let mut held = Vec::new();
    for _ in 0..4 {
        advance(ms(1)).await;
        let guard = poll(Box::pin(pool.acquire()).as_mut());
        newcomers += usize::from(guard.is_some());
        held.extend(guard);
    }
    assert!(newcomers <= 1, "{newcomers} went before the first in line, who came before all of them");
}

#[expect(clippy::disallowed_methods, reason = "the whole runtime is to stand still")]
fn stand_still(time: Duration) {
    std::thread::sleep(time);
}

fn real<F: Future<Output = ()>>(test: F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(test);
}

// Review, 7: the coarse clock is late by as long as the runtime does not run; promise 7 (and F14) hold on a paused clock only.
#[test]
fn a_connection_is_validated_after_the_process_stood_still() {
    real(async {
        let (builder, connector) = lazy(1);
        let pool = builder.build().unwrap();
        drop(pool.acquire().await.unwrap());
        tokio::task::yield_now().await;
        drop(pool.acquire().await.unwrap());
        // SIGSTOP, a suspended laptop, a blocked runtime.
        stand_still(ms(1500));
        drop(pool.acquire().await.unwrap());
        assert_eq!(connector.validations().calls(), 1, "idle for 1.5 s, and nobody asked whether it works");
    });
}

// Review, 8: nobody keeps the coarse clock for connections that were opened or pinged, and not used since.
#[test]
fn a_connection_that_was_never_used_is_validated_too() {
    real(async {
        let (builder, connector) = lazy(1);
        let pool = builder.min_connections(1).maintenance_interval(secs(60)).build().unwrap();
        pool.warm_up().await.unwrap();
        tokio::time::sleep(ms(1500)).await;
        drop(pool.acquire().await.unwrap());
        assert_eq!(connector.validations().calls(), 1, "idle for 1.5 s");
    });
}

// Review, 9: collect() allows for no lag of the coarse clock.
#[test]
fn a_grant_not_come_for_is_validated_in_time() {
    real(async {
        let (builder, connector) = lazy(1);
        let pool = builder.maintenance_interval(secs(60)).build().unwrap();
        let guard = pool.acquire().await.unwrap();
        let mut slow = Box::pin(pool.acquire());
        assert!(poll(slow.as_mut()).is_none());
        // The keeper tells the time about every 250 ms from here on.
        tokio::time::sleep(ms(290)).await;
        drop(guard);
        tokio::time::sleep(ms(650)).await;
        let next = slow.await.unwrap();
        assert_eq!(connector.validations().calls(), 1, "idle for 650 ms");
        drop(next);
    });
}

// Review, 10: a Reading may be 4 ms old (10 ms on kernels of 100 Hz), and decides deadlines of callers who brought their own
// short timeout.
#[test]
fn nobody_times_out_before_his_time() {
    real(async {
        let (builder, _connector) = lazy(1);
        let pool = builder.build().unwrap();
        let _guard = pool.acquire().await.unwrap();
        let mut worst = ms(3);
        for _ in 0..60 {
            let mut first = Box::pin(pool.acquire_timeout(ms(3)));
            assert!(poll(first.as_mut()).is_none());
            let mut second = Box::pin(pool.acquire_timeout(ms(3)));
            assert!(poll(second.as_mut()).is_none());
            let begun = Instant::now();
            while begun.elapsed() < Duration::from_micros(2_500) {}
            let begun = Instant::now();
            let third = pool.acquire_timeout(ms(3)).await;
            assert!(third.is_err());
            worst = worst.min(begun.elapsed());
            assert!(first.await.is_err() && second.await.is_err());
        }
        assert!(worst >= ms(2), "asked for 3 ms, refused after {worst:?}");
    });
}

// Review, 11: the same old Reading dates a grant, so its grace is over before it began.
#[test]
fn a_grant_made_just_now_is_not_taken_over() {
    real(async {
        let (builder, _connector) = lazy(1);
        let pool = builder.build().unwrap();
        let mut least = secs(1);
        for _ in 0..60 {
            let guard = pool.acquire().await.unwrap();
            // The second reads the clock; the third, the fourth and the grant use that reading again.
            let mut waiting: Vec<_> = (0..4).map(|_| Box::pin(pool.acquire())).collect();
            for acquire in &mut waiting {
                assert!(poll(acquire.as_mut()).is_none());
            }
            let begun = Instant::now();
            while begun.elapsed() < ms(1) {}
            let granted = Instant::now();
            drop(guard);
            let mut newcomer = Box::pin(pool.acquire());
            let taken = poll(newcomer.as_mut());
            if taken.is_some() {
                least = least.min(granted.elapsed());
            }
            drop((taken, newcomer, waiting));
            tokio::task::yield_now().await;
        }
        assert!(least >= Duration::from_micros(100), "taken over {least:?} after it was granted");
    });
}

// Review, 16: a use begins by the coarse clock and its length is judged by the exact one: up to 250 ms too long.
#[test]
fn a_short_use_is_no_leak() {
    real(async {
        let (builder, _connector) = lazy(1);
        let pool = builder.leak_detection_threshold(ms(200)).build().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < ms(3_500) {
            let guard = pool.acquire().await.unwrap();
            tokio::time::sleep(ms(20)).await;
            drop(guard);
        }
        assert_eq!(pool.counters().leaks, 0, "none was held for longer than 20 ms or so");
    });
}

// Review, 17: a pool built before the clock was paused takes it for a real one.
#[tokio::test]
async fn a_clock_paused_later_is_the_clock_all_the_same() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    tokio::time::pause();
    drop(pool.acquire().await.unwrap());
    advance(secs(5)).await;
    // The keeper is the first to see that the clocks differ.
    settle().await;
    drop(pool.acquire().await.unwrap());
    assert_eq!(connector.validations().calls(), 1, "idle for 5 s");
}

// Growth to many chunks; passes.
#[tokio::test(start_paused = true)]
async fn thousands_of_slots() {
    let (builder, _connector) = lazy(5_000);
    let pool = builder.connect_concurrency(5_000).build().unwrap();
    for _ in 0..2 {
        let guards = hold(&pool, 5_000).await;
        assert_eq!(pool.stats().active, 5_000);
        drop(guards);
        assert_eq!(pool.stats().idle, 5_000);
    }
    assert_eq!(pool.counters().acquired, 10_000);
}

// Second review, 2: who had just come for what he was granted counted as one who had not waited, for one snapshot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_number_of_requests_never_goes_back() {
    let (builder, _connector) = lazy(3);
    let pool = builder.fairness(Fairness::Strict).build().unwrap();
    pool.warm_up().await.unwrap();
    let over = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let watcher = std::thread::spawn({
        let (pool, over) = (pool.clone(), std::sync::Arc::clone(&over));
        move || {
            let mut requests = 0;
            while !over.load(std::sync::atomic::Ordering::Relaxed) {
                let now = pool.snapshot().counters.requests;
                assert!(now >= requests, "{requests} requests became {now}");
                requests = now;
            }
        }
    });
    let callers: Vec<_> = (0..12)
        .map(|_| {
            let pool = pool.clone();
            tokio::spawn(async move {
                for _ in 0..20_000 {
                    let guard = pool.acquire().await.unwrap();
                    tokio::task::yield_now().await;
                    drop(guard);
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.unwrap();
    }
    over.store(true, std::sync::atomic::Ordering::Relaxed);
    watcher.join().unwrap();
}
