//! Real threads, real time, random behaviour: nothing is lost, and the limit is never passed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pool_core::fake::FakeConnector;

use crate::support::{FakePool, check_at_rest, check_snapshot, lazy, ms, secs};

const SIZE: usize = 10;
const CALLERS: u64 = 100;
const LASTING: Duration = Duration::from_secs(10);

fn pool() -> (FakePool, FakeConnector) {
    let (builder, connector) = lazy(SIZE);
    let pool = builder
        .acquire_timeout(secs(5))
        .validate_after_idle(ms(1))
        .max_uses(500)
        .maintenance_interval(ms(5))
        .leak_detection_threshold(ms(200))
        .build()
        .unwrap();
    (pool, connector)
}

/// One turn of a caller: acquires, with luck, and treats the connection in one of many ways.
async fn turn(pool: &FakePool, rng: &mut fastrand::Rng) {
    let patience = Duration::from_micros(rng.u64(..2_000));
    let acquired = match rng.u8(..10) {
        0 => pool.try_acquire().ok().flatten(),
        1 => pool.acquire_timeout(patience).await.ok(),
        // Dropped by a timeout around it: at a random await.
        2..5 => tokio::time::timeout(patience, pool.acquire()).await.ok().and_then(Result::ok),
        _ => pool.acquire().await.ok(),
    };
    let Some(guard) = acquired else { return };
    match rng.u8(..20) {
        0 => guard.break_it(),
        1 => guard.soil(),
        2 => return guard.discard(),
        3 => tokio::time::sleep(Duration::from_micros(rng.u64(..500))).await,
        4 => drop(guard.info()),
        _ => tokio::task::yield_now().await,
    }
    if rng.u8(..) == 0 {
        pool.evict_idle();
    }
    drop(guard);
}

/// Samples the books all along. Returns how many snapshots it took.
fn sample(pool: &FakePool, stop: &AtomicBool) -> u64 {
    let (mut samples, mut last) = (0, pool.snapshot());
    while !stop.load(Ordering::Relaxed) {
        let now = pool.snapshot();
        check_snapshot(&now);
        assert!(now.counters.requests >= last.counters.requests);
        assert!(now.counters.created >= last.counters.created);
        (last, samples) = (now, samples + 1);
        std::thread::yield_now();
    }
    samples
}

async fn at_rest(pool: &FakePool, connector: &FakeConnector) {
    while pool.stats().total != pool.stats().idle {
        tokio::time::sleep(ms(10)).await;
    }
    check_at_rest(pool, connector);
    assert!(connector.open_peak() <= SIZE, "{} open at once", connector.open_peak());
    assert_eq!(connector.opened() - connector.closed(), connector.open_now() as u64);
    let report = pool.close(secs(5)).await;
    assert!(report.is_complete(), "{report}");
    assert_eq!(connector.open_now(), 0);
}

// A6, and point 2 of what the first release must show: 100 tasks on a pool of 10 for 10 s, with random
// cancels. The task flavour also proves that counters are monotone in every snapshot.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_tasks_lose_nothing_in_ten_seconds() {
    let (pool, connector) = pool();
    let stop = Arc::new(AtomicBool::new(false));
    let sampler = {
        let (pool, stop) = (pool.clone(), Arc::clone(&stop));
        std::thread::spawn(move || sample(&pool, &stop))
    };
    let tasks: Vec<_> = (0..CALLERS)
        .map(|seed| {
            let (pool, stop) = (pool.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut rng = fastrand::Rng::with_seed(seed);
                while !stop.load(Ordering::Relaxed) {
                    turn(&pool, &mut rng).await;
                }
            })
        })
        .collect();
    tokio::time::sleep(LASTING).await;
    // Half of them are cut off wherever they are.
    for task in tasks.iter().take(CALLERS as usize / 2) {
        task.abort();
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        assert!(task.await.map_or_else(|error| error.is_cancelled(), |()| true), "no caller panicked");
    }
    assert!(sampler.join().unwrap() > 1_000, "sampled all along");
    assert!(pool.counters().acquired > 10_000, "{:?}", pool.counters());
    at_rest(&pool, &connector).await;
}

// The same with 100 OS threads that drive their acquires through a handle of the runtime.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_threads_lose_nothing_in_ten_seconds() {
    let (pool, connector) = pool();
    let stop = Arc::new(AtomicBool::new(false));
    let runtime = tokio::runtime::Handle::current();
    let threads: Vec<_> = (0..CALLERS)
        .map(|seed| {
            let (pool, stop, runtime) = (pool.clone(), Arc::clone(&stop), runtime.clone());
            std::thread::spawn(move || {
                let mut rng = fastrand::Rng::with_seed(seed);
                while !stop.load(Ordering::Relaxed) {
                    if rng.u8(..10) == 0 {
                        drop(pool.acquire_blocking().unwrap());
                    } else {
                        runtime.block_on(turn(&pool, &mut rng));
                    }
                }
            })
        })
        .collect();
    let sampler = {
        let (pool, stop) = (pool.clone(), Arc::clone(&stop));
        std::thread::spawn(move || sample(&pool, &stop))
    };
    tokio::time::sleep(LASTING).await;
    stop.store(true, Ordering::Relaxed);
    let joined = tokio::task::spawn_blocking(move || {
        threads.into_iter().all(|thread| thread.join().is_ok()) && sampler.join().unwrap() > 1_000
    });
    assert!(joined.await.unwrap(), "no thread panicked");
    at_rest(&pool, &connector).await;
}
