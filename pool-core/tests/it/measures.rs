//! What a monitor reads: time in hands, peaks, and all histograms at once.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use pool_core::{PoolControl, PoolHistograms};

use crate::support::{lazy, ms, secs};

#[tokio::test(start_paused = true)]
async fn time_in_hands_is_counted_while_it_passes() {
    let (builder, _connector) = lazy(4);
    let pool = builder.build().unwrap();
    let (one, two) = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    tokio::time::sleep(secs(3)).await;
    let counters = pool.counters();
    assert_eq!((counters.held_time, counters.use_time), (secs(6), secs(0)));
    drop(one);
    tokio::time::sleep(secs(2)).await;
    let counters = pool.counters();
    assert_eq!((counters.held_time, counters.use_time), (secs(8), secs(3)));

    pool.reset_stats();
    assert_eq!(pool.counters().held_time, secs(0), "a reset begins anew, for those who hold as well");
    tokio::time::sleep(secs(1)).await;
    drop(two);
    let counters = pool.counters();
    assert_eq!((counters.held_time, counters.elapsed), (secs(1), secs(1)));
    assert_eq!(counters.use_time, secs(6), "a use that ends is counted whole");
}

#[tokio::test(start_paused = true)]
async fn a_written_off_use_is_counted_once() {
    let (builder, _connector) = lazy(1);
    let pool = builder.build().unwrap();
    let guard = pool.acquire().await.unwrap();
    tokio::time::sleep(secs(2)).await;
    assert!(pool.abandon(guard.id()));
    tokio::time::sleep(secs(5)).await;
    drop(guard);
    drop(pool.acquire().await.unwrap());
    let counters = pool.counters();
    assert_eq!((counters.held_time, counters.use_time), (secs(2), secs(2)));
}

#[tokio::test]
async fn the_peak_is_the_most_at_once_since_it_was_asked() {
    let (builder, _connector) = lazy(10);
    let pool = builder.build().unwrap();
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(pool.acquire().await.unwrap());
    }
    held.clear();
    assert_eq!(pool.take_peak(), 3);
    assert_eq!(pool.take_peak(), 0, "nothing is in use since");
    for _ in 0..100 {
        drop(pool.acquire().await.unwrap());
    }
    assert_eq!(pool.take_peak(), 1, "one after the other");
    let one = pool.acquire().await.unwrap();
    drop((pool.acquire().await.unwrap(), pool.acquire().await.unwrap()));
    assert_eq!((pool.take_peak(), pool.take_peak()), (3, 1), "what is held counts in the next period");
    drop(one);
    assert_eq!((pool.take_peak(), pool.take_peak()), (1, 0));
}

#[tokio::test]
async fn a_peak_that_only_waiters_make_is_seen() {
    let (builder, _connector) = lazy(2);
    let pool = builder.build().unwrap();
    let mut tasks = Vec::new();
    for _ in 0..20 {
        let pool = pool.clone();
        tasks.push(tokio::spawn(async move {
            let guard = pool.acquire().await.unwrap();
            tokio::task::yield_now().await;
            drop(guard);
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!((pool.take_peak(), pool.take_peak()), (2, 0));
}

// Each round some threads take some connections each, all of them before any gives one back.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_peak_is_never_too_low() {
    const THREADS: usize = 4;
    const MOST: usize = 5 * THREADS;
    let (builder, _connector) = lazy(MOST);
    let pool = builder.min_connections(MOST).build().unwrap();
    pool.warm_up().await.unwrap();
    let mut wrong = Vec::new();
    let (all, held) = (Barrier::new(THREADS + 1), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (pool, all, held) = (&pool, &all, &held);
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(thread as u64);
                for _ in 0..2_000 {
                    all.wait();
                    for _ in 0..random.usize(0..5) {
                        drop(pool.try_acquire().unwrap());
                    }
                    let taken = random.usize(0..=MOST / THREADS);
                    let taken: Vec<_> = (0..taken).filter_map(|_| pool.try_acquire().unwrap()).collect();
                    held.fetch_add(taken.len(), Ordering::SeqCst);
                    all.wait();
                    drop(taken);
                    all.wait();
                }
            });
        }
        for round in 0..2_000 {
            all.wait();
            all.wait();
            all.wait();
            let (peak, held) = (pool.take_peak(), held.swap(0, Ordering::SeqCst));
            if !(held..=MOST).contains(&peak) {
                // Told when no thread waits for another any more.
                wrong.push(format!("round {round}: {peak} at most, {held} at once"));
            }
        }
    });
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn all_is_read_of_one_instant_into_what_is_there() {
    let (builder, _connector) = lazy(2);
    let pool = builder.build().unwrap();
    for millis in [1, 20] {
        let guard = pool.acquire().await.unwrap();
        tokio::time::sleep(ms(millis)).await;
        drop(guard);
    }
    let control: &dyn PoolControl = &pool;
    let mut histograms = PoolHistograms::default();
    histograms.wait.record(secs(1));
    let snapshot = control.read_histograms(&mut histograms);
    assert_eq!((&histograms, &snapshot), (&pool.histograms(), &pool.snapshot()));
    assert_eq!((histograms.usage.count(), histograms.connect.count()), (2, 1));
}
