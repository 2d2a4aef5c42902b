//! Tables for single steps, and an oracle for all of them: it says where an alert is from everything that was ever read, without
//! remembering a state.

use proptest::prelude::*;

use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The states after each verdict; the verdicts come ten seconds after each other.
fn states(patience: Patience, verdicts: &[Verdict]) -> Vec<Option<AlertState>> {
    let start = Instant::now();
    let mut course = None;
    let mut now = start;
    verdicts
        .iter()
        .map(|verdict| {
            course = advance(course, *verdict, patience, now);
            now += seconds(10);
            course.map(|course| course.state)
        })
        .collect()
}

const PENDING: Option<AlertState> = Some(AlertState::Pending);
const FIRING: Option<AlertState> = Some(AlertState::Firing);
const RECOVERING: Option<AlertState> = Some(AlertState::Recovering);

use Verdict::{Clear, Held, Met, Unknown};

#[tokio::test]
async fn without_a_hold_it_fires_at_once_and_is_over_at_once() {
    let patience = Patience { hold: Duration::ZERO, keep_firing: Duration::ZERO };
    assert_eq!(states(patience, &[Clear, Met, Met, Clear, Met]), [None, FIRING, FIRING, None, FIRING]);
}

#[tokio::test]
async fn it_fires_when_it_was_met_for_as_long_as_the_hold_and_not_a_moment_earlier() {
    let patience = Patience { hold: seconds(20), keep_firing: Duration::ZERO };
    assert_eq!(states(patience, &[Met, Met, Met, Met]), [PENDING, PENDING, FIRING, FIRING]);
    let patience = Patience { hold: seconds(21), keep_firing: Duration::ZERO };
    assert_eq!(states(patience, &[Met, Met, Met, Met]), [PENDING, PENDING, PENDING, FIRING]);
}

#[tokio::test]
async fn a_pending_alert_that_is_not_met_begins_anew() {
    let patience = Patience { hold: seconds(10), keep_firing: Duration::ZERO };
    assert_eq!(
        states(patience, &[Met, Clear, Met, Held, Met, Met]),
        [PENDING, None, PENDING, None, PENDING, FIRING]
    );
}

#[tokio::test]
async fn only_what_fires_is_held_by_the_recovery_threshold() {
    let patience = Patience { hold: Duration::ZERO, keep_firing: Duration::ZERO };
    assert_eq!(
        states(patience, &[Held, Met, Held, Held, Met, Held, Clear, Held]),
        [None, FIRING, RECOVERING, RECOVERING, FIRING, RECOVERING, None, None]
    );
}

#[tokio::test]
async fn it_is_kept_firing_for_as_long_as_it_says_since_it_was_met_or_held_last() {
    let patience = Patience { hold: Duration::ZERO, keep_firing: seconds(20) };
    assert_eq!(
        states(patience, &[Met, Clear, Clear, Held, Clear, Clear, Clear]),
        [FIRING, RECOVERING, RECOVERING, RECOVERING, RECOVERING, RECOVERING, None]
    );
}

#[tokio::test]
async fn what_is_unknown_goes_on_and_lets_nothing_begin() {
    let patience = Patience { hold: seconds(20), keep_firing: seconds(20) };
    assert_eq!(
        states(patience, &[Unknown, Met, Unknown, Unknown, Unknown, Met, Unknown, Clear, Unknown, Unknown]),
        [None, PENDING, PENDING, PENDING, PENDING, FIRING, FIRING, RECOVERING, RECOVERING, None]
    );
}

/// Where an alert is after the last of `readings`, from all of them at once.
///
/// It fires at an evaluation if it fired anywhere before and nothing has ended that since. So the one question is which evaluations
/// begin firing, and which end it; the answers are looked up in the whole past, for each evaluation anew.
fn oracle(readings: &[(u64, Verdict)], patience: Patience) -> Option<AlertState> {
    let mut beginning = 0;
    'episodes: loop {
        let rest = &readings[beginning..];
        // The first run of met readings that is long enough.
        let met_since = |at: usize| {
            let run = (0..=at).rev().take_while(|index| matches!(rest[*index].1, Met | Unknown));
            run.filter(|index| rest[*index].1 == Met).last()
        };
        let fired = (0..rest.len()).find(|at| {
            let start = met_since(*at).filter(|_| rest[*at].1 == Met);
            start.is_some_and(|start| seconds(rest[*at].0 - rest[start].0) >= patience.hold)
        });
        let Some(fired) = fired else {
            return rest.len().checked_sub(1).and_then(met_since).and(PENDING);
        };
        // From there on, what is unknown is what it was before.
        let known = |at: usize| (0..=at).rev().map(|index| rest[index].1).find(|verdict| *verdict != Unknown);
        // The first reading that is clear for too long already.
        for at in fired..rest.len() {
            let start = (fired..=at).rev().take_while(|index| known(*index) == Some(Clear)).last();
            if start.is_some_and(|start| seconds(rest[at].0 - rest[start].0) >= patience.keep_firing) {
                beginning += at + 1;
                continue 'episodes;
            }
        }
        return if known(rest.len() - 1) == Some(Met) { FIRING } else { RECOVERING };
    }
}

proptest! {
    #[test]
    fn the_machine_does_what_the_oracle_says(
        steps in prop::collection::vec((1_u64..15, prop_oneof![3 => Just(Met), 2 => Just(Held), 3 => Just(Clear), 2 => Just(Unknown)]), 1..80),
        hold in 0_u64..40,
        keep_firing in 0_u64..40,
    ) {
        let patience = Patience { hold: seconds(hold), keep_firing: seconds(keep_firing) };
        let start = Instant::now();
        let (mut at, mut course, mut readings) = (0, None, Vec::new());
        for (gap, verdict) in steps {
            at += gap;
            readings.push((at, verdict));
            course = advance(course, verdict, patience, start + seconds(at));
            prop_assert_eq!(course.map(|course| course.state), oracle(&readings, patience), "{:?}", readings);
        }
    }
}
