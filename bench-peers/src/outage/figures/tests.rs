//! Figures of made-up runs.

use super::*;
use crate::outage::experiment::Residue;

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A fault from 3 s to 8 s, seen until 11 s, with a limit of 2 s.
fn trace(requests: Vec<Request>, connects: &[u64]) -> Trace {
    Trace {
        baseline: at(1_000),
        fault: at(3_000),
        in_force: at(3_010),
        heal: at(8_000),
        end: at(11_000),
        limit: Some(at(2_000)),
        requests,
        turned_away: Vec::new(),
        connects: connects.iter().copied().map(at).collect(),
        residue: Residue::default(),
    }
}

fn request(began: u64, acquired: u64, ended: u64, outcome: Outcome) -> Request {
    let idle = (!matches!(outcome, Outcome::NotAcquired(_))).then(|| at(600));
    Request {
        scheduled: at(began),
        began: at(began),
        acquired: at(acquired),
        ended: at(ended),
        idle,
        outcome,
    }
}

fn refused(began: u64, took: u64) -> Request {
    request(began, began + took, began + took, Outcome::NotAcquired(Failure::explained("acquire: refused")))
}

fn unanswered(acquired: u64, idle: u64) -> Request {
    let outcome = Outcome::NotAnswered(Failure::unexplained("query: no answer"));
    Request { idle: Some(at(idle)), ..request(acquired, acquired, acquired + 1_000, outcome) }
}

fn answered(began: u64) -> Request {
    request(began, began, began + 2, Outcome::Done)
}

/// A hundred in a second, from `from` to `to`.
fn steady(from: u64, to: u64) -> impl Iterator<Item = Request> {
    (from..to).step_by(10).map(answered)
}

#[test]
fn a_run_without_a_fault_has_no_figures_to_speak_of() {
    let figures = Figures::of(&trace(steady(0, 11_000).collect(), &[]));
    assert_eq!((figures.t_detect_ms, figures.overrun_ms, figures.t95_ms), (None, Some(0.0), Some(0.0)));
    assert_eq!((figures.baseline_per_second, figures.blocked_caller_seconds), (100.0, 0.0));
    assert!(figures.t_first_ms.unwrap() <= 10.0 && figures.last_error_ms == 0.0);
}

#[test]
fn an_outage_is_detected_by_the_first_error_and_over_with_the_last() {
    let all = steady(0, 3_000).chain([refused(3_100, 400), refused(8_100, 5)]).chain(steady(8_400, 11_000));
    let figures = Figures::of(&trace(all.collect(), &[]));
    assert_eq!(figures.t_detect_ms, Some(500.0));
    assert_eq!(figures.last_error_ms, 105.0);
    assert_eq!(figures.t_first_ms, Some(402.0));
    assert_eq!(figures.t95_ms, Some(350.0), "of the 100 in the second from then on 95 are answered");
    assert_eq!(figures.errors["acquire: refused"], 2);
}

#[test]
fn errors_while_down_are_those_that_began_when_it_was_known() {
    let first = [refused(3_100, 400), refused(3_200, 300)];
    let known = (0..100).map(|n| refused(4_000 + n, 1 + n / 99));
    let late = refused(7_999, 100);
    let figures = Figures::of(&trace(first.into_iter().chain(known).chain([late]).collect(), &[]));
    assert_eq!(figures.errors_while_down, 100);
    assert_eq!((figures.error_p50_ms, figures.error_p99_ms), (Some(1.0), Some(1.0)));
    assert_eq!(figures.explained_pct, Some(100.0));
}

#[test]
fn a_percentile_is_a_figure_that_was_measured() {
    let hundred: Vec<_> = (1..=100).map(at).collect();
    assert_eq!((percentile(&hundred, 50), percentile(&hundred, 99)), (Some(at(50)), Some(at(99))));
    assert_eq!((percentile(&hundred[..1], 99), percentile(&[], 99)), (Some(at(1)), None));
}

#[test]
fn only_what_was_handed_out_dead_is_a_dead_hand_out() {
    let all = vec![
        unanswered(2_999, 600), // died in use
        unanswered(3_020, 600), // may have been checked before the fault
        unanswered(3_031, 600),
        unanswered(5_000, 500),
        unanswered(5_000, 499), // within the window
        unanswered(8_000, 600), // after the heal
        answered(4_000),        // it lived
    ];
    let figures = Figures::of(&trace(all, &[]));
    assert_eq!((figures.dead_handouts, figures.dead_handouts_in_window), (2, 1));
}

#[test]
fn blocked_time_is_that_within_the_outage_also_of_those_who_were_cut_off() {
    let cut_off = request(7_000, 10_000, 10_000, Outcome::CutOff);
    let before = request(2_000, 4_000, 4_002, Outcome::Done);
    let figures = Figures::of(&trace(vec![cut_off, before, refused(9_000, 500)], &[]));
    assert_eq!(figures.blocked_caller_seconds, 2.0);
}

#[test]
fn an_overrun_is_what_an_acquire_takes_beyond_its_limit() {
    let figures = Figures::of(&trace(vec![refused(3_000, 2_030), refused(4_000, 100)], &[]));
    assert_eq!(figures.overrun_ms, Some(30.0));
    let unlimited = Trace { limit: None, ..trace(vec![refused(3_000, 2_030)], &[]) };
    assert_eq!(Figures::of(&unlimited).overrun_ms, None);
}

#[test]
fn a_request_that_began_late_is_the_machines_fault() {
    let late = Request { scheduled: at(990), ..answered(1_000) };
    assert_eq!(Figures::of(&trace(vec![answered(500), late], &[])).arrival_lag_p99_ms, 10.0);
}

#[test]
fn connects_are_told_apart_by_the_heal() {
    let connects = [2_999, 3_000, 3_500, 3_999, 4_000, 7_999, 8_000, 8_050, 8_099, 8_100, 12_000];
    let figures = Figures::of(&trace(Vec::new(), &connects));
    assert_eq!((figures.connect_attempts, figures.peak_connects_per_second), (5, 3));
    assert_eq!(figures.storm_per100_ms, 3);
}

#[test]
fn a_run_is_over_when_the_pool_has_been_back_for_a_second() {
    let requests: Vec<_> = [refused(8_900, 100)].into_iter().chain(steady(9_000, 12_000)).collect();
    let settled = |now| is_settled(&requests, 100.0, at(8_000), at(now));
    assert!(!settled(10_500));
    assert!(settled(11_000));
    assert!(!is_settled(&requests[..1], 100.0, at(8_000), at(20_000)));
}
