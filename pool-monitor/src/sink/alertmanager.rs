//! Alerts handed to an Alertmanager.

use std::sync::Arc;
use std::time::Duration;

use super::http::Endpoint;
use super::payload::Postable;
use super::{AlertSink, PushUrlError, Resend, ResendSettings, SinkError, SinkFuture};
use crate::alert::Notification;

/// Hands alerts to an Alertmanager over its API, version 2, as a Prometheus does: each when it fires, again every
/// [interval](Self::resend_interval), and when it has ended. One of which nothing was said for a while is over for the Alertmanager, so those
/// of a process that died end by themselves.
///
/// The Alertmanager groups, inhibits and silences by itself. So it gets all alerts that fire, those that are silenced or
/// inhibited here as well.
///
/// # Examples
///
/// ```
/// # fn main() -> Result<(), pool_monitor::PushUrlError> {
/// use pool_monitor::AlertmanagerSink;
///
/// let alertmanager = AlertmanagerSink::new("alertmanager", "http://localhost:9093")?;
/// # drop(alertmanager);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct AlertmanagerSink {
    name: String,
    endpoint: Endpoint,
    external_url: String,
    resends: ResendSettings,
}

impl AlertmanagerSink {
    /// The Alertmanager at `url`, to which `/api/v2/alerts` is added. A user and a password in it become HTTP Basic.
    ///
    /// # Errors
    ///
    /// If it is no URL of `http` or `https`.
    pub fn new(name: impl Into<String>, url: &str) -> Result<Self, PushUrlError> {
        let mut endpoint = Endpoint::parse(url)?;
        endpoint.join("/api/v2/alerts");
        let resends = ResendSettings::default();
        Ok(AlertmanagerSink { name: name.into(), endpoint, external_url: String::new(), resends })
    }

    /// How often an alert is told that goes on. Default 60 s. Without a further word it ends after four times as long, and after four
    /// minutes at the earliest.
    #[must_use]
    pub fn resend_interval(self, interval: Duration) -> Self {
        self.resends(ResendSettings::every(interval))
    }

    /// All that can be set about telling alerts again.
    #[must_use]
    pub fn resends(self, resends: ResendSettings) -> Self {
        AlertmanagerSink { resends, ..self }
    }

    /// Where people find more about the alerts, which is sent along. Default: nothing.
    #[must_use]
    pub fn external_url(self, external_url: impl Into<String>) -> Self {
        AlertmanagerSink { external_url: external_url.into(), ..self }
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
}

impl AlertSink for AlertmanagerSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn notify(&self, notification: Arc<Notification>) -> SinkFuture<'_> {
        // Never called by the dispatcher.
        drop(notification);
        Box::pin(std::future::ready(Ok(())))
    }

    fn resends(&self) -> Option<ResendSettings> {
        Some(self.resends)
    }

    fn resend(&self, resend: Resend) -> SinkFuture<'_> {
        Box::pin(async move {
            let told =
                resend.alerts.iter().map(|alert| Postable::of(alert, resend.valid_until, &self.external_url));
            let json = serde_json::to_vec(&told.collect::<Vec<_>>())
                .map_err(|error| SinkError::Permanent { source: Box::new(error) })?;
            self.endpoint.post(json).await
        })
    }
}
