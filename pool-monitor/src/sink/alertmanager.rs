//! Alerts handed to an Alertmanager.

use std::sync::Arc;
use std::time::Duration;

use super::payload::Postable;
use super::push::{Push, push_settings};
use super::{AlertSink, PushUrlError, Resend, ResendSettings, SinkFuture};
use crate::alert::{Labels, Notification};

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
    push: Push,
    resends: ResendSettings,
}

impl AlertmanagerSink {
    /// The Alertmanager at `url`, to which `/api/v2/alerts` is added. A user and a password in it become HTTP Basic.
    ///
    /// # Errors
    ///
    /// If it is no URL of `http` or `https`.
    pub fn new(name: impl Into<String>, url: &str) -> Result<Self, PushUrlError> {
        let mut push = Push::new(name, url)?;
        push.endpoint.join("/api/v2/alerts");
        Ok(AlertmanagerSink { push, resends: ResendSettings::default() })
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
}

push_settings!(AlertmanagerSink);

impl AlertSink for AlertmanagerSink {
    fn name(&self) -> &str {
        &self.push.name
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
            let alerts = resend.alerts.iter();
            let told: Vec<_> =
                alerts.map(|alert| Postable::of(alert, resend.valid_until, &self.push)).collect();
            self.push.post(&told).await
        })
    }
}
