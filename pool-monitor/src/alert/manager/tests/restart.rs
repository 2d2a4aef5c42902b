//! What survives a restart.

use super::*;
use crate::alert::{AlertSnapshot, SnapshotError};

/// Writes down what there is, lets the process be away, and goes on in a new one.
fn restarted(before: &Driven, rules: Vec<AlertRule>, away: Duration) -> (Driven, usize) {
    let text = before.manager.snapshot(before.now, before.time).to_json();
    let snapshot = AlertSnapshot::from_json(&text).unwrap();
    let mut after = Driven::with(rules, before.manager.settings().clone());
    // Another process has another clock.
    after.now = Instant::now() + seconds(1_000_000);
    after.time = before.time + away;
    let restored = after.manager.restore(snapshot, after.now, after.time);
    (after, restored)
}

#[tokio::test]
async fn an_alert_that_fires_goes_on_with_all_that_is_known_of_it() {
    let mut before = Driven::new(vec![busy()]);
    before.read(0.9);
    before.read(0.0);
    before.read(0.9);
    let known = Acknowledgement::new("ada", "on it", before.time);
    let alert = before.manager.acknowledge(before.only().id, known).unwrap();
    let (mut after, restored) = restarted(&before, vec![busy()], seconds(600));
    assert_eq!(restored, 1);
    let same = after.only();
    assert_eq!((same.id, same.state, same.occurrences), (alert.id, alert.state, 2));
    assert_eq!((same.active_at, same.started_at), (alert.active_at, alert.started_at));
    assert_eq!(same.acknowledgement, alert.acknowledgement);
    assert_eq!(same.transitions, alert.transitions);
    assert_eq!(same.message, alert.message);
    assert_eq!(after.read(0.9), [""; 0], "it is no news");
    assert_eq!(after.read(0.0), [RESOLVED]);
    after.read(0.9);
    assert_eq!(after.only().id.episode, 3);
}

#[tokio::test]
async fn a_pending_alert_waits_for_the_rest_of_its_time_without_that_of_the_outage() {
    let rule = AlertRule { hold: seconds(30), ..busy() };
    let mut before = Driven::new(vec![rule.clone()]);
    before.read(0.9);
    let (mut after, _) = restarted(&before, vec![rule], seconds(600));
    assert_eq!(after.read(0.9), [""; 0], "10 s of 30 s");
    assert_eq!(after.read(0.9), [""; 0]);
    assert_eq!(after.read(0.9), [TRIGGERED]);
}

#[tokio::test]
async fn a_patient_rule_waits_some_time_longer_after_a_restart() {
    let rule = AlertRule { hold: seconds(1_800), ..busy() };
    let mut before = Driven::new(vec![rule.clone()]);
    before.read(0.9);
    before.wait(seconds(1_780));
    let (mut after, _) = restarted(&before, vec![rule], seconds(60));
    after.wait(AlertSnapshot::GRACE - seconds(1));
    assert_eq!(after.read(0.9), [""; 0], "only ten minutes after the restart");
    assert_eq!(after.read(0.9), [TRIGGERED]);
}

#[tokio::test]
async fn after_a_long_outage_nothing_is_known_but_numbers_and_silences() {
    let mut before = Driven::new(vec![busy()]);
    before.read(0.9);
    let silence = Silence {
        id: SilenceId(0),
        matchers: vec!["pool=users".parse().unwrap()],
        starts_at: before.time,
        ends_at: before.time + seconds(86_400),
        created_by: "ada".to_owned(),
        comment: String::new(),
        updated_at: before.time,
    };
    before.manager.silence(silence, before.time).unwrap();
    let (mut after, restored) = restarted(&before, vec![busy()], seconds(3_601));
    assert_eq!(restored, 0);
    assert_eq!(after.manager.silences(), before.manager.silences());
    assert_eq!(after.read(0.9), [TRIGGERED]);
    assert_eq!(after.only().id.episode, 2);
}

#[tokio::test]
async fn what_was_told_before_is_not_told_again_and_its_end_is() {
    let mut before = Driven::new(vec![busy()]);
    for _ in 0..5 {
        before.read(0.9);
        before.told();
    }
    let (mut after, _) = restarted(&before, vec![busy()], seconds(60));
    for _ in 0..60 {
        after.read(0.9);
        assert_eq!(after.told(), [""; 0]);
    }
    let mut told = Vec::new();
    for _ in 0..31 {
        after.read(0.0);
        told.extend(after.told());
    }
    assert_eq!(told, ["all alerts resolved: orders resolved"]);
}

#[tokio::test]
async fn alerts_of_other_rules_and_of_pools_that_are_gone_do_not_go_on() {
    let mut before = Driven::new(vec![busy()]);
    before.read(0.9);
    let other = AlertRule { severity: Severity::Critical, ..busy() };
    assert_eq!(restarted(&before, vec![other], seconds(1)).1, 0);
    assert_eq!(restarted(&before, vec![], seconds(1)).1, 0);
    let (mut after, restored) = restarted(&before, vec![busy()], seconds(1));
    assert_eq!(restored, 1);
    assert_eq!(after.pools(&[]), ["resolved Busy orders resolved pool_removed"]);
}

#[tokio::test]
async fn what_is_kept_firing_is_kept_for_as_long_as_it_was_to_be() {
    let rule = AlertRule { keep_firing: seconds(60), ..busy() };
    let mut before = Driven::new(vec![rule.clone()]);
    before.read(0.9);
    before.read(0.0);
    let (mut after, _) = restarted(&before, vec![rule], seconds(30));
    assert_eq!(after.only().state, AlertState::Recovering);
    assert_eq!(after.read(0.0), [""; 0]);
    assert_eq!(after.read(0.0), [""; 0]);
    assert_eq!(after.read(0.0), [RESOLVED], "60 s, with those of the restart");
}

#[tokio::test]
async fn what_is_no_snapshot_is_refused() {
    assert!(matches!(AlertSnapshot::from_json("{"), Err(SnapshotError::Syntax(_))));
    let text = Driven::new(vec![]).manager.snapshot(Instant::now(), SystemTime::UNIX_EPOCH).to_json();
    let later = text.replace("\"version\": 1", "\"version\": 2");
    assert!(matches!(AlertSnapshot::from_json(&later), Err(SnapshotError::Version(2))));
}
