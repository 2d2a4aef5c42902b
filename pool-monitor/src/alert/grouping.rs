//! What is told when: alerts that belong together are told together, not at once, and not again and again.
//!
//! The rules are Alertmanager's. A group waits `group_wait` for company before it is told first. From then on it is looked at each
//! `group_interval`, and told if somebody new fires, somebody is resolved, or nothing was told for `repeat_interval`. What fired
//! and was resolved between two looks is not told at all. Muted alerts are as if they were not there; the end of one that was told
//! before it was muted is told when nothing mutes it any more. Whether an alert that is over is muted goes by its labels at the time of
//! telling: what is noted in it is who muted it when it ended.
//!
//! Two things are more: a group whose alerts are all acknowledged is not repeated, and an alert that flaps is told of
//! when that begins and when it ends, and not in between. While it is muted neither is told: what is left of both is told after that,
//! and of what has begun and ended meanwhile nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;

use super::fingerprint::Fingerprint;
use super::labels::Labels;
use super::settings::AlertSettings;
use super::{Alert, AlertState};

/// Whether a notification says that something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotificationStatus {
    /// At least one of its alerts fires.
    Firing,
    /// All of them are over.
    Resolved,
}

impl NotificationStatus {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            NotificationStatus::Firing => "firing",
            NotificationStatus::Resolved => "resolved",
        }
    }
}

/// Why a notification is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum NotificationReason {
    /// Nothing was told of the group before.
    First,
    /// An alert fires that was not told.
    NewAlerts,
    /// Some are over.
    SomeResolved,
    /// All are over.
    AllResolved,
    /// Nothing has changed, and that for long.
    Repeat,
    /// An alert comes and goes: nothing more will be told of it.
    FlappingStarted,
    /// It does so no longer.
    FlappingEnded,
}

impl NotificationReason {
    /// The words for it; those that Alertmanager has, too, are its own.
    pub fn as_str(self) -> &'static str {
        match self {
            NotificationReason::First => "first notification",
            NotificationReason::NewAlerts => "new alerts added",
            NotificationReason::SomeResolved => "some alerts resolved",
            NotificationReason::AllResolved => "all alerts resolved",
            NotificationReason::Repeat => "repeat interval elapsed",
            NotificationReason::FlappingStarted => "flapping started",
            NotificationReason::FlappingEnded => "flapping ended",
        }
    }
}

impl fmt::Display for NotificationReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What is told of a group of alerts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Notification {
    /// Names the group, such as `{}:{alertname="PoolExhausted", pool="orders"}`.
    pub group_key: String,
    /// The labels by which it is a group.
    pub group_labels: Labels,
    /// The labels that all of its alerts have in common.
    pub common_labels: Labels,
    /// The annotations likewise.
    pub common_annotations: Labels,
    /// Whether something is wrong.
    pub status: NotificationStatus,
    /// Why it is sent.
    pub reason: NotificationReason,
    /// The alerts that fire, and those resolved since the last one; by severity, the worst first.
    pub alerts: Vec<Arc<Alert>>,
    /// How many alerts were left out of it; for receivers that take only so many.
    pub truncated: usize,
}

impl Notification {
    pub(crate) fn new(
        group_key: &str,
        group_labels: &Labels,
        reason: NotificationReason,
        mut alerts: Vec<Arc<Alert>>,
    ) -> Self {
        alerts.sort_by(|a, b| {
            (b.is_active(), b.severity)
                .cmp(&(a.is_active(), a.severity))
                .then_with(|| a.labels.cmp(&b.labels))
        });
        let is_firing = alerts.iter().any(|alert| alert.is_active());
        Notification {
            group_key: group_key.to_owned(),
            group_labels: group_labels.clone(),
            common_labels: Labels::common(alerts.iter().map(|alert| &alert.labels)),
            common_annotations: Labels::common(alerts.iter().map(|alert| &alert.annotations)),
            status: if is_firing { NotificationStatus::Firing } else { NotificationStatus::Resolved },
            reason,
            alerts,
            truncated: 0,
        }
    }

    /// The same with at most `most` alerts; the worst stay. 0 = all.
    #[must_use]
    pub fn truncated_to(mut self, most: usize) -> Self {
        if most > 0 && self.alerts.len() > most {
            self.truncated += self.alerts.len() - most;
            self.alerts.truncate(most);
        }
        self
    }
}

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    groups: BTreeMap<String, Group>,
    /// The alerts that flap, and those of which it is not told that they do so no longer.
    flapping: BTreeMap<Fingerprint, Flapping>,
    /// Whether something was noted of them since it was last looked what is to be told.
    is_news: bool,
}

#[derive(Debug, Clone, Copy)]
struct Flapping {
    goes_on: bool,
    /// Whether its beginning was told.
    is_told: bool,
}

#[derive(Debug)]
struct Group {
    labels: Labels,
    /// `None` = it is not over, and is to be looked up; otherwise as it ended.
    members: BTreeMap<Fingerprint, Option<Arc<Alert>>>,
    /// When it is looked at next.
    due: Instant,
    told: Option<Told>,
}

/// What the last notification of a group said.
#[derive(Debug, Clone)]
struct Told {
    firing: BTreeSet<Fingerprint>,
    at: Instant,
}

impl Grouping {
    /// How many ends wait to be told at most: as many as one rule may have alerts by default.
    const MAX_ENDS: usize = 10_000;

    /// Takes in that an alert fires, or is over.
    pub(super) fn note(&mut self, alert: &Arc<Alert>, settings: &AlertSettings, now: Instant) {
        let fingerprint = alert.fingerprint();
        let labels = group_labels(&alert.labels, &settings.group_by);
        let key = group_key(&labels);
        if alert.state == AlertState::Resolved {
            // Of a group that does not exist nobody knows, so nobody need know that it is over.
            if let Some(member) =
                self.groups.get_mut(&key).and_then(|group| group.members.get_mut(&fingerprint))
            {
                *member = Some(Arc::clone(alert));
            }
            return;
        }
        let due = now + settings.group_wait;
        let group = self.groups.entry(key);
        let group = group.or_insert_with(|| Group { labels, members: BTreeMap::new(), due, told: None });
        group.members.insert(fingerprint, None);
    }

    /// Takes in that an alert has begun or ceased to flap.
    pub(super) fn note_flapping(&mut self, fingerprint: Fingerprint, begins: bool) {
        if begins {
            let flapping =
                self.flapping.entry(fingerprint).or_insert(Flapping { goes_on: true, is_told: false });
            flapping.goes_on = true;
        } else if let Some(flapping) = self.flapping.get_mut(&fingerprint) {
            flapping.goes_on = false;
        }
        self.is_news = true;
    }

    /// What is to be told of flapping by now, without waiting for a group. `last` finds the last episode of an alert.
    pub(super) fn due_flapping<'a>(
        &mut self,
        settings: &AlertSettings,
        now: Instant,
        last: impl Fn(Fingerprint) -> Option<&'a Arc<Alert>>,
        is_muted: impl Fn(&Alert) -> bool,
    ) -> Vec<Notification> {
        self.is_news = false;
        let mut notifications = Vec::new();
        let groups = &mut self.groups;
        self.flapping.retain(|fingerprint, flapping| {
            if !flapping.goes_on && !flapping.is_told {
                return false; // Begun and ended untold.
            }
            // What is not known is forgotten, but may come again as long as it flaps.
            let Some(alert) = last(*fingerprint) else { return flapping.goes_on };
            if flapping.goes_on == flapping.is_told || is_muted(alert) {
                return true;
            }
            flapping.is_told = flapping.goes_on;
            let labels = group_labels(&alert.labels, &settings.group_by);
            let key = group_key(&labels);
            if let Some(group) = groups.get_mut(&key) {
                group.told_of_flapping(alert, flapping.goes_on, now);
            }
            let reason = if flapping.goes_on {
                NotificationReason::FlappingStarted
            } else {
                NotificationReason::FlappingEnded
            };
            notifications.push(Notification::new(&key, &labels, reason, vec![Arc::clone(alert)]));
            flapping.goes_on
        });
        notifications
    }

    /// What is to be told by now. `current` finds the alert that is not over; `is_muted` judges those that are.
    pub(super) fn due<'a>(
        &mut self,
        settings: &AlertSettings,
        now: Instant,
        current: impl Fn(Fingerprint) -> Option<&'a Arc<Alert>>,
        is_muted: impl Fn(&Alert) -> bool,
    ) -> Vec<Notification> {
        let mut notifications = Vec::new();
        let flapping = &self.flapping;
        let is_hidden = |alert: &Alert| {
            if alert.is_active() {
                alert.is_suppressed() || alert.flapping
            } else {
                flapping.contains_key(&alert.fingerprint()) || is_muted(alert)
            }
        };
        self.groups.retain(|key, group| {
            if group.due <= now {
                notifications.extend(group.look(key, settings, now, &current, is_hidden));
            }
            !group.members.is_empty()
        });
        self.forget_the_oldest_ends();
        notifications
    }

    /// Of the ends that were not told yet, which a silence may hold back for years, keeps the latest.
    fn forget_the_oldest_ends(&mut self) {
        let ends = |group: &Group| group.members.values().flatten().count();
        let too_many = self.groups.values().map(ends).sum::<usize>().saturating_sub(Self::MAX_ENDS);
        if too_many == 0 {
            return;
        }
        let members =
            self.groups.iter().flat_map(|(key, group)| group.members.iter().zip(std::iter::repeat(key)));
        let ends = members.filter_map(|((fingerprint, ended), key)| {
            Some((ended.as_ref()?.ended_at, *fingerprint, key.clone()))
        });
        let mut ends: Vec<_> = ends.collect();
        ends.sort_unstable();
        for (_, fingerprint, key) in ends.into_iter().take(too_many) {
            if let Some(group) = self.groups.get_mut(&key) {
                group.members.remove(&fingerprint);
            }
        }
        self.groups.retain(|_, group| !group.members.is_empty());
    }

    /// When [`due`](Grouping::due) has something to do next.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        if self.is_news {
            return Some(now);
        }
        self.groups.values().map(|group| group.due).min()
    }

    /// Sorts the members anew, by other labels. Who was told of what stays as it is.
    pub(super) fn regroup<'a>(
        &mut self,
        settings: &AlertSettings,
        now: Instant,
        current: impl Fn(Fingerprint) -> Option<&'a Arc<Alert>>,
    ) {
        for (_, group) in std::mem::take(&mut self.groups) {
            for (fingerprint, ended) in group.members {
                let Some(alert) = ended.as_ref().or_else(|| current(fingerprint)) else { continue };
                let labels = group_labels(&alert.labels, &settings.group_by);
                let key = group_key(&labels);
                let due = group.due.min(now + settings.group_interval);
                let fresh = || Group { labels, members: BTreeMap::new(), due, told: None };
                let joined = self.groups.entry(key).or_insert_with(fresh);
                joined.due = joined.due.min(due);
                joined.members.insert(fingerprint, ended);
                if let Some(told) = &group.told {
                    let joined =
                        joined.told.get_or_insert_with(|| Told { firing: BTreeSet::new(), at: told.at });
                    joined.at = joined.at.max(told.at);
                    if told.firing.contains(&fingerprint) {
                        joined.firing.insert(fingerprint);
                    }
                }
            }
        }
    }

    /// What everybody was told and what still holds: of each group the alerts that fire. For whoever comes later.
    pub(super) fn known<'a>(
        &self,
        current: impl Fn(Fingerprint) -> Option<&'a Arc<Alert>>,
    ) -> Vec<Notification> {
        let known = |(key, group): (&String, &Group)| {
            let told = group.told.iter().flat_map(|told| &told.firing);
            let alerts = told.filter_map(|fingerprint| current(*fingerprint));
            let visible = alerts.filter(|alert| !alert.is_suppressed() && !alert.flapping);
            let alerts: Vec<_> = visible.cloned().collect();
            let is_some = !alerts.is_empty();
            is_some.then(|| Notification::new(key, &group.labels, NotificationReason::First, alerts))
        };
        self.groups.iter().filter_map(known).collect()
    }

    /// The alerts of which it was told that they fire, and not that they are over: when, and as they ended if they did.
    pub(super) fn told(&self) -> impl Iterator<Item = (Fingerprint, Instant, Option<&Arc<Alert>>)> {
        let told = self.groups.values().filter_map(|group| Some((group, group.told.as_ref()?)));
        told.flat_map(|(group, told)| {
            let ended = |fingerprint| group.members.get(fingerprint).and_then(Option::as_ref);
            told.firing.iter().map(move |fingerprint| (*fingerprint, told.at, ended(fingerprint)))
        })
    }

    /// The alerts of which it was told that they flap, and not that they do so no longer.
    pub(super) fn told_to_flap(&self) -> impl Iterator<Item = Fingerprint> {
        self.flapping.iter().filter(|(_, flapping)| flapping.is_told).map(|(fingerprint, _)| *fingerprint)
    }

    /// Takes in an alert of which it was told before a restart that it fires. It may be over by now.
    pub(super) fn restore_told(
        &mut self,
        alert: &Arc<Alert>,
        at: Instant,
        settings: &AlertSettings,
        now: Instant,
    ) {
        let labels = group_labels(&alert.labels, &settings.group_by);
        let group = self.groups.entry(group_key(&labels));
        let due = now + settings.group_wait;
        let group = group.or_insert_with(|| Group { labels, members: BTreeMap::new(), due, told: None });
        let ended = (!alert.is_active()).then(|| Arc::clone(alert));
        group.members.insert(alert.fingerprint(), ended);
        let told = group.told.get_or_insert_with(|| Told { firing: BTreeSet::new(), at });
        told.firing.insert(alert.fingerprint());
    }

    /// Takes in an alert of which it was told before a restart that it flaps.
    pub(super) fn restore_flapping(&mut self, fingerprint: Fingerprint, goes_on: bool) {
        self.flapping.insert(fingerprint, Flapping { goes_on, is_told: true });
        self.is_news |= !goes_on;
    }
}

impl Group {
    /// Says what is to be told, and lets go of what is over.
    fn look<'a>(
        &mut self,
        key: &str,
        settings: &AlertSettings,
        now: Instant,
        current: impl Fn(Fingerprint) -> Option<&'a Arc<Alert>>,
        is_hidden: impl Fn(&Alert) -> bool,
    ) -> Option<Notification> {
        self.due += settings.group_interval;
        if self.due <= now {
            self.due = now + settings.group_interval;
        }
        // What is neither over nor to be found has gone back to pending.
        self.members.retain(|fingerprint, ended| ended.is_some() || current(*fingerprint).is_some());
        let members = self.members.iter();
        let alerts =
            members.filter_map(|(fingerprint, ended)| ended.as_ref().or_else(|| current(*fingerprint)));
        // What was never told need not be told to be over.
        let of_interest = alerts.filter(|alert| alert.is_active() || self.has_told(alert));
        let told: Vec<Arc<Alert>> = of_interest.filter(|alert| !is_hidden(alert)).cloned().collect();
        let reason = self.reason(&told, settings, now);
        if reason.is_some() {
            let firing = told.iter().filter(|alert| alert.is_active()).map(|alert| alert.fingerprint());
            let muted = self.told.iter().flat_map(|told| &told.firing);
            // Muted alerts that were told before are not told anew when they are muted no longer, and their end is told then.
            let muted =
                muted.filter(|fingerprint| !told.iter().any(|alert| alert.fingerprint() == **fingerprint));
            let firing = firing.chain(muted.copied()).collect();
            self.told = Some(Told { firing, at: now });
        }
        let notification = reason.map(|reason| Notification::new(key, &self.labels, reason, told));
        let Group { members, told, .. } = self;
        let is_still_told =
            |fingerprint: &Fingerprint| told.as_ref().is_some_and(|told| told.firing.contains(fingerprint));
        members.retain(|fingerprint, ended| ended.is_none() || is_still_told(fingerprint));
        if let Some(told) = told {
            told.firing.retain(|fingerprint| members.contains_key(fingerprint));
        }
        notification
    }

    /// Whoever hears that an alert flaps, or does so no longer, knows how it is; and while it flaps no more than that.
    fn told_of_flapping(&mut self, alert: &Alert, begins: bool, now: Instant) {
        let told = self.told.get_or_insert_with(|| Told { firing: BTreeSet::new(), at: now });
        if !begins && alert.is_active() {
            told.firing.insert(alert.fingerprint());
        } else {
            told.firing.remove(&alert.fingerprint());
        }
    }

    fn has_told(&self, alert: &Alert) -> bool {
        self.told.as_ref().is_some_and(|told| told.firing.contains(&alert.fingerprint()))
    }

    /// Whether and why something is to be told of these alerts.
    fn reason(
        &self,
        alerts: &[Arc<Alert>],
        settings: &AlertSettings,
        now: Instant,
    ) -> Option<NotificationReason> {
        let (firing, over): (Vec<_>, Vec<_>) = alerts.iter().partition(|alert| alert.is_active());
        let Some(told) = &self.told else {
            return (!firing.is_empty()).then_some(NotificationReason::First);
        };
        if firing.iter().any(|alert| !self.has_told(alert)) {
            let is_first = told.firing.is_empty();
            return Some(if is_first { NotificationReason::First } else { NotificationReason::NewAlerts });
        }
        if !over.is_empty() {
            let is_all = firing.is_empty();
            return Some(if is_all {
                NotificationReason::AllResolved
            } else {
                NotificationReason::SomeResolved
            });
        }
        let is_unknown = firing.iter().any(|alert| !alert.is_acknowledged());
        let is_long_ago = now.saturating_duration_since(told.at) >= settings.repeat_interval;
        (is_unknown && is_long_ago).then_some(NotificationReason::Repeat)
    }
}

fn group_labels(labels: &Labels, group_by: &[String]) -> Labels {
    if group_by.iter().any(|name| name == AlertSettings::ALL_LABELS) {
        return labels.clone();
    }
    group_by.iter().map(|name| (name.as_str(), labels.get(name))).collect()
}

/// What a group of these labels is called.
pub(crate) fn group_key(labels: &Labels) -> String {
    format!("{{}}:{labels}")
}
