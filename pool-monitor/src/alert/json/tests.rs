//! The three shapes.

use super::samples::samples;
use super::*;

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap()
}

#[test]
fn our_shape_has_all_there_is() {
    let (alerts, _) = samples();
    insta::assert_snapshot!(pretty(&alerts_json(&alerts[..1])), @r#"
        [
          {
            "acknowledged": true,
            "acknowledgement": {
              "at": "2027-01-15T08:01:05.000Z",
              "by": "ada",
              "comment": "on it",
              "expiresAt": null,
              "sticky": false
            },
            "activeAt": "2027-01-15T08:00:00.000Z",
            "alertname": "PoolUtilizationHigh",
            "annotations": {
              "summary": "most connections are in use"
            },
            "comparison": ">",
            "endsAt": null,
            "fingerprint": "4f9b8b3a93527e08",
            "flapping": false,
            "generatorURL": "",
            "id": "4f9b8b3a93527e08-1",
            "keepFiringSince": null,
            "labels": {
              "alertname": "PoolUtilizationHigh",
              "family": "utilization",
              "pool": "localhost:5432/app",
              "severity": "warning"
            },
            "message": "localhost:5432/app: most connections are in use: utilization is 75 % (> 80 %)",
            "metric": "utilization",
            "occurrences": 1,
            "pool": "localhost:5432/app",
            "reason": "threshold",
            "recoveryThreshold": 0.72,
            "startsAt": "2027-01-15T08:00:00.000Z",
            "state": "recovering",
            "status": {
              "inhibitedBy": [],
              "mutedBy": [],
              "silencedBy": [],
              "state": "active"
            },
            "threshold": 0.8,
            "transitions": [
              {
                "at": "2027-01-15T08:00:00.000Z",
                "from": null,
                "reason": "threshold",
                "to": "pending",
                "value": 0.93
              },
              {
                "at": "2027-01-15T08:00:00.000Z",
                "from": "pending",
                "reason": "threshold",
                "to": "firing",
                "value": 0.93
              },
              {
                "at": "2027-01-15T08:00:05.000Z",
                "from": "firing",
                "reason": "threshold",
                "to": "recovering",
                "value": 0.75
              }
            ],
            "type": "warning",
            "updatedAt": "2027-01-15T08:00:05.000Z",
            "value": 0.75
          }
        ]
        "#);
}

#[test]
fn prometheus_shape_has_what_is_pending_and_what_fires() {
    let (alerts, _) = samples();
    insta::assert_snapshot!(pretty(&prometheus_alerts_json(&alerts)), @r#"
        {
          "data": {
            "alerts": [
              {
                "activeAt": "2027-01-15T08:00:00.000Z",
                "annotations": {
                  "summary": "most connections are in use"
                },
                "labels": {
                  "alertname": "PoolUtilizationHigh",
                  "family": "utilization",
                  "pool": "localhost:5432/app",
                  "severity": "warning"
                },
                "state": "firing",
                "value": "7.5e-01"
              },
              {
                "activeAt": "2027-01-15T08:00:00.000Z",
                "annotations": {
                  "summary": "there is no connection that works"
                },
                "labels": {
                  "alertname": "PoolNoConnections",
                  "family": "target",
                  "pool": "localhost:5432/app",
                  "severity": "critical"
                },
                "state": "pending",
                "value": "1e+00"
              }
            ]
          },
          "status": "success"
        }
        "#);
}

#[test]
fn alertmanagers_shape_has_what_fires() {
    let (alerts, _) = samples();
    let json = alertmanager_alerts_json(&alerts, &["hook"], Duration::from_secs(300));
    insta::assert_snapshot!(pretty(&json), @r#"
        [
          {
            "annotations": {
              "summary": "most connections are in use"
            },
            "endsAt": "2027-01-15T08:05:05.000Z",
            "fingerprint": "4f9b8b3a93527e08",
            "generatorURL": "",
            "labels": {
              "alertname": "PoolUtilizationHigh",
              "family": "utilization",
              "pool": "localhost:5432/app",
              "severity": "warning"
            },
            "receivers": [
              {
                "name": "hook"
              }
            ],
            "startsAt": "2027-01-15T08:00:00.000Z",
            "status": {
              "inhibitedBy": [],
              "mutedBy": [],
              "silencedBy": [],
              "state": "active"
            },
            "updatedAt": "2027-01-15T08:00:05.000Z"
          }
        ]
        "#);
}

#[test]
fn what_cannot_be_read_is_null() {
    let (alerts, _) = samples();
    let mut alert = Alert::clone(&alerts[0]);
    alert.value = f64::NAN;
    assert!(json!(alert)["value"].is_null());
}

#[test]
fn numbers_are_written_as_go_does() {
    let shown = [0.93, 1.0, 1e21, 1.5e-9, 0.0, -2.0, f64::NAN, f64::INFINITY].map(go_float);
    assert_eq!(shown, ["9.3e-01", "1e+00", "1e+21", "1.5e-09", "0e+00", "-2e+00", "NaN", "+Inf"]);
}
