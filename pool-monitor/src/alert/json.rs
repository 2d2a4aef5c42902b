//! Alerts as JSON: our own shape, which has all there is, and the shapes of Prometheus' and Alertmanager's APIs.
//!
//! Ours has the fields of both under their names, so that what reads one of them finds what it looks for.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde::{Serialize, Serializer};
use serde_json::json;

use super::fingerprint::Fingerprint;
use super::silence::SilenceId;
use super::time::{rfc3339, rfc3339_option, show};
use super::{Acknowledgement, Alert, AlertId, AlertState, Labels, Reason, Severity, Transition};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shape<'a> {
    id: AlertId,
    fingerprint: Fingerprint,
    alertname: &'a str,
    r#type: Severity,
    state: AlertState,
    reason: Reason,
    status: Status<'a>,
    acknowledged: bool,
    acknowledgement: Option<&'a Acknowledgement>,
    pool: Option<&'a str>,
    labels: &'a Labels,
    annotations: &'a Labels,
    message: &'a str,
    metric: &'a str,
    comparison: &'a str,
    /// `null` if nothing could be read.
    value: f64,
    threshold: f64,
    recovery_threshold: Option<f64>,
    #[serde(with = "rfc3339")]
    active_at: SystemTime,
    #[serde(with = "rfc3339_option")]
    starts_at: Option<SystemTime>,
    #[serde(with = "rfc3339_option")]
    keep_firing_since: Option<SystemTime>,
    #[serde(with = "rfc3339_option")]
    ends_at: Option<SystemTime>,
    #[serde(with = "rfc3339")]
    updated_at: SystemTime,
    flapping: bool,
    occurrences: u32,
    transitions: &'a [Transition],
    #[serde(rename = "generatorURL")]
    generator_url: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Status<'a> {
    state: &'a str,
    silenced_by: &'a [SilenceId],
    inhibited_by: &'a [Fingerprint],
    muted_by: &'a [&'a str],
}

impl<'a> Status<'a> {
    fn of(alert: &'a Alert) -> Self {
        Status {
            state: if alert.is_suppressed() { "suppressed" } else { "active" },
            silenced_by: &alert.silenced_by,
            inhibited_by: &alert.inhibited_by,
            muted_by: &[],
        }
    }
}

impl Serialize for Alert {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = Shape {
            id: self.id,
            fingerprint: self.fingerprint(),
            alertname: &self.rule,
            r#type: self.severity,
            state: self.state,
            reason: self.reason,
            status: Status::of(self),
            acknowledged: self.is_acknowledged(),
            acknowledgement: self.acknowledgement.as_ref(),
            pool: self.pool.as_deref(),
            labels: &self.labels,
            annotations: &self.annotations,
            message: &self.message,
            metric: self.metric.name(),
            comparison: self.comparison.as_str(),
            value: self.value,
            threshold: self.threshold,
            recovery_threshold: self.recovery_threshold,
            active_at: self.active_at,
            starts_at: self.started_at,
            keep_firing_since: self.keep_firing_since,
            ends_at: self.ended_at,
            updated_at: self.updated_at,
            flapping: self.flapping,
            occurrences: self.occurrences,
            transitions: &self.transitions,
            generator_url: "",
        };
        shape.serialize(serializer)
    }
}

/// A list of alerts with all there is of each.
pub fn alerts_json(alerts: &[Arc<Alert>]) -> serde_json::Value {
    alerts.iter().map(|alert| json!(&**alert)).collect()
}

/// What Prometheus answers to `GET /api/v1/alerts`: those that are pending, and those that fire.
pub fn prometheus_alerts_json(alerts: &[Arc<Alert>]) -> serde_json::Value {
    let open = alerts.iter().filter(|alert| alert.state != AlertState::Resolved);
    let alerts = open.map(|alert| {
        let mut shown = json!({
            "labels": alert.labels,
            "annotations": alert.annotations,
            "state": if alert.is_active() { "firing" } else { "pending" },
            "activeAt": show(alert.active_at),
            "value": go_float(alert.value),
        });
        if let Some(since) = alert.keep_firing_since {
            shown["keepFiringSince"] = json!(show(since));
        }
        shown
    });
    json!({ "status": "success", "data": { "alerts": alerts.collect::<Vec<_>>() } })
}

/// What Alertmanager answers to `GET /api/v2/alerts`: those that fire. They end when they were not evaluated for `resolve_timeout`
/// (Alertmanager's is 5 min), so that nobody takes the last word of a process that is gone for how things are.
pub fn alertmanager_alerts_json(
    alerts: &[Arc<Alert>],
    receivers: &[&str],
    resolve_timeout: Duration,
) -> serde_json::Value {
    let receivers: Vec<_> = receivers.iter().map(|name| json!({ "name": name })).collect();
    let active = alerts.iter().filter(|alert| alert.is_active());
    let alerts = active.map(|alert| {
        json!({
            "labels": alert.labels,
            "annotations": alert.annotations,
            "startsAt": show(alert.since()),
            "endsAt": show(alert.updated_at.checked_add(resolve_timeout).unwrap_or(alert.updated_at)),
            "updatedAt": show(alert.updated_at),
            "fingerprint": alert.fingerprint(),
            "receivers": receivers,
            "status": Status::of(alert),
            "generatorURL": "",
        })
    });
    alerts.collect()
}

/// As Go writes the shortest form with an exponent, such as `9.3e-01`.
fn go_float(value: f64) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let text = format!("{value:e}");
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |exponent| ('-', exponent));
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
pub(super) mod samples;
#[cfg(test)]
mod tests;
