//! The task of one sink.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::queue::Queue;
use super::resend::Schedule;
use super::{AlertSink, DispatcherSettings, Resend, ResendSettings, SinkError, SinkFuture};

/// Tells notifications, one after the other, until the queue is closed and empty.
pub(super) async fn notifications(sink: Arc<dyn AlertSink>, queue: Arc<Queue>, settings: DispatcherSettings) {
    loop {
        let Some(notification) = queue.begin() else {
            if queue.is_closed() {
                return;
            }
            queue.changed().await;
            continue;
        };
        let begun = Instant::now();
        let mut attempts = Attempts::new(settings);
        loop {
            let told = attempt(&sink, settings.timeout, {
                let notification = Arc::clone(&notification);
                move |sink| sink.notify(notification)
            });
            match attempts.outcome(&queue, told.await) {
                Outcome::Again(delay) if begun.elapsed() + delay <= settings.give_up_after => {
                    sleep(delay).await;
                }
                outcome => {
                    queue.finish(outcome == Outcome::Delivered, Instant::now());
                    break;
                }
            }
        }
    }
}

/// Tells alerts one by one, until the queue is closed.
pub(super) async fn alerts(
    sink: Arc<dyn AlertSink>,
    queue: Arc<Queue>,
    settings: DispatcherSettings,
    resends: ResendSettings,
) {
    let resends = resends.within_bounds();
    let mut schedule = Schedule::new(resends);
    let mut attempts = Attempts::new(settings);
    loop {
        // Read before the alerts: what came before it was closed is told.
        let is_closed = queue.is_closed();
        let now = Instant::now();
        let alerts = queue.alerts(now);
        schedule.forget_others(&alerts);
        let mut due = schedule.due(now, &alerts);
        due.truncate(resends.batch);
        if due.is_empty() {
            if is_closed {
                return;
            }
            match schedule.next(now, &alerts) {
                Some(wait) => timeout(wait, queue.changed()).await.unwrap_or_default(),
                None => queue.changed().await,
            }
            continue;
        }
        let resend = Resend { alerts: due.clone(), valid_until: SystemTime::now() + resends.lifetime };
        let told = attempt(&sink, settings.timeout, move |sink| sink.resend(resend));
        match attempts.outcome(&queue, told.await) {
            // What is new meanwhile is told with it.
            Outcome::Again(delay) => sleep(delay).await,
            outcome => {
                queue.count(|stats| stats.count(outcome == Outcome::Delivered));
                schedule.note(now, &due);
            }
        }
    }
}

/// One attempt: in a task of its own, so that a panic ends nothing else, and under a timeout.
async fn attempt(
    sink: &Arc<dyn AlertSink>,
    limit: Duration,
    tell: impl FnOnce(&dyn AlertSink) -> SinkFuture<'_> + Send + 'static,
) -> Result<(), SinkError> {
    let sink = Arc::clone(sink);
    // Dropping the set ends the task.
    let mut task = JoinSet::new();
    task.spawn(async move { tell(&*sink).await });
    match timeout(limit, task.join_next()).await {
        Err(_) => Err(SinkError::Timeout { after: limit }),
        Ok(Some(Ok(told))) => told,
        Ok(_) => Err(SinkError::Panicked),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Delivered,
    /// Failed, and may succeed after this time.
    Again(Duration),
    Failed,
}

/// Attempts since the last that succeeded or was the last of its kind.
struct Attempts {
    settings: DispatcherSettings,
    failed: u32,
    random: fastrand::Rng,
}

impl Attempts {
    fn new(settings: DispatcherSettings) -> Self {
        Attempts { settings, failed: 0, random: fastrand::Rng::new() }
    }

    /// Notes an attempt; the log tells of the first that fails, of the end of trying, and of the first that succeeds again.
    fn outcome(&mut self, queue: &Queue, told: Result<(), SinkError>) -> Outcome {
        let outcome = match &told {
            Ok(()) => Outcome::Delivered,
            Err(error) if error.is_retryable() => Outcome::Again(self.delay()),
            Err(_) => Outcome::Failed,
        };
        let error = told.err().map(|error| pool_core::Chain(&error).to_string());
        let mut change = None;
        queue.count(|stats| {
            stats.retries += u64::from(matches!(outcome, Outcome::Again(_)));
            if stats.last_error.is_some() != error.is_some() {
                change = Some(stats.name.clone());
            }
            stats.last_error.clone_from(&error);
        });
        match (change, error) {
            (Some(sink), Some(error)) => tracing::warn!(sink, "alerts are not told: failed to {error}"),
            (Some(sink), None) => tracing::info!(sink, "alerts are told again"),
            (None, _) => {}
        }
        self.failed = if outcome == Outcome::Delivered { 0 } else { self.failed.saturating_add(1) };
        outcome
    }

    /// Full jitter: anything up to a limit that doubles with each failure. So several that fail together do not come back together.
    fn delay(&mut self) -> Duration {
        let doubled = self.settings.retry_delay.saturating_mul(1 << self.failed.min(20));
        doubled.min(self.settings.max_retry_delay).mul_f64(self.random.f64())
    }
}
