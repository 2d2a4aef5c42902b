//! Brings notifications to sinks, in the background.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::queue::Queue;
use super::{AlertSink, worker};
use crate::alert::{Alert, Notification};

/// How notifications are brought to sinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DispatcherSettings {
    /// How many notifications a sink may be behind; beyond, the oldest are dropped. Default 1,000.
    pub max_pending: usize,
    /// How long one attempt may take. Default 10 s.
    pub timeout: Duration,
    /// How long it is waited at most before the second attempt; twice as long before each further one. Default 1 s.
    pub retry_delay: Duration,
    /// How long it is waited at most before any attempt. Default 1 min.
    pub max_retry_delay: Duration,
    /// For how long it is tried to tell one notification. Default 10 min. It is tried once in any case.
    pub give_up_after: Duration,
}

impl Default for DispatcherSettings {
    fn default() -> Self {
        DispatcherSettings {
            max_pending: 1_000,
            timeout: Duration::from_secs(10),
            retry_delay: Duration::from_secs(1),
            max_retry_delay: Duration::from_secs(60),
            give_up_after: Duration::from_secs(600),
        }
    }
}

/// What became of what a sink was to tell. All but `pending` and `last_error` since the dispatcher was started.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct SinkStats {
    /// The sink's name.
    pub name: String,
    /// Notifications told; for a sink that takes alerts one by one, batches of them.
    pub delivered: u64,
    /// Notifications given up, or refused; or batches.
    pub failed: u64,
    /// Notifications dropped because too many were pending.
    pub dropped: u64,
    /// Attempts that failed and were, or will be, repeated.
    pub retries: u64,
    /// Notifications that wait to be told, now.
    pub pending: u64,
    /// Why the last attempt failed; `None` if it succeeded.
    pub last_error: Option<String>,
}

impl SinkStats {
    pub(super) fn new(name: String) -> Self {
        SinkStats { name, ..SinkStats::default() }
    }

    pub(super) fn count(&mut self, is_delivered: bool) {
        if is_delivered {
            self.delivered += 1;
        } else {
            self.failed += 1;
        }
    }
}

/// Brings notifications to sinks: each sink has a queue and a task of its own, so that one that hangs delays no other.
///
/// Nothing here waits for a sink but [`close`](Self::close). Dropping it ends the tasks, and what was not told then is not told.
///
/// # Examples
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use std::sync::Arc;
/// use std::time::Duration;
/// use pool_monitor::{AlertDispatcher, DispatcherSettings, LogSink};
///
/// let dispatcher = AlertDispatcher::start([Arc::new(LogSink::new()) as _], DispatcherSettings::default());
/// // `dispatcher.notify(notification)` for each that the alert manager has due
/// let sinks = dispatcher.close(Duration::from_secs(5)).await;
/// assert_eq!((sinks[0].delivered, sinks[0].pending), (0, 0));
/// # }
/// ```
#[derive(Debug)]
pub struct AlertDispatcher {
    sinks: Vec<Sink>,
    tasks: Mutex<JoinSet<()>>,
}

#[derive(Debug)]
struct Sink {
    queue: Arc<Queue>,
    takes_alerts: bool,
}

impl AlertDispatcher {
    /// Starts a task for each sink. Of several sinks of one name, the others than the first are counted under it with a number.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, and when used in one without timers.
    pub fn start(
        sinks: impl IntoIterator<Item = Arc<dyn AlertSink>>,
        settings: DispatcherSettings,
    ) -> AlertDispatcher {
        let mut tasks = JoinSet::new();
        let mut started = Vec::<Sink>::new();
        for sink in sinks {
            let is_taken = |name: &str| started.iter().any(|sink| sink.queue.stats().name == name);
            let numbered = (2..).map(|number| format!("{}-{number}", sink.name()));
            let mut names = std::iter::once(sink.name().to_owned()).chain(numbered);
            let name = names.find(|name| !is_taken(name)).expect("there are more numbers than sinks");
            let queue = Arc::new(Queue::new(name, settings.max_pending.max(1)));
            let resends = sink.resends();
            started.push(Sink { queue: Arc::clone(&queue), takes_alerts: resends.is_some() });
            match resends {
                None => tasks.spawn(worker::notifications(sink, queue, settings)),
                Some(resends) => tasks.spawn(worker::alerts(sink, queue, settings, resends)),
            };
        }
        AlertDispatcher { sinks: started, tasks: Mutex::new(tasks) }
    }

    /// Has a notification told by all sinks that take them. Returns at once.
    pub fn notify(&self, notification: &Arc<Notification>) {
        for sink in self.sinks.iter().filter(|sink| !sink.takes_alerts) {
            sink.queue.push(Arc::clone(notification));
        }
    }

    /// Says how all alerts are now, those that have ended of late included, for the sinks that take them one by one. Returns at once.
    ///
    /// From `valid_until` on, if nothing was published meanwhile, those that fire are not told to go on any more: nobody knows
    /// whether they do. A Prometheus, and the [`PoolMonitor`](crate::PoolMonitor), take four times the pause between two
    /// evaluations for it, or four minutes if that is longer.
    pub fn publish(&self, alerts: &[Arc<Alert>], valid_until: Instant) {
        let takers = self.sinks.iter().filter(|sink| sink.takes_alerts);
        let mut shared = None;
        for sink in takers {
            let alerts = shared.get_or_insert_with(|| Arc::from(alerts));
            sink.queue.set_alerts(Arc::clone(alerts), valid_until);
        }
    }

    /// What became of what the sinks were to tell, in their order.
    pub fn stats(&self) -> Vec<SinkStats> {
        self.sinks.iter().map(|sink| sink.queue.stats()).collect()
    }

    /// Takes nothing more, and waits until everything has been told, but for no longer than `limit`. Returns what became of it: what
    /// is still `pending` then is not told.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait, and the sinks' tasks with it.
    pub async fn close(&self, limit: Duration) -> Vec<SinkStats> {
        self.sinks.iter().for_each(|sink| sink.queue.close());
        let mut tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        let drained = timeout(limit, async { while tasks.join_next().await.is_some() {} });
        if drained.await.is_err() {
            tasks.shutdown().await;
        }
        self.stats()
    }
}
