//! `monitoring.alerts`: what is worth an alert, how alerts are put together, and who is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::class::ReloadClass::{Live, Restart};
use crate::keys::keys;
use crate::kind::{List, Millis, Name, Optional, PathText, Tags, Whole};
use crate::problem::Mistake;
use crate::section::{Origin, Section};
use crate::shown::shown;
use crate::suggest::nearest;

use super::built_in::BuiltInRule;
use super::receiver::AlertReceiver;
use super::rule::{AlertRuleConfig, LABELS, is_label};

/// What stands for every label in `group_by`.
const ALL_LABELS: &str = "...";

const ALERTNAME: &str = "alertname";

/// The labels of every alert, and that of those of rules that are built in.
const LABELS_OF_ALL: [&str; 4] = [ALERTNAME, "pool", "severity", "family"];

const DAY: Duration = Duration::from_secs(24 * 3600);

keys! {
    /// The section `monitoring.alerts`: what is worth an alert, how alerts are put together, and who is told.
    pub struct Alerts {
        /// how long a condition must hold before its alert is raised, for the two thresholds of `monitoring` and for rules of your
        /// own that say nothing else
        hold: Duration = Duration::ZERO, value("for_ms", Millis::zero("at the first measurement"), Live);

        /// how long an alert stays when its condition holds no more, for all rules that say nothing else
        keep_firing: Duration = Duration::ZERO, value("keep_firing_for_ms", Millis::zero("not"), Live);

        /// how long an alert that is over can be looked at
        retention: Duration = DAY, value("alert_retention_ms", Millis::POSITIVE, Live);

        /// the most alerts that are over and can be looked at
        max_history: usize = 1000,
            value("max_alert_history", Whole::within(0..=100_000).of("alerts").zero("none"), Live);

        /// how long the first alert of a group waits for others to be told of with it
        group_wait: Duration = Duration::from_secs(30), value("group_wait_ms", Millis::zero("not"), Live);

        /// the pause before a group is told of again when something in it has changed
        group_interval: Duration = Duration::from_secs(5 * 60), value("group_interval_ms", Millis::at_least(1000), Live);

        /// the pause before a group is told of again when nothing has
        repeat_interval: Duration = Duration::from_secs(4 * 3600),
            value("repeat_interval_ms", Millis::at_least(1000), Live);

        /// the labels whose values alerts of one group have in common; `[...]` for all labels
        group_by: Vec<String> = vec!["alertname".to_owned(), "pool".to_owned()],
            value("group_by", List(Name), Live);

        /// the file in which alerts, acknowledgements and silences outlive the process. Without it they do not
        state_file: Option<PathBuf> = None, value("state_file", Optional(PathText), Restart);

        /// rules of your own, and changes of those that are built in
        rules: Vec<AlertRuleConfig> = Vec::new(), named_list("rules");

        /// which alerts keep others quiet, besides what is built in: an alert of `PoolTargetDown` all others of its pool, and a
        /// critical one the warning of the same kind
        inhibit: Vec<Inhibition> = Vec::new(), list("inhibit");

        /// who is told. Without any: the log
        receivers: Vec<AlertReceiver> = Vec::new(), named_list("receivers");
    }

    check(alerts, section) {
        if alerts.group_by != [ALL_LABELS] {
            check_label_names("group_by", &alerts.group_by, section);
            alerts.check_labels_of_groups(section);
        }
        alerts.check_names_of_inhibitions(section);
        let (repeat, group) = ("repeat_interval_ms", "group_interval_ms");
        let refused = [repeat, group].map(|key| section.origin(key)).contains(&Origin::Refused);
        if !refused && alerts.repeat_interval < alerts.group_interval {
            let at = if section.is_written(repeat) { repeat } else { group };
            let expected = "repeat_interval_ms at least group_interval_ms: a group is looked at no more often";
            let help = "raise repeat_interval_ms or lower group_interval_ms";
            section.warn(at, Mistake::new(section.shown(at), expected, help));
        }
    }
}

impl Alerts {
    /// A label that no alert has is empty in all of them, and groups nothing. Rules that the program adds are not known here.
    fn check_labels_of_groups(&self, section: &mut Section<'_>) {
        let of_rules = self.rules.iter().flat_map(|rule| rule.labels.keys());
        let known: Vec<_> = LABELS_OF_ALL.into_iter().chain(of_rules.map(String::as_str)).collect();
        for label in self.group_by.iter().filter(|label| is_label(label) && !known.contains(&label.as_str()))
        {
            let found = format!("the label {}, which no rule gives its alerts", shown(label));
            let help = help_for(label, &known, "remove it, or add it to `labels` of a rule");
            section.warn_entry("group_by", label, Mistake::new(found, "labels that alerts have", help));
        }
    }

    /// An alert of a name that no rule has keeps nothing quiet, and is not kept quiet.
    fn check_names_of_inhibitions(&self, section: &mut Section<'_>) {
        let own = self.rules.iter().map(|rule| rule.name.as_str());
        let known: Vec<_> = BuiltInRule::ALL.iter().map(|rule| rule.name).chain(own).collect();
        for (index, inhibition) in self.inhibit.iter().enumerate() {
            for (key, labels) in [("source", &inhibition.source), ("target", &inhibition.target)] {
                let Some(name) = labels.get(ALERTNAME).filter(|name| !known.contains(&name.as_str())) else {
                    continue;
                };
                let found = format!("the alertname {}, which no rule has", shown(name));
                let help = help_for(name, &known, "remove it, unless the program adds a rule of this name");
                let path = format!("inhibit[{index}].{key}");
                section.warn_below(&path, Mistake::new(found, "the name of a rule", help));
            }
        }
    }
}

/// What to write instead of `word`, if that can be guessed.
fn help_for(word: &str, known: &[&str], otherwise: &str) -> String {
    nearest(word, known).map_or_else(|| otherwise.to_owned(), |known| format!("did you mean `{known}`?"))
}

keys! {
    /// An entry of `monitoring.alerts.inhibit`: while an alert with the labels of `source` is there, nobody is told of those with
    /// the labels of `target`.
    pub struct Inhibition {
        /// the labels of the alert that keeps others quiet, such as `{alertname: PoolTargetDown}`
        source: BTreeMap<String, String> = BTreeMap::new(), required("source", Tags, Live);

        /// the labels of those that are kept quiet, such as `{severity: warning}`
        target: BTreeMap<String, String> = BTreeMap::new(), required("target", Tags, Live);

        /// the labels that both must have alike, such as `[pool]`
        equal: Vec<String> = Vec::new(), value("equal", List(Name), Live);
    }

    check(inhibition, section) {
        for (key, labels) in [("source", &inhibition.source), ("target", &inhibition.target)] {
            let names: Vec<_> = labels.keys().cloned().collect();
            check_label_names(key, &names, section);
            if section.is_written(key) && labels.is_empty() {
                let help = "write the labels, such as `{severity: warning}`";
                let mistake = Mistake::new("no label", "at least one label: none would mean every alert", help);
                section.report(key, mistake);
            }
        }
        check_label_names("equal", &inhibition.equal, section);
    }
}

fn check_label_names(key: &'static str, names: &[String], section: &mut Section<'_>) {
    for name in names.iter().filter(|name| !is_label(name)) {
        let mistake = Mistake::new(format!("the label {}", shown(name)), LABELS, "use the name of a label");
        section.report_entry(key, name, mistake);
    }
}
