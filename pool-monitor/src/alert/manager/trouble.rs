//! What alerts about targets say of those: where they are, and what is wrong with them.

use std::sync::Arc;

use super::super::fingerprint::Fingerprint;
use super::AlertManager;
use crate::condition::Readings;
use crate::metric::Metric;

/// The annotation that says it.
const DESCRIPTION: &str = "description";

impl AlertManager {
    /// Adds it to the message of an alert that is about a target, and as an annotation unless the rule has one of that name. What is
    /// said stays when nothing is wrong any more.
    pub(super) fn tell_trouble(&mut self, fingerprint: Fingerprint, readings: &dyn Readings) {
        let Some(instance) = self.instances.get_mut(&fingerprint) else { return };
        let Some(open) = &mut instance.open else { return };
        if !is_about_the_target(open.alert.metric) {
            return;
        }
        let Some(trouble) = readings.trouble() else { return };
        let rule = &self.rules[instance.rule].rule;
        let value = Some(open.alert.value).filter(|value| !value.is_nan());
        let message = format!("{}: {trouble}", rule.message(&instance.pool, value));
        if message == open.alert.message {
            return;
        }
        let alert = Arc::make_mut(&mut open.alert);
        alert.message = message;
        if rule.annotations.get(DESCRIPTION).is_empty() {
            alert.annotations.set(DESCRIPTION, trouble);
        }
    }
}

/// Whether what is wrong with the target is what the alert is about.
fn is_about_the_target(metric: Metric) -> bool {
    matches!(
        metric,
        Metric::TargetDown
            | Metric::NoConnections
            | Metric::ConnectFailed
            | Metric::ConnectFailureRate
            | Metric::BreakerOpen
            | Metric::RecoveryExhausted
            | Metric::Flapping
    )
}
