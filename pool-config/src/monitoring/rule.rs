//! `monitoring.alerts.rules`: what is worth an alert, besides the rules that are built in and instead of them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::class::ReloadClass::Live;
use crate::keys::{Named, keys};
use crate::kind::{Flag, List, Millis, Name, Number, Optional, Tags, Text, Whole, Word, Words};
use crate::problem::Mistake;
use crate::section::{Origin, Section};
use crate::shown::shown;

use super::built_in::BuiltInRule;
use super::metric::MetricName;

/// The most that anything is compared with: in seconds thirty years.
const MOST: f64 = 1e9;

keys! {
    /// An entry of `monitoring.alerts.rules`: a metric that is compared with a threshold, and the alert that this raises.
    ///
    /// A rule with the name of one that is built in changes that one: each key that is not written stays as it is built in.
    pub struct AlertRuleConfig {
        /// what its alerts are called; no two rules share a name
        name: String = String::new(), named("name");

        /// whether it is judged at all
        enabled: bool = true, value("enabled", Flag, Live);

        /// how bad it is. Without it `warning`
        severity: Option<AlertSeverity> = None, value("severity", Optional(Words::new()), Live);

        /// what is compared. A rule of your own needs it; for one that is built in it replaces all that this one compares
        metric: Option<MetricName> = None, value("metric", Optional(Words::new()), Live);

        /// how. Without it `>`
        comparison: Option<AlertComparison> = None, value("comparison", Optional(Words::new()), Live);

        /// with what: shares as 0.8, times in seconds. A rule of your own needs it
        threshold: Option<f64> = None, value("threshold", Optional(Number(0.0..=MOST)), Live);

        /// over how much time up to now: the mean of a number, the most of a peak, the sum of what happened. Without it what the
        /// last collection found. Of a rule that is built in, all that it compares over the same time follows, and its shorter window
        /// keeps the proportion
        window: Option<Duration> = None, value("window_ms", Optional(Millis::POSITIVE), Live);

        /// it must hold over this shorter time as well, so that the alert ends soon after its cause: the second window of a rule
        /// that watches how fast errors use up what is allowed of them
        short_window: Option<Duration> = None, value("short_window_ms", Optional(Millis::POSITIVE), Live);

        /// how long it must hold before the alert is raised. Without it `alerts.for_ms`
        hold: Option<Duration> = None, value("for_ms", Optional(Millis::zero("at once")), Live);

        /// how long the alert stays when it holds no more. Without it `alerts.keep_firing_for_ms`
        keep_firing: Option<Duration> = None, value("keep_firing_for_ms", Optional(Millis::zero("not")), Live);

        /// the alert ends only when the metric has come back to this. Without it to the threshold
        recovery_threshold: Option<f64> = None,
            value("recovery_threshold", Optional(Number(0.0..=MOST)), Live);

        /// with fewer acquires in the window it is not judged
        min_requests: Option<u64> = None,
            value("min_requests", Optional(Whole::within(0..=1_000_000_000).of("acquires").zero("always judged")), Live);

        /// the pools it is for, by name. Without any: all
        pools: Vec<String> = Vec::new(), value("pools", List(Name), Live);

        /// what else its alerts are labelled with, for routing and silences
        labels: BTreeMap<String, String> = BTreeMap::new(), value("labels", Tags, Live);

        /// what is wrong when it is raised, for people
        summary: Option<String> = None, value("summary", Optional(Text), Live);
    }

    check(rule, section) {
        rule.check_completeness(section);
        rule.check_threshold(section);
        rule.check_recovery(section);
        rule.check_windows(section);
        check_labels("labels", &rule.labels, section);
    }
}

impl Named for AlertRuleConfig {
    fn called(name: String) -> Self {
        AlertRuleConfig { name, ..AlertRuleConfig::default() }
    }

    fn name(&self) -> &str {
        &self.name
    }
}

impl AlertRuleConfig {
    /// The rule that is built in and that this one changes; `None` if it is one of its own.
    #[must_use]
    pub fn built_in(&self) -> Option<&'static BuiltInRule> {
        BuiltInRule::named(&self.name)
    }

    /// What it compares, whether that is written or built in.
    pub(crate) fn metric_in_force(&self) -> Option<MetricName> {
        self.metric.or(self.built_in().map(|rule| rule.metric))
    }

    /// Whether it is met by what is above the threshold.
    pub(crate) fn is_upper(&self) -> bool {
        !matches!(self.comparison_in_force(), AlertComparison::Below | AlertComparison::AtMost)
    }

    /// How it compares, whether that is written or built in.
    pub(super) fn comparison_in_force(&self) -> AlertComparison {
        let built_in = self.built_in().filter(|_| self.metric.is_none()).map(|rule| rule.comparison);
        self.comparison.or(built_in).unwrap_or(AlertComparison::Above)
    }

    fn check_completeness(&self, section: &mut Section<'_>) {
        if self.built_in().is_none() && !self.name.is_empty() {
            let names: Vec<_> = BuiltInRule::ALL.iter().map(|rule| rule.name).collect();
            let near = crate::suggest::nearest(&self.name, &names);
            let help = |key: &str| match near {
                Some(near) => format!("add `{key}:`, or did you mean the rule `{near}`?"),
                None => format!("add `{key}:`"),
            };
            section.require("metric", "a metric: no rule of this name is built in", &help("metric"));
            section.require("threshold", "a threshold: no rule of this name is built in", &help("threshold"));
        } else if section.is_written("metric") {
            let expected = "a threshold beside the metric that replaces what is built in";
            section.require("threshold", expected, "add `threshold:`");
        }
    }

    /// Whether the threshold lies where the metric never comes.
    fn check_threshold(&self, section: &mut Section<'_>) {
        let is_refused = |key: &str| section.origin(key) == Origin::Refused;
        if ["metric", "comparison", "threshold"].into_iter().any(is_refused) {
            return;
        }
        let Some(metric) = self.metric_in_force() else { return };
        let built_in = self.built_in().map(|rule| rule.threshold);
        let Some(threshold) = self.threshold.or(built_in) else { return };
        if !metric.is_share() {
            return;
        }
        if threshold > 1.0 {
            let expected = format!("at most 1: {metric} is never above it");
            let help = if metric.is_flag() {
                "write 1: it is 1 while it is so, and otherwise 0"
            } else {
                "80 % is written 0.8"
            };
            section.report("threshold", Mistake::new(section.shown("threshold"), expected, help));
        } else if threshold == 1.0 && self.comparison_in_force() == AlertComparison::Above {
            let at = if section.is_written("threshold") { "threshold" } else { "comparison" };
            let expected = format!("less than 1 beside `>`: {metric} is never above 1");
            let mistake = Mistake::new(format!("`> {threshold}`"), expected, "write `comparison: \">=\"`");
            section.report(at, mistake);
        }
    }

    fn check_recovery(&self, section: &mut Section<'_>) {
        let Some(threshold) = self.threshold else { return };
        let shown = format!("threshold is {threshold}");
        if let Some(mistake) = self.wrong_recovery(threshold, &shown, "change one of the two") {
            section.report("recovery_threshold", mistake);
        }
    }

    /// What is wrong with `recovery_threshold` beside this threshold.
    pub(super) fn wrong_recovery(&self, threshold: f64, shown: &str, help: &str) -> Option<Mistake> {
        let recovery = self.recovery_threshold?;
        let (is_right, side) = if self.is_upper() {
            (recovery <= threshold, "at most")
        } else {
            (recovery >= threshold, "at least")
        };
        let found = format!("{recovery} while {shown}");
        let expected = format!("{side} the threshold: the alert would never end");
        (!is_right).then(|| Mistake::new(found, expected, help))
    }

    fn check_windows(&self, section: &mut Section<'_>) {
        let Some(short) = self.short_window else { return };
        let built_in = self.built_in().filter(|_| self.metric.is_none());
        match self.window.or(built_in.and_then(|rule| rule.window)) {
            None if built_in.is_none() => {
                let help = "add `window_ms:`, or write `window_ms` instead";
                let mistake =
                    Mistake::new(section.shown("short_window_ms"), "a longer window_ms beside it", help);
                section.report("short_window_ms", mistake);
            }
            Some(window) if short >= window => {
                let origin = if self.window.is_none() { " (built in)" } else { "" };
                let found =
                    format!("{} while window_ms is {}{origin}", short.as_millis(), window.as_millis());
                let help = "a twelfth of window_ms is usual";
                section.report("short_window_ms", Mistake::new(found, "less than window_ms", help));
            }
            _ => {}
        }
    }
}

/// Labels that every alert has, and whose values follow from the rule.
const RESERVED: [&str; 3] = ["alertname", "pool", "severity"];

/// How labels begin that Prometheus has for itself.
const INTERNAL: &str = "__";

/// Whether alerts can have these labels besides those that they all have.
pub(super) fn check_labels(key: &'static str, labels: &BTreeMap<String, String>, section: &mut Section<'_>) {
    for label in labels.keys() {
        let (expected, help) = if RESERVED.contains(&label.as_str()) {
            ("other labels than alertname, pool and severity, which every alert has", "choose another name")
        } else if !is_label(label) {
            (LABELS, "choose a name that Prometheus takes")
        } else if label.starts_with(INTERNAL) {
            ("names that do not begin with `__`, which Prometheus keeps for itself", "choose another name")
        } else {
            continue;
        };
        section.report_entry(key, label, Mistake::new(format!("the label {}", shown(label)), expected, help));
    }
}

/// What Prometheus takes for the name of a label.
pub(super) const LABELS: &str = "names of letters, digits and `_` that do not begin with a digit";

pub(super) fn is_label(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_';
    name.chars().all(fits) && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// How bad what an alert tells is; the word in the file is the name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertSeverity {
    /// `warning`: somebody should look at it.
    Warning,
    /// `error`: callers are served badly.
    Error,
    /// `critical`: callers are not served.
    Critical,
}

impl Word for AlertSeverity {
    const WORDS: &'static [(&'static str, Self)] =
        &[("warning", Self::Warning), ("error", Self::Error), ("critical", Self::Critical)];
}

/// How a metric is compared with a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AlertComparison {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl Word for AlertComparison {
    const WORDS: &'static [(&'static str, Self)] =
        &[(">", Self::Above), (">=", Self::AtLeast), ("<", Self::Below), ("<=", Self::AtMost)];
}
