//! A webhook that understands Alertmanager's.

use std::sync::Arc;

use super::http::Endpoint;
use super::payload::Webhook;
use super::{AlertSink, PushUrlError, SinkError, SinkFuture};
use crate::alert::{AlertState, Notification, NotificationStatus};

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
    name: String,
    endpoint: Endpoint,
    external_url: String,
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
        Ok(WebhookSink {
            name: name.into(),
            endpoint: Endpoint::parse(url)?,
            external_url: String::new(),
            max_alerts: 0,
            send_resolved: true,
        })
    }

    /// How many alerts are sent at most, the first of a group; 0 = all, the default. Those left out are counted in the payload.
    #[must_use]
    pub fn max_alerts(self, max_alerts: usize) -> Self {
        WebhookSink { max_alerts, ..self }
    }

    /// Whether it is told as well that alerts have ended. Default on.
    #[must_use]
    pub fn send_resolved(self, send_resolved: bool) -> Self {
        WebhookSink { send_resolved, ..self }
    }

    /// Where people find more about the alerts, which is sent along. Default: nothing.
    #[must_use]
    pub fn external_url(self, external_url: impl Into<String>) -> Self {
        WebhookSink { external_url: external_url.into(), ..self }
    }

    /// Sends `Authorization: Bearer` and this token.
    ///
    /// # Errors
    ///
    /// If a header cannot hold it.
    pub fn bearer_token(mut self, token: &str) -> Result<Self, PushUrlError> {
        self.endpoint.bearer(token)?;
        Ok(self)
    }

    /// Trusts the authorities in this PEM text, instead of those that the system trusts.
    ///
    /// # Errors
    ///
    /// If there is none in it, or the URL is not `https`.
    pub fn ca_certificate(mut self, pem: impl AsRef<[u8]>) -> Result<Self, PushUrlError> {
        self.endpoint.trust(pem.as_ref())?;
        Ok(self)
    }

    /// What is to be posted; `None` = nothing.
    fn payload(&self, notification: &Notification) -> Result<Option<Vec<u8>>, SinkError> {
        let mut told = notification.clone();
        if !self.send_resolved {
            if told.status == NotificationStatus::Resolved {
                return Ok(None);
            }
            told.alerts.retain(|alert| alert.state != AlertState::Resolved);
        }
        let told = told.truncated_to(self.max_alerts);
        let payload = Webhook::of(&told, &self.name, &self.external_url);
        let json = serde_json::to_vec(&payload);
        Ok(Some(json.map_err(|error| SinkError::Permanent { source: Box::new(error) })?))
    }
}

impl AlertSink for WebhookSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn notify(&self, notification: Arc<Notification>) -> SinkFuture<'_> {
        Box::pin(async move {
            match self.payload(&notification)? {
                Some(json) => self.endpoint.post(json).await,
                None => Ok(()),
            }
        })
    }
}
