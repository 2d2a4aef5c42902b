//! The alerts of the monitor: judged after each collection, told in between as well.
//!
//! The monitor begins with the [`DefaultRules`] and the default [`AlertSettings`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::{PoolMonitor, Shared};
use crate::alert::{
    Acknowledgement, Alert, AlertEvent, AlertId, AlertManager, AlertRule, AlertSettings, AlertSettingsError,
    AlertSnapshot, DefaultRules, RefusedAlerts, Silence, SilenceError, SilenceId, VerbError,
};
use crate::sink::{AlertDispatcher, AlertSink, Candidate};

type OnAlert = Arc<dyn Fn(&Arc<Alert>) + Send + Sync>;

/// Alerts, and who is told of them.
pub(super) struct Alerting {
    // Lock: held for moments, taken before the one of the monitor where both are, and never while something of a user's runs.
    manager: Mutex<AlertManager>,
    callbacks: Mutex<Arc<Callbacks>>,
    // Lock: held for moments, taken before the one of the manager.
    dispatcher: Mutex<Option<Arc<AlertDispatcher>>>,
}

#[derive(Clone, Default)]
struct Callbacks {
    triggered: Vec<OnAlert>,
    resolved: Vec<OnAlert>,
    changed: Vec<OnAlert>,
}

impl Default for Alerting {
    fn default() -> Self {
        let manager = AlertManager::new(DefaultRules::default().rules(), AlertSettings::default());
        Alerting {
            manager: Mutex::new(manager.expect("the defaults are valid, which a test says as well")),
            callbacks: Mutex::default(),
            dispatcher: Mutex::default(),
        }
    }
}

impl Alerting {
    fn manager(&self) -> MutexGuard<'_, AlertManager> {
        self.manager.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dispatcher_lock(&self) -> MutexGuard<'_, Option<Arc<AlertDispatcher>>> {
        self.dispatcher.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, add: impl FnOnce(&mut Callbacks)) {
        let mut callbacks = self.callbacks.lock().unwrap_or_else(PoisonError::into_inner);
        add(Arc::make_mut(&mut callbacks));
    }

    /// Calls who wants to know of these events.
    fn call(&self, events: &[AlertEvent]) {
        let callbacks = Arc::clone(&self.callbacks.lock().unwrap_or_else(PoisonError::into_inner));
        for event in events {
            let calls = match event {
                AlertEvent::Triggered(_) => &callbacks.triggered,
                AlertEvent::Resolved(_) => &callbacks.resolved,
                AlertEvent::Changed(_) => &callbacks.changed,
            };
            for call in calls {
                if catch_unwind(AssertUnwindSafe(|| call(event.alert()))).is_err() {
                    tracing::error!(alert = %event.alert().id, "a callback for alerts panicked");
                }
            }
        }
    }
}

impl Shared {
    /// Judges all pools by what the last collection found, and tells of it.
    pub(super) fn judge(&self) {
        // Alerts first: whoever holds both locks has them in this order everywhere.
        let mut manager = self.alerting.manager();
        let events = self.with_readings(|now, time, pools| {
            let mut round = manager.begin_round(now, time);
            for (pool, readings) in pools {
                round.judge(pool, &readings);
            }
            round.finish()
        });
        let refused = manager.take_newly_refused();
        let limit = manager.settings().max_active_per_rule;
        drop(manager);
        for RefusedAlerts { rule, now, .. } in refused {
            tracing::warn!(
                rule = &*rule,
                refused = now,
                limit,
                "alerts are not raised: their rule has as many as it may have"
            );
        }
        self.alerting.call(&events);
        self.tell_due();
    }

    /// Has the sinks told what is due by now, and how the alerts are.
    pub(super) fn tell_due(&self) {
        // Lock: held until all is with the dispatcher. What is taken from the manager is taken as told, so it must not go to one that
        // was replaced meanwhile; nor may what another thread has found earlier come after it.
        let dispatcher = self.alerting.dispatcher_lock();
        let Some(dispatcher) = &*dispatcher else {
            self.alerting.manager().tell_nobody();
            return;
        };
        let (notifications, alerts) = {
            let mut manager = self.alerting.manager();
            (manager.due(Instant::now(), (self.wall)()), manager.to_publish())
        };
        for notification in notifications {
            dispatcher.notify(&Arc::new(notification));
        }
        let manager = self.alerting.manager();
        let after = manager.settings().group_interval;
        dispatcher.notify_missed(Instant::now(), after, |fingerprint| manager.active(fingerprint));
        drop(manager);
        dispatcher.publish(&alerts, self.valid_until());
    }

    /// Until when what was judged last is to be repeated: a collection that hangs judges nothing, and what nobody judges must not
    /// go on for ever elsewhere.
    fn valid_until(&self) -> Instant {
        self.state().valid_until()
    }

    /// Nobody judges the alerts from now on: that they go on is not said any more, only which of them are over.
    pub(super) fn fall_silent(&self) {
        let dispatcher = self.alerting.dispatcher_lock();
        if let Some(dispatcher) = &*dispatcher {
            let mut alerts = self.alerting.manager().to_publish();
            alerts.retain(|alert| alert.ended_at.is_some());
            dispatcher.publish(&alerts, self.valid_until());
        }
    }

    /// When something may be due next; `None` = not before the next collection.
    pub(super) fn next_to_tell(&self) -> Option<Instant> {
        if self.alerting.dispatcher_lock().is_none() {
            return None;
        }
        self.alerting.manager().next_due(Instant::now())
    }
}

/// Alerts.
impl PoolMonitor {
    /// The alerts that fire or recover: the worst first, then the oldest. [`AlertTable`](crate::AlertTable) shows them to people,
    /// [`alerts_json`](crate::alerts_json) to programs.
    pub fn alerts(&self) -> Vec<Arc<Alert>> {
        self.shared.alerting.manager().alerts()
    }

    /// All alerts: those that fire or recover, those that are pending, and those that are over, the latest first.
    pub fn all_alerts(&self) -> Vec<Arc<Alert>> {
        self.shared.alerting.manager().all()
    }

    /// How many alerts of each rule were not raised because of [`AlertSettings::max_active_per_rule`]. That it begins is told in the
    /// log as well.
    pub fn refused_alerts(&self) -> Vec<RefusedAlerts> {
        self.shared.alerting.manager().refused()
    }

    /// The alert of this id, as long as it is known.
    pub fn alert(&self, id: AlertId) -> Option<Arc<Alert>> {
        self.shared.alerting.manager().alert(id)
    }

    /// Notes that somebody knows of an alert; see [`AlertManager::acknowledge`].
    ///
    /// # Errors
    ///
    /// There is no such alert, or it is over.
    pub fn acknowledge_alert(
        &self,
        id: AlertId,
        acknowledgement: Acknowledgement,
    ) -> Result<Arc<Alert>, VerbError> {
        self.shared.alerting.manager().acknowledge(id, acknowledgement)
    }

    /// Takes an acknowledgement back. Does nothing if there is none.
    ///
    /// # Errors
    ///
    /// There is no such alert, or it is over.
    pub fn unacknowledge_alert(&self, id: AlertId) -> Result<Arc<Alert>, VerbError> {
        self.shared.alerting.manager().unacknowledge(id)
    }

    /// Ends an alert now; see [`AlertManager::resolve`]. Callbacks are called.
    ///
    /// # Errors
    ///
    /// There is no such alert, or it is over.
    pub fn resolve_alert(&self, id: AlertId, by: &str) -> Result<Arc<Alert>, VerbError> {
        let time = (self.shared.wall)();
        let alert = self.shared.alerting.manager().resolve(id, by, Instant::now(), time)?;
        if alert.ended_at.is_some() {
            self.shared.alerting.call(&[AlertEvent::Resolved(Arc::clone(&alert))]);
        }
        Ok(alert)
    }

    /// Removes an alert that is over from the history.
    ///
    /// # Errors
    ///
    /// There is no such alert, or it is not over: then it stays.
    pub fn clear_alert(&self, id: AlertId) -> Result<Arc<Alert>, VerbError> {
        self.shared.alerting.manager().clear(id)
    }

    /// Removes all alerts that are over from the history, and says how many they were.
    pub fn clear_resolved_alerts(&self) -> usize {
        self.shared.alerting.manager().clear_resolved()
    }

    /// Mutes alerts that match for a while; see [`AlertManager::silence`].
    ///
    /// An Alertmanager is told of them all the same: it has silences of its own.
    ///
    /// # Errors
    ///
    /// It would mute everything, or nothing because it is over already, or there are too many silences.
    ///
    /// # Examples
    ///
    /// An hour of maintenance on the server of one pool:
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    ///
    /// use pool_core::PoolSet;
    /// use pool_monitor::{Labels, MonitorSettings, PoolMonitor, Silence, SilenceId, SilenceState};
    ///
    /// let monitor = PoolMonitor::new(PoolSet::new(), MonitorSettings::default())?;
    /// let now = SystemTime::now();
    /// let id = monitor.silence_alerts(Silence {
    ///     id: SilenceId(0), // given by the monitor
    ///     matchers: vec!["pool=orders".parse()?],
    ///     starts_at: now,
    ///     ends_at: now + Duration::from_secs(3_600),
    ///     created_by: "ada".to_owned(),
    ///     comment: "the server gets a new disk".to_owned(),
    ///     updated_at: now, // given by the monitor
    /// })?;
    ///
    /// let silence = &monitor.silences()[0];
    /// assert_eq!((silence.id, silence.state(SystemTime::now())), (id, SilenceState::Active));
    /// assert!(silence.matches(&Labels::new().with("pool", "orders")));
    /// assert!(!silence.matches(&Labels::new().with("pool", "reports")));
    /// monitor.expire_silence(id)?; // unless it takes the whole hour
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn silence_alerts(&self, silence: Silence) -> Result<SilenceId, SilenceError> {
        self.shared.alerting.manager().silence(silence, (self.shared.wall)())
    }

    /// Ends a silence now. One that is over stays as it is.
    ///
    /// # Errors
    ///
    /// There is no such silence, or it is forgotten.
    pub fn expire_silence(&self, id: SilenceId) -> Result<(), SilenceError> {
        self.shared.alerting.manager().expire_silence(id, (self.shared.wall)())
    }

    /// All silences: to come, active, and over until they are forgotten.
    pub fn silences(&self) -> Vec<Silence> {
        self.shared.alerting.manager().silences().to_vec()
    }

    /// The rules, in their order.
    pub fn alert_rules(&self) -> Vec<AlertRule> {
        self.shared.alerting.manager().rules().cloned().collect()
    }

    /// Sets all rules; none switches alerts off. A rule with the same name and labels goes on with its alerts, those of rules that
    /// are gone are over. Callbacks are called.
    ///
    /// # Errors
    ///
    /// Names everything that is wrong with them, or that two have one name. Then nothing changes.
    pub fn set_alert_rules(&self, rules: Vec<AlertRule>) -> Result<(), AlertSettingsError> {
        let events = self.replace_alert_rules(rules)?;
        self.call_back(&events);
        Ok(())
    }

    /// As [`set_alert_rules`](Self::set_alert_rules), but calls no callbacks: returns what they are to be
    /// [called](Self::call_back) with, once whoever calls this holds nothing that they may need.
    ///
    /// # Errors
    ///
    /// As [`set_alert_rules`](Self::set_alert_rules).
    pub fn replace_alert_rules(&self, rules: Vec<AlertRule>) -> Result<Vec<AlertEvent>, AlertSettingsError> {
        let time = (self.shared.wall)();
        self.shared.alerting.manager().set_rules(rules, Instant::now(), time)
    }

    /// Calls those callbacks that want to know of these events.
    pub fn call_back(&self, events: &[AlertEvent]) {
        self.shared.alerting.call(events);
    }

    /// Sets what a rule compares with, from the next collection on; see [`AlertManager::set_threshold`].
    ///
    /// # Errors
    ///
    /// There is no such rule, or the threshold is not a finite number.
    pub fn set_alert_threshold(&self, rule: &str, threshold: f64) -> Result<(), VerbError> {
        self.shared.alerting.manager().set_threshold(rule, threshold)
    }

    /// How many alerts are kept, and how they are told.
    pub fn alert_settings(&self) -> AlertSettings {
        self.shared.alerting.manager().settings().clone()
    }

    /// Sets how many alerts are kept, and how they are told.
    ///
    /// # Errors
    ///
    /// Names everything that is wrong with them. Then nothing changes.
    pub fn set_alert_settings(&self, settings: AlertSettings) -> Result<(), AlertSettingsError> {
        self.shared.alerting.manager().set_settings(settings, Instant::now())?;
        self.shared.bell.notify_one();
        Ok(())
    }

    /// Calls `call` with each alert that begins to fire. It may call back into the monitor, by a [weak handle](Self::downgrade): a
    /// clone of the monitor in it would keep the monitor alive, and collecting, for ever. One that blocks delays the next
    /// collection; a panic is caught and logged.
    pub fn on_alert_triggered(&self, call: impl Fn(&Arc<Alert>) + Send + Sync + 'static) {
        self.shared.alerting.add(|callbacks| callbacks.triggered.push(Arc::new(call)));
    }

    /// Calls `call` with each alert that is over; otherwise as [`on_alert_triggered`](Self::on_alert_triggered).
    pub fn on_alert_resolved(&self, call: impl Fn(&Arc<Alert>) + Send + Sync + 'static) {
        self.shared.alerting.add(|callbacks| callbacks.resolved.push(Arc::new(call)));
    }

    /// Calls `call` with each alert that is pending, recovering or worse again, muted or no longer, or whose acknowledgement has
    /// expired; otherwise as [`on_alert_triggered`](Self::on_alert_triggered).
    pub fn on_alert_changed(&self, call: impl Fn(&Arc<Alert>) + Send + Sync + 'static) {
        self.shared.alerting.add(|callbacks| callbacks.changed.push(Arc::new(call)));
    }

    /// Has notifications brought to the sinks of `dispatcher` from now on; `None` = to nobody. If there was none before, it is
    /// told of all that fires. Returns the one before, which whoever made it may close.
    pub fn set_alert_dispatcher(
        &self,
        dispatcher: Option<Arc<AlertDispatcher>>,
    ) -> Option<Arc<AlertDispatcher>> {
        let mut current = self.shared.alerting.dispatcher_lock();
        let before = std::mem::replace(&mut *current, dispatcher);
        match (&before, &*current) {
            (None, Some(_)) => self.shared.alerting.manager().tell_what_fires(Instant::now()),
            // At once: whoever comes next may come before the next collection, and knows of nothing.
            (Some(_), None) => self.shared.alerting.manager().tell_nobody(),
            _ => {}
        }
        drop(current);
        self.shared.bell.notify_one();
        before
    }

    /// Has alerts told by these sinks from now on, as [`AlertDispatcher::replace`] does: those that are there already go on
    /// undisturbed, the others are told of what fires. Returns a dispatcher of those that are there no more, which whoever calls
    /// may close; `None` = there is no dispatcher, and nothing was done.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime, and in one without timers.
    pub fn replace_alert_sinks(
        &self,
        sinks: impl IntoIterator<Item = Arc<dyn AlertSink>>,
    ) -> Option<AlertDispatcher> {
        let sinks = Candidate::all(sinks);
        // Lock: held until the new ones are there. What is told before, they hear as known; what is told after, as all do.
        let current = self.shared.alerting.dispatcher_lock();
        let known = self.shared.alerting.manager().known();
        let known: Vec<_> = known.into_iter().map(Arc::new).collect();
        let gone = current.as_ref()?.exchange(sinks, &known);
        drop(current);
        self.shared.bell.notify_one();
        Some(gone)
    }

    /// Has whoever is to be told of alerts told what is due by now. A monitor that runs does so by itself; this is for one that was
    /// stopped, whose alerts may have been ended by other rules since. Returns when to call it again; `None` = nothing is left to tell.
    pub fn tell_alerts(&self) -> Option<Instant> {
        self.shared.tell_due();
        self.shared.next_to_tell()
    }

    /// What of the alerts survives a restart. What is still to be told by a sink, or was given up, counts as not told.
    pub fn alert_snapshot(&self) -> AlertSnapshot {
        // Lock: held until it is made. What is taken from the manager meanwhile would be neither to be told nor with a sink.
        let dispatcher = self.shared.alerting.dispatcher_lock();
        let untold = dispatcher.as_ref().map(|dispatcher| dispatcher.untold()).unwrap_or_default();
        let (now, time) = (Instant::now(), (self.shared.wall)());
        self.shared.alerting.manager().snapshot_without(&untold, now, time)
    }

    /// Goes on where a process before has left off; see [`AlertManager::restore`]. To be called before the monitor is started.
    pub fn restore_alerts(&self, snapshot: AlertSnapshot) -> usize {
        self.shared.alerting.manager().restore(snapshot, Instant::now(), (self.shared.wall)())
    }
}

#[cfg(test)]
mod tests;
