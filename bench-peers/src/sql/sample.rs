//! One sample: a steady load of tasks, watched from a thread that runs none.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use rustix::time::{ClockId, clock_gettime};

use super::client::{Caller, Client, Load};
use crate::board::Board;
use crate::clock;
use crate::fairness::jain;

/// How long each part of a sample takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows {
    /// Runs before anything is counted: statements are prepared, caches filled.
    pub(crate) warm_up: Duration,
    /// In which operations are counted.
    pub(crate) window: Duration,
}

/// What one measurement yields.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Operations per second of all tasks together.
    pub(crate) per_second: f64,
    /// Processor time that this process used for each operation, in microseconds.
    pub(crate) client_us: f64,
    /// Jain's index of operations per task: 1 = all the same, 1/n = one task had everything.
    pub(crate) jain: f64,
}

/// Takes one sample.
pub(crate) fn take<C: Client>(load: &Load<'_>) -> Sample {
    let runtime = load.flavor.start();
    let callers = runtime.block_on(C::open(load.way, load.tasks));
    let board = Arc::new(Board::new(callers.len()));
    let mut seeds = Rng::with_seed(load.seed);
    let tasks: Vec<_> = callers
        .into_iter()
        .enumerate()
        .map(|(index, mut caller)| {
            let (board, question) = (Arc::clone(&board), load.question);
            let mut rng = seeds.fork();
            runtime.spawn(async move {
                // Once at least, so that a sample without an error means that everybody was answered.
                for operations in 1.. {
                    caller.ask(question.ask(&mut rng)).await;
                    board.done(index, operations);
                    if !board.is_open() {
                        break;
                    }
                }
            })
        })
        .collect();
    thread::scope(|scope| {
        // On one thread this one runs the tasks, on several it waits for them; the watcher is never in the way.
        let runner = scope.spawn(|| {
            runtime.block_on(async {
                for task in tasks {
                    task.await.expect("the database answers");
                }
            });
        });
        let sample = watch(&board, load.windows);
        board.stop();
        runner.join().expect("the database answers");
        sample
    })
}

fn watch(board: &Board, windows: Windows) -> Sample {
    clock::pass(windows.warm_up);
    let (began, used_before, before) = (clock::now(), used(), board.operations_of_each());
    let ns_per_op = board.watch(Duration::ZERO, windows.window);
    let (took, used) = (began.elapsed(), used().saturating_sub(used_before));
    let processors = used.as_secs_f64() / took.as_secs_f64();
    let each: Vec<_> =
        board.operations_of_each().iter().zip(before).map(|(after, before)| after - before).collect();
    Sample { per_second: 1e9 / ns_per_op, client_us: processors * ns_per_op / 1e3, jain: jain(&each) }
}

/// The processor time of this process so far.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}
