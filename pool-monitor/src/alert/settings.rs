//! How many alerts are kept, and how they are told.

use std::time::Duration;

use super::inhibition::InhibitRule;
use super::matcher::is_label_name;

/// How many alerts are kept, and how they are told. The names and numbers of grouping are Alertmanager's.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool_monitor::AlertSettings;
///
/// let settings = AlertSettings { group_wait: Duration::from_secs(5), ..AlertSettings::default() };
/// assert!(settings.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct AlertSettings {
    /// How many resolved alerts are kept; the oldest go first. That they are over is told in any case. Default 1,000; 0 = none.
    pub max_alert_history: usize,
    /// For how long at most resolved alerts are kept, and silences that are over. Default 24 h.
    pub alert_retention: Duration,
    /// How many alerts of one rule there may be at a time, pending ones included. A further one is not raised, but counted
    /// ([`AlertManager::refused`](super::AlertManager::refused)). Default 10,000; 0 = unlimited.
    pub max_active_per_rule: usize,
    /// Alerts that have the same values of these labels are told together. `...` = all labels. Default `alertname`, `pool`.
    pub group_by: Vec<String>,
    /// How long the first notification of a group waits for more alerts. Default 30 s.
    pub group_wait: Duration,
    /// How long after a notification the next one of its group may come. At least 1 s. Default 5 min.
    pub group_interval: Duration,
    /// How long after a notification it is repeated if nothing has changed; rounded up to a multiple of `group_interval`.
    /// Default 4 h.
    pub repeat_interval: Duration,
    /// Which alerts make others idle talk. Default [`InhibitRule::defaults`].
    pub inhibit: Vec<InhibitRule>,
    /// Whether alerts that come and go too often are told as flapping, once, instead of each time. Default on.
    pub flapping_detection: bool,
}

impl Default for AlertSettings {
    fn default() -> Self {
        AlertSettings {
            max_alert_history: 1_000,
            alert_retention: Duration::from_secs(24 * 3_600),
            max_active_per_rule: 10_000,
            group_by: vec!["alertname".to_owned(), "pool".to_owned()],
            group_wait: Duration::from_secs(30),
            group_interval: Duration::from_secs(5 * 60),
            repeat_interval: Duration::from_secs(4 * 3_600),
            inhibit: InhibitRule::defaults(),
            flapping_detection: true,
        }
    }
}

/// Says what is wrong with settings or rules; all of it at once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("accept the {subject}: {}", .problems.join("; "))]
#[non_exhaustive]
pub struct AlertSettingsError {
    /// What was not accepted, such as `alert rules`.
    pub subject: &'static str,
    /// Every problem found; never empty.
    pub problems: Vec<String>,
}

impl AlertSettingsError {
    pub(crate) fn unless_empty(subject: &'static str, problems: Vec<String>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(AlertSettingsError { subject, problems }) }
    }
}

impl AlertSettings {
    /// Keeps every sum of an instant and an interval far from the end of the clock.
    pub(crate) const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);
    /// The word for all labels in `group_by`.
    pub(crate) const ALL_LABELS: &'static str = "...";

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Names every setting that is out of its range, not just the first.
    pub fn check(&self) -> Result<(), AlertSettingsError> {
        let mut problems = Vec::new();
        let at_least_a_second = Duration::from_secs(1);
        for (name, duration, least) in [
            ("alert_retention", self.alert_retention, Duration::ZERO),
            ("group_wait", self.group_wait, Duration::ZERO),
            ("group_interval", self.group_interval, at_least_a_second),
            ("repeat_interval", self.repeat_interval, at_least_a_second),
        ] {
            if duration < least || duration > Self::LONGEST {
                problems.push(format!("{name} = {duration:?} must be from {least:?} to 10 years"));
            }
        }
        for label in &self.group_by {
            if label != Self::ALL_LABELS && !is_label_name(label) {
                problems.push(format!("group_by has {label:?}, which is no name of a label"));
            }
        }
        for (index, rule) in self.inhibit.iter().enumerate() {
            rule.check(index, &mut problems);
        }
        AlertSettingsError::unless_empty("alert settings", problems)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(AlertSettings::default().check(), Ok(()));
    }

    #[test]
    fn every_bad_setting_is_named_at_once() {
        let settings = AlertSettings {
            group_interval: Duration::ZERO,
            group_by: vec!["a-b".to_owned()],
            inhibit: vec![InhibitRule { source: vec![], target: vec![], equal: vec!["é".to_owned()] }],
            ..AlertSettings::default()
        };
        insta::assert_snapshot!(settings.check().unwrap_err(), @r#"accept the alert settings: group_interval = 0ns must be from 1s to 10 years; group_by has "a-b", which is no name of a label; inhibit[0].source is empty, so it would match every alert; inhibit[0].target is empty, so it would match every alert; inhibit[0].equal has "é", which is no name of a label"#);
    }
}
