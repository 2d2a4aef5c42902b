//! What each way of getting a connection costs in instructions, which no other program on the machine can change.
//!
//! Needs valgrind, and its runner: `cargo install gungraun-runner --version 0.20.0`. Then
//!
//! ```sh
//! RUSTFLAGS="--cfg rustix_use_libc" cargo bench -p pool-core --bench instructions
//! ```
//!
//! Without that flag the clock is read in a way that valgrind cannot follow: the program ends at once.

#![expect(
    missing_docs,
    unused_qualifications,
    reason = "the macros make public items, and name them in full"
)]

mod nothing;

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use gungraun::{library_benchmark, library_benchmark_group, main};
use pool_core::Pool;
use tokio::runtime::Runtime;

use nothing::Nothing;

/// A pool of so many open connections, which was used already, and where its keeper runs.
fn used(size: usize) -> (Runtime, Pool<Nothing>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let pool = runtime.block_on(async {
        let pool = Pool::builder(Nothing).max_connections(size).min_connections(size).build();
        let pool = pool.expect("good options");
        pool.warm_up().await.expect("nothing can fail");
        pool
    });
    one_use(&pool);
    (runtime, pool)
}

fn one_use(pool: &Pool<Nothing>) {
    let context = &mut Context::from_waker(Waker::noop());
    match pin!(pool.acquire()).poll(context) {
        Poll::Ready(Ok(guard)) => drop(black_box(guard)),
        _ => panic!("a connection is free"),
    }
}

// The usual: a connection is free.
#[library_benchmark]
#[bench::of_ten(args = (10), setup = used)]
#[bench::of_a_thousand(args = (1_000), setup = used)]
fn acquire_and_drop((runtime, pool): (Runtime, Pool<Nothing>)) -> (Runtime, Pool<Nothing>) {
    one_use(&pool);
    (runtime, pool)
}

// Nothing is free: a caller joins the line and leaves it.
#[library_benchmark]
#[bench::of_ten(args = (1), setup = used)]
fn wait_and_give_up((runtime, pool): (Runtime, Pool<Nothing>)) -> (Runtime, Pool<Nothing>) {
    let context = &mut Context::from_waker(Waker::noop());
    let held = pool.try_acquire();
    assert!(pin!(pool.acquire()).poll(context).is_pending(), "there is none");
    drop(black_box(held));
    (runtime, pool)
}

library_benchmark_group!(name = hand_overs, benchmarks = [acquire_and_drop, wait_and_give_up]);

main!(library_benchmark_groups = hand_overs);
