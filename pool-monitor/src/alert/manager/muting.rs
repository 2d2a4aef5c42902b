//! Which alerts are muted now, and which acknowledgements are over.

use std::sync::Arc;

use super::super::fingerprint::Fingerprint;
use super::super::inhibition::Inhibition;
use super::super::silence::SilenceId;
use super::{AlertManager, Event, Events, Moment, Open};

/// What changes about one alert.
struct Change {
    fingerprint: Fingerprint,
    silenced_by: Vec<SilenceId>,
    inhibited_by: Vec<Fingerprint>,
    acknowledgement_ends: bool,
}

impl AlertManager {
    /// Brings up to date what depends on the time and on other alerts.
    pub(super) fn refresh(&mut self, moment: Moment, events: &mut Events) {
        let Moment { time, .. } = moment;
        if let Some(long_ago) = time.checked_sub(self.settings.alert_retention) {
            self.silences.forget_before(long_ago);
        }
        if self.open().next().is_none() {
            return;
        }
        for instance in self.instances.values_mut() {
            if let Some(open) = &instance.open {
                self.silences.compare(&open.alert.labels, &mut instance.silences);
            }
        }
        let active: Vec<_> = self.open().filter(|alert| alert.is_active()).map(|alert| &**alert).collect();
        let inhibition = Inhibition::new(&self.settings.inhibit, &active);
        let mut changes: Vec<Change> = Vec::new();
        for instance in self.instances.values() {
            let Some(Open { alert, .. }) = &instance.open else { continue };
            let silenced_by = self.silences.muting(&instance.silences, time);
            let inhibited_by: Vec<Fingerprint> = inhibition.muting(&alert.labels).into_iter().collect();
            let expires_at = alert.acknowledgement.as_ref().and_then(|known| known.expires_at);
            let acknowledgement_ends = expires_at.is_some_and(|end| end <= time);
            let is_same = silenced_by == alert.silenced_by && inhibited_by == alert.inhibited_by;
            if !is_same || acknowledgement_ends {
                let fingerprint = alert.fingerprint();
                changes.push(Change { fingerprint, silenced_by, inhibited_by, acknowledgement_ends });
            }
        }
        changes.sort_unstable_by_key(|change| change.fingerprint);
        for change in changes {
            self.change(change, events);
        }
    }

    fn change(&mut self, change: Change, events: &mut Events) {
        let Some(instance) = self.instances.get_mut(&change.fingerprint) else { return };
        let Some(open) = &mut instance.open else { return };
        let alert = Arc::make_mut(&mut open.alert);
        alert.silenced_by = change.silenced_by;
        alert.inhibited_by = change.inhibited_by;
        if change.acknowledgement_ends {
            alert.acknowledgement = None;
        }
        events.push(instance, self.round, Event::Changed(change.fingerprint));
    }
}
