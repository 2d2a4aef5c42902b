//! What survives a restart.

use proptest::prelude::*;
use serde_json::{Value, json};

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

/// Reads one pool so many times, and says what is told.
fn told_of(driven: &mut Driven, value: f64, times: usize) -> Vec<String> {
    let mut told = Vec::new();
    for _ in 0..times {
        driven.read(value);
        told.extend(driven.told());
    }
    told
}

#[tokio::test]
async fn the_end_of_what_was_told_is_told_though_the_process_ended_first() {
    let mut before = Driven::new(vec![busy()]);
    assert_eq!(told_of(&mut before, 0.9, 5), ["first notification: orders firing"]);
    assert_eq!(told_of(&mut before, 0.0, 1), [""; 0]);
    let ended = Arc::clone(&before.manager.all()[0]);
    let (mut after, restored) = restarted(&before, vec![busy()], seconds(5));
    assert_eq!(restored, 0);
    let told = loop {
        after.read(0.0);
        if let [told] = &after.manager.due(after.now, after.time)[..] {
            break Arc::clone(&told.alerts[0]);
        }
        assert!(after.time < ended.ended_at.unwrap() + seconds(600));
    };
    assert_eq!(told, ended, "all about it is as it was");
    assert_eq!(told_of(&mut after, 0.0, 400), [""; 0]);
    after.read(0.9);
    assert_eq!(after.only().id.episode, 2);
}

#[tokio::test]
async fn an_end_that_is_muted_at_the_restart_is_told_when_nothing_mutes_it() {
    let mut before = Driven::new(vec![busy()]);
    let silence = Silence {
        id: SilenceId(0),
        matchers: vec!["pool=orders".parse().unwrap()],
        starts_at: before.time + seconds(60),
        ends_at: before.time + seconds(3_000),
        created_by: "ada".to_owned(),
        comment: String::new(),
        updated_at: before.time,
    };
    before.manager.silence(silence, before.time).unwrap();
    told_of(&mut before, 0.9, 8);
    assert_eq!(told_of(&mut before, 0.0, 100), [""; 0]);
    let (mut after, _) = restarted(&before, vec![busy()], seconds(5));
    assert_eq!(told_of(&mut after, 0.0, 100), [""; 0]);
    let (mut after, _) = restarted(&after, vec![busy()], seconds(5));
    assert_eq!(told_of(&mut after, 0.0, 200), ["all alerts resolved: orders resolved"]);
}

#[tokio::test]
async fn what_was_told_and_cannot_go_on_after_a_restart_is_over_and_that_is_told() {
    let mut before = Driven::new(vec![busy()]);
    told_of(&mut before, 0.9, 5);
    let renamed = AlertRule { name: "Busier".to_owned(), ..busy() };
    let worse = AlertRule { severity: Severity::Critical, ..busy() };
    let of_users = AlertRule { pools: vec!["users".to_owned()], ..busy() };
    for (rule, away, reason) in [
        (renamed, seconds(5), "rule_changed"),
        (worse, seconds(5), "rule_changed"),
        (of_users, seconds(5), "rule_changed"),
        (busy(), seconds(3_601), "no_data"),
    ] {
        let (mut after, restored) = restarted(&before, vec![rule], away);
        assert_eq!(restored, 0);
        assert_eq!(after.read(0.0), [format!("resolved Busy orders resolved {reason}")]);
        assert_eq!(after.manager.all()[0].ended_at, Some(before.time + away));
        assert_eq!(told_of(&mut after, 0.0, 400), ["all alerts resolved: orders resolved"]);
    }
    let (mut after, _) = restarted(&before, vec![busy()], seconds(3_601));
    assert_eq!(told_of(&mut after, 0.9, 60), [""; 0], "it was told before, and goes on");
}

#[tokio::test]
async fn flapping_that_was_told_goes_on_after_a_restart_and_its_end_is_told() {
    let settings =
        AlertSettings { group_wait: Duration::ZERO, group_interval: seconds(1), ..AlertSettings::default() };
    let mut before = Driven::with(vec![busy()], settings);
    let mut told = Vec::new();
    for at in 0..9 {
        told.extend(told_of(&mut before, if at % 2 == 0 { 0.9 } else { 0.0 }, 1));
    }
    assert_eq!(told.last().unwrap(), "flapping started: orders resolved");
    let (mut after, _) = restarted(&before, vec![busy()], seconds(5));
    assert_eq!(told_of(&mut after, 0.9, 3), [""; 0], "it flaps still, and fires now");
    assert!(after.only().flapping);
    let (mut after, _) = restarted(&after, vec![busy()], seconds(5));
    assert_eq!(told_of(&mut after, 0.0, 400), ["flapping ended: orders resolved"]);
    for (rules, away) in [(vec![], seconds(5)), (vec![busy()], seconds(3_601))] {
        let (mut after, _) = restarted(&before, rules, away);
        assert_eq!(told_of(&mut after, 0.0, 400), ["flapping ended: orders resolved"]);
    }
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

#[tokio::test]
async fn flapping_of_which_nobody_was_told_is_told_after_a_restart() {
    let settings =
        AlertSettings { group_wait: Duration::ZERO, group_interval: seconds(1), ..AlertSettings::default() };
    // Muted when it began.
    let mut before = Driven::with(vec![busy()], settings.clone());
    let silence = Silence {
        id: SilenceId(0),
        matchers: vec!["pool=orders".parse().unwrap()],
        starts_at: before.time,
        ends_at: before.time + seconds(120),
        created_by: "ada".to_owned(),
        comment: String::new(),
        updated_at: before.time,
    };
    before.manager.silence(silence, before.time).unwrap();
    for at in 0..9 {
        assert_eq!(told_of(&mut before, if at % 2 == 0 { 0.9 } else { 0.0 }, 1), [""; 0]);
    }
    let (mut after, _) = restarted(&before, vec![busy()], seconds(5));
    assert_eq!(told_of(&mut after, 0.9, 5), ["flapping started: orders firing"]);

    // Not heard by everybody when the process ended, and over at that time.
    let mut before = Driven::with(vec![busy()], settings);
    let mut last = Vec::new();
    for at in 0..6 {
        before.read(if at % 2 == 0 { 0.9 } else { 0.0 });
        last = before.manager.due(before.now, before.time);
    }
    assert_eq!(last[0].reason, crate::alert::NotificationReason::FlappingStarted);
    let mut untold = crate::alert::Untold::default();
    untold.note(&last[0].alerts[0], last[0].reason);
    let snapshot = before.manager.snapshot_without(&untold, before.now, before.time);
    let mut after = Driven::with(vec![busy()], before.manager.settings().clone());
    after.manager.restore(snapshot, after.now, before.time);
    assert_eq!(told_of(&mut after, 0.0, 1), [""; 0], "it is over, and what it was is not known");
    assert_eq!(told_of(&mut after, 0.9, 2), ["flapping started: orders firing"]);
}

/// Numbers as they are, and those at which sums are too large.
fn number() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..50_u64).prop_map(Value::from),
        prop::sample::select(vec![u64::from(u32::MAX), u64::from(u32::MAX) - 1, u64::MAX, u64::MAX / 1_000])
            .prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        Just(Value::Null),
    ]
}

fn time() -> impl Strategy<Value = Value> {
    let times =
        ["1970-01-01T00:00:00Z", "2027-01-15T08:00:00.000Z", "9999-12-31T23:59:59.999Z", "0000-00-00", ""];
    prop_oneof![prop::sample::select(times.to_vec()).prop_map(Value::from), Just(Value::Null)]
}

fn episode() -> impl Strategy<Value = Value> {
    let states = || prop::sample::select(vec!["pending", "firing", "recovering", "resolved"]);
    let transition = (time(), states(), number()).prop_map(
        |(at, to, value)| json!({"at": at, "from": null, "to": to, "reason": "threshold", "value": value}),
    );
    let parts = (
        states(),
        [number(), number(), number(), number()],
        time(),
        prop::collection::vec(transition, 0..40),
    );
    parts.prop_map(|(state, [active, kept, told, value], at, transitions)| {
        json!({
            "state": state, "active_for_ms": active, "started_at": at, "kept_for_ms": kept, "told_ago_ms": told,
            "value": value, "transitions": transitions,
            "acknowledgement": {"by": "", "comment": "", "at": at, "expiresAt": at, "sticky": false},
        })
    })
}

/// An alert of which somebody was told.
fn told() -> impl Strategy<Value = Value> {
    let parts = ([number(), number(), number(), number()], [time(), time(), time()], any::<bool>());
    parts.prop_map(|([episode, fired, value, threshold], [active, started, ended], flapping)| {
        json!({
            "rule": "Busy", "pool": "orders", "severity": "warning", "labels": busy().labels_for("orders"),
            "annotations": {}, "message": "", "metric": "utilization", "comparison": ">", "value": value,
            "threshold": threshold, "recovery_threshold": null, "episode": episode, "fired": fired,
            "active_at": active, "started_at": started, "ended_at": ended, "reason": "threshold",
            "acknowledgement": null, "transitions": [], "flapping": flapping,
        })
    })
}

fn snapshot() -> impl Strategy<Value = Value> {
    let fingerprint = busy().labels_for("orders").fingerprint();
    let alert = (number(), number(), prop::option::of(episode())).prop_map(move |(episodes, fired, open)| {
        json!({
            "rule": "Busy", "pool": "orders", "fingerprint": fingerprint, "episodes": episodes, "fired": fired,
            "open": open, "flapping": {"changes": 1_048_575, "was_active": true, "is_flapping": true},
        })
    });
    let silence = (any::<u64>(), 0..3_u8, time(), time()).prop_map(|(id, near_the_end, from, to)| {
        let id = if near_the_end > 0 { u64::MAX - u64::from(near_the_end) + 1 } else { id };
        json!({
            "id": format!("silence-{id}"), "startsAt": from, "endsAt": to, "createdBy": "", "comment": "",
            "updatedAt": from,
            "matchers": [{"name": "pool", "value": "users", "isRegex": false, "isEqual": id % 2 == 0}],
        })
    });
    let parts = (
        prop::collection::vec(alert, 0..3),
        prop::collection::vec(silence, 0..3),
        time(),
        prop::collection::vec(told(), 0..3),
    );
    parts.prop_map(|(alerts, silences, at, told)| {
        json!({"version": 1, "taken_at": at, "alerts": alerts, "silences": silences, "told": told})
    })
}

/// A round of each kind of reading, of verbs, and of writing down what there is.
fn go_on(driven: &mut Driven) {
    for value in [Some(0.9), None, Some(0.75), Some(0.0), Some(0.9), Some(0.0)] {
        driven.read(value);
        driven.told();
    }
    let patient = AlertRule { hold: seconds(1_800), keep_firing: seconds(60), ..busy() };
    driven.read(0.9);
    driven.manager.set_rules(vec![patient], driven.now, driven.time).unwrap();
    driven.read(0.9);
    driven.read(0.0);
    let soon = driven.time + seconds(60);
    let silence = Silence {
        id: SilenceId(0),
        matchers: vec!["pool=users".parse().unwrap()],
        starts_at: driven.time,
        ends_at: soon,
        created_by: String::new(),
        comment: String::new(),
        updated_at: driven.time,
    };
    let one = driven.manager.silence(silence.clone(), driven.time).unwrap();
    let two = driven.manager.silence(silence, driven.time).unwrap();
    assert_ne!(one, two);
    let text = driven.manager.snapshot(driven.now, driven.time).to_json();
    assert!(AlertSnapshot::from_json(&text).is_ok());
    assert!(driven.manager.all().iter().all(|alert| alert.transitions.len() <= Alert::MAX_TRANSITIONS));
}

proptest! {
    #[test]
    fn whatever_a_snapshot_says_it_is_refused_or_goes_on(snapshot in snapshot(), is_patient in any::<bool>()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let Ok(snapshot) = AlertSnapshot::from_json(&snapshot.to_string()) else { return };
            let hold = if is_patient { seconds(1_800) } else { Duration::ZERO };
            let mut driven = Driven::new(vec![AlertRule { hold, ..busy() }]);
            driven.manager.restore(snapshot, driven.now, driven.time);
            go_on(&mut driven);
        });
    }

    #[test]
    fn whatever_is_not_a_snapshot_is_refused(text in "\\PC{0,60}") {
        prop_assert!(AlertSnapshot::from_json(&text).is_err());
    }
}

#[tokio::test]
async fn numbers_that_no_snapshot_of_ours_has_are_bounded() {
    let mut before = Driven::new(vec![busy()]);
    before.read(0.9);
    let text = before.manager.snapshot(before.now, before.time).to_json();
    for (from, to) in [
        ("\"episodes\": 1", "\"episodes\": 4294967295"),
        ("\"fired\": 1", "\"fired\": 4294967295"),
        ("\"episodes\": 1", "\"episodes\": 0"),
    ] {
        assert!(text.contains(from));
        let snapshot = AlertSnapshot::from_json(&text.replace(from, to)).unwrap();
        let mut after = Driven::new(vec![busy()]);
        assert_eq!(after.manager.restore(snapshot, after.now, after.time), 1);
        go_on(&mut after);
    }
}

#[tokio::test]
async fn a_silence_for_thousands_of_years_goes_on() {
    let mut before = Driven::new(vec![busy()]);
    let silence = Silence {
        id: SilenceId(0),
        matchers: vec!["pool=orders".parse().unwrap()],
        starts_at: before.time,
        ends_at: before.time + seconds(10_000 * 365 * 86_400),
        created_by: "ada".to_owned(),
        comment: String::new(),
        updated_at: before.time,
    };
    before.manager.silence(silence, before.time).unwrap();
    let (mut after, _) = restarted(&before, vec![busy()], seconds(5));
    after.read(0.9);
    assert!(after.only().is_suppressed());
}

#[tokio::test]
async fn a_silence_that_would_mute_everything_is_not_taken_in() {
    let driven = Driven::new(vec![busy()]);
    let at = "2027-01-15T08:00:00.000Z";
    let silence = |id: u64, matchers: Value| {
        json!({"id": format!("silence-{id}"), "matchers": matchers, "startsAt": at,
               "endsAt": "2028-01-15T08:00:00.000Z", "createdBy": "", "comment": "", "updatedAt": at})
    };
    let is_orders = json!([{"name": "pool", "value": "orders", "isRegex": false, "isEqual": true}]);
    let silences = [silence(1, json!([])), silence(2, is_orders.clone()), silence(u64::MAX, is_orders)];
    let text = json!({"version": 1, "taken_at": at, "alerts": [], "silences": silences}).to_string();
    let mut after = Driven::new(vec![busy()]);
    after.manager.restore(AlertSnapshot::from_json(&text).unwrap(), driven.now, driven.time);
    assert_eq!(after.manager.silences().iter().map(|silence| silence.id.0).collect::<Vec<_>>(), [2]);
    go_on(&mut after);
}
