//! When an alert is raised: conditions, patience, and what is said about it.

mod check;
mod template;
mod words;

use std::time::Duration;

use crate::condition::{Comparison, Condition, Readings};

use super::Severity;
use super::labels::Labels;
use super::machine::{Patience, Verdict};
use super::settings::AlertSettingsError;

pub(crate) use self::template::{for_prometheus, literal_for_prometheus};
pub(crate) use self::words::show;

/// What a rule says of a pool of which nothing can be read. That nothing has happened is a reading: see [`Readings::read`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum NoData {
    /// What it said last: an alert that fires goes on. One that is pending stays so, and fires only once the rule is met again and
    /// its `hold` has passed.
    #[default]
    KeepLast,
    /// That it is met.
    Firing,
    /// That it is not, so that an alert is over.
    Resolve,
}

impl NoData {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            NoData::KeepLast => "keep_last",
            NoData::Firing => "firing",
            NoData::Resolve => "resolve",
        }
    }
}

/// When an alert is raised, for each pool that meets it.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool_monitor::{AlertRule, Comparison, Condition, Metric, Severity};
///
/// let waiting = Condition {
///     metric: Metric::Waiting,
///     window: Some(Duration::from_secs(60)),
///     comparison: Comparison::Above,
///     threshold: 20.0,
/// };
/// let rule = AlertRule {
///     hold: Duration::from_secs(120),
///     ..AlertRule::new("PoolCrowded", Severity::Warning, waiting)
/// };
/// assert!(rule.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct AlertRule {
    /// Names it and its alerts: the label `alertname`. No two rules have the same.
    pub name: String,
    /// How bad it is: the label `severity`.
    pub severity: Severity,
    /// What must hold, all of it. The value, the threshold and the recovery threshold of its alerts are those of the first; the
    /// others are guards, such as a least number of requests, or a second window. At least one.
    pub conditions: Vec<Condition>,
    /// What the first condition is compared with instead of its threshold while the alert fires: it is over only when it has left this
    /// behind. Default `None` = the threshold.
    pub recovery_threshold: Option<f64>,
    /// For how long the conditions must hold before it fires; Prometheus calls it `for`. Default 0 = at once.
    pub hold: Duration,
    /// For how long it fires when they do so no longer; Prometheus calls it `keep_firing_for`. Default 0.
    pub keep_firing: Duration,
    /// What it says of a pool of which nothing can be read.
    pub on_no_data: NoData,
    /// The names of the pools it is for. Default none = all.
    pub pools: Vec<String>,
    /// More labels of its alerts. `alertname`, `severity` and `pool` are taken.
    pub labels: Labels,
    /// What is said of its alerts. `{{ $value }}` and `{{ $labels.NAME }}` stand for what they are called in Prometheus, all else for
    /// itself. `summary` is part of the message.
    pub annotations: Labels,
}

/// Without the dust of a multiplication: it is to be read by people.
pub(super) fn tidy(number: f64) -> f64 {
    (number * 1e9).round() / 1e9
}

/// What a rule makes of what it read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Judgement {
    /// `None` = nothing could be read that it depends on.
    pub(crate) verdict: Option<Verdict>,
    /// What was read for the first condition; never a NaN.
    pub(crate) value: Option<f64>,
}

impl AlertRule {
    /// A rule of one condition, and all else as it is by default.
    pub fn new(name: impl Into<String>, severity: Severity, condition: Condition) -> Self {
        AlertRule {
            name: name.into(),
            severity,
            conditions: vec![condition],
            recovery_threshold: None,
            hold: Duration::ZERO,
            keep_firing: Duration::ZERO,
            on_no_data: NoData::default(),
            pools: Vec::new(),
            labels: Labels::new(),
            annotations: Labels::new(),
        }
    }

    /// The same with one more condition.
    #[must_use]
    pub fn and(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }

    /// The same with the annotation `summary`.
    #[must_use]
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.annotations.set("summary", summary);
        self
    }

    /// What the first condition compares with.
    pub fn threshold(&self) -> f64 {
        self.conditions.first().map_or(f64::NAN, |condition| condition.threshold)
    }

    /// Sets what the first condition compares with. The recovery threshold keeps its proportion to it; to a threshold of 0 it has
    /// none, and becomes the new threshold.
    pub fn set_threshold(&mut self, threshold: f64) {
        let Some(first) = self.conditions.first_mut() else { return };
        let before = std::mem::replace(&mut first.threshold, threshold);
        if let Some(recovery) = &mut self.recovery_threshold {
            *recovery = if before == 0.0 { threshold } else { tidy(*recovery / before * threshold) };
        }
    }

    /// Whether it reads the same as another one: what was read for that one says nothing otherwise.
    pub(crate) fn reads_as(&self, other: &AlertRule) -> bool {
        let read = |rule: &AlertRule| -> Vec<_> { rule.conditions.iter().map(Condition::reading).collect() };
        read(self) == read(other)
    }

    /// The longest window it reads: it can be judged only where history covers that.
    pub fn longest_window(&self) -> Option<Duration> {
        self.conditions.iter().filter_map(|condition| condition.window).max()
    }

    /// Checks it.
    ///
    /// # Errors
    ///
    /// Names everything that is wrong with it, not just the first.
    pub fn check(&self) -> Result<(), AlertSettingsError> {
        let mut problems = Vec::new();
        check::check(self, &mut problems);
        AlertSettingsError::unless_empty("alert rule", problems)
    }

    /// Checks several, and that no two have the same name.
    pub(super) fn check_all(rules: &[AlertRule]) -> Result<(), AlertSettingsError> {
        let mut problems = Vec::new();
        let mut names = std::collections::HashSet::new();
        for rule in rules {
            check::check(rule, &mut problems);
            if !names.insert(&rule.name) {
                problems.push(format!("{}: two rules have this name", rule.name));
            }
        }
        AlertSettingsError::unless_empty("alert rules", problems)
    }

    pub(crate) fn is_for(&self, pool: &str) -> bool {
        self.pools.is_empty() || self.pools.iter().any(|name| name == pool)
    }

    pub(crate) fn patience(&self) -> Patience {
        Patience { hold: self.hold, keep_firing: self.keep_firing }
    }

    /// The labels of its alert for a pool.
    pub(crate) fn labels_for(&self, pool: &str) -> Labels {
        let mut labels = self.labels.clone();
        labels.set("alertname", self.name.as_str());
        labels.set("severity", self.severity.as_str());
        labels.set("pool", pool);
        labels
    }

    /// Whether an alert could begin now, by a look at the condition that costs the least to read. Nearly always the answer is no, and
    /// long windows of all pools need not be read at each collection to find that out.
    pub(crate) fn may_begin(&self, readings: &dyn Readings) -> bool {
        let cheapest = self.conditions.iter().min_by_key(|condition| condition.window);
        self.on_no_data == NoData::Firing
            || cheapest.is_some_and(|condition| {
                let Condition { metric, window, comparison, threshold } = *condition;
                let is_below = readings.bound(metric, window).is_some_and(|bound| bound < threshold);
                let surely_not = is_below && matches!(comparison, Comparison::Above | Comparison::AtLeast);
                !surely_not
                    && readings.read(metric, window).is_some_and(|value| comparison.holds(value, threshold))
            })
    }

    /// Reads what it needs to.
    ///
    /// What cannot be read makes the verdict unknown, unless the rest is enough: nothing needs to be known of an error rate to tell
    /// that there were too few requests for one. A NaN was read, and meets nothing.
    pub(crate) fn judge(&self, readings: &dyn Readings) -> Judgement {
        let read = |condition: &Condition| readings.read(condition.metric, condition.window);
        let mut conditions = self.conditions.iter();
        let Some(first) = conditions.next() else { return Judgement { verdict: None, value: None } };
        let value = read(first);
        let mut verdict = value.map(|value| {
            let holds = |threshold| first.comparison.holds(value, threshold);
            if holds(first.threshold) {
                Verdict::Met
            } else if self.recovery_threshold.is_some_and(holds) {
                Verdict::Held
            } else {
                Verdict::Clear
            }
        });
        for guard in conditions {
            if verdict == Some(Verdict::Clear) {
                break;
            }
            match read(guard).map(|value| guard.comparison.holds(value, guard.threshold)) {
                Some(true) => {}
                Some(false) => verdict = Some(Verdict::Clear),
                None => verdict = None,
            }
        }
        Judgement { verdict, value: value.filter(|value| !value.is_nan()) }
    }
}

#[cfg(test)]
mod tests;
