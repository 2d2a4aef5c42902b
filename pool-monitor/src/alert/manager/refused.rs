//! Alerts that are not raised because their rule has too many.

use std::sync::Arc;

use super::{AlertManager, Ruled};

/// How many alerts of a rule were not raised because of [`max_active_per_rule`](super::AlertSettings::max_active_per_rule).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedAlerts {
    /// The rule's name.
    pub rule: Arc<str>,
    /// How many, in the last evaluation.
    pub now: usize,
    /// How many, since the rule has been there: one that goes on being refused counts once.
    pub total: u64,
}

/// What a rule has refused.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Refused {
    /// In this evaluation, or the last one.
    now: usize,
    total: u64,
    /// Whether it is known to those who are to be warned.
    is_told: bool,
}

impl Refused {
    /// Begins an evaluation.
    pub(super) fn begin(&mut self) {
        self.now = 0;
    }

    /// Counts an alert that is refused now, and was so in the evaluation before or not.
    pub(super) fn count(&mut self, was_refused: bool) {
        self.now += 1;
        self.total += u64::from(!was_refused);
    }

    /// Ends an evaluation.
    pub(super) fn end(&mut self) {
        self.is_told &= self.now > 0;
    }
}

impl AlertManager {
    /// How many alerts of each rule were not raised because there were as many already as
    /// [`max_active_per_rule`](super::AlertSettings::max_active_per_rule) allows, in the order of the rules.
    pub fn refused(&self) -> Vec<RefusedAlerts> {
        self.rules.iter().map(Ruled::refused_alerts).collect()
    }

    /// Those that have begun to refuse alerts and were not asked for since. For a warning.
    pub(crate) fn take_newly_refused(&mut self) -> Vec<RefusedAlerts> {
        let new = self.rules.iter_mut().filter(|ruled| ruled.refused.now > 0 && !ruled.refused.is_told);
        let told = new.map(|ruled| {
            ruled.refused.is_told = true;
            ruled.refused_alerts()
        });
        told.collect()
    }
}

impl Ruled {
    fn refused_alerts(&self) -> RefusedAlerts {
        RefusedAlerts { rule: Arc::clone(&self.name), now: self.refused.now, total: self.refused.total }
    }
}
