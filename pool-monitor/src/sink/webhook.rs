//! A webhook that understands Alertmanager's.

use std::sync::Arc;

use super::payload::Webhook;
use super::push::{Push, push_settings};
use super::{AlertSink, PushUrlError, SinkFuture};
use crate::alert::{AlertState, Labels, Notification, NotificationReason, NotificationStatus};

/// Posts each notification as JSON: the payload of Alertmanager's webhooks, version 4. So whatever takes those takes these.
///
/// An answer of 2xx is success; 5xx, and no answer, are tried again; anything else is not. Its URL may hold secrets, in the path as
/// well: nothing shows more of it than host and port.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), pool_monitor::PushUrlError> {
/// use pool_monitor::WebhookSink;
///
/// let hook = WebhookSink::new("on-call", "https://hooks.example.com/services/canary")?.max_alerts(20);
/// assert!(!format!("{hook:?}").contains("canary"));
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct WebhookSink {
    push: Push,
    max_alerts: usize,
    send_resolved: bool,
}

impl WebhookSink {
    /// Posts to `url`. A user and a password in it become HTTP Basic.
    ///
    /// # Errors
    ///
    /// If it is no URL of `http` or `https`.
    pub fn new(name: impl Into<String>, url: &str) -> Result<Self, PushUrlError> {
        Ok(WebhookSink { push: Push::new(name, url)?, max_alerts: 0, send_resolved: true })
    }

    /// How many alerts are sent at most, the first of a group; 0 = all, the default. Those left out are counted in the payload.
    #[must_use]
    pub fn max_alerts(self, max_alerts: usize) -> Self {
        WebhookSink { max_alerts, ..self }
    }

    /// Whether it is told as well that alerts have ended. If not, a notification of which that is the only news is not posted.
    /// Default on.
    #[must_use]
    pub fn send_resolved(self, send_resolved: bool) -> Self {
        WebhookSink { send_resolved, ..self }
    }

    /// What is to be posted of a notification; `None` = nothing.
    pub(super) fn payload<'a>(&'a self, notification: &'a Notification) -> Option<Webhook<'a>> {
        let is_news_of_an_end = notification.status == NotificationStatus::Resolved
            || notification.reason == NotificationReason::SomeResolved;
        if is_news_of_an_end && !self.send_resolved {
            return None;
        }
        let alerts = notification.alerts.iter().map(|alert| &**alert);
        let mut alerts: Vec<_> =
            alerts.filter(|alert| self.send_resolved || alert.state != AlertState::Resolved).collect();
        let most = if self.max_alerts == 0 { alerts.len() } else { self.max_alerts };
        let truncated = notification.truncated + alerts.len().saturating_sub(most);
        alerts.truncate(most);
        Some(Webhook::of(notification, &alerts, truncated, &self.push))
    }
}

push_settings!(WebhookSink);

impl AlertSink for WebhookSink {
    fn name(&self) -> &str {
        &self.push.name
    }

    fn notify(&self, notification: Arc<Notification>) -> SinkFuture<'_> {
        Box::pin(async move {
            match self.payload(&notification) {
                Some(payload) => self.push.post(&payload).await,
                None => Ok(()),
            }
        })
    }
}
