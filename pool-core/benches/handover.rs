//! What each way of getting a connection costs, in this pool alone: `cargo bench -p pool-core`.
//!
//! Comparisons with other pools, under contention and with a control, are in `bench-peers`.

mod nothing;

use std::future::Future;
use std::pin::pin;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use divan::Bencher;
use pool_core::{Observer, Pool, PoolBuilder, PoolEvent};
use tokio::runtime::Runtime;

use nothing::Nothing;

fn main() {
    divan::main();
}

/// Wants to be told of everything, and does nothing with it.
struct Curious;

impl Observer for Curious {
    fn event(&self, _pool: &str, event: &PoolEvent) {
        divan::black_box(event);
    }
}

/// Where the pools' keepers run.
fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads")
    })
}

/// A pool of so many connections, all open.
fn full(size: usize, change: impl FnOnce(PoolBuilder<Nothing>) -> PoolBuilder<Nothing>) -> Pool<Nothing> {
    let builder = Pool::builder(Nothing).max_connections(size).min_connections(size);
    runtime().block_on(async {
        let pool = change(builder).build().expect("good options");
        pool.warm_up().await.expect("nothing can fail");
        pool
    })
}

/// Polls an acquire that is ready at once.
fn acquire(pool: &Pool<Nothing>) -> impl Drop {
    let context = &mut Context::from_waker(Waker::noop());
    match pin!(pool.acquire()).poll(context) {
        Poll::Ready(Ok(guard)) => guard,
        _ => panic!("a connection is free"),
    }
}

/// The usual: a connection is free.
#[divan::bench(args = [1, 10, 63, 1_000])]
fn free(bencher: Bencher<'_, '_>, size: usize) {
    let pool = full(size, |builder| builder);
    bencher.bench_local(|| drop(divan::black_box(acquire(&pool))));
}

/// With exact times: two looks at the clock.
#[divan::bench]
fn free_timed_exactly(bencher: Bencher<'_, '_>) {
    let pool = full(10, |builder| builder.precise_timing(true));
    bencher.bench_local(|| drop(divan::black_box(acquire(&pool))));
}

/// With an observer of every use: through the lock.
#[divan::bench]
fn free_and_observed(bencher: Bencher<'_, '_>) {
    let pool = full(10, |builder| builder.observer(Curious));
    bencher.bench_local(|| drop(divan::black_box(acquire(&pool))));
}

/// Without a future.
#[divan::bench]
fn free_tried(bencher: Bencher<'_, '_>) {
    let pool = full(10, |builder| builder);
    bencher.bench_local(|| drop(divan::black_box(pool.try_acquire())));
}

/// The only free one of many.
#[divan::bench(args = [1, 63, 1_000])]
fn the_only_free_one(bencher: Bencher<'_, '_>, size: usize) {
    let pool = full(size, |builder| builder);
    let _held: Vec<_> = (1..size).map(|_| acquire(&pool)).collect();
    bencher.bench_local(|| drop(divan::black_box(acquire(&pool))));
}

/// Gauges of all connections.
#[divan::bench(args = [10, 1_000])]
fn stats(bencher: Bencher<'_, '_>, size: usize) {
    let pool = full(size, |builder| builder);
    bencher.bench_local(|| pool.stats());
}

/// Gauges and counters.
#[divan::bench(args = [10, 1_000])]
fn snapshot(bencher: Bencher<'_, '_>, size: usize) {
    let pool = full(size, |builder| builder);
    bencher.bench_local(|| pool.snapshot());
}
