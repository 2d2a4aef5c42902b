//! All rules, all pools, all alerts.
//!
//! Invariant: an alert that fires is never let go of to make room; what is bounded is how many may begin (`max_active_per_rule`)
//! and how many are remembered when they are over (`max_alert_history`).
//!
//! `verbs` is what people do with alerts, `rules` what becomes of alerts when rules change, `restart` what goes on in the next process, `muting`
//! who is muted, `refused` what was not raised, `trouble` what alerts about targets say of those, `episodes` which numbers were given.

mod episodes;
mod muting;
mod refused;
mod restart;
mod rules;
mod trouble;
mod verbs;

use std::cell::LazyCell;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use self::episodes::Episodes;
use self::refused::Refused;
pub use self::refused::RefusedAlerts;
pub use self::verbs::VerbError;
use super::fingerprint::Fingerprint;
use super::flapping::Flapping;
use super::grouping::{Grouping, Notification};
use super::history::History;
use super::inhibition::Inhibition;
use super::machine::{Course, Verdict, advance};
use super::rule::{AlertRule, Judgement, NoData};
use super::settings::{AlertSettings, AlertSettingsError};
use super::silence::{Compared, Silences};
use super::{Alert, AlertEvent, AlertId, AlertState, Reason, Transition};
use crate::condition::{Comparison, Readings};
use crate::metric::Metric;

/// Holds the alerts of all rules and pools. It has no clock and no task: whoever has them says what time it is.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use pool_monitor::{AlertManager, AlertSettings, DefaultRules, Metric, Readings};
/// use tokio::time::Instant;
///
/// struct Busy;
///
/// impl Readings for Busy {
///     fn read(&self, metric: Metric, _window: Option<Duration>) -> Option<f64> {
///         Some(if metric == Metric::Utilization { 0.9 } else { 0.0 })
///     }
/// }
///
/// let mut alerts = AlertManager::new(DefaultRules::default().rules(), AlertSettings::default())?;
/// alerts.evaluate(Instant::now(), SystemTime::now(), &[("orders", &Busy)]);
/// let firing = alerts.alerts();
/// assert_eq!(firing[0].message, "orders: most connections are in use: utilization is 90 % (> 80 %)");
/// # Ok::<(), pool_monitor::AlertSettingsError>(())
/// ```
#[derive(Debug)]
pub struct AlertManager {
    settings: AlertSettings,
    rules: Vec<Ruled>,
    instances: HashMap<Fingerprint, Instance>,
    /// Of the alerts whose instances are gone.
    episodes: Episodes,
    history: History,
    silences: Silences,
    grouping: Grouping,
    /// Counts the evaluations.
    round: u64,
    /// What has changed since the last one.
    untold: Events,
}

/// A rule, and what has come of it.
#[derive(Debug)]
struct Ruled {
    rule: Arc<AlertRule>,
    /// The same with the threshold that it came with.
    given: Arc<AlertRule>,
    name: Arc<str>,
    /// The pools that have met it.
    pools: HashMap<Arc<str>, Fingerprint>,
    /// How many of them have an alert.
    open: usize,
    /// What would have one, but for `max_active_per_rule`.
    refused: Refused,
}

/// A rule for a pool that has met it.
#[derive(Debug)]
struct Instance {
    rule: usize,
    pool: Arc<str>,
    /// The number of the last episode, and how many have fired.
    episodes: u32,
    fired: u32,
    flapping: Flapping,
    /// Whether it would have an alert, but for `max_active_per_rule`.
    refused: bool,
    open: Option<Open>,
    silences: Compared,
    /// The rounds in which it was evaluated last, and was last in an event.
    seen: u64,
    told: u64,
}

/// An episode that is not over.
#[derive(Debug)]
struct Open {
    course: Course,
    alert: Arc<Alert>,
}

/// When something happens, by both clocks.
#[derive(Debug, Clone, Copy)]
struct Moment {
    now: Instant,
    time: SystemTime,
}

impl AlertManager {
    /// Alerts by these rules.
    ///
    /// # Errors
    ///
    /// Names everything that is wrong with the settings or the rules, or that two rules have one name.
    pub fn new(rules: Vec<AlertRule>, settings: AlertSettings) -> Result<Self, AlertSettingsError> {
        settings.check()?;
        AlertRule::check_all(&rules)?;
        Ok(AlertManager {
            settings,
            rules: rules.into_iter().map(Ruled::new).collect(),
            instances: HashMap::new(),
            episodes: Episodes::default(),
            history: History::default(),
            silences: Silences::default(),
            grouping: Grouping::default(),
            round: 0,
            untold: Events::default(),
        })
    }

    /// Judges every pool by every rule. `pools` are all pools that there are, by name: the alerts of one that is not among them are
    /// resolved.
    ///
    /// `now` must not go back. `time` may: it is only shown, and compared with the ends of silences and acknowledgements.
    pub fn evaluate(
        &mut self,
        now: Instant,
        time: SystemTime,
        pools: &[(&str, &dyn Readings)],
    ) -> Vec<AlertEvent> {
        let mut round = self.begin_round(now, time);
        for (pool, readings) in pools {
            round.judge(pool, *readings);
        }
        round.finish()
    }

    /// Begins an evaluation, for who has the pools one by one.
    pub(crate) fn begin_round(&mut self, now: Instant, time: SystemTime) -> Round<'_> {
        self.round += 1;
        for ruled in &mut self.rules {
            ruled.refused.begin();
        }
        let events = std::mem::take(&mut self.untold);
        Round { manager: self, moment: Moment { now, time }, events }
    }

    /// What is to be told by now. What is returned is taken as told. To be called from time to time, also by those who tell
    /// nobody: what nobody takes is kept. What it changes about alerts is among the events of the next evaluation.
    pub fn due(&mut self, now: Instant, time: SystemTime) -> Vec<Notification> {
        self.round += 1;
        let mut untold = std::mem::take(&mut self.untold);
        self.refresh(Moment { now, time }, &mut untold);
        self.untold = untold;
        let AlertManager { settings, instances, history, silences, grouping, .. } = self;
        let current = |fingerprint| firing(instances, fingerprint);
        // Not before somebody asks: most of the time nothing is over of which it is to be told.
        let inhibition = LazyCell::new(|| {
            let active: Vec<&Alert> =
                instances.keys().filter_map(|known| current(*known)).map(|alert| &**alert).collect();
            Inhibition::new(&settings.inhibit, &active)
        });
        let is_muted =
            |alert: &Alert| silences.mute(&alert.labels, time) || inhibition.muting(&alert.labels).is_some();
        let open = |fingerprint: Fingerprint| Some(&instances.get(&fingerprint)?.open.as_ref()?.alert);
        let last = |fingerprint| open(fingerprint).or_else(|| history.last(fingerprint));
        let mut notifications = grouping.due_flapping(settings, now, last, is_muted);
        notifications.extend(grouping.due(settings, now, current, is_muted));
        notifications
    }

    /// When [`due`](AlertManager::due) may have something to tell next; `None` = not before the next evaluation.
    pub fn next_due(&self, now: Instant) -> Option<Instant> {
        self.grouping.next_due(now)
    }

    /// What was told, and still holds: for whoever comes later than those who were told. Nothing is noted as told by that.
    pub fn known(&self) -> Vec<Notification> {
        self.grouping.known(|fingerprint| firing(&self.instances, fingerprint))
    }

    /// The alert that fires or recovers.
    pub(crate) fn active(&self, fingerprint: Fingerprint) -> Option<Arc<Alert>> {
        firing(&self.instances, fingerprint).cloned()
    }

    /// Forgets what was to be told, and what was.
    pub(crate) fn tell_nobody(&mut self) {
        self.grouping = Grouping::default();
    }

    /// Has all that fires told to somebody who knows of nothing.
    pub(crate) fn tell_what_fires(&mut self, now: Instant) {
        let firing: Vec<Arc<Alert>> = self.open().filter(|alert| alert.is_active()).cloned().collect();
        for alert in firing {
            self.grouping.note(&alert, &self.settings, now);
        }
        for (fingerprint, _) in self.instances.iter().filter(|(_, instance)| instance.flapping.is_flapping())
        {
            self.grouping.note_flapping(*fingerprint, true);
        }
    }

    /// The settings.
    pub fn settings(&self) -> &AlertSettings {
        &self.settings
    }

    /// Sets the settings. Alerts stay as they are, and are told by the new settings from now on.
    ///
    /// # Errors
    ///
    /// Names everything that is wrong with them. Then nothing changes.
    pub fn set_settings(&mut self, settings: AlertSettings, now: Instant) -> Result<(), AlertSettingsError> {
        settings.check()?;
        let before = std::mem::replace(&mut self.settings, settings);
        if before.group_by != self.settings.group_by {
            let instances = &self.instances;
            self.grouping.regroup(&self.settings, now, |fingerprint| firing(instances, fingerprint));
        }
        Ok(())
    }

    /// The alerts that fire or recover: the worst first, then the oldest.
    pub fn alerts(&self) -> Vec<Arc<Alert>> {
        let mut alerts: Vec<_> = self.open().filter(|alert| alert.is_active()).cloned().collect();
        alerts.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| in_order(a, b)));
        alerts
    }

    /// All alerts: those that fire or recover, those that are pending, and those that are over, the latest first.
    pub fn all(&self) -> Vec<Arc<Alert>> {
        let mut alerts = self.alerts();
        let mut pending: Vec<_> = self.open().filter(|alert| !alert.is_active()).cloned().collect();
        pending.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| in_order(a, b)));
        alerts.append(&mut pending);
        alerts.extend(self.history.iter().cloned());
        alerts
    }

    /// All alerts, for those who tell of each that it fires and that it is over: also of those that are over and no longer on the
    /// list.
    pub(crate) fn to_publish(&self) -> Vec<Arc<Alert>> {
        let mut alerts = self.all();
        alerts.extend(self.history.unlisted().cloned());
        alerts
    }

    /// The alert of this id, as long as it is known.
    pub fn alert(&self, id: AlertId) -> Option<Arc<Alert>> {
        let open = self.instances.get(&id.fingerprint).and_then(|instance| instance.open.as_ref());
        let open = open.map(|open| &open.alert).filter(|alert| alert.id == id);
        open.or_else(|| self.history.find(id)).cloned()
    }

    fn open(&self) -> impl Iterator<Item = &Arc<Alert>> {
        self.instances.values().filter_map(|instance| instance.open.as_ref()).map(|open| &open.alert)
    }

    /// Judges one pool by one rule.
    fn judge(
        &mut self,
        index: usize,
        pool: &str,
        readings: &dyn Readings,
        moment: Moment,
        events: &mut Events,
    ) {
        let ruled = &self.rules[index];
        if !ruled.rule.is_for(pool) {
            return;
        }
        let known = ruled.pools.get(pool).copied();
        let instance = known.and_then(|fingerprint| self.instances.get(&fingerprint));
        let is_open = instance.is_some_and(|instance| instance.open.is_some());
        let judgement = if is_open || ruled.rule.may_begin(readings) {
            ruled.rule.judge(readings)
        } else if known.is_some() {
            Judgement { verdict: Some(Verdict::Clear), value: None }
        } else {
            return;
        };
        let fingerprint = match known {
            Some(fingerprint) => fingerprint,
            None if ruled.rule.verdict(judgement) != Verdict::Met => return,
            None => self.begin(index, pool),
        };
        self.step(fingerprint, judgement, moment, events);
        self.tell_trouble(fingerprint, readings);
    }

    /// Makes room for the alerts of a pool that has not met the rule before.
    fn begin(&mut self, index: usize, pool: &str) -> Fingerprint {
        let ruled = &mut self.rules[index];
        let fingerprint = ruled.rule.labels_for(pool).fingerprint();
        let pool: Arc<str> = Arc::from(pool);
        ruled.pools.insert(Arc::clone(&pool), fingerprint);
        let instance = Instance {
            rule: index,
            pool,
            episodes: self.episodes.come_back(fingerprint),
            fired: 0,
            flapping: Flapping::default(),
            refused: false,
            open: None,
            silences: Compared::default(),
            seen: 0,
            told: 0,
        };
        self.instances.insert(fingerprint, instance);
        fingerprint
    }

    /// Moves one alert on.
    fn step(&mut self, fingerprint: Fingerprint, judgement: Judgement, moment: Moment, events: &mut Events) {
        let Some(instance) = self.instances.get_mut(&fingerprint) else { return };
        if std::mem::replace(&mut instance.seen, self.round) == self.round {
            return; // The same name twice in the list of pools.
        }
        let ruled = &mut self.rules[instance.rule];
        let before = instance.open.as_ref().map(|open| open.course);
        let verdict = ruled.rule.verdict(judgement);
        let mut after = advance(before, verdict, ruled.rule.patience(), moment.now);
        let most = self.settings.max_active_per_rule;
        if before.is_none() && after.is_some() && most > 0 && ruled.open >= most {
            ruled.refused.count(std::mem::replace(&mut instance.refused, true));
            after = None;
        } else {
            instance.refused = false;
        }
        let flaps = if self.settings.flapping_detection {
            instance.flapping.note(after.is_some_and(|course| course.state.is_active()))
        } else {
            std::mem::take(&mut instance.flapping).is_flapping().then_some(false)
        };
        let reason = if judgement.verdict.is_none() { Reason::NoData } else { Reason::Threshold };
        match (before, after) {
            (None, None) => {}
            (_, Some(course)) => {
                if before.is_none() {
                    ruled.open += 1;
                    instance.episodes += 1;
                }
                instance.go_on(fingerprint, ruled, course, judgement.value, reason, moment);
                let state = instance.open.as_ref().map(|open| Arc::clone(&open.alert));
                let Some(alert) = state else { return };
                let was_active = before.is_some_and(|before| before.state.is_active());
                if alert.is_active() && !was_active {
                    self.grouping.note(&alert, &self.settings, moment.now);
                    events.push(instance, self.round, Event::Triggered(fingerprint));
                } else if before.is_none_or(|before| before.state != course.state) {
                    events.push(instance, self.round, Event::Changed(fingerprint));
                }
            }
            (Some(_), None) => {
                if let Some(alert) = instance.end(ruled, reason, judgement.value, moment) {
                    self.grouping.note(&alert, &self.settings, moment.now);
                    self.history.push(Arc::clone(&alert), moment.now);
                    events.push(instance, self.round, Event::Resolved(alert));
                }
            }
        }
        if let Some(begins) = flaps {
            self.note_flapping(fingerprint, begins);
        }
    }

    /// Resolves the alerts of pools that were not among those of this round.
    fn let_go_of_removed_pools(&mut self, moment: Moment, events: &mut Events) {
        let gone = self.instances.iter().filter(|(_, instance)| instance.seen != self.round);
        let mut gone: Vec<Fingerprint> = gone.map(|(fingerprint, _)| *fingerprint).collect();
        gone.sort_unstable();
        for fingerprint in gone {
            self.drop_instance(fingerprint, Reason::PoolRemoved, moment, events);
        }
    }

    /// Resolves the alert, if there is one, and forgets all about it but its history.
    fn drop_instance(
        &mut self,
        fingerprint: Fingerprint,
        reason: Reason,
        moment: Moment,
        events: &mut Events,
    ) {
        if self.instances.get(&fingerprint).is_some_and(|instance| instance.flapping.is_flapping()) {
            self.note_flapping(fingerprint, false);
        }
        let Some(mut instance) = self.instances.remove(&fingerprint) else { return };
        let ruled = &mut self.rules[instance.rule];
        ruled.pools.remove(&instance.pool);
        instance.flapping = Flapping::default();
        if let Some(alert) = instance.end(ruled, reason, None, moment) {
            self.grouping.note(&alert, &self.settings, moment.now);
            self.history.push(Arc::clone(&alert), moment.now);
            events.push(&mut instance, self.round, Event::Resolved(alert));
        }
        self.episodes.leave(fingerprint, instance.episodes);
    }

    /// Notes that an alert has begun or ceased to flap.
    fn note_flapping(&mut self, fingerprint: Fingerprint, begins: bool) {
        let Some(instance) = self.instances.get_mut(&fingerprint) else { return };
        if let Some(open) = &mut instance.open {
            Arc::make_mut(&mut open.alert).flapping = begins;
        }
        if instance.open.is_none() || !begins {
            self.history.note_flapping(fingerprint, begins);
        }
        self.grouping.note_flapping(fingerprint, begins);
    }

    /// The events with the alerts as they are after all that happened.
    fn told(&self, events: Events) -> Vec<AlertEvent> {
        let current = |fingerprint: Fingerprint| {
            let open = self.instances.get(&fingerprint).and_then(|instance| instance.open.as_ref());
            open.map(|open| Arc::clone(&open.alert))
        };
        let events = events.0.into_iter().filter_map(|event| match event {
            Event::Triggered(fingerprint) => current(fingerprint).map(AlertEvent::Triggered),
            Event::Changed(fingerprint) => current(fingerprint).map(AlertEvent::Changed),
            Event::Resolved(alert) => Some(AlertEvent::Resolved(alert)),
        });
        events.collect()
    }
}

/// An evaluation that is under way. While no alert is there and none begins, it allocates nothing.
pub(crate) struct Round<'a> {
    manager: &'a mut AlertManager,
    moment: Moment,
    events: Events,
}

impl Round<'_> {
    /// Judges a pool by every rule.
    pub(crate) fn judge(&mut self, pool: &str, readings: &dyn Readings) {
        for index in 0..self.manager.rules.len() {
            self.manager.judge(index, pool, readings, self.moment, &mut self.events);
        }
    }

    /// Ends it: pools that were not judged are gone.
    pub(crate) fn finish(mut self) -> Vec<AlertEvent> {
        let AlertManager { settings, .. } = &*self.manager;
        let (most, retention) = (settings.max_alert_history, settings.alert_retention);
        self.manager.let_go_of_removed_pools(self.moment, &mut self.events);
        self.manager.refresh(self.moment, &mut self.events);
        self.manager.history.trim(most, retention, self.moment.now);
        self.manager.rules.iter_mut().for_each(|ruled| ruled.refused.end());
        self.manager.told(self.events)
    }
}

/// What has happened, in this order.
#[derive(Debug, Default)]
struct Events(Vec<Event>);

#[derive(Debug)]
enum Event {
    Triggered(Fingerprint),
    Changed(Fingerprint),
    Resolved(Arc<Alert>),
}

impl Events {
    /// Of one alert there is one event in a round, the first: what changes later is in the alert it comes with.
    fn push(&mut self, instance: &mut Instance, round: u64, event: Event) {
        if std::mem::replace(&mut instance.told, round) != round {
            self.0.push(event);
        }
    }
}

impl Ruled {
    fn new(rule: AlertRule) -> Self {
        let name = Arc::from(rule.name.as_str());
        let rule = Arc::new(rule);
        Ruled {
            given: Arc::clone(&rule),
            rule,
            name,
            pools: HashMap::new(),
            open: 0,
            refused: Refused::default(),
        }
    }
}

impl AlertRule {
    /// What it says when some of it may be unknown.
    fn verdict(&self, judgement: Judgement) -> Verdict {
        judgement.verdict.unwrap_or(match self.on_no_data {
            NoData::KeepLast => Verdict::Unknown,
            NoData::Firing => Verdict::Met,
            NoData::Resolve => Verdict::Clear,
        })
    }
}

impl Instance {
    /// Takes the alert, a new one if there was none, to where its course is.
    fn go_on(
        &mut self,
        fingerprint: Fingerprint,
        ruled: &Ruled,
        course: Course,
        value: Option<f64>,
        reason: Reason,
        moment: Moment,
    ) {
        let Moment { now, time } = moment;
        let flapping = self.flapping.is_flapping();
        let open = self.open.get_or_insert_with(|| {
            let id = AlertId { fingerprint, episode: self.episodes };
            let mut alert = ruled.rule.alert(id, &ruled.name, &self.pool, value, time);
            alert.step(AlertState::Pending, reason, value, time);
            Open { course, alert: Arc::new(alert) }
        });
        open.course = course;
        let alert = Arc::make_mut(&mut open.alert);
        if course.state != alert.state {
            if course.state.is_active() && !alert.state.is_active() {
                self.fired += 1;
                alert.occurrences = self.fired;
                alert.started_at = Some(time);
            }
            let gets_worse = alert.state == AlertState::Recovering && course.state == AlertState::Firing;
            if gets_worse && alert.acknowledgement.as_ref().is_some_and(|known| !known.sticky) {
                alert.acknowledgement = None;
            }
            alert.step(course.state, reason, value, time);
        }
        alert.flapping = flapping;
        alert.updated_at = time;
        alert.keep_firing_since = course.keep_firing_since.map(|since| {
            let kept = now.saturating_duration_since(since);
            alert.keep_firing_since.unwrap_or_else(|| time.checked_sub(kept).unwrap_or(time))
        });
        // Without a reading the last one stays, unless the rule fires because there is none.
        let fires_for_want = reason == Reason::NoData && ruled.rule.on_no_data == NoData::Firing;
        if value.is_some() || fires_for_want {
            ruled.rule.describe(alert, &self.pool, value);
        }
    }

    /// Ends the episode, if there is one. Returns the alert, unless nobody ever knew of it because it was pending.
    fn end(
        &mut self,
        ruled: &mut Ruled,
        reason: Reason,
        value: Option<f64>,
        moment: Moment,
    ) -> Option<Arc<Alert>> {
        let mut open = self.open.take()?;
        ruled.open -= 1;
        if !open.course.state.is_active() {
            self.episodes -= 1;
            return None;
        }
        let alert = Arc::make_mut(&mut open.alert);
        alert.step(AlertState::Resolved, reason, value, moment.time);
        alert.flapping = self.flapping.is_flapping();
        (alert.ended_at, alert.updated_at) = (Some(moment.time), moment.time);
        // It says what was the matter, as it did last; a value that is fine is that of the last transition.
        Some(open.alert)
    }
}

impl AlertRule {
    /// A new alert.
    fn alert(
        &self,
        id: AlertId,
        name: &Arc<str>,
        pool: &Arc<str>,
        value: Option<f64>,
        time: SystemTime,
    ) -> Alert {
        let mut alert = Alert {
            id,
            rule: Arc::clone(name),
            pool: Some(Arc::clone(pool)),
            severity: self.severity,
            state: AlertState::Pending,
            reason: Reason::Threshold,
            labels: self.labels_for(pool),
            annotations: Default::default(),
            message: String::new(),
            metric: self.conditions.first().map_or(Metric::Connections, |first| first.metric),
            comparison: Comparison::Above,
            value: f64::NAN,
            threshold: f64::NAN,
            recovery_threshold: None,
            active_at: time,
            started_at: None,
            keep_firing_since: None,
            ended_at: None,
            updated_at: time,
            acknowledgement: None,
            silenced_by: Vec::new(),
            inhibited_by: Vec::new(),
            flapping: false,
            occurrences: 0,
            transitions: Vec::new(),
        };
        self.describe(&mut alert, pool, value);
        alert
    }

    /// Writes into an alert what the rule says of it. Does nothing if that is there already.
    fn describe(&self, alert: &mut Alert, pool: &str, value: Option<f64>) {
        let shown = value.unwrap_or(f64::NAN);
        let is_same = alert.value.to_bits() == shown.to_bits()
            && alert.threshold == self.threshold()
            && alert.recovery_threshold == self.recovery_threshold;
        if is_same && !alert.message.is_empty() {
            return;
        }
        if alert.message.is_empty() || self.tells_the_value() {
            alert.annotations = self.annotations_for(&alert.labels, value);
        }
        alert.message = self.message(pool, value);
        (alert.value, alert.threshold) = (shown, self.threshold());
        if let Some(first) = self.conditions.first() {
            (alert.metric, alert.comparison) = (first.metric, first.comparison);
        }
        alert.recovery_threshold = self.recovery_threshold;
    }
}

impl Alert {
    /// Notes a transition.
    fn step(&mut self, to: AlertState, reason: Reason, value: Option<f64>, at: SystemTime) {
        if self.transitions.len() >= Self::MAX_TRANSITIONS {
            self.transitions.remove(0);
        }
        let from = self.transitions.last().map(|last| last.to);
        self.transitions.push(Transition { at, from, to, reason, value });
        (self.state, self.reason) = (to, reason);
    }
}

/// The alert of this number, if it fires or recovers.
fn firing(instances: &HashMap<Fingerprint, Instance>, fingerprint: Fingerprint) -> Option<&Arc<Alert>> {
    let open = instances.get(&fingerprint)?.open.as_ref()?;
    Some(&open.alert).filter(|alert| alert.is_active())
}

/// The oldest first, then by labels.
fn in_order(a: &Alert, b: &Alert) -> std::cmp::Ordering {
    a.since().cmp(&b.since()).then_with(|| a.labels.cmp(&b.labels))
}

#[cfg(test)]
mod tests;
