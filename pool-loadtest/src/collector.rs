//! The task that takes in what the threads tell, and tells whoever watches how the load goes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::clock::Schedule;
use crate::record::Batch;
use crate::subject::Subject;
use crate::tally::Tally;

/// How a load goes, about once per second.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Progress {
    /// Time since the load began.
    pub elapsed: Duration,
    /// How long it is to last.
    pub planned: Duration,
    /// Whether nothing is measured yet.
    pub warming_up: bool,
    /// Cycles that succeeded so far, after the warm-up.
    pub ok: u64,
    /// Cycles that failed so far, after the warm-up.
    pub failed: u64,
    /// Cycles per second that succeeded in the last whole second.
    pub rate: Option<f64>,
    /// 99 % of the waits in that second were at most this many microseconds.
    pub wait_p99_us: Option<f64>,
    /// Connections in use now.
    pub in_use: usize,
    /// The most that there may be.
    pub max: usize,
    /// Callers that wait now.
    pub waiting: usize,
}

/// Is told how a load goes. It runs on the task that collects the figures, so it should return soon.
pub type Watcher = Box<dyn FnMut(&Progress) + Send>;

/// When in each second the watcher is told: late enough for all threads to have told of the second before.
const OFFSET: Duration = Duration::from_millis(200);

/// What the collector works with.
pub(crate) struct Collector<S> {
    pub(crate) subject: Arc<S>,
    pub(crate) schedule: Schedule,
    pub(crate) inbox: UnboundedReceiver<Batch>,
    pub(crate) tally: Tally,
    pub(crate) watcher: Option<Watcher>,
    /// Comes when no thread can tell anything any more, though one may not have noticed yet.
    pub(crate) closing: oneshot::Receiver<()>,
}

impl<S: Subject> Collector<S> {
    /// Collects until all threads have ended.
    pub(crate) async fn run(mut self) -> Tally {
        let mut ticks = interval_at(Instant::now() + OFFSET, Duration::from_secs(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut closing = false;
        loop {
            tokio::select! {
                batch = self.inbox.recv() => match batch {
                    Some(batch) => self.tally.add(batch),
                    None => return self.tally,
                },
                _ = &mut self.closing, if !closing => {
                    closing = true;
                    self.inbox.close();
                }
                _ = ticks.tick(), if self.watcher.is_some() && !closing => self.tell(),
            }
        }
    }

    fn tell(&mut self) {
        let now = self.schedule.now();
        let stats = self.subject.control().stats();
        let last = self.tally.last_interval(now);
        let progress = Progress {
            elapsed: Duration::from_nanos(now),
            planned: Duration::from_nanos(self.schedule.ends()),
            warming_up: now < self.schedule.measured_from(),
            ok: self.tally.ok(),
            failed: self.tally.failed(),
            rate: last.map(|(cycles, seconds)| cycles.ok as f64 / seconds),
            wait_p99_us: last.and_then(|(cycles, _)| cycles.wait_p99_us()),
            in_use: stats.active,
            max: stats.max,
            waiting: stats.pending,
        };
        if let Some(watcher) = &mut self.watcher {
            watcher(&progress);
        }
    }
}
