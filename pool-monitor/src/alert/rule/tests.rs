//! What rules make of readings, what they refuse, and what they say.

use std::collections::HashMap;

use super::*;
use crate::condition::{Comparison, brief};
use crate::metric::Metric;

/// Readings of the last collection; what is not there cannot be read.
struct Fixed(HashMap<Metric, f64>);

impl Readings for Fixed {
    fn read(&self, metric: Metric, _window: Option<Duration>) -> Option<f64> {
        self.0.get(&metric).copied()
    }
}

fn readings<const N: usize>(values: [(Metric, f64); N]) -> Fixed {
    Fixed(values.into_iter().collect())
}

fn condition(metric: Metric, comparison: Comparison, threshold: f64) -> Condition {
    Condition { metric, window: None, comparison, threshold }
}

fn guarded() -> AlertRule {
    AlertRule {
        recovery_threshold: Some(0.025),
        ..AlertRule::new("Errors", Severity::Error, condition(Metric::ErrorRate, Comparison::Above, 0.05))
            .and(condition(Metric::Requests, Comparison::AtLeast, 20.0))
    }
}

#[test]
fn a_rule_is_met_if_all_its_conditions_hold() {
    let verdict = |rate, requests| {
        guarded().judge(&readings([(Metric::ErrorRate, rate), (Metric::Requests, requests)])).verdict
    };
    assert_eq!(verdict(0.06, 20.0), Some(Verdict::Met));
    assert_eq!(verdict(0.06, 19.0), Some(Verdict::Clear));
    assert_eq!(verdict(0.05, 20.0), Some(Verdict::Held));
    assert_eq!(verdict(0.03, 19.0), Some(Verdict::Clear));
    assert_eq!(verdict(0.025, 20.0), Some(Verdict::Clear));
}

#[test]
fn what_cannot_be_read_leaves_the_verdict_open_unless_the_rest_decides_it() {
    let judge = |readings: &Fixed| guarded().judge(readings);
    assert_eq!(judge(&readings([(Metric::Requests, 0.0)])).verdict, Some(Verdict::Clear));
    assert_eq!(judge(&readings([(Metric::Requests, 50.0)])).verdict, None);
    assert_eq!(judge(&readings([(Metric::ErrorRate, 0.5)])).verdict, None);
    assert_eq!(judge(&readings([(Metric::ErrorRate, 0.0)])).verdict, Some(Verdict::Clear));
    let nan = judge(&readings([(Metric::ErrorRate, f64::NAN), (Metric::Requests, 50.0)]));
    assert_eq!(nan, Judgement { verdict: Some(Verdict::Clear), value: None });
}

#[test]
fn a_rule_may_watch_for_too_little() {
    let rule = AlertRule {
        recovery_threshold: Some(3.0),
        ..AlertRule::new("Few", Severity::Warning, condition(Metric::Idle, Comparison::Below, 2.0))
    };
    let verdict = |idle| rule.judge(&readings([(Metric::Idle, idle)])).verdict;
    assert_eq!([1.0, 2.0, 3.0].map(verdict), [Verdict::Met, Verdict::Held, Verdict::Clear].map(Some));
}

#[test]
fn a_new_threshold_takes_the_recovery_threshold_along() {
    let mut rule = guarded();
    rule.set_threshold(0.5);
    assert_eq!((rule.threshold(), rule.recovery_threshold), (0.5, Some(0.25)));
    rule.set_threshold(0.0);
    rule.set_threshold(0.1);
    assert_eq!((rule.threshold(), rule.recovery_threshold), (0.1, Some(0.1)));
}

#[test]
fn every_problem_of_every_rule_is_named_at_once() {
    let bad = AlertRule {
        conditions: vec![
            condition(Metric::Idle, Comparison::Above, f64::NAN),
            Condition { window: Some(Duration::ZERO), ..condition(Metric::Idle, Comparison::Below, 1.0) },
        ],
        recovery_threshold: Some(2.0),
        hold: Duration::MAX,
        labels: Labels::new().with("pool", "x").with("a-b", "c").with("__a", "d"),
        annotations: Labels::new().with("é", "x"),
        ..guarded()
    };
    let empty = AlertRule { name: " ".to_owned(), conditions: vec![], ..guarded() };
    let error = AlertRule::check_all(&[bad, empty, guarded()]).unwrap_err();
    insta::assert_snapshot!(error, @r#"accept the alert rules: Errors: the threshold of idle is NaN, not a number to compare with; Errors: the window of idle must be from 1 ms to 10 years; Errors: recovery_threshold = 2 makes no sense with > NaN; Errors: hold = 18446744073709551615.999999999s must not exceed 10 years; Errors: "__a" is no name of a label; Errors: "a-b" is no name of a label; Errors: the label pool is set by the monitor; Errors: "é" is no name of an annotation;  : it has no name;  : it has no condition; Errors: two rules have this name"#);
    let upside_down = AlertRule { recovery_threshold: Some(0.06), ..guarded() };
    insta::assert_snapshot!(upside_down.check().unwrap_err(), @"accept the alert rule: Errors: recovery_threshold = 0.06 makes no sense with > 0.05");
}

#[test]
fn a_message_says_which_pool_what_and_how_much() {
    let over = |metric, minutes: u64| Condition {
        window: Some(Duration::from_secs(60 * minutes)),
        ..condition(metric, Comparison::Above, 0.8)
    };
    let rule = |condition| AlertRule::new("Rule", Severity::Warning, condition);
    let busy =
        rule(condition(Metric::Utilization, Comparison::Above, 0.8)).summary("most connections are in use");
    let flag = rule(condition(Metric::TargetDown, Comparison::AtLeast, 1.0)).summary("the target is down");
    let messages = [
        busy.message("orders", Some(0.93333)),
        busy.message("orders", None),
        rule(over(Metric::WaitP99, 5)).message("orders", Some(1.25)),
        rule(over(Metric::TimedOut, 90)).message("orders", Some(12.0)),
        flag.message("orders", Some(1.0)),
    ];
    insta::assert_snapshot!(messages.join("\n"), @r#"
        orders: most connections are in use: utilization is 93.33 % (> 80 %)
        orders: most connections are in use: utilization cannot be read
        orders: wait_p99 over 5m is 1.25s (> 800ms)
        orders: timed_out over 90m is 12 (> 0.8)
        orders: the target is down
        "#);
}

#[test]
fn annotations_tell_value_and_labels_as_in_prometheus() {
    let rule = AlertRule {
        annotations: Labels::new().with(
            "description",
            "{{ $labels.pool }} is at {{$value}}; {{ $labels.team }}{{ $other }} {{ open",
        ),
        ..guarded()
    };
    let annotations = rule.annotations_for(&rule.labels_for("orders"), Some(0.25));
    assert_eq!(annotations.get("description"), "orders is at 0.25; {{ $other }} {{ open");
    assert!(rule.tells_the_value());
}

#[test]
fn windows_are_shown_in_the_largest_unit_that_fits() {
    let shown = [0, 1_500, 90_000, 300_000, 86_400_000, 5_400_000].map(|ms| brief(Duration::from_millis(ms)));
    assert_eq!(shown, ["0ms", "1500ms", "90s", "5m", "1d", "90m"]);
}
