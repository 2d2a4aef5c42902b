//! How long a connection takes from one waiter to the next.
//!
//! A pool of one, whose connection is held until everybody stands in line; then it goes through all hands.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::task::yield_now;

use crate::clock;
use crate::pool::{BenchPool, BlockingPool, fill};
use crate::queue::{Counter, arrive};
use crate::runtime::Flavor;

/// The stack of a thread that only waits; 10,000 of the usual 2 MiB would be 20 GB of address space.
const STACK_BYTES: usize = 64 * 1024;

/// Nanoseconds per hand-off among `waiters` tasks.
pub(crate) fn tasks<P: BenchPool>(waiters: usize, flavor: Flavor) -> f64 {
    let runtime = flavor.start();
    let pool = Arc::new(runtime.block_on(P::new(1)));
    let queued = Arc::new(Counter::default());
    let served = Arc::new(Counter::default());
    let (last, all_served) = oneshot::channel::<Instant>();
    let last = Arc::new(parking_lot::Mutex::new(Some(last)));

    let nanoseconds = runtime.block_on(async {
        let mut held = fill(&*pool, 1, 1).await;
        for _ in 0..waiters {
            let (pool, last) = (Arc::clone(&pool), Arc::clone(&last));
            let (queued, served) = (Arc::clone(&queued), Arc::clone(&served));
            tokio::spawn(async move {
                drop(arrive(pool.acquire(), &queued).await);
                if served.count() == waiters {
                    let ended = clock::now();
                    let last = last.lock().take().expect("there is only one last");
                    last.send(ended).expect("the controller waits for this");
                }
            });
        }
        while queued.get() < waiters {
            match flavor {
                Flavor::Multi => tokio::time::sleep(Duration::from_millis(1)).await,
                Flavor::Current => yield_now().await,
            }
        }
        let began = clock::now();
        held.clear();
        let ended = all_served.await.expect("every waiter is served");
        (ended - began).as_nanos() as f64
    });
    let _context = runtime.enter();
    drop(pool);
    nanoseconds / waiters as f64
}

/// Nanoseconds per hand-off among `waiters` threads.
///
/// Nobody can see a thread enter the queue, only that it is about to; so they are given a moment more.
pub(crate) fn threads<P: BlockingPool>(waiters: usize) -> f64 {
    let pool = P::new(1);
    let held = pool.acquire();
    let (arrived, served) = (Counter::default(), Counter::default());
    let ended = parking_lot::Mutex::new(None);
    let began = thread::scope(|scope| {
        for _ in 0..waiters {
            let wait = || {
                arrived.count();
                drop(pool.acquire());
                if served.count() == waiters {
                    *ended.lock() = Some(clock::now());
                }
            };
            let spawned = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, wait);
            spawned.expect("the machine has room for the threads");
        }
        while arrived.get() < waiters {
            clock::pass(Duration::from_millis(1));
        }
        clock::pass(Duration::from_millis(20));
        let began = clock::now();
        drop(held);
        began
    });
    let ended = ended.into_inner().expect("every waiter was served");
    (ended - began).as_nanos() as f64 / waiters as f64
}
