//! The dispatcher on a paused clock, and what sinks make of alerts.

mod dispatching;
mod logging;
mod resending;
#[cfg(feature = "push")]
mod sending;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::{Instant, sleep};

use super::*;
use crate::alert::{
    Alert, AlertId, AlertState, Labels, Notification, NotificationReason, NotificationStatus, Reason,
    Severity,
};

use crate::{Comparison, Metric};

/// An alert of an episode of the rule in the pool `orders`.
fn alert(rule: &str, episode: u32, state: AlertState) -> Arc<Alert> {
    let labels = Labels::new()
        .with("alertname", rule)
        .with("pool", "orders")
        .with("severity", Severity::Error.as_str());
    let began = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let is_over = state == AlertState::Resolved;
    Arc::new(Alert {
        id: AlertId { fingerprint: labels.fingerprint(), episode },
        rule: rule.into(),
        pool: Some("orders".into()),
        severity: Severity::Error,
        state,
        reason: Reason::Threshold,
        labels,
        annotations: Labels::new().with("summary", "too many errors"),
        message: "error_rate is 0.2, which is > 0.05".to_owned(),
        value: 0.2,
        metric: Metric::ErrorRate,
        comparison: Comparison::Above,
        threshold: 0.05,
        recovery_threshold: None,
        active_at: began,
        started_at: Some(began + Duration::from_secs(20)),
        keep_firing_since: None,
        ended_at: is_over.then_some(began + Duration::from_secs(60)),
        updated_at: began + Duration::from_secs(60),
        acknowledgement: None,
        silenced_by: Vec::new(),
        inhibited_by: Vec::new(),
        flapping: false,
        occurrences: episode,
        transitions: Vec::new(),
    })
}

/// A notification whose group has this name.
fn notification(group_key: &str, alerts: Vec<Arc<Alert>>) -> Arc<Notification> {
    let is_firing = alerts.iter().any(|alert| alert.is_active());
    Arc::new(Notification {
        group_key: group_key.to_owned(),
        group_labels: Labels::new().with("alertname", "PoolErrorRateHigh"),
        common_labels: Labels::new().with("pool", "orders"),
        common_annotations: Labels::new(),
        status: if is_firing { NotificationStatus::Firing } else { NotificationStatus::Resolved },
        reason: NotificationReason::First,
        alerts,
        truncated: 0,
    })
}

fn firing(group_key: &str) -> Arc<Notification> {
    notification(group_key, vec![alert("PoolErrorRateHigh", 1, AlertState::Firing)])
}

/// What a sink does when it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Act {
    Succeed,
    Fail(u16),
    Hang,
    Panic,
}

/// A sink that does what the script says, and succeeds when that is over.
#[derive(Debug, Default)]
struct Scripted {
    resends: Option<ResendSettings>,
    script: Mutex<VecDeque<Act>>,
    /// What it was called with, and when: group keys, or rules with states.
    calls: Mutex<Vec<(Instant, Vec<String>)>>,
}

impl Scripted {
    fn new(script: impl IntoIterator<Item = Act>) -> Arc<Self> {
        Arc::new(Scripted { script: Mutex::new(script.into_iter().collect()), ..Scripted::default() })
    }

    fn calls(&self) -> Vec<Vec<String>> {
        self.calls.lock().unwrap().iter().map(|(_, call)| call.clone()).collect()
    }

    fn times(&self, since: Instant) -> Vec<u64> {
        self.calls.lock().unwrap().iter().map(|(at, _)| (*at - since).as_secs()).collect()
    }

    fn called(&self, call: Vec<String>) -> SinkFuture<'_> {
        self.calls.lock().unwrap().push((Instant::now(), call));
        let act = self.script.lock().unwrap().pop_front().unwrap_or(Act::Succeed);
        assert!(act != Act::Panic, "told to panic");
        Box::pin(async move {
            match act {
                Act::Succeed | Act::Panic => Ok(()),
                Act::Fail(status) => Err(SinkError::Status { host: "hook:80".to_owned(), status }),
                Act::Hang => std::future::pending().await,
            }
        })
    }
}

impl AlertSink for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    fn notify(&self, notification: Arc<Notification>) -> SinkFuture<'_> {
        self.called(vec![notification.group_key.clone()])
    }

    fn resends(&self) -> Option<ResendSettings> {
        self.resends
    }

    fn resend(&self, resend: Resend) -> SinkFuture<'_> {
        let alerts = resend.alerts.iter();
        self.called(alerts.map(|alert| format!("{} {}", alert.rule, alert.state)).collect())
    }
}

fn start(sink: &Arc<Scripted>) -> AlertDispatcher {
    AlertDispatcher::start([Arc::clone(sink) as _], DispatcherSettings::default())
}

/// Lets this much of the paused clock pass.
async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}
