//! Alerts in the log.

use std::sync::Arc;

use super::{AlertSink, SinkFuture};
use crate::alert::{Alert, AlertState, Notification, Severity};

/// Writes each alert of a notification to the log: one that fires as an error, or as a warning if it is one, and one that has
/// ended as information. The target is `pool_monitor::alerts`.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct LogSink;

impl LogSink {
    /// One of the name `log`.
    pub fn new() -> Self {
        LogSink
    }
}

impl AlertSink for LogSink {
    fn name(&self) -> &str {
        "log"
    }

    fn notify(&self, notification: Arc<Notification>) -> SinkFuture<'_> {
        notification.alerts.iter().for_each(|alert| write(alert));
        if notification.truncated > 0 {
            tracing::warn!(target: TARGET, "and {} more alerts of this group", notification.truncated);
        }
        Box::pin(std::future::ready(Ok(())))
    }
}

const TARGET: &str = "pool_monitor::alerts";

fn write(alert: &Alert) {
    let Alert { rule, severity, state, message, value, threshold, .. } = alert;
    let pool = alert.pool.as_deref().unwrap_or("-");
    macro_rules! line {
        ($level:ident, $what:literal) => {
            tracing::$level!(target: TARGET, alert = %rule, pool, value, threshold, concat!($what, ": {}"), message)
        };
    }
    match (state, severity) {
        (AlertState::Resolved, _) => line!(info, "resolved"),
        (_, Severity::Warning) => line!(warn, "warning"),
        (_, Severity::Critical) => line!(error, "critical"),
        (_, _) => line!(error, "error"),
    }
}
