//! From one process to the next.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::super::flapping::Flapping;
use super::super::machine::{Course, Verdict};
use super::super::silence::Compared;
use super::super::snapshot::{AlertSnapshot, SavedAlert, SavedEpisode, SavedTold, Untold};
use super::super::{Alert, AlertId, AlertState, Reason};
use super::{AlertManager, Event, Instance, Open, firing};
use crate::condition::Comparison;
use crate::metric::Metric;

impl AlertManager {
    /// What of all this survives a restart. What was [due](AlertManager::due) is taken as told.
    pub fn snapshot(&self, now: Instant, time: SystemTime) -> AlertSnapshot {
        self.snapshot_without(&Untold::default(), now, time)
    }

    /// The same, where some of what was due has not reached everybody: it is told again after the restart.
    pub(crate) fn snapshot_without(&self, untold: &Untold, now: Instant, time: SystemTime) -> AlertSnapshot {
        let told = self.grouping.told().filter(|(fingerprint, ..)| !untold.firing.contains(fingerprint));
        let told: HashMap<_, _> = told.map(|(fingerprint, at, _)| (fingerprint, at)).collect();
        let age = |at: Instant| millis(now.saturating_duration_since(at));
        let mut alerts: Vec<SavedAlert> = Vec::with_capacity(self.instances.len());
        for (fingerprint, instance) in &self.instances {
            let open = instance.open.as_ref().map(|Open { course, alert }| SavedEpisode {
                state: course.state,
                active_for_ms: age(course.active_at),
                started_at: alert.started_at,
                kept_for_ms: course.keep_firing_since.map(age),
                told_ago_ms: told.get(fingerprint).map(|at| age(*at)),
                value: Some(alert.value).filter(|value| value.is_finite()),
                acknowledgement: alert.acknowledgement.clone(),
                transitions: alert.transitions.clone(),
            });
            alerts.push(SavedAlert {
                rule: self.rules[instance.rule].rule.name.clone(),
                pool: instance.pool.to_string(),
                fingerprint: *fingerprint,
                episodes: instance.episodes,
                fired: instance.fired,
                open,
                flapping: instance.flapping,
            });
        }
        alerts.sort_by(|a, b| (&a.rule, &a.pool).cmp(&(&b.rule, &b.pool)));
        let silences = self.silences.all().to_vec();
        let told = self.saved_told(untold);
        AlertSnapshot { version: AlertSnapshot::VERSION, taken_at: time, alerts, silences, told }
    }

    /// All of which somebody was told, or may have been, who is to hear of the end.
    fn saved_told(&self, untold: &Untold) -> Vec<SavedTold> {
        let current = |fingerprint| firing(&self.instances, fingerprint);
        let firing = self.grouping.told().filter_map(|(fingerprint, _, ended)| {
            ended.or_else(|| current(fingerprint)).map(|alert| SavedTold::new(alert, false))
        });
        let flapping = self.grouping.told_to_flap().filter(|known| !untold.flapping.contains(known));
        let flapping = flapping.filter_map(|fingerprint| {
            let last = current(fingerprint).or_else(|| self.history.last(fingerprint));
            last.map(|alert| SavedTold::new(alert, true))
        });
        let untold = untold.ended.values().map(|(alert, flapping)| SavedTold::new(alert, *flapping));
        let mut told: Vec<SavedTold> = firing.chain(flapping).chain(untold).collect();
        told.sort_by(|a, b| (&a.labels, a.flapping, a.episode).cmp(&(&b.labels, b.flapping, b.episode)));
        told
    }

    /// Goes on where a process before has left off. To be called before the first evaluation; what is there already stays. Returns how
    /// many alerts go on.
    ///
    /// Alerts of rules that are not the same any more are left out, and all of them if the snapshot is older than an hour; those of which
    /// somebody was told are over then, which is told, and an event of the next evaluation. Silences are always taken in, but for one that
    /// would mute everything. Numbers that no snapshot of ours has are bounded.
    pub fn restore(&mut self, snapshot: AlertSnapshot, now: Instant, time: SystemTime) -> usize {
        if self.silences.all().is_empty() {
            self.silences.restore(snapshot.silences);
            self.instances.values_mut().for_each(|instance| instance.silences = Compared::default());
        }
        let down = time.duration_since(snapshot.taken_at).unwrap_or_default();
        let is_too_old = down > AlertSnapshot::TOLERANCE;
        let mut restored = 0;
        for saved in snapshot.alerts {
            let mut saved = saved.within_bounds();
            if is_too_old {
                (saved.open, saved.flapping) = (None, Flapping::default());
            }
            restored += usize::from(self.restore_alert(saved, down, now, time));
        }
        for told in snapshot.told {
            self.restore_told(told.within_bounds(), now, time);
        }
        restored
    }

    /// Takes in of what somebody was told. What cannot go on is over.
    fn restore_told(&mut self, told: SavedTold, now: Instant, time: SystemTime) {
        let was_told_to_flap = told.flapping;
        let mut alert = told.into_alert();
        let fingerprint = alert.fingerprint();
        let instance = self.instances.get(&fingerprint);
        let flaps = instance.is_some_and(|instance| instance.flapping.is_flapping());
        if firing(&self.instances, fingerprint).is_none() {
            alert.flapping = flaps;
            let was_over = alert.ended_at.is_some();
            if !was_over {
                let reason = if instance.is_some() { Reason::NoData } else { Reason::RuleChanged };
                alert.step(AlertState::Resolved, reason, None, time);
                (alert.ended_at, alert.updated_at) = (Some(time), time);
            }
            if instance.is_none() {
                self.episodes.leave(fingerprint, alert.id.episode);
            }
            let alert = Arc::new(alert);
            if was_over {
                self.history.keep(Arc::clone(&alert), now);
            } else {
                self.history.push(Arc::clone(&alert), now);
                self.untold.0.push(Event::Resolved(Arc::clone(&alert)));
            }
            if !was_told_to_flap {
                self.grouping.restore_told(&alert, now, &self.settings, now);
            }
        }
        if was_told_to_flap {
            self.grouping.restore_flapping(fingerprint, flaps);
        }
    }

    /// Returns whether an alert goes on.
    fn restore_alert(&mut self, saved: SavedAlert, down: Duration, now: Instant, time: SystemTime) -> bool {
        let Some(index) = self.rules.iter().position(|ruled| *ruled.name == *saved.rule) else {
            return false;
        };
        let ruled = &mut self.rules[index];
        let labels = ruled.rule.labels_for(&saved.pool);
        let is_same = labels.fingerprint() == saved.fingerprint && ruled.rule.is_for(&saved.pool);
        if !is_same || ruled.pools.contains_key(&*saved.pool) {
            return false;
        }
        let pool: Arc<str> = Arc::from(saved.pool);
        let mut instance = Instance {
            rule: index,
            pool: Arc::clone(&pool),
            episodes: saved.episodes,
            fired: saved.fired,
            flapping: saved.flapping,
            refused: false,
            open: None,
            silences: Compared::default(),
            seen: self.round,
            told: self.round,
        };
        let known = saved.open;
        let goes_on = known.is_some();
        let mut told = None;
        if let Some(episode) = known {
            told = episode.told_ago_ms.map(|ago| before(now, Duration::from_millis(ago) + down));
            let course = episode.course(ruled.rule.hold, down, now);
            let id = AlertId { fingerprint: saved.fingerprint, episode: saved.episodes };
            let mut alert = ruled.rule.alert(id, &ruled.name, &pool, episode.value, time);
            let age = now.saturating_duration_since(course.active_at);
            alert.active_at = time.checked_sub(age).unwrap_or(time);
            alert.state = episode.state;
            alert.reason = episode.transitions.last().map_or(Reason::Threshold, |last| last.reason);
            alert.started_at = episode.started_at;
            alert.keep_firing_since = course
                .keep_firing_since
                .map(|since| time.checked_sub(now.saturating_duration_since(since)).unwrap_or(time));
            alert.occurrences = if alert.is_active() { saved.fired } else { 0 };
            alert.acknowledgement = episode.acknowledgement;
            alert.transitions = episode.transitions;
            alert.flapping = saved.flapping.is_flapping();
            ruled.open += 1;
            instance.open = Some(Open { course, alert: Arc::new(alert) });
        }
        ruled.pools.insert(pool, saved.fingerprint);
        if let Some(Open { alert, .. }) = instance.open.as_ref().filter(|open| open.alert.is_active()) {
            match told {
                Some(at) => self.grouping.restore_told(alert, at, &self.settings, now),
                None => self.grouping.note(alert, &self.settings, now),
            }
        }
        if instance.flapping.is_flapping() {
            self.grouping.note_flapping(saved.fingerprint, true);
        }
        self.instances.insert(saved.fingerprint, instance);
        goes_on
    }
}

impl SavedAlert {
    /// So many episodes that others may follow.
    const MOST: u32 = u32::MAX / 2;

    /// The same with numbers that can be counted on from, whoever wrote them.
    fn within_bounds(mut self) -> Self {
        self.open = self.open.filter(|episode| episode.state != AlertState::Resolved);
        let is_active = self.open.as_ref().is_some_and(|episode| episode.state.is_active());
        self.episodes = self.episodes.clamp(u32::from(self.open.is_some()), Self::MOST);
        self.fired = self.fired.clamp(u32::from(is_active), self.episodes);
        if let Some(episode) = &mut self.open {
            let too_many = episode.transitions.len().saturating_sub(Alert::MAX_TRANSITIONS);
            episode.transitions.drain(..too_many);
        }
        self
    }
}

impl SavedTold {
    fn new(alert: &Alert, flapping: bool) -> Self {
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        SavedTold {
            rule: alert.rule.to_string(),
            pool: alert.pool.as_deref().map(str::to_owned),
            severity: alert.severity,
            labels: alert.labels.clone(),
            annotations: alert.annotations.clone(),
            message: alert.message.clone(),
            metric: alert.metric.name().to_owned(),
            comparison: alert.comparison.as_str().to_owned(),
            value: finite(alert.value),
            threshold: finite(alert.threshold),
            recovery_threshold: alert.recovery_threshold.and_then(finite),
            episode: alert.id.episode,
            fired: alert.occurrences,
            active_at: alert.active_at,
            started_at: alert.started_at,
            ended_at: alert.ended_at,
            reason: alert.reason,
            acknowledgement: alert.acknowledgement.clone(),
            transitions: alert.transitions.clone(),
            flapping,
        }
    }

    /// The same with numbers that can be counted on from, whoever wrote them.
    fn within_bounds(mut self) -> Self {
        self.episode = self.episode.clamp(1, SavedAlert::MOST);
        self.fired = self.fired.clamp(1, self.episode);
        let too_many = self.transitions.len().saturating_sub(Alert::MAX_TRANSITIONS);
        self.transitions.drain(..too_many);
        self
    }

    /// As it was. What a later version of this crate reads by another name is shown as another metric.
    fn into_alert(self) -> Alert {
        let state = if self.ended_at.is_some() { AlertState::Resolved } else { AlertState::Firing };
        Alert {
            id: AlertId { fingerprint: self.labels.fingerprint(), episode: self.episode },
            rule: self.rule.into(),
            pool: self.pool.map(Arc::from),
            severity: self.severity,
            state,
            reason: self.reason,
            labels: self.labels,
            annotations: self.annotations,
            message: self.message,
            metric: Metric::from_name(&self.metric).unwrap_or(Metric::Connections),
            comparison: Comparison::from_sign(&self.comparison).unwrap_or(Comparison::Above),
            value: self.value.unwrap_or(f64::NAN),
            threshold: self.threshold.unwrap_or(f64::NAN),
            recovery_threshold: self.recovery_threshold,
            active_at: self.active_at,
            started_at: self.started_at,
            keep_firing_since: None,
            ended_at: self.ended_at,
            updated_at: self.ended_at.unwrap_or(self.active_at),
            acknowledgement: self.acknowledgement,
            silenced_by: Vec::new(),
            inhibited_by: Vec::new(),
            flapping: self.flapping,
            occurrences: self.fired,
            transitions: self.transitions,
        }
    }
}

impl SavedEpisode {
    fn course(&self, hold: Duration, down: Duration, now: Instant) -> Course {
        let age = Duration::from_millis(self.active_for_ms);
        let age = if self.state.is_active() {
            age + down
        } else if hold >= AlertSnapshot::GRACE {
            age.min(hold - AlertSnapshot::GRACE)
        } else {
            age
        };
        Course {
            state: self.state,
            active_at: before(now, age),
            keep_firing_since: self.kept_for_ms.map(|kept| before(now, Duration::from_millis(kept) + down)),
            verdict: match self.state {
                AlertState::Recovering if self.kept_for_ms.is_some() => Verdict::Clear,
                AlertState::Recovering => Verdict::Held,
                _ => Verdict::Met,
            },
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// So long before `now`, or `now` if that clock does not go back so far.
fn before(now: Instant, age: Duration) -> Instant {
    now.checked_sub(age).unwrap_or(now)
}
