//! A steady load of tasks: each acquires and drops, over and over.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::task::{JoinHandle, yield_now};

use crate::board::Board;
use crate::pool::{BenchPool, fill};
use crate::runtime::Flavor;
use crate::subject::Windows;
use crate::wait::{Ended, Waits, Watched};
use crate::workload::Load;

/// Nanoseconds per operation of all tasks together. Nobody reads a clock meanwhile.
pub(crate) fn throughput<P: BenchPool>(load: &Load, flavor: Flavor, windows: &Windows) -> f64 {
    let hold = load.hold;
    let caller = move |pool: Arc<P>, board: Arc<Board>, caller| async move {
        let mut operations = 0;
        while board.is_open() {
            let connection = pool.acquire().await;
            if hold {
                yield_now().await;
            }
            drop(connection);
            operations += 1;
            board.done(caller, operations);
        }
    };
    under_load::<P, _, _>(load, flavor, caller, |board| board.watch(windows.warm_up, windows.throughput)).0
}

/// How long tasks wait and how evenly they are served.
pub(crate) fn waits<P: BenchPool>(load: &Load, flavor: Flavor, windows: &Windows) -> Waits {
    let hold = load.hold;
    let caller = move |pool: Arc<P>, board: Arc<Board>, caller| async move {
        let mut ended = Vec::new();
        while board.is_open() {
            let since = board.waits(caller);
            let connection = pool.acquire().await;
            let until = board.got(caller);
            ended.push(Ended { since, until });
            if hold {
                yield_now().await;
            }
            drop(connection);
        }
        ended
    };
    let (watched, ended) = under_load::<P, _, _>(load, flavor, caller, |board| {
        Watched::during(board, windows.warm_up, windows.waits)
    });
    watched.evaluate(&ended)
}

/// Runs `caller` in as many tasks as the load has while `watch` looks on; returns what both found.
fn under_load<P, R, F>(
    load: &Load,
    flavor: Flavor,
    caller: impl Fn(Arc<P>, Arc<Board>, usize) -> F,
    watch: impl FnOnce(&Board) -> R,
) -> (R, Vec<F::Output>)
where
    P: BenchPool,
    F: Future<Output: Send> + Send + 'static,
{
    let runtime = flavor.start();
    let pool = Arc::new(runtime.block_on(P::new(load.connections)));
    let held = runtime.block_on(fill(&*pool, load.connections, load.held));
    let board = Arc::new(Board::new(load.callers));
    let tasks: Vec<_> = (0..load.callers)
        .map(|index| runtime.spawn(caller(Arc::clone(&pool), Arc::clone(&board), index)))
        .collect();
    let found = thread::scope(|scope| {
        // On `current` this thread runs the tasks, on `multi` it waits for them; the watcher is never in the way.
        let runner = scope.spawn(|| join(&runtime, tasks));
        let found = watch(&board);
        board.stop();
        (found, runner.join().expect("no caller panics"))
    });
    // Guards and pools may need their runtime to go.
    let _context = runtime.enter();
    drop(held);
    drop(pool);
    found
}

fn join<T>(runtime: &Runtime, tasks: Vec<JoinHandle<T>>) -> Vec<T> {
    runtime.block_on(async {
        let mut results = Vec::with_capacity(tasks.len());
        for task in tasks {
            results.push(task.await.expect("no caller panics"));
        }
        // sqlx gives connections back in tasks of its own.
        tokio::time::sleep(Duration::from_millis(1)).await;
        results
    })
}
