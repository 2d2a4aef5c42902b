//! From one process to the next.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::super::flapping::Flapping;
use super::super::machine::{Course, Verdict};
use super::super::snapshot::{AlertSnapshot, SavedAlert, SavedEpisode};
use super::super::{Alert, AlertId, AlertState, Reason};
use super::{AlertManager, Instance, Open};

impl AlertManager {
    /// What of all this survives a restart.
    pub fn snapshot(&self, now: Instant, time: SystemTime) -> AlertSnapshot {
        let told: std::collections::HashMap<_, _> = self.grouping.told().collect();
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
            });
        }
        alerts.sort_by(|a, b| (&a.rule, &a.pool).cmp(&(&b.rule, &b.pool)));
        let silences = self.silences.all().to_vec();
        AlertSnapshot { version: AlertSnapshot::VERSION, taken_at: time, alerts, silences }
    }

    /// Goes on where a process before has left off. To be called before the first evaluation; what is there already stays. Returns how
    /// many alerts go on.
    ///
    /// Alerts of rules that are not the same any more are left out, and all of them if the snapshot is older than an hour. Silences
    /// are always taken in, but for one that would mute everything. Numbers that no snapshot of ours has are bounded.
    pub fn restore(&mut self, snapshot: AlertSnapshot, now: Instant, time: SystemTime) -> usize {
        if self.silences.all().is_empty() {
            self.silences.restore(snapshot.silences);
        }
        let down = time.duration_since(snapshot.taken_at).unwrap_or_default();
        let is_too_old = down > AlertSnapshot::TOLERANCE;
        let mut restored = 0;
        for saved in snapshot.alerts {
            let mut saved = saved.within_bounds();
            if is_too_old {
                saved.open = None;
            }
            restored += usize::from(self.restore_alert(saved, down, now, time));
        }
        restored
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
            flapping: Flapping::default(),
            refused: false,
            open: None,
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
