//! What people do with alerts.

use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use super::super::silence::{Silence, SilenceError, SilenceId};
use super::super::{Acknowledgement, Alert, AlertId, AlertState, Reason};
use super::{AlertManager, Moment, Open};

/// Says why something cannot be done with an alert or a rule.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum VerbError {
    /// There is no such alert, or it is forgotten.
    #[error("find the alert {0}: there is none, or it is forgotten")]
    NotFound(AlertId),
    /// It is not over. [`AlertManager::resolve`] ends it.
    #[error("clear the alert {id}: it is still {state}; only resolved alerts are cleared")]
    StillActive {
        /// Which one.
        id: AlertId,
        /// Where it is on its way.
        state: AlertState,
    },
    /// It is over.
    #[error("change the alert {0}: it is over")]
    Over(AlertId),
    /// There is no rule of this name.
    #[error("find the rule {0:?}: there is none of this name")]
    NoRule(String),
    /// The rule would be none.
    #[error("set the threshold")]
    Threshold(#[source] super::AlertSettingsError),
}

impl VerbError {
    /// Whether what it is about is not known.
    pub fn is_not_found(&self) -> bool {
        matches!(self, VerbError::NotFound(_) | VerbError::NoRule(_))
    }
}

impl AlertManager {
    /// Notes that somebody knows of an alert: it is not told again while the acknowledgement lasts, and stays as it is otherwise. See
    /// [`Acknowledgement`] for how long that is. A second one takes the place of the first; one that is the same changes nothing.
    ///
    /// # Errors
    ///
    /// There is no such alert, or it is over.
    pub fn acknowledge(
        &mut self,
        id: AlertId,
        acknowledgement: Acknowledgement,
    ) -> Result<Arc<Alert>, VerbError> {
        let alert = self.open_alert(id)?;
        let at = alert.acknowledgement.as_ref().map_or(acknowledgement.at, |known| known.at);
        let same = Acknowledgement { at, ..acknowledgement.clone() };
        if alert.acknowledgement.as_ref() != Some(&same) {
            Arc::make_mut(alert).acknowledgement = Some(acknowledgement);
        }
        Ok(Arc::clone(alert))
    }

    /// Takes an acknowledgement back. Does nothing if there is none.
    ///
    /// # Errors
    ///
    /// There is no such alert, or it is over.
    pub fn unacknowledge(&mut self, id: AlertId) -> Result<Arc<Alert>, VerbError> {
        let alert = self.open_alert(id)?;
        if alert.is_acknowledged() {
            Arc::make_mut(alert).acknowledgement = None;
        }
        Ok(Arc::clone(alert))
    }

    /// Ends the episode now. If its rule is still met at the next evaluation, a new one begins, with `hold` from the beginning. A pending alert
    /// vanishes.
    ///
    /// # Errors
    ///
    /// There is no such alert, or it is over.
    pub fn resolve(
        &mut self,
        id: AlertId,
        by: &str,
        now: Instant,
        time: SystemTime,
    ) -> Result<Arc<Alert>, VerbError> {
        let before = Arc::clone(self.open_alert(id)?);
        let Some(instance) = self.instances.get_mut(&id.fingerprint) else {
            return Err(VerbError::NotFound(id));
        };
        let ruled = &mut self.rules[instance.rule];
        let Some(mut alert) = instance.end(ruled, Reason::ManualResolve, None, Moment { now, time }) else {
            return Ok(before);
        };
        Arc::make_mut(&mut alert).annotations.set("resolved_by", by);
        self.grouping.note(&alert, &self.settings, now);
        self.history.push(Arc::clone(&alert), now);
        self.history.trim(self.settings.max_alert_history, self.settings.alert_retention, now);
        Ok(alert)
    }

    /// Removes an alert that is over from the history.
    ///
    /// # Errors
    ///
    /// There is no such alert, or it is not over: then it stays.
    pub fn clear(&mut self, id: AlertId) -> Result<Arc<Alert>, VerbError> {
        if let Ok(alert) = self.open_alert(id) {
            return Err(VerbError::StillActive { id, state: alert.state });
        }
        self.history.remove(id).ok_or(VerbError::NotFound(id))
    }

    /// Removes all alerts that are over from the history, and says how many they were.
    pub fn clear_resolved(&mut self) -> usize {
        self.history.clear()
    }

    /// Mutes alerts that match for a while, also those that do not exist yet. The id and the time of the change are given by the
    /// manager.
    ///
    /// # Errors
    ///
    /// It would mute everything, or nothing because it is over already, or there are too many silences.
    pub fn silence(&mut self, silence: Silence, time: SystemTime) -> Result<SilenceId, SilenceError> {
        self.silences.add(silence, time)
    }

    /// Ends a silence now. One that is over stays as it is.
    ///
    /// # Errors
    ///
    /// There is no such silence, or it is forgotten.
    pub fn expire_silence(&mut self, id: SilenceId, time: SystemTime) -> Result<(), SilenceError> {
        self.silences.expire(id, time)
    }

    /// All silences: to come, active, and over until they are forgotten.
    pub fn silences(&self) -> &[Silence] {
        self.silences.all()
    }

    /// The alert of this id that is not over.
    fn open_alert(&mut self, id: AlertId) -> Result<&mut Arc<Alert>, VerbError> {
        let is_over = self.history.find(id).is_some();
        let open = self.instances.get_mut(&id.fingerprint).and_then(|instance| instance.open.as_mut());
        match open {
            Some(Open { alert, .. }) if alert.id == id => Ok(alert),
            _ if is_over => Err(VerbError::Over(id)),
            _ => Err(VerbError::NotFound(id)),
        }
    }
}
