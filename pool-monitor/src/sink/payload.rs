//! Alerts as Alertmanager has them: in the payload of its webhooks, version 4, and as it is told of them, API version 2.

use std::time::SystemTime;

use serde::Serialize;

use crate::alert::{Alert, AlertState, Labels, Notification, NotificationStatus, time};

/// What a webhook is sent.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Webhook<'a> {
    version: &'static str,
    group_key: &'a str,
    truncated_alerts: usize,
    status: &'static str,
    receiver: &'a str,
    group_labels: &'a Labels,
    common_labels: &'a Labels,
    common_annotations: &'a Labels,
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
    labels: &'a Labels,
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
    pub(super) fn of(notification: &'a Notification, receiver: &'a str, external_url: &'a str) -> Self {
        let alerts = notification.alerts.iter();
        Webhook {
            version: "4",
            group_key: &notification.group_key,
            truncated_alerts: notification.truncated,
            status: notification.status.as_str(),
            receiver,
            group_labels: &notification.group_labels,
            common_labels: &notification.common_labels,
            common_annotations: &notification.common_annotations,
            external_url,
            reason: notification.reason.as_str(),
            alerts: alerts.map(|alert| WebhookAlert::of(alert, external_url)).collect(),
        }
    }
}

impl<'a> WebhookAlert<'a> {
    fn of(alert: &'a Alert, external_url: &'a str) -> Self {
        let is_over = alert.state == AlertState::Resolved;
        let status = if is_over { NotificationStatus::Resolved } else { NotificationStatus::Firing };
        WebhookAlert {
            status: status.as_str(),
            labels: &alert.labels,
            annotations: &alert.annotations,
            starts_at: time::show(alert.since()),
            ends_at: alert.ended_at.map_or_else(|| NO_TIME.to_owned(), time::show),
            generator_url: external_url,
            fingerprint: alert.fingerprint().to_string(),
        }
    }
}

/// What an Alertmanager is told.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Postable<'a> {
    labels: &'a Labels,
    annotations: &'a Labels,
    starts_at: String,
    ends_at: String,
    #[serde(rename = "generatorURL", skip_serializing_if = "str::is_empty")]
    generator_url: &'a str,
}

impl<'a> Postable<'a> {
    /// An alert that goes on is to be taken to do so until `valid_until`.
    pub(super) fn of(alert: &'a Alert, valid_until: SystemTime, external_url: &'a str) -> Self {
        let ends_at = alert.ended_at.unwrap_or(valid_until);
        Postable {
            labels: &alert.labels,
            annotations: &alert.annotations,
            // An Alertmanager refuses what ends before it starts, which is what a clock that was set back makes of an alert.
            starts_at: time::show(alert.since().min(ends_at)),
            ends_at: time::show(ends_at),
            generator_url: external_url,
        }
    }
}
