//! Alerts as Alertmanager has them: in the payload of its webhooks, version 4, and as it is told of them, API version 2.

use std::time::SystemTime;

use serde::Serialize;

use super::push::Push;
use crate::alert::{Alert, AlertState, Labels, Notification, NotificationStatus, grouping, time};

/// What a webhook is sent. What alerts have in common is what those have that are sent, as Alertmanager has it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Webhook<'a> {
    version: &'static str,
    group_key: String,
    truncated_alerts: usize,
    status: &'static str,
    receiver: &'a str,
    group_labels: Labels,
    common_labels: Labels,
    common_annotations: Labels,
    #[serde(rename = "externalURL")]
    external_url: &'a str,
    #[serde(rename = "notification_reason")]
    reason: &'a str,
    alerts: Vec<WebhookAlert<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct WebhookAlert<'a> {
    status: &'static str,
    labels: Labels,
    annotations: &'a Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
    fingerprint: String,
}

/// When an alert ends that goes on, as Go writes a time that is not set.
const NO_TIME: &str = "0001-01-01T00:00:00Z";

impl<'a> Webhook<'a> {
    /// These alerts of a notification, of which so many were left out.
    pub(super) fn of(
        notification: &'a Notification,
        alerts: &[&'a Alert],
        truncated: usize,
        push: &'a Push,
    ) -> Self {
        let alerts: Vec<_> = alerts.iter().map(|alert| WebhookAlert::of(alert, push)).collect();
        let common_labels = Labels::common(alerts.iter().map(|alert| &alert.labels));
        let (group_key, group_labels) = group(notification, push, &common_labels);
        Webhook {
            version: "4",
            group_key,
            truncated_alerts: truncated,
            status: notification.status.as_str(),
            receiver: &push.name,
            group_labels,
            common_labels,
            common_annotations: Labels::common(alerts.iter().map(|alert| alert.annotations)),
            external_url: &push.external_url,
            reason: notification.reason.as_str(),
            alerts,
        }
    }
}

/// What a group is called, and its labels: whoever tells incidents apart by one of them must not take one process for another.
/// The external ones are always in what it is called, and among its labels unless an alert has another value for one.
fn group(notification: &Notification, push: &Push, common: &Labels) -> (String, Labels) {
    let Notification { group_key, group_labels, .. } = notification;
    if push.external_labels.is_empty() {
        return (group_key.clone(), group_labels.clone());
    }
    let labels = push.labelled(group_labels);
    let shared = labels.iter().filter(|(name, value)| common.get(name) == *value).collect();
    (grouping::group_key(&labels), shared)
}

impl<'a> WebhookAlert<'a> {
    fn of(alert: &'a Alert, push: &'a Push) -> Self {
        let is_over = alert.state == AlertState::Resolved;
        let status = if is_over { NotificationStatus::Resolved } else { NotificationStatus::Firing };
        let labels = push.labelled(&alert.labels);
        WebhookAlert {
            status: status.as_str(),
            fingerprint: labels.fingerprint().to_string(),
            labels,
            annotations: &alert.annotations,
            starts_at: time::show(alert.since()),
            ends_at: alert.ended_at.map_or_else(|| NO_TIME.to_owned(), time::show),
            generator_url: &push.external_url,
        }
    }
}

/// What an Alertmanager is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Postable<'a> {
    labels: Labels,
    annotations: &'a Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "str::is_empty")]
    generator_url: &'a str,
}

impl<'a> Postable<'a> {
    /// An alert that goes on is to be taken to do so until `valid_until`.
    pub(super) fn of(alert: &'a Alert, valid_until: SystemTime, push: &'a Push) -> Self {
        let ends_at = alert.ended_at.unwrap_or(valid_until);
        Postable {
            labels: push.labelled(&alert.labels),
            annotations: &alert.annotations,
            // An Alertmanager refuses what ends before it starts, which is what a clock that was set back makes of an alert.
            starts_at: time::show(alert.since().min(ends_at)),
            ends_at: time::show(ends_at),
            generator_url: &push.external_url,
        }
    }
}
