//! What becomes of alerts when rules change.
//!
//! As in Prometheus: a rule with the same name and labels is the same rule, whatever else has changed, and its alerts go on. If it has become
//! more patient, alerts that have not been met for so long are pending again. The alerts of a rule that is gone are over. If a rule
//! reads something else now, its alerts go on only if the next evaluation finds it met: what was read before says nothing of that.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use super::super::fingerprint::Fingerprint;
use super::super::machine::{Course, Verdict};
use super::super::rule::AlertRule;
use super::super::settings::AlertSettingsError;
use super::super::{AlertEvent, AlertState, Reason};
use super::verbs::VerbError;
use super::{AlertManager, Event, Events, Moment, Open, Ruled};
use crate::condition::Condition;

impl AlertManager {
    /// The rules, in their order.
    pub fn rules(&self) -> impl Iterator<Item = &AlertRule> {
        self.rules.iter().map(|ruled| &*ruled.rule)
    }

    /// Sets what the first condition of a rule compares with, from the next evaluation on. Its recovery threshold has the proportion
    /// to it that it had when the rule came, whatever was set in between. Alerts stay as they are until then.
    ///
    /// # Errors
    ///
    /// There is no such rule, or the threshold is not a finite number.
    pub fn set_threshold(&mut self, rule: &str, threshold: f64) -> Result<(), VerbError> {
        let found = self.rules.iter_mut().find(|ruled| &*ruled.name == rule);
        let ruled = found.ok_or_else(|| VerbError::NoRule(rule.to_owned()))?;
        // Not the rule as it is: a threshold of 0 would leave no proportion for the next one.
        let mut changed = AlertRule::clone(&ruled.given);
        changed.set_threshold(threshold);
        changed.check().map_err(VerbError::Threshold)?;
        ruled.rule = Arc::new(changed);
        Ok(())
    }

    /// Sets all rules.
    ///
    /// # Errors
    ///
    /// Names everything that is wrong with them, or that two have one name. Then nothing changes.
    pub fn set_rules(
        &mut self,
        rules: Vec<AlertRule>,
        now: Instant,
        time: SystemTime,
    ) -> Result<Vec<AlertEvent>, AlertSettingsError> {
        AlertRule::check_all(&rules)?;
        let moment = Moment { now, time };
        let mut events = Events::default();
        self.round += 1;
        self.end_what_is_not_of(&rules, moment, &mut events);
        let mut before: HashMap<Arc<str>, Ruled> =
            self.rules.drain(..).map(|ruled| (Arc::clone(&ruled.name), ruled)).collect();
        for rule in rules {
            let mut ruled = Ruled::new(rule);
            if let Some(before) = before.remove(&ruled.name) {
                self.forget_what_was_read(&before, &ruled.rule);
                (ruled.pools, ruled.open, ruled.refused) = (before.pools, before.open, before.refused);
            }
            self.rules.push(ruled);
        }
        for index in 0..self.rules.len() {
            let mut pools: Vec<Fingerprint> = self.rules[index].pools.values().copied().collect();
            pools.sort_unstable();
            for fingerprint in pools {
                self.carry_over(fingerprint, index, moment, &mut events);
            }
        }
        Ok(self.told(events))
    }

    /// Resolves the alerts of rules that are no more, and of pools that their rules are not for any more.
    fn end_what_is_not_of(&mut self, rules: &[AlertRule], moment: Moment, events: &mut Events) {
        let by_name: HashMap<&str, &AlertRule> =
            rules.iter().map(|rule| (rule.name.as_str(), rule)).collect();
        let mut over: Vec<Fingerprint> = Vec::new();
        for ruled in &self.rules {
            let after = by_name
                .get(&*ruled.name)
                .filter(|after| (&after.labels, after.severity) == (&ruled.rule.labels, ruled.rule.severity));
            let goes_on = |pool: &str| after.is_some_and(|after| after.is_for(pool));
            let ends = ruled.pools.iter().filter(|(pool, _)| !goes_on(pool));
            over.extend(ends.map(|(_, fingerprint)| *fingerprint));
        }
        over.sort_unstable();
        for fingerprint in over {
            self.drop_instance(fingerprint, Reason::RuleChanged, moment, events);
        }
    }

    /// Forgets the verdicts on alerts, and their values, as far as the rule reads something else now.
    fn forget_what_was_read(&mut self, before: &Ruled, after: &AlertRule) {
        if before.rule.reads_as(after) {
            return;
        }
        let reading = |rule: &AlertRule| rule.conditions.first().map(Condition::reading);
        let has_value = reading(&before.rule) == reading(after);
        for fingerprint in before.pools.values() {
            let open = self.instances.get_mut(fingerprint).and_then(|instance| instance.open.as_mut());
            let Some(Open { course, alert }) = open else { continue };
            course.verdict = Verdict::Clear;
            if !has_value {
                Arc::make_mut(alert).value = f64::NAN;
            }
        }
    }

    /// Goes on with an alert under the new form of its rule.
    fn carry_over(&mut self, fingerprint: Fingerprint, index: usize, moment: Moment, events: &mut Events) {
        let Some(instance) = self.instances.get_mut(&fingerprint) else { return };
        instance.rule = index;
        let ruled = &mut self.rules[index];
        let Some(open) = &mut instance.open else { return };
        let alert = Arc::make_mut(&mut open.alert);
        let value = Some(alert.value).filter(|value| !value.is_nan());
        alert.message.clear(); // So that all is said anew.
        ruled.rule.describe(alert, &instance.pool, value);
        let course = open.course;
        let has_waited = moment.now.saturating_duration_since(course.active_at);
        if !course.state.is_active() || has_waited >= ruled.rule.hold {
            return;
        }
        let active_at = alert.active_at;
        let Some(alert) = instance.end(ruled, Reason::RuleChanged, None, moment) else { return };
        self.grouping.note(&alert, &self.settings, moment.now);
        self.history.push(Arc::clone(&alert), moment.now);
        (ruled.open, instance.episodes) = (ruled.open + 1, instance.episodes + 1);
        let course = Course { state: AlertState::Pending, keep_firing_since: None, ..course };
        instance.go_on(fingerprint, ruled, course, value, Reason::RuleChanged, moment);
        if let Some(open) = &mut instance.open {
            Arc::make_mut(&mut open.alert).active_at = active_at;
        }
        events.push(instance, self.round, Event::Resolved(alert));
    }
}
