//! What is wrong with a rule.

use std::time::Duration;

use crate::condition::Comparison;

use super::super::matcher::is_label_name;
use super::super::settings::AlertSettings;
use super::AlertRule;

/// Labels that every alert has anyway.
const TAKEN: [&str; 3] = ["alertname", "severity", "pool"];

pub(super) fn check(rule: &AlertRule, problems: &mut Vec<String>) {
    let mut found = Vec::new();
    if rule.name.trim().is_empty() {
        found.push("it has no name".to_owned());
    }
    check_conditions(rule, &mut found);
    for (name, duration) in [("hold", rule.hold), ("keep_firing", rule.keep_firing)] {
        if duration > AlertSettings::LONGEST {
            found.push(format!("{name} = {duration:?} must not exceed 10 years"));
        }
    }
    for (name, _) in rule.labels.iter() {
        if TAKEN.contains(&name) {
            found.push(format!("the label {name} is set by the monitor"));
        } else if !is_label_name(name) || name.starts_with("__") {
            found.push(format!("{name:?} is no name of a label"));
        }
    }
    for (name, _) in rule.annotations.iter().filter(|(name, _)| !is_label_name(name)) {
        found.push(format!("{name:?} is no name of an annotation"));
    }
    problems.extend(found.into_iter().map(|problem| format!("{}: {problem}", rule.name)));
}

fn check_conditions(rule: &AlertRule, found: &mut Vec<String>) {
    let Some(first) = rule.conditions.first() else {
        found.push("it has no condition".to_owned());
        return;
    };
    for condition in &rule.conditions {
        let (name, threshold) = (condition.metric.name(), condition.threshold);
        if !threshold.is_finite() {
            found.push(format!("the threshold of {name} is {threshold}, not a number to compare with"));
        }
        let window = condition.window;
        if window.is_some_and(|window| window < Duration::from_millis(1) || window > AlertSettings::LONGEST) {
            found.push(format!("the window of {name} must be from 1 ms to 10 years"));
        }
    }
    let Some(recovery) = rule.recovery_threshold else { return };
    let is_before = match first.comparison {
        Comparison::Above | Comparison::AtLeast => recovery <= first.threshold,
        Comparison::Below | Comparison::AtMost => recovery >= first.threshold,
    };
    if !is_before || !recovery.is_finite() {
        let (sign, threshold) = (first.comparison, first.threshold);
        found.push(format!("recovery_threshold = {recovery} makes no sense with {sign} {threshold}"));
    }
}
