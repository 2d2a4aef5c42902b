//! Puts the load on a pool: starts the threads, lets them work, ends them, and brings together what they told.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout};

use crate::clock::Schedule;
use crate::collector::{Collector, Watcher};
use crate::environment::Process;
use crate::plan::Plan;
use crate::record::{Batch, Recorder};
use crate::sampler::{Samples, sample};
use crate::signals::{Interruptions, Signal};
use crate::subject::Subject;
use crate::tally::{Figures, Tally};
use crate::timeline::TotalsBefore;
use crate::turnstile::Turnstile;
use crate::worker::Worker;

/// The longest that cycles under way may take to finish when the load has ended.
const LONGEST_DRAIN: Duration = Duration::from_secs(5);

/// How long threads that are told to end at once may take to notice.
const ABORT: Duration = Duration::from_secs(1);

/// What came of the load.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) figures: Figures,
    pub(crate) samples: Samples,
    /// The pool's totals when measuring began.
    pub(crate) before: TotalsBefore,
    /// Processor time used while measuring.
    pub(crate) cpu: Duration,
    /// How long cycles were begun.
    pub(crate) lasted: Duration,
    /// The part of that that was measured.
    pub(crate) measured: Duration,
    /// How long the cycles under way took after that.
    pub(crate) drained: Duration,
    /// What ended the load early.
    pub(crate) signal: Option<Signal>,
    /// Whether somebody did not even want to wait for the cycles under way.
    pub(crate) abandoned: bool,
    /// Threads that ended in a panic.
    pub(crate) panicked: u64,
}

/// Puts the load on the pool and waits for its end.
///
/// # Errors
///
/// When the kernel does not tell how much processor time was used.
///
/// # Cancel safety
///
/// Dropping the future ends all threads and loses what they told.
pub(crate) async fn put_on<S: Subject>(
    plan: &Plan,
    subject: &Arc<S>,
    schedule: Schedule,
    watcher: Option<Watcher>,
    interruptions: &mut Interruptions,
) -> io::Result<Loaded> {
    let (outbox, inbox) = mpsc::unbounded_channel();
    let (close_collector, closing) = oneshot::channel();
    let tally = Tally::new(plan.threads, plan.seed, schedule.measured_from(), schedule.ends());
    let collector = Collector { subject: Arc::clone(subject), schedule, inbox, tally, watcher, closing };
    let collector = tokio::spawn(collector.run());
    let (stop_sampler, stopped) = oneshot::channel();
    let sampler = tokio::spawn(sample(Arc::clone(subject), schedule, stopped));
    let mut threads = Threads::start(plan, subject, schedule, &outbox);
    // The threads have their own: when the last of them ends, so does the collector.
    drop(outbox);

    let mut signal = until(schedule.measuring_begins(), interruptions).await;
    let cpu_before = Process::cpu_time()?;
    let counters = subject.control().counters();
    if signal.is_none() {
        signal = until(schedule.load_ends(), interruptions).await;
    }
    threads.stop();
    let cpu = Process::cpu_time()?.saturating_sub(cpu_before);
    let ended = Instant::now().min(schedule.load_ends());
    drop(stop_sampler);

    let acquire_timeout = subject.control().options().acquire_timeout;
    let begun = Instant::now();
    let abandoned = tokio::select! {
        // Biased, so that threads that have all ended are not found abandoned.
        biased;
        _ = timeout(drain(acquire_timeout), threads.joined()) => None,
        hurry = interruptions.abandon() => Some(hurry),
    };
    let panicked = threads.end().await;
    let drained = begun.elapsed();
    drop(close_collector);

    Ok(Loaded {
        figures: result_of(collector).await.finish(schedule.at(ended), acquire_timeout),
        samples: result_of(sampler).await,
        before: TotalsBefore { created: counters.created, closed: counters.closed.total() },
        cpu,
        lasted: Duration::from_nanos(schedule.at(ended)),
        measured: ended.saturating_duration_since(schedule.measuring_begins()),
        drained,
        signal: signal.or(abandoned),
        abandoned: abandoned.is_some(),
        panicked,
    })
}

/// How long cycles under way may take to finish.
fn drain(acquire_timeout: Duration) -> Duration {
    acquire_timeout.min(LONGEST_DRAIN)
}

/// Waits for an instant, or for a signal before it.
async fn until(instant: Instant, interruptions: &mut Interruptions) -> Option<Signal> {
    tokio::select! {
        biased;
        signal = interruptions.stop() => Some(signal),
        () = sleep_until(instant) => None,
    }
}

/// What a task of ours returned; its panic is ours.
async fn result_of<T>(task: JoinHandle<T>) -> T {
    match task.await {
        Ok(result) => result,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The threads of the load, which are tasks of the runtime.
struct Threads {
    tasks: JoinSet<()>,
    stop: Arc<AtomicBool>,
    panicked: u64,
}

impl Threads {
    fn start<S: Subject>(
        plan: &Plan,
        subject: &Arc<S>,
        schedule: Schedule,
        outbox: &mpsc::UnboundedSender<Batch>,
    ) -> Self {
        let turnstile = Arc::new(Turnstile::default());
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for thread in 0..plan.threads {
            let worker = Worker {
                subject: Arc::clone(subject),
                schedule,
                burst: plan.connections_per_thread,
                stop: Arc::clone(&stop),
                recorder: Recorder::new(thread, schedule, Arc::clone(&turnstile), outbox.clone()),
            };
            tasks.spawn(worker.run());
        }
        Threads { tasks, stop, panicked: 0 }
    }

    /// Lets no further cycle begin.
    fn stop(&self) {
        // Ordering: a flag, nothing is published with it.
        self.stop.store(true, Ordering::Relaxed);
    }

    /// Waits until all have ended.
    async fn joined(&mut self) {
        while let Some(ended) = self.tasks.join_next().await {
            self.panicked += u64::from(ended.is_err_and(|error| error.is_panic()));
        }
    }

    /// Ends those that are left, wherever they are, and returns how many panicked.
    async fn end(mut self) -> u64 {
        self.tasks.abort_all();
        // One that blocks its executor's thread does not notice; it is left behind.
        if timeout(ABORT, self.joined()).await.is_err() {
            self.tasks.detach_all();
        }
        self.panicked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_drain_ends_with_the_acquire_timeout_or_after_five_seconds() {
        assert_eq!(drain(Duration::from_secs(30)), Duration::from_secs(5));
        assert_eq!(drain(Duration::from_millis(300)), Duration::from_millis(300));
    }
}
