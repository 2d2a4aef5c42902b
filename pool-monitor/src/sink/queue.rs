//! What is still to be told by one sink: bounded, and the oldest gives way.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::SinkStats;
use super::missed::Missed;
use crate::alert::{Alert, Fingerprint, Notification, NotificationReason};

/// Between the dispatcher and the worker of one sink.
#[derive(Debug)]
pub(super) struct Queue {
    limit: usize,
    // Lock: held for moments, never across an await.
    state: Mutex<State>,
    /// Rung when there is something new.
    bell: Notify,
}

#[derive(Debug)]
struct State {
    notifications: VecDeque<Arc<Notification>>,
    /// The one that is being told.
    under_way: Option<Arc<Notification>>,
    missed: Missed,
    /// The latest that is known of all alerts.
    alerts: Arc<[Arc<Alert>]>,
    /// Until when those that fire are to be taken to go on; `None` = that has passed, and they are not among them.
    valid_until: Option<Instant>,
    is_closed: bool,
    /// Whether something was dropped since it was last empty.
    is_dropping: bool,
    stats: SinkStats,
}

impl Queue {
    pub(super) fn new(sink: String, limit: usize) -> Self {
        let state = State {
            notifications: VecDeque::new(),
            under_way: None,
            missed: Missed::default(),
            alerts: Arc::from([]),
            valid_until: None,
            is_closed: false,
            is_dropping: false,
            stats: SinkStats::new(sink),
        };
        Queue { limit, state: Mutex::new(state), bell: Notify::new() }
    }

    /// Adds a notification, in place of the oldest if there is no room. That is told in the log, once for each time that it fills up.
    pub(super) fn push(&self, notification: Arc<Notification>, now: Instant) {
        let mut state = self.state();
        if state.is_closed {
            state.missed.note(&notification, now);
            return;
        }
        let is_full = state.notifications.len() >= self.limit;
        if is_full {
            if let Some(oldest) = state.notifications.pop_front() {
                state.missed.note(&oldest, now);
            }
            state.stats.dropped += 1;
        }
        state.missed.forget(&notification);
        state.notifications.push_back(notification);
        let begins_to_drop = is_full && !std::mem::replace(&mut state.is_dropping, true);
        let name = begins_to_drop.then(|| state.stats.name.clone());
        drop(state);
        if let Some(sink) = name {
            tracing::warn!(
                sink,
                limit = self.limit,
                "the oldest notifications are dropped: too many are still to be told"
            );
        }
        self.bell.notify_one();
    }

    /// The oldest one, which leaves the queue, and is pending until it is [finished](Self::finish).
    pub(super) fn begin(&self) -> Option<Arc<Notification>> {
        let mut state = self.state();
        let oldest = state.notifications.pop_front();
        state.under_way.clone_from(&oldest);
        if oldest.is_none() {
            state.is_dropping = false;
        }
        oldest
    }

    /// The one that was begun is told, or given up.
    pub(super) fn finish(&self, is_delivered: bool, now: Instant) {
        let mut state = self.state();
        match state.under_way.take() {
            Some(told) if is_delivered => state.missed.forget(&told),
            Some(given_up) => state.missed.note(&given_up, now),
            None => {}
        }
        state.stats.count(is_delivered);
    }

    /// Adds again what was given up or dropped so long ago, as far as it still holds. `current` finds the alert that fires or recovers.
    pub(super) fn push_missed(
        &self,
        now: Instant,
        after: Duration,
        current: impl Fn(Fingerprint) -> Option<Arc<Alert>>,
    ) {
        let due = self.state().missed.due(now, after, current);
        due.into_iter().for_each(|notification| self.push(notification, now));
    }

    /// Calls `note` with all that the sink has not heard, the oldest first.
    pub(super) fn untold(&self, mut note: impl FnMut(&Arc<Alert>, NotificationReason)) {
        let state = self.state();
        state.missed.iter().for_each(|(alert, reason)| note(alert, reason));
        for notification in state.under_way.iter().chain(&state.notifications) {
            notification.alerts.iter().for_each(|alert| note(alert, notification.reason));
        }
    }

    pub(super) fn set_alerts(&self, alerts: Arc<[Arc<Alert>]>, valid_until: Instant) {
        let mut state = self.state();
        (state.alerts, state.valid_until) = (alerts, Some(valid_until));
        drop(state);
        self.bell.notify_one();
    }

    /// All alerts, as far as it is known at this time how they are: for too long nobody may have said that those go on which fire.
    pub(super) fn alerts(&self, now: Instant) -> Arc<[Arc<Alert>]> {
        let mut state = self.state();
        let mut expired = None;
        if state.valid_until.is_some_and(|valid_until| valid_until <= now) {
            state.valid_until = None;
            let over: Arc<[Arc<Alert>]> =
                state.alerts.iter().filter(|alert| alert.ended_at.is_some()).cloned().collect();
            let is_missed = state.alerts.iter().any(|alert| alert.is_active());
            expired = is_missed.then(|| state.stats.name.clone());
            state.alerts = over;
        }
        let alerts = Arc::clone(&state.alerts);
        drop(state);
        if let Some(sink) = expired {
            tracing::warn!(
                sink,
                "alerts are not told to go on any more: nobody has judged them for too long"
            );
        }
        alerts
    }

    /// Takes nothing more.
    pub(super) fn close(&self) {
        self.state().is_closed = true;
        self.bell.notify_one();
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    /// Waits until something is new since the last wait.
    pub(super) async fn changed(&self) {
        self.bell.notified().await;
    }

    pub(super) fn stats(&self) -> SinkStats {
        let state = self.state();
        let under_way = u64::from(state.under_way.is_some());
        SinkStats { pending: state.notifications.len() as u64 + under_way, ..state.stats.clone() }
    }

    pub(super) fn count(&self, change: impl FnOnce(&mut SinkStats)) {
        change(&mut self.state().stats);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
