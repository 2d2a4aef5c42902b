//! Which alerts make others idle talk: that a database is down explains that nobody gets a connection to it.
//!
//! Alertmanager's rules: while an alert matches `source`, those that match `target` and have the same values of the labels in
//! `equal` are muted. An alert that matches both is not muted by another one that does, so that none mutes itself.

use std::collections::HashMap;

use super::Alert;
use super::fingerprint::Fingerprint;
use super::labels::Labels;
use super::matcher::{MatchOperator, Matcher, is_label_name};

/// While an alert matches `source`, those that match `target` are muted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InhibitRule {
    /// All of these match the alert that mutes. At least one.
    pub source: Vec<Matcher>,
    /// All of these match the alerts that are muted. At least one.
    pub target: Vec<Matcher>,
    /// The labels that both must have in common. One that both lack is common to them.
    pub equal: Vec<String>,
}

impl InhibitRule {
    /// A target that is down mutes all other alerts of its pool; a critical alert mutes the warnings of its family.
    pub fn defaults() -> Vec<InhibitRule> {
        let matcher = |name: &str, operator, value: &str| {
            Matcher::new(name, operator, value).expect("it is neither a pattern nor a strange name")
        };
        let (is, is_not) = (MatchOperator::Equal, MatchOperator::NotEqual);
        vec![
            InhibitRule {
                source: vec![matcher("alertname", is, "PoolTargetDown")],
                target: vec![matcher("alertname", is_not, "PoolTargetDown"), matcher("pool", is_not, "")],
                equal: vec!["pool".to_owned()],
            },
            InhibitRule {
                source: vec![matcher("severity", is, "critical"), matcher("family", is_not, "")],
                target: vec![matcher("severity", is, "warning")],
                equal: vec!["pool".to_owned(), "family".to_owned()],
            },
        ]
    }

    pub(super) fn check(&self, index: usize, problems: &mut Vec<String>) {
        for (side, matchers) in [("source", &self.source), ("target", &self.target)] {
            if matchers.is_empty() {
                problems.push(format!("inhibit[{index}].{side} is empty, so it would match every alert"));
            }
        }
        for label in self.equal.iter().filter(|label| !is_label_name(label)) {
            problems.push(format!("inhibit[{index}].equal has {label:?}, which is no name of a label"));
        }
    }

    fn key<'a>(&'a self, labels: &'a Labels) -> Vec<&'a str> {
        self.equal.iter().map(|name| labels.get(name)).collect()
    }
}

fn all_match(matchers: &[Matcher], labels: &Labels) -> bool {
    matchers.iter().all(|matcher| matcher.matches(labels))
}

/// The alerts that mute others now, looked up by what they have in common with those.
pub(super) struct Inhibition<'a> {
    rules: Vec<(&'a InhibitRule, HashMap<Vec<&'a str>, Sources>)>,
}

/// Of one key: the least source, and the least of those that are no target.
#[derive(Default)]
struct Sources {
    any: Option<Fingerprint>,
    one_sided: Option<Fingerprint>,
}

impl<'a> Inhibition<'a> {
    /// From all alerts that fire or recover.
    pub(super) fn new(rules: &'a [InhibitRule], active: &[&'a Alert]) -> Self {
        let rules = rules.iter().map(|rule| {
            let mut sources: HashMap<Vec<&'a str>, Sources> = HashMap::new();
            for alert in active.iter().filter(|alert| all_match(&rule.source, &alert.labels)) {
                let entry = sources.entry(rule.key(&alert.labels)).or_default();
                let least = |than: Option<Fingerprint>| {
                    than.map_or(alert.id.fingerprint, |it| it.min(alert.id.fingerprint))
                };
                entry.any = Some(least(entry.any));
                if !all_match(&rule.target, &alert.labels) {
                    entry.one_sided = Some(least(entry.one_sided));
                }
            }
            (rule, sources)
        });
        Inhibition { rules: rules.collect() }
    }

    /// The alert that mutes those with these labels; of several, one.
    pub(super) fn muting(&self, labels: &Labels) -> Option<Fingerprint> {
        self.rules.iter().find_map(|(rule, sources)| {
            if sources.is_empty() || !all_match(&rule.target, labels) {
                return None;
            }
            let found = sources.get(&rule.key(labels))?;
            if all_match(&rule.source, labels) { found.one_sided } else { found.any }
        })
    }
}
