//! One thread of the load: bursts of acquire, query, release.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::clock::Schedule;
use crate::record::Recorder;
use crate::subject::Subject;

/// The pause after a burst, and after a failed cycle: a caller that got an error does not call again at once, or
/// a target that is down would be asked a hundred thousand times a second.
pub(crate) const PAUSE: Duration = Duration::from_millis(1);

/// What a thread needs to know.
pub(crate) struct Worker<S> {
    pub(crate) subject: Arc<S>,
    pub(crate) schedule: Schedule,
    /// Cycles in a burst.
    pub(crate) burst: u64,
    /// Set when no further cycle is to begin.
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) recorder: Recorder,
}

impl<S: Subject> Worker<S> {
    /// Makes cycles until the load ends or is stopped.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future notes the cycle under way as unfinished.
    pub(crate) async fn run(mut self) {
        let end = self.schedule.load_ends();
        loop {
            for _ in 0..self.burst {
                let now = Instant::now();
                // Ordering: a flag, nothing is published with it.
                if now >= end || self.stop.load(Ordering::Relaxed) {
                    return;
                }
                if !self.cycle(now).await {
                    break;
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// One cycle; returns whether it succeeded.
    async fn cycle(&mut self, now: Instant) -> bool {
        self.recorder.begin(now);
        let mut lease = match self.subject.acquire().await {
            Ok(lease) => lease,
            Err(failure) => {
                self.recorder.refused(Instant::now(), failure);
                return false;
            }
        };
        self.recorder.granted(Instant::now());
        let outcome = self.subject.work(&mut lease).await;
        let used = Instant::now();
        self.subject.release(lease);
        let ok = outcome.is_ok();
        self.recorder.finish(used, Instant::now(), outcome);
        ok
    }
}
