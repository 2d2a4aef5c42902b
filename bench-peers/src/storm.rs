//! A storm of cancellations: half of all acquires are dropped after a few polls. Afterwards every connection must be
//! there, and not one more.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use fastrand::Rng;
use serde::Serialize;
use tokio::runtime::Runtime;
use tokio::task::yield_now;
use tokio::time::timeout;

use crate::clock;
use crate::pool::{BenchPool, fill};
use crate::runtime::Flavor;

/// How hard it blows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Storm {
    /// Tasks that acquire, hold for one yield, and drop.
    pub(crate) tasks: usize,
    /// The pool's size.
    pub(crate) connections: usize,
    /// How long the storm lasts.
    pub(crate) time: Duration,
    /// How long the same load runs without cancellations, for comparison.
    pub(crate) calm: Duration,
    /// Decides who gives up, and when.
    pub(crate) seed: u64,
}

/// What is left of a pool after the storm.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StormOutcome {
    pub(crate) completed: u64,
    pub(crate) cancelled: u64,
    /// Completed acquires per second.
    pub(crate) per_second: f64,
    /// The same without cancellations.
    pub(crate) calm_per_second: f64,
    /// Most connections that were in callers' hands at once.
    pub(crate) peak_held: usize,
    /// Tasks that did not end when the storm was over.
    pub(crate) hung: usize,
    /// Connections that could be held at the same time afterwards.
    pub(crate) acquirable: usize,
    /// Whether another one was handed out on top of these.
    pub(crate) one_too_many: bool,
    /// The pool's size.
    pub(crate) size: usize,
}

/// How long a task may take to end, and an acquire to succeed, when nothing is in its way any more.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long one acquire too many is waited for.
const NEVER: Duration = Duration::from_millis(50);

impl StormOutcome {
    /// Whether every connection is accounted for.
    pub(crate) fn is_sound(&self) -> bool {
        self.acquirable == self.size && !self.one_too_many && self.peak_held <= self.size && self.hung == 0
    }
}

/// What the tasks of a storm share.
#[derive(Debug, Default)]
struct Tally {
    stop: AtomicBool,
    completed: AtomicU64,
    cancelled: AtomicU64,
    held: AtomicUsize,
    peak_held: AtomicUsize,
}

/// Drops an acquire after a number of polls. It is polled on every turn of its task, whether it was woken or not, so
/// that it is also dropped between being granted a connection and seeing it.
struct Impatient<F> {
    acquire: Pin<Box<F>>,
    polls_left: u32,
}

impl<F: Future> Future for Impatient<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls_left == 0 {
            return Poll::Ready(None);
        }
        self.polls_left -= 1;
        match self.acquire.as_mut().poll(context) {
            Poll::Ready(connection) => Poll::Ready(Some(connection)),
            Poll::Pending => {
                context.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }
}

/// Runs the storm, then the same load without cancellations on a fresh pool.
pub(crate) fn run<P: BenchPool>(storm: &Storm) -> StormOutcome {
    let mut outcome = blow::<P>(storm, storm.time, true);
    outcome.calm_per_second = blow::<P>(storm, storm.calm, false).per_second;
    outcome
}

fn blow<P: BenchPool>(storm: &Storm, time: Duration, cancel: bool) -> StormOutcome {
    let runtime = Flavor::Multi.start();
    let pool = Arc::new(runtime.block_on(P::new(storm.connections)));
    runtime.block_on(async { drop(fill(&*pool, storm.connections, 0).await) });
    let tally = Arc::new(Tally::default());
    let began = clock::now();
    let tasks: Vec<_> = (0..storm.tasks as u64)
        .map(|task| {
            let rng = Rng::with_seed(storm.seed.wrapping_add(task));
            runtime.spawn(weather(Arc::clone(&pool), Arc::clone(&tally), rng, cancel))
        })
        .collect();
    clock::pass(time);
    tally.stop.store(true, Ordering::Relaxed);
    let completed = tally.completed.load(Ordering::Relaxed);
    let per_second = completed as f64 / began.elapsed().as_secs_f64();

    let mut hung = 0;
    for task in tasks {
        hung += usize::from(runtime.block_on(async { timeout(PATIENCE, task).await }).is_err());
    }
    let (acquirable, one_too_many) = count(&runtime, &*pool, storm.connections);
    let outcome = StormOutcome {
        completed,
        cancelled: tally.cancelled.load(Ordering::Relaxed),
        per_second,
        calm_per_second: 0.0,
        peak_held: tally.peak_held.load(Ordering::Relaxed),
        hung,
        acquirable,
        one_too_many,
        size: storm.connections,
    };
    let _context = runtime.enter();
    drop(pool);
    outcome
}

async fn weather<P: BenchPool>(pool: Arc<P>, tally: Arc<Tally>, mut rng: Rng, cancel: bool) {
    while !tally.stop.load(Ordering::Relaxed) {
        // A caller that does not give up is polled only when it is woken, like everybody else's.
        let connection = if cancel && rng.bool() {
            Impatient { acquire: Box::pin(pool.acquire()), polls_left: rng.u32(0..=3) }.await
        } else {
            Some(pool.acquire().await)
        };
        let Some(connection) = connection else {
            tally.cancelled.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
            continue;
        };
        let held = tally.held.fetch_add(1, Ordering::AcqRel) + 1;
        tally.peak_held.fetch_max(held, Ordering::Relaxed);
        yield_now().await;
        tally.held.fetch_sub(1, Ordering::AcqRel);
        drop(connection);
        tally.completed.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many different connections can be held at once, up to `size`, and whether there is one more.
fn count<P: BenchPool>(runtime: &Runtime, pool: &P, size: usize) -> (usize, bool) {
    runtime.block_on(async {
        let mut held = Vec::new();
        while held.len() < size {
            match timeout(PATIENCE, pool.acquire()).await {
                Ok(connection) => held.push(connection),
                Err(_) => return (held.len(), false),
            }
        }
        let mut ids: Vec<_> = held.iter().map(|connection| connection.id).collect();
        ids.sort_unstable();
        ids.dedup();
        let one_too_many = timeout(NEVER, pool.acquire()).await.is_ok();
        (ids.len(), one_too_many)
    })
}

#[cfg(test)]
mod tests;
