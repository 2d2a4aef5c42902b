//! The rules of alerts: those that are built in, as a configuration changes them, and its own.

use std::time::Duration;

use pool_config::{AlertComparison, AlertRuleConfig, AlertSeverity, Alerts, MetricName};
use pool_monitor::{AlertRule, Comparison, Condition, Metric, Severity};

/// `built_in` with what `config` says.
pub(super) fn rules(built_in: Vec<AlertRule>, config: &Alerts) -> Vec<AlertRule> {
    let mut rules = built_in;
    for changes in &config.rules {
        let known = rules.iter().position(|rule| rule.name == changes.name);
        match known {
            Some(index) if !changes.enabled => drop(rules.remove(index)),
            Some(index) => change(&mut rules[index], changes),
            None if !changes.enabled => {}
            // One that is not complete was refused when the file was read.
            None => rules.extend(own(changes, config)),
        }
    }
    rules
}

/// A rule that is not built in; `None` if the configuration was made in code and leaves out what it takes.
fn own(config: &AlertRuleConfig, alerts: &Alerts) -> Option<AlertRule> {
    let condition = condition(config)?;
    let mut rule = AlertRule {
        hold: alerts.hold,
        keep_firing: alerts.keep_firing,
        ..AlertRule::new(&config.name, Severity::Warning, condition)
    };
    change(&mut rule, config);
    Some(rule)
}

/// The first condition of a rule that says what is compared.
fn condition(config: &AlertRuleConfig) -> Option<Condition> {
    Some(Condition {
        metric: metric(config.metric?)?,
        window: config.window,
        comparison: config.comparison.map_or(Comparison::Above, comparison),
        threshold: config.threshold?,
    })
}

/// Has a rule be as it was but for what `config` says.
fn change(rule: &mut AlertRule, config: &AlertRuleConfig) {
    if let Some(first) = condition(config) {
        rule.conditions = vec![first];
        rule.recovery_threshold = None;
    }
    let Some(first) = rule.conditions.first().copied() else { return };
    if let Some(threshold) = config.threshold {
        rule.set_threshold(threshold);
    }
    // A second window of the same metric is no guard: it is the same question.
    let alike = rule.conditions.iter_mut().filter(|condition| condition.metric == first.metric);
    for condition in alike {
        condition.threshold = config.threshold.unwrap_or(condition.threshold);
        condition.comparison = config.comparison.map_or(condition.comparison, comparison);
    }
    set_windows(rule, config, first.metric);
    set_least_requests(rule, config);
    rule.severity = config.severity.map_or(rule.severity, severity);
    rule.hold = config.hold.unwrap_or(rule.hold);
    rule.keep_firing = config.keep_firing.unwrap_or(rule.keep_firing);
    // What is built in is of no use if the metric is to be left behind in the other direction.
    let has_turned =
        rule.conditions.first().is_some_and(|now| is_upper(now.comparison) != is_upper(first.comparison));
    let built_in = rule.recovery_threshold.filter(|_| !has_turned);
    rule.recovery_threshold = config.recovery_threshold.or(built_in);
    rule.pools.clone_from(&config.pools);
    for (name, value) in &config.labels {
        rule.labels.set(name.as_str(), value.as_str());
    }
    if let Some(summary) = &config.summary {
        rule.annotations.set("summary", summary.as_str());
    }
}

/// The first condition has the long window, a second one of the same metric the short one. What is compared over the same window as
/// the first stays with it, and the short one keeps its proportion.
fn set_windows(rule: &mut AlertRule, config: &AlertRuleConfig, metric: Metric) {
    let Some((first, others)) = rule.conditions.split_first_mut() else { return };
    if let Some(window) = config.window {
        let before = first.window.replace(window);
        for condition in others.iter_mut() {
            if condition.window == before {
                condition.window = Some(window);
            } else if let (Some(short), Some(before)) = (&mut condition.window, before)
                && condition.metric == metric
            {
                let proportion = short.div_duration_f64(before);
                *short = window.mul_f64(proportion).max(Duration::from_millis(1));
            }
        }
    }
    let Some(short) = config.short_window else { return };
    match others.iter_mut().find(|condition| condition.metric == metric) {
        Some(second) => second.window = Some(short),
        None => {
            let second = Condition { window: Some(short), ..*first };
            rule.conditions.push(second);
        }
    }
}

/// A guard, over the same window as what it guards.
fn set_least_requests(rule: &mut AlertRule, config: &AlertRuleConfig) {
    let Some(least) = config.min_requests else { return };
    let window = rule.conditions.first().and_then(|first| first.window);
    let mut is_first = true;
    rule.conditions.retain(|condition| std::mem::take(&mut is_first) || condition.metric != Metric::Requests);
    if least > 0 {
        let (comparison, threshold) = (Comparison::AtLeast, least as f64);
        rule.conditions.push(Condition { metric: Metric::Requests, window, comparison, threshold });
    }
}

pub(super) fn metric(name: MetricName) -> Option<Metric> {
    Metric::from_name(name.as_str())
}

fn is_upper(comparison: Comparison) -> bool {
    matches!(comparison, Comparison::Above | Comparison::AtLeast)
}

pub(super) fn comparison(config: AlertComparison) -> Comparison {
    match config {
        AlertComparison::Above => Comparison::Above,
        AlertComparison::AtLeast => Comparison::AtLeast,
        AlertComparison::Below => Comparison::Below,
        AlertComparison::AtMost => Comparison::AtMost,
    }
}

fn severity(config: AlertSeverity) -> Severity {
    match config {
        AlertSeverity::Warning => Severity::Warning,
        AlertSeverity::Error => Severity::Error,
        AlertSeverity::Critical => Severity::Critical,
    }
}
