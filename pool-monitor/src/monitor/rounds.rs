//! The task that collects, at every multiple of the interval.

use std::sync::{Arc, Weak};

use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use super::Shared;
use crate::timeline::nanos;

/// The task. Dropped, it tells the task to stop.
pub(super) struct Rounds {
    task: JoinHandle<()>,
    /// Dropped when it is to stop.
    stop: oneshot::Sender<()>,
}

impl Rounds {
    pub(super) fn is_over(&self) -> bool {
        self.task.is_finished()
    }

    /// Stops it, and waits until no collection is under way.
    pub(super) async fn end(self) {
        drop(self.stop);
        // An error says that it panicked, or that its runtime is gone: over all the same.
        drop(self.task.await);
    }
}

/// Begins to collect, until that is dropped or the monitor is gone.
pub(super) fn begin(shared: &Arc<Shared>) -> Rounds {
    let (bell, shared) = (Arc::clone(&shared.bell), Arc::downgrade(shared));
    let (stop, mut stopped) = oneshot::channel();
    // Here, where it is the caller who panics if the runtime has no timers.
    drop(sleep_until(Instant::now()));
    let task = tokio::spawn(async move {
        // When to collect next.
        let mut due = Instant::now();
        while let Some(next) = go_on(&shared, &mut due) {
            tokio::select! {
                biased;
                _ = &mut stopped => break,
                // There are other settings, and other times by them.
                () = bell.notified() => {}
                () = sleep_until(next) => {}
            }
        }
        if let Some(shared) = shared.upgrade() {
            shared.fall_silent();
        }
    });
    Rounds { task, stop }
}

/// Collects if that is due, and tells of alerts what is. Returns when one of both is next; `None` = the monitor is gone.
fn go_on(shared: &Weak<Shared>, due: &mut Instant) -> Option<Instant> {
    let shared = shared.upgrade()?;
    if Instant::now() >= *due {
        shared.collect();
    } else {
        shared.tell_due();
    }
    let to_tell = shared.next_to_tell();
    let state = shared.state();
    let interval = nanos(state.settings.collection_interval);
    let next = (state.timeline.position(Instant::now()) / interval + 1) * interval;
    *due = state.timeline.instant(next);
    Some(to_tell.map_or(*due, |to_tell| to_tell.min(*due)))
}
