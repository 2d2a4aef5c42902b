//! Where alerts are told: the log, a callback, a webhook, an Alertmanager; and who brings them there.
//!
//! | I want to … | use |
//! |---|---|
//! | have alerts in the log | [`LogSink`] |
//! | have a function called | [`CallbackSink`] |
//! | call a webhook that understands Alertmanager's | `WebhookSink` (feature `push`) |
//! | hand alerts to an Alertmanager | `AlertmanagerSink` (feature `push`) |
//! | tell them somewhere else | [`AlertSink`] |
//! | have all that done in the background, and again when it fails | [`AlertDispatcher`] |
//!
//! There are two kinds of sinks. Most are for people and take [`Notification`]s: alerts in groups, told when there is something
//! new, and now and then as a reminder. An Alertmanager makes the groups itself: it takes [`Resend`]s, which are the alerts one by one, again and
//! again while they fire. What was not said for a while is over for it, so alerts of a process that died end by themselves.

#[cfg(feature = "push")]
mod alertmanager;
mod callback;
mod dispatcher;
mod error;
#[cfg(feature = "push")]
mod http;
mod log;
mod missed;
#[cfg(feature = "push")]
mod payload;
#[cfg(feature = "push")]
mod push;
mod queue;
mod resend;
#[cfg(test)]
mod tests;
#[cfg(feature = "push")]
mod webhook;
mod worker;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

#[cfg(feature = "push")]
pub use alertmanager::AlertmanagerSink;
pub use callback::CallbackSink;
pub(crate) use dispatcher::Candidate;
pub use dispatcher::{AlertDispatcher, DispatcherSettings, SinkStats};
pub use error::SinkError;
#[cfg(feature = "push")]
pub use http::PushUrlError;
pub use log::LogSink;
#[cfg(feature = "push")]
pub use webhook::WebhookSink;

use crate::alert::{Alert, Notification};

/// What a sink's methods return.
pub type SinkFuture<'a> = Pin<Box<dyn Future<Output = Result<(), SinkError>> + Send + 'a>>;

/// A place to tell alerts.
///
/// The dispatcher calls one method of a sink at a time, each under [a timeout](DispatcherSettings::timeout), and drops its future when that
/// has passed. After an error that [may pass](SinkError::is_retryable) it calls again, later. A panic counts as an error that does not.
pub trait AlertSink: Send + Sync + 'static {
    /// Names it in the log, in statistics, and as the receiver in payloads.
    fn name(&self) -> &str;

    /// Tells a group of alerts.
    ///
    /// # Errors
    ///
    /// If it was not told.
    fn notify(&self, notification: Arc<Notification>) -> SinkFuture<'_>;

    /// `Some` if it is to be given alerts one by one, and how often. Then it gets no notifications. Asked once, at the start.
    fn resends(&self) -> Option<ResendSettings> {
        None
    }

    /// Tells alerts that fire, or have ended of late, one by one. Called only if [`resends`](Self::resends) is `Some`.
    ///
    /// # Errors
    ///
    /// If they were not told.
    fn resend(&self, resend: Resend) -> SinkFuture<'_> {
        drop(resend);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// How often alerts are told one by one, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResendSettings {
    /// Between two times that an alert is told that goes on. At least 100 ms. Default 60 s.
    pub interval: Duration,
    /// For how long one that has ended is told to have ended. Default 15 min.
    pub resolved_for: Duration,
    /// How long an alert that is told is to be taken to go on without a further word. Default 4 min: four intervals, of which three may be lost.
    pub lifetime: Duration,
    /// How many are told at once at most. Default 256.
    pub batch: usize,
}

impl ResendSettings {
    /// Every `interval`, and four times as long without a further word, but for at least four minutes.
    pub fn every(interval: Duration) -> Self {
        let lifetime = interval.max(Duration::from_secs(60)).saturating_mul(4);
        ResendSettings { interval, resolved_for: Duration::from_secs(15 * 60), lifetime, batch: 256 }
    }

    /// The same with times that clocks can be added to, and never again without a pause.
    fn within_bounds(self) -> Self {
        let (least, most) = (Duration::from_millis(100), Duration::from_secs(10 * 365 * 24 * 3_600));
        ResendSettings {
            interval: self.interval.clamp(least, most),
            resolved_for: self.resolved_for.min(most),
            lifetime: self.lifetime.min(most),
            batch: self.batch.max(1),
        }
    }
}

impl Default for ResendSettings {
    fn default() -> Self {
        ResendSettings::every(Duration::from_secs(60))
    }
}

/// Alerts to be told one by one.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Resend {
    /// Those that fire, or have ended of late.
    pub alerts: Vec<Arc<Alert>>,
    /// Until when those that fire are to be taken to go on.
    pub valid_until: SystemTime,
}
