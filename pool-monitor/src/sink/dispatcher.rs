//! Brings notifications to sinks, in the background.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::queue::Queue;
use super::{AlertSink, ResendSettings, worker};
use crate::alert::{Alert, Fingerprint, Notification, Untold};

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
    /// For how long it is tried to tell one notification. Default 10 min. It is tried once in any case. See [`SinkStats::failed`] for
    /// what becomes of it then.
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
    /// Notifications given up, or refused; or batches. What a [`PoolMonitor`](crate::PoolMonitor) has told is told again after
    /// [`group_interval`](crate::AlertSettings::group_interval), as far as it still holds.
    pub failed: u64,
    /// Notifications dropped because too many were pending. They are told again likewise.
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
    settings: DispatcherSettings,
    // Lock: held for moments, and never while something of a user's runs.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    sinks: Vec<Started>,
    is_closed: bool,
}

/// A sink, and what it says of itself.
pub(crate) struct Candidate {
    sink: Arc<dyn AlertSink>,
    name: String,
    resends: Option<ResendSettings>,
}

/// A sink with its task, which ends when this is dropped.
struct Started {
    sink: Arc<dyn AlertSink>,
    queue: Arc<Queue>,
    takes_alerts: bool,
    task: JoinSet<()>,
}

impl Candidate {
    /// Asks the sinks, which are the user's.
    pub(crate) fn all(sinks: impl IntoIterator<Item = Arc<dyn AlertSink>>) -> Vec<Candidate> {
        let candidate = |sink: Arc<dyn AlertSink>| Candidate {
            name: sink.name().to_owned(),
            resends: sink.resends(),
            sink,
        };
        sinks.into_iter().map(candidate).collect()
    }

    fn is(&self, started: &Started) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.sink), Arc::as_ptr(&started.sink))
    }

    /// Starts its task. If its name is taken, it is counted under another one.
    fn start(self, is_taken: impl Fn(&str) -> bool, settings: DispatcherSettings) -> Started {
        let numbered = (2..).map(|number| format!("{}-{number}", self.name));
        let mut names = std::iter::once(self.name.clone()).chain(numbered);
        let name = names.find(|name| !is_taken(name)).expect("there are more numbers than sinks");
        let queue = Arc::new(Queue::new(name, settings.max_pending.max(1)));
        let mut task = JoinSet::new();
        let takes_alerts = self.resends.is_some();
        let (sink, works_for) = (Arc::clone(&self.sink), Arc::clone(&queue));
        match self.resends {
            None => task.spawn(worker::notifications(sink, works_for, settings)),
            Some(resends) => task.spawn(worker::alerts(sink, works_for, settings, resends)),
        };
        Started { sink: self.sink, queue, takes_alerts, task }
    }
}

impl Started {
    fn is_named(&self, name: &str) -> bool {
        self.queue.stats().name == name
    }
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
        let dispatcher = AlertDispatcher::of(Vec::new(), false, settings);
        drop(dispatcher.replace(sinks, &[]));
        dispatcher
    }

    fn of(sinks: Vec<Started>, is_closed: bool, settings: DispatcherSettings) -> Self {
        AlertDispatcher { settings, state: Mutex::new(State { sinks, is_closed }) }
    }

    /// Has alerts told by these sinks from now on. One that is there already (the same `Arc`) goes on with what it has to tell,
    /// and its statistics with it. The others are told `known` first: what those before them were told and what still holds. Of
    /// sinks that take alerts one by one, the new ones know nothing until the next [`publish`](Self::publish).
    ///
    /// Returns a dispatcher of those that are not among them. They tell what was under way to them until it is closed or dropped.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, and when used in one without timers.
    pub fn replace(
        &self,
        sinks: impl IntoIterator<Item = Arc<dyn AlertSink>>,
        known: &[Arc<Notification>],
    ) -> AlertDispatcher {
        self.exchange(Candidate::all(sinks), known)
    }

    pub(crate) fn exchange(&self, sinks: Vec<Candidate>, known: &[Arc<Notification>]) -> AlertDispatcher {
        let mut state = self.state();
        let (mut stay, gone): (Vec<_>, Vec<_>) = std::mem::take(&mut state.sinks)
            .into_iter()
            .partition(|before| sinks.iter().any(|sink| sink.is(before)));
        let mut next = Vec::new();
        for sink in sinks {
            if let Some(place) = stay.iter().position(|before| sink.is(before)) {
                next.push(stay.remove(place));
                continue;
            }
            let is_taken = |name: &str| next.iter().chain(&stay).any(|other: &Started| other.is_named(name));
            let started = sink.start(is_taken, self.settings);
            if !started.takes_alerts {
                let now = Instant::now();
                known.iter().for_each(|notification| started.queue.push(Arc::clone(notification), now));
            }
            if state.is_closed {
                started.queue.close();
            }
            next.push(started);
        }
        state.sinks = next;
        AlertDispatcher::of(gone, state.is_closed, self.settings)
    }

    /// Has a notification told by all sinks that take them. Returns at once.
    pub fn notify(&self, notification: &Arc<Notification>) {
        let now = Instant::now();
        for sink in self.state().sinks.iter().filter(|sink| !sink.takes_alerts) {
            sink.queue.push(Arc::clone(notification), now);
        }
    }

    /// Has each sink told again what was given up or dropped for it so long ago, as far as it still holds. `current` finds the alert
    /// that fires or recovers.
    pub(crate) fn notify_missed(
        &self,
        now: Instant,
        after: Duration,
        current: impl Fn(Fingerprint) -> Option<Arc<Alert>>,
    ) {
        for sink in &self.state().sinks {
            sink.queue.push_missed(now, after, &current);
        }
    }

    /// All that not every sink has heard.
    pub(crate) fn untold(&self) -> Untold {
        let mut untold = Untold::default();
        for sink in &self.state().sinks {
            sink.queue.untold(|alert, reason| untold.note(alert, reason));
        }
        untold
    }

    /// Says how all alerts are now, those that have ended of late included, for the sinks that take them one by one. Returns at once.
    ///
    /// From `valid_until` on, if nothing was published meanwhile, those that fire are not told to go on any more: nobody knows
    /// whether they do. A Prometheus, and the [`PoolMonitor`](crate::PoolMonitor), take four times the pause between two
    /// evaluations for it, or four minutes if that is longer.
    pub fn publish(&self, alerts: &[Arc<Alert>], valid_until: Instant) {
        let state = self.state();
        let takers = state.sinks.iter().filter(|sink| sink.takes_alerts);
        let mut shared = None;
        for sink in takers {
            let alerts = shared.get_or_insert_with(|| Arc::from(alerts));
            sink.queue.set_alerts(Arc::clone(alerts), valid_until);
        }
    }

    /// What became of what the sinks were to tell, in their order.
    pub fn stats(&self) -> Vec<SinkStats> {
        self.state().sinks.iter().map(|sink| sink.queue.stats()).collect()
    }

    /// Takes nothing more, and waits until everything has been told, but for no longer than `limit`. Returns what became of it: what
    /// is still `pending` then is not told.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the wait, and the sinks' tasks with it.
    pub async fn close(&self, limit: Duration) -> Vec<SinkStats> {
        let mut tasks: Vec<_> = {
            let mut state = self.state();
            state.is_closed = true;
            state.sinks.iter().for_each(|sink| sink.queue.close());
            state.sinks.iter_mut().map(|sink| std::mem::take(&mut sink.task)).collect()
        };
        let drained = timeout(limit, async {
            for task in &mut tasks {
                while task.join_next().await.is_some() {}
            }
        });
        if drained.await.is_err() {
            for task in &mut tasks {
                task.shutdown().await;
            }
        }
        self.stats()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Started {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Started").field("queue", &self.queue).finish_non_exhaustive()
    }
}
