//! What it costs to give up waiting, with many others in line.
//!
//! The order of leaving is shuffled: a queue that searches for the leaver shows here, and its time per waiter grows
//! with the queue.

use std::pin::Pin;
use std::task::{Context, Waker};

use fastrand::Rng;

use crate::clock;
use crate::pool::{BenchPool, fill};
use crate::runtime::Flavor;

/// Nanoseconds per waiter to drop so many that wait. Includes freeing the future, which is boxed for every pool.
pub(crate) fn per_waiter<P: BenchPool>(waiters: usize, flavor: Flavor, seed: u64) -> f64 {
    let runtime = flavor.start();
    let pool = runtime.block_on(P::new(1));
    let held = runtime.block_on(fill(&pool, 1, 1));

    // Polled here and not in a task: a task may poll only so often before tokio makes it wait for its next turn.
    let context = runtime.enter();
    let mut futures: Vec<Pin<Box<_>>> = (0..waiters).map(|_| Box::pin(pool.acquire())).collect();
    for future in &mut futures {
        let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "the only connection is held");
    }
    Rng::with_seed(seed).shuffle(&mut futures);
    let began = clock::now();
    for future in futures.drain(..) {
        drop(future);
    }
    let took = began.elapsed();
    drop(context);

    // Giving back may need the runtime; and nobody who left may have taken the connection along.
    runtime.block_on(async {
        drop(held);
        drop(pool.acquire().await);
    });
    let _context = runtime.enter();
    drop(futures);
    drop(pool);
    took.as_nanos() as f64 / waiters as f64
}
