//! What becomes of alerts of which nothing can be read, or nothing that is a number.

use super::*;
use crate::alert::AlertState;

fn patient() -> AlertRule {
    AlertRule { hold: seconds(60), ..busy() }
}

#[tokio::test]
async fn nothing_fires_for_want_of_data() {
    let mut driven = Driven::new(vec![patient()]);
    assert_eq!(driven.read(0.9), ["changed Busy orders pending threshold"]);
    for _ in 0..20 {
        assert_eq!(driven.read(None), [""; 0]);
        assert_eq!(driven.only().state, AlertState::Pending);
    }
    assert_eq!(driven.read(0.9), [TRIGGERED], "it is met, and was when it was read last");
}

#[tokio::test]
async fn a_pending_alert_vanishes_with_the_first_reading_that_does_not_meet_it() {
    let mut driven = Driven::new(vec![patient()]);
    driven.read(0.9);
    driven.read(None);
    driven.read(0.1);
    assert_eq!(driven.manager.all(), []);
}

#[tokio::test]
async fn an_alert_that_fires_goes_on_while_nothing_can_be_read_and_ends_when_nothing_has_happened() {
    let mut driven = Driven::new(vec![busy()]);
    driven.read(0.9);
    for _ in 0..20 {
        assert_eq!(driven.read(None), [""; 0]);
    }
    assert_eq!(driven.read(f64::NAN).len(), 1);
    let over = driven.manager.all().remove(0);
    assert_eq!((over.state, over.reason, over.value), (AlertState::Resolved, Reason::Threshold, 0.9));
    assert_eq!(over.transitions.last().unwrap().value, None);
    assert_eq!(over.message, "orders: most connections are in use: utilization is 90 % (> 80 %)");
}

#[tokio::test]
async fn no_number_is_no_want_of_data() {
    let mut driven =
        Driven::new(vec![AlertRule { on_no_data: NoData::Firing, keep_firing: seconds(60), ..busy() }]);
    driven.read(0.9);
    driven.read(f64::NAN);
    let kept = driven.only();
    assert_eq!((kept.state, kept.value), (AlertState::Recovering, 0.9));
    let snapshot = driven.manager.snapshot(driven.now, driven.time).to_json();
    assert!(snapshot.contains("0.9") && !snapshot.contains("NaN"), "{snapshot}");
}

#[tokio::test]
async fn a_rule_that_reads_something_else_now_is_not_judged_by_what_it_read_before() {
    let other = |change: fn(&mut Condition)| {
        let mut rule = busy();
        change(&mut rule.conditions[0]);
        rule
    };
    let waits = other(|condition| condition.metric = Metric::WaitP99);
    let for_long = other(|condition| condition.window = Some(seconds(300)));
    for changed in [waits, for_long] {
        let mut driven = Driven::new(vec![busy()]);
        driven.read(0.9);
        driven.manager.set_rules(vec![changed.clone()], driven.now, driven.time).unwrap();
        let alert = driven.only();
        assert!(alert.value.is_nan() && alert.message.ends_with(" cannot be read"), "{}", alert.message);
        assert_eq!(alert.metric, changed.conditions[0].metric);
        driven.read(None);
        assert_eq!(driven.manager.alerts(), []);

        let mut driven = Driven::new(vec![busy()]);
        driven.read(0.9);
        let id = driven.only().id;
        driven.manager.set_rules(vec![changed], driven.now, driven.time).unwrap();
        assert_eq!(driven.read(2.0), [""; 0]);
        assert_eq!((driven.only().id, driven.only().value), (id, 2.0), "it is met all the same, and goes on");
    }
}

#[tokio::test]
async fn what_is_pending_is_so_no_more_when_its_rule_reads_something_else() {
    let mut driven = Driven::new(vec![patient()]);
    driven.read(0.9);
    let mut waits = patient();
    waits.conditions[0].metric = Metric::WaitP99;
    driven.manager.set_rules(vec![waits], driven.now, driven.time).unwrap();
    driven.read(None);
    assert_eq!(driven.manager.all(), []);
}

#[tokio::test]
async fn a_rule_with_another_guard_keeps_its_value_and_is_judged_anew() {
    let mut driven = Driven::new(vec![busy()]);
    driven.read(0.9);
    let guard = Condition { metric: Metric::Requests, ..busy().conditions[0] };
    driven.manager.set_rules(vec![busy().and(guard)], driven.now, driven.time).unwrap();
    assert_eq!(driven.only().value, 0.9);
    driven.read(None);
    assert_eq!(driven.manager.alerts(), []);
}
