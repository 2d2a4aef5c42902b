//! `monitoring`: how measurements are collected, kept and judged, and which operations are written down.

mod alerts;
mod built_in;
mod history;
mod metric;
mod receiver;
mod rule;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::class::ReloadClass::{Live, Restart};
use crate::keys::{Keys, keys};
use crate::kind::{Flag, List, Millis, Optional, PathText, Share, Tags, Whole, Word, Words};
use crate::problem::Mistake;
use crate::section::{Origin, Section};

pub use alerts::{Alerts, Inhibition};
pub use built_in::BuiltInRule;
pub use history::HistoryTier;
pub use metric::MetricName;
pub use receiver::{AlertReceiver, ReceiverType};
pub use rule::{AlertComparison, AlertRuleConfig, AlertSeverity};

keys! {
    /// The section `monitoring`: how measurements are collected, kept and judged.
    ///
    /// Durations are written as whole milliseconds under keys that end in `_ms`.
    pub struct Monitoring {
        /// whether anything is measured over time
        enabled: bool = true, value("enabled", Flag, Live);

        /// the pause between two measurements
        collection_interval: Duration = Duration::from_secs(10),
            value("collection_interval_ms", Millis::POSITIVE, Live);

        /// how long a measurement is kept. At least two collection intervals, because one measurement alone is no history
        retention_period: Duration = Duration::from_secs(3600), value("retention_period_ms", Millis::POSITIVE, Live);

        /// measurements put together and kept for longer, the older the coarser. Without any, and with a `retention_period_ms` from a
        /// quarter of an hour to six hours, quarters of an hour are kept for six hours, as far as built-in rules look back
        tiers: Vec<HistoryTier> = Vec::new(), list("tiers");

        /// whether measurements raise alerts
        enable_alerts: bool = true, value("enable_alerts", Flag, Live);

        /// an alert is raised when a larger part of `max_connections` is in use
        connection_utilization_threshold: f64 = 0.8, value("connection_utilization_threshold", Share, Live);

        /// it is resolved when a smaller part is. Without it 0.9 of the threshold
        utilization_recovery_threshold: Option<f64> = None,
            value("utilization_recovery_threshold", Optional(Share), Live);

        /// an alert is raised when a larger part of the acquires fails
        error_rate_threshold: f64 = 0.05, value("error_rate_threshold", Share, Live);

        /// it is resolved when a smaller part does. Without it half the threshold
        error_rate_recovery_threshold: Option<f64> = None,
            value("error_rate_recovery_threshold", Optional(Share), Live);

        /// with fewer acquires in an interval their error rate is not judged
        error_rate_min_requests: u64 = 20,
            value("error_rate_min_requests", Whole::within(0..=1_000_000_000).of("acquires"), Live);

        /// labels of this process, such as `{replica: "${HOSTNAME}"}`, that webhooks and Alertmanagers are told with each alert: without
        /// them the alerts of several processes overwrite each other there. The alert's own labels win
        external_labels: BTreeMap<String, String> = BTreeMap::new(), value("external_labels", Tags, Live);

        /// what is worth an alert besides these two thresholds, how alerts are put together, and who is told
        alerts: Alerts = Alerts::default(), section("alerts");

        /// the most memory that the history of all pools may take
        max_memory_bytes: u64 = 64 * 1024 * 1024,
            value("max_memory_bytes", Whole::within(1 << 20..=1 << 40).of("bytes"), Live);

        /// which operations of pools are written to a file
        audit_log: AuditLog = AuditLog::default(), section("audit_log");
    }

    check(monitoring, section) {
        monitoring.check_retention(section);
        monitoring.check_tiers(section);
        monitoring.check_windows(section);
        monitoring.check_built_in_windows(section);
        rule::check_labels("external_labels", &monitoring.external_labels, section);
        check_recovery(
            section,
            ("connection_utilization_threshold", monitoring.connection_utilization_threshold),
            ("utilization_recovery_threshold", monitoring.utilization_recovery_threshold),
        );
        check_recovery(
            section,
            ("error_rate_threshold", monitoring.error_rate_threshold),
            ("error_rate_recovery_threshold", monitoring.error_rate_recovery_threshold),
        );
        monitoring.check_recovery_of_rules(section);
        monitoring.check_alerts_in_vain(section);
    }
}

impl Monitoring {
    /// What the field of this name is called in the file: `collection_interval_ms` for `collection_interval`.
    #[must_use]
    pub fn key_of(field: &str) -> Option<&'static str> {
        <Self as Keys>::key_of(field)
    }

    fn check_tiers(&self, section: &mut Section<'_>) {
        let keys = ["collection_interval_ms", "retention_period_ms"].map(|key| section.origin(key));
        if !keys.contains(&Origin::Refused) {
            history::check_tiers((self.collection_interval, self.retention_period), &self.tiers, section);
        }
    }

    /// The tiers that are kept: `tiers`, or if that is empty the one that is there by default.
    #[must_use]
    pub fn history_tiers(&self) -> Cow<'_, [HistoryTier]> {
        if !self.tiers.is_empty() {
            return Cow::Borrowed(&self.tiers);
        }
        let by_default = history::tier_by_default((self.collection_interval, self.retention_period));
        by_default.into_iter().collect()
    }

    /// The most memory that the history of one pool takes, in bytes.
    #[must_use]
    pub fn history_bytes_per_pool(&self) -> u64 {
        history::bytes_per_pool((self.collection_interval, self.retention_period), &self.history_tiers())
    }

    /// How far back measurements of any tier reach.
    fn longest_retention(&self) -> Duration {
        self.history_tiers().iter().map(|tier| tier.retention).fold(self.retention_period, Duration::max)
    }

    /// Whether the history reaches as far back as rules look.
    fn check_windows(&self, section: &mut Section<'_>) {
        let longest = self.longest_retention();
        for rule in &self.alerts.rules {
            let windows = [("window_ms", rule.window), ("short_window_ms", rule.short_window)];
            for (key, window) in windows.into_iter().filter_map(|(key, window)| Some((key, window?))) {
                let path = format!("alerts.rules[{:?}].{key}", rule.name);
                let (window_ms, longest_ms) = (window.as_millis(), longest.as_millis());
                if window > longest {
                    let found = format!("{window_ms} while measurements are kept for {longest_ms}");
                    let expected = "a window that the history reaches back to";
                    let help = "shorten it, raise retention_period_ms, or add to tiers";
                    section.report_below(&path, Mistake::new(found, expected, help));
                } else if window < self.collection_interval {
                    let interval_ms = self.collection_interval.as_millis();
                    let found = format!("{window_ms} while collection_interval_ms is {interval_ms}");
                    let expected = "at least collection_interval_ms: no measurement is shorter";
                    let help = "lengthen it, lower collection_interval_ms, or remove the key";
                    section.report_below(&path, Mistake::new(found, expected, help));
                }
            }
        }
    }

    /// Rules that are built in and look farther back than is kept are judged by what is kept. Who wrote nothing of that is not
    /// told: by default it is kept for long enough.
    fn check_built_in_windows(&self, section: &mut Section<'_>) {
        let kept = self.longest_retention();
        let written = ["tiers", "retention_period_ms"].into_iter().find(|key| section.is_written(key));
        let (Some(at), true) = (written, self.enabled && self.enable_alerts) else { return };
        // Who has to change it anyway is told one thing at a time.
        if section.origin("retention_period_ms") == Origin::Refused
            || self.retention_period < 2 * self.collection_interval
            || self.tiers.iter().any(|tier| tier.retention.is_zero())
        {
            return;
        }
        // One that the file gives another window is refused if that is too long.
        let stays = |built_in: &BuiltInRule| {
            let mut changes = self.alerts.rules.iter().filter(|rule| rule.name == built_in.name);
            changes.all(|rule| rule.enabled && rule.metric.is_none() && rule.window.is_none())
        };
        let beyond = BuiltInRule::ALL
            .iter()
            .filter(|rule| rule.window.is_some_and(|window| window > kept) && stays(rule));
        let beyond: Vec<(&str, Duration)> =
            beyond.filter_map(|rule| Some((rule.name, rule.window?))).collect();
        let Some(longest) = beyond.iter().map(|(_, window)| window.as_millis()).max() else { return };
        let rules: Vec<_> =
            beyond.iter().map(|(name, window)| format!("{name} {}", window.as_millis())).collect();
        let found = format!("{} while rules look farther back: {}", kept.as_millis(), rules.join(", "));
        let expected = "a history that reaches as far back: they are judged by what is kept";
        let help = format!(
            "add a tier with retention_ms: {longest}, give the rules a shorter window_ms, or switch them off"
        );
        section.warn(at, Mistake::new(found, expected, help));
    }

    /// A rule that is built in has a threshold also where the file says only where its alert ends.
    fn check_recovery_of_rules(&self, section: &mut Section<'_>) {
        for rule in self.alerts.rules.iter().filter(|rule| rule.threshold.is_none() && rule.metric.is_none())
        {
            let Some(built_in) = rule.built_in() else { continue };
            let (threshold, key) = match built_in.name {
                "PoolUtilizationHigh" => {
                    (self.connection_utilization_threshold, Some("connection_utilization_threshold"))
                }
                "PoolErrorRateHigh" => (self.error_rate_threshold, Some("error_rate_threshold")),
                _ => (built_in.threshold, None),
            };
            let path = |key: &str| format!("alerts.rules[{:?}].{key}", rule.name);
            let origins = [
                section.origin_below(&path("threshold")),
                key.map_or(Origin::Default, |key| section.origin(key)),
            ];
            if origins.contains(&Origin::Refused) {
                continue;
            }
            let (key, help) = match key {
                Some(key) => (format!("monitoring.{key}"), "change one of the two"),
                None => ("threshold".to_owned(), "change it, or write another threshold beside it"),
            };
            let built_in = if origins[1] == Origin::Default { " (built in)" } else { "" };
            let shown = format!("{key} is {threshold}{built_in}");
            if let Some(mistake) = rule.wrong_recovery(threshold, &shown, help) {
                section.report_below(&path("recovery_threshold"), mistake);
            }
        }
    }

    /// Who switches alerts off where rules and receivers stand hardly means both. The file of an environment may well do so, and a
    /// variable.
    fn check_alerts_in_vain(&self, section: &mut Section<'_>) {
        let key = "enable_alerts";
        let Origin::Written(off) = section.origin(key) else { return };
        if self.enable_alerts || section.is_reference(key) {
            return;
        }
        let alerts = &self.alerts;
        let lists =
            [("alerts.rules", alerts.rules.is_empty()), ("alerts.receivers", alerts.receivers.is_empty())];
        let is_beside = |key: &str| matches!(section.origin_below(key), Origin::Written(place) if place.source == off.source);
        let in_vain = lists.into_iter().filter(|(key, is_empty)| !is_empty && is_beside(key));
        let in_vain: Vec<_> = in_vain.map(|(key, _)| key).collect();
        if !in_vain.is_empty() {
            let found = format!("false beside {}", in_vain.join(" and "));
            let expected = "true: nothing is judged, and nobody is told";
            let help = "switch alerts on, or remove what is in vain";
            section.warn(key, Mistake::new(found, expected, help));
        }
    }

    fn check_retention(&self, section: &mut Section<'_>) {
        let (interval, retention) = ("collection_interval_ms", "retention_period_ms");
        let origins = [section.origin(retention), section.origin(interval)];
        if origins.contains(&Origin::Refused) || self.retention_period >= 2 * self.collection_interval {
            return;
        }
        let (retention_ms, interval_ms) =
            (self.retention_period.as_millis(), self.collection_interval.as_millis());
        let (at, found) = if origins[0] == Origin::Default {
            (interval, format!("{interval_ms} while {retention} is {retention_ms} (built in)"))
        } else {
            (retention, format!("{retention_ms} while {interval} is {interval_ms}"))
        };
        let expected = format!("{retention} at least twice {interval}");
        let help = format!("raise {retention} or lower {interval}");
        section.report(at, Mistake::new(found, expected, help));
    }
}

fn check_recovery(
    section: &mut Section<'_>,
    (threshold_key, threshold): (&'static str, f64),
    (recovery_key, recovery): (&'static str, Option<f64>),
) {
    let Some(recovery) = recovery else { return };
    let origin = section.origin(threshold_key);
    if origin != Origin::Refused && recovery >= threshold {
        let built_in = if origin == Origin::Default { " (built in)" } else { "" };
        let found = format!("{recovery} while {threshold_key} is {threshold}{built_in}");
        let expected = format!("{recovery_key} below {threshold_key}");
        let help = format!("lower {recovery_key} or raise {threshold_key}");
        section.report(recovery_key, Mistake::new(found, expected, help));
    }
}

keys! {
    /// The section `monitoring.audit_log`: operations of pools as lines of JSON.
    pub struct AuditLog {
        /// the file that the lines are added to. Without it nothing is written
        path: Option<PathBuf> = None, value("path", Optional(PathText), Restart);

        /// which operations are written
        events: Vec<AuditEvent> = AuditEvent::all(), value("events", List(Words::new()), Restart);
    }
}

/// An operation of a pool that can be written to the audit log; the word in the file is the name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AuditEvent {
    /// `acquire`: a connection was handed out.
    Acquire,
    /// `release`: it came back.
    Release,
    /// `create`: a connection was opened.
    Create,
    /// `close`: it was closed.
    Close,
    /// `error`: opening or acquiring one failed.
    Error,
    /// `reload`: the configuration was changed, or the change was refused.
    Reload,
}

impl AuditEvent {
    fn all() -> Vec<Self> {
        Self::WORDS.iter().map(|(_, event)| *event).collect()
    }
}

impl Word for AuditEvent {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("acquire", Self::Acquire),
        ("release", Self::Release),
        ("create", Self::Create),
        ("close", Self::Close),
        ("error", Self::Error),
        ("reload", Self::Reload),
    ];
}
