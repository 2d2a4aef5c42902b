//! Each edge of the drawing, and what must hold on every way through it.

use proptest::prelude::*;

use super::*;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn failed() -> Outcome {
    Outcome::Failed(Issue::CheckFailed { cause: "refused".to_owned() })
}

fn passed() -> Outcome {
    Outcome::Passed(Vec::new())
}

fn lost() -> Outcome {
    Outcome::Lost(Issue::Down { cause: "refused".to_owned() })
}

/// A course with a clock that goes on by a second with each outcome.
struct Run {
    course: Course,
    settings: HealthSettings,
    now: Instant,
}

impl Run {
    fn new() -> Self {
        let now = Instant::now();
        Run { course: Course::new(now), settings: HealthSettings::default(), now }
    }

    fn note(&mut self, outcome: Outcome) -> Vec<Change> {
        self.now += seconds(1);
        self.course.note(outcome, &self.settings, self.now)
    }

    fn status_after(&mut self, outcomes: impl IntoIterator<Item = Outcome>) -> HealthStatus {
        for outcome in outcomes {
            self.note(outcome);
        }
        self.course.status()
    }
}

#[test]
fn the_first_pass_is_enough_and_later_it_takes_rise_of_them() {
    let mut run = Run::new();
    assert_eq!(run.course.status(), HealthStatus::Unknown);
    assert_eq!(run.status_after([passed()]), HealthStatus::Healthy);
    assert_eq!(run.status_after([failed(), failed()]), HealthStatus::Healthy, "two failures are not three");
    assert_eq!(run.status_after([passed(), failed(), failed()]), HealthStatus::Healthy, "not in a row");
    assert_eq!(run.status_after([failed()]), HealthStatus::Unhealthy);
    assert_eq!(run.status_after([passed()]), HealthStatus::Recovering);
    assert_eq!(run.status_after([failed()]), HealthStatus::Unhealthy);
    assert_eq!(run.status_after([passed(), passed()]), HealthStatus::Healthy);
}

#[test]
fn a_loss_is_told_once_and_so_is_its_recovery() {
    let mut run = Run::new();
    run.status_after([passed(), failed(), failed()]);
    let (healthy, unhealthy) = (HealthStatus::Healthy, HealthStatus::Unhealthy);
    assert_eq!(run.note(failed()), [Change::Status { from: healthy, to: unhealthy }, Change::Lost]);
    assert_eq!(run.note(failed()), []);
    run.note(passed());
    let again = Change::Status { from: HealthStatus::Recovering, to: unhealthy };
    assert_eq!(run.note(failed()), [again], "it had not recovered, so it is not lost once more");
    run.note(passed());
    let recovered = [
        Change::Status { from: HealthStatus::Recovering, to: healthy },
        Change::Recovered { down_for: seconds(5) },
    ];
    assert_eq!(run.note(passed()), recovered);
    assert_eq!(run.note(passed()), []);
}

#[test]
fn an_outage_of_the_pool_needs_no_check() {
    let mut run = Run::new();
    run.note(passed());
    assert_eq!(run.note(lost()).last(), Some(&Change::Lost));
    assert_eq!(run.course.status(), HealthStatus::Unhealthy);
    assert_eq!(run.note(lost()), [], "known already");
}

/// H11.
#[test]
fn exhausted_attempts_are_told_once_in_an_outage_and_again_in_the_next() {
    let mut run = Run::new();
    let mut told = |outcomes: Vec<Outcome>| {
        let changes = outcomes.into_iter().flat_map(|outcome| run.note(outcome));
        changes.filter(|change| matches!(change, Change::Exhausted { .. })).collect::<Vec<_>>()
    };
    assert_eq!(told(vec![passed(), failed(), failed(), failed(), failed(), failed()]), []);
    assert_eq!(told(vec![failed()]), [Change::Exhausted { attempts: 3, lasted: seconds(3) }]);
    assert_eq!(told(vec![failed(); 1000]), []);
    assert_eq!(told(vec![passed(), passed()]), []);
    assert_eq!(told(vec![failed(); 6]).len(), 1);
}

#[test]
fn what_works_with_issues_is_degraded_and_never_down() {
    let mut run = Run::new();
    let leaks = || Outcome::Passed(vec![Issue::Leaks { connections: 1 }]);
    assert_eq!(run.status_after(vec![leaks(); 100]), HealthStatus::Degraded);
    assert_eq!(run.status_after([passed()]), HealthStatus::Healthy);
}

#[test]
fn what_cannot_be_found_out_changes_nothing_but_the_good_opinion() {
    let full = || Outcome::Unclear(Issue::Paused);
    let mut run = Run::new();
    assert_eq!(run.status_after([full()]), HealthStatus::Unknown);
    assert_eq!(run.status_after([passed(), full(), full(), full(), full()]), HealthStatus::Degraded);
    assert_eq!(run.status_after([lost(), full()]), HealthStatus::Unhealthy);
    assert_eq!(run.status_after([passed(), full()]), HealthStatus::Recovering);
}

#[test]
fn intervals_are_those_of_haproxy() {
    let mut run = Run::new();
    let usual = seconds(60);
    let mut interval_after = |outcome| {
        run.note(outcome);
        run.course.interval(&run.settings, usual).as_secs()
    };
    assert_eq!(interval_after(passed()), 60);
    assert_eq!([failed(), failed()].map(&mut interval_after), [1, 1], "in doubt");
    assert_eq!([failed(), failed()].map(&mut interval_after), [5, 5], "down");
    assert_eq!(interval_after(passed()), 1, "coming back");
    assert_eq!(interval_after(failed()), 5);
    assert_eq!([passed(), passed()].map(&mut interval_after), [1, 60]);
    assert_eq!(interval_after(Outcome::Passed(vec![Issue::NoConnections])), 5, "degraded");
}

/// H4: two seconds up and two seconds down, ten times.
#[test]
fn a_flapping_target_is_told_of_twice_and_then_must_stay_well() {
    let mut run = Run::new();
    let mut changes = run.note(passed());
    for _ in 0..10 {
        changes.extend(run.note(lost()));
        changes.extend(run.note(lost()));
        changes.extend(run.note(passed()));
        changes.extend(run.note(passed()));
    }
    let count =
        |wanted: fn(&Change) -> bool, changes: &[Change]| changes.iter().filter(|c| wanted(c)).count();
    let is_recovery: fn(&Change) -> bool = |change| matches!(change, Change::Recovered { .. });
    assert_eq!(count(|change| *change == Change::Lost, &changes), 2);
    assert_eq!(count(is_recovery, &changes), 1);
    assert_eq!(run.course.status(), HealthStatus::Recovering);
    assert!(matches!(run.course.issues(), [Issue::Flapping { losses: 2, calm }] if *calm == seconds(10)));
    let after: Vec<_> = (0..20).flat_map(|_| run.note(passed())).collect();
    assert_eq!(count(is_recovery, &after), 1, "it was well for ten seconds");
    // Lost once more after long, it is as new.
    run.now += MEMORY;
    run.note(lost());
    assert_eq!(run.status_after([passed(), passed()]), HealthStatus::Healthy);
}

fn any_outcome() -> impl Strategy<Value = Outcome> {
    prop_oneof![
        Just(passed()),
        Just(Outcome::Passed(vec![Issue::NoConnections])),
        Just(failed()),
        Just(Outcome::Unclear(Issue::Paused)),
        Just(lost()),
    ]
}

proptest! {
    #[test]
    fn losses_and_recoveries_take_turns_and_the_status_is_what_the_changes_say(
        outcomes in proptest::collection::vec((any_outcome(), 0u64..120), 0..400),
    ) {
        let mut run = Run::new();
        let (mut told, mut is_lost) = (HealthStatus::Unknown, false);
        for (outcome, pause) in outcomes {
            run.now += seconds(pause);
            let was_exact = outcome == passed();
            for change in run.note(outcome) {
                match change {
                    Change::Status { from, to } => {
                        prop_assert_eq!(from, told);
                        prop_assert_ne!(from, to);
                        told = to;
                    }
                    Change::Lost => {
                        prop_assert!(!is_lost);
                        is_lost = true;
                    }
                    Change::Recovered { .. } => {
                        prop_assert!(is_lost);
                        is_lost = false;
                    }
                    Change::Exhausted { .. } => prop_assert!(is_lost),
                }
            }
            prop_assert_eq!(told, run.course.status());
            let is_down = matches!(told, HealthStatus::Unhealthy | HealthStatus::Recovering);
            prop_assert_eq!(is_down, is_lost);
            prop_assert!(!was_exact || told != HealthStatus::Unhealthy);
            prop_assert!(told != HealthStatus::Healthy || run.course.issues().is_empty() || run.course.failed() > 0);
        }
    }
}

/// It was forgotten five minutes after the loss that nobody was told the end of.
#[test]
fn a_target_that_relapses_while_it_recovers_is_damped_for_as_long_as_it_does() {
    let mut run = Run::new();
    run.status_after([passed(), lost(), passed(), passed(), lost()]);
    // Ten minutes of passing for five seconds, and failing for one.
    for _ in 0..100 {
        assert_eq!(
            run.status_after([passed(), passed(), passed(), passed(), passed()]),
            HealthStatus::Recovering
        );
        assert!(!run.note(failed()).contains(&Change::Lost), "nobody is told of another loss");
    }
    let recovering = (0..).find(|_| run.status_after([passed()]) == HealthStatus::Healthy);
    assert_eq!(recovering, Some(10), "calm for ten seconds, as after a second loss");
}

#[test]
fn a_target_that_was_down_for_long_is_believed_as_soon_as_it_is_back() {
    let mut run = Run::new();
    run.status_after([passed(), lost(), passed(), passed(), lost()]);
    (0..600).for_each(|_| drop(run.note(failed())));
    assert_eq!(run.status_after([passed(), passed()]), HealthStatus::Healthy);
}

#[test]
fn no_interval_is_longer_than_the_usual_one() {
    let mut run = Run::new();
    let usual = Duration::from_millis(200);
    let interval = |run: &Run| run.course.interval(&run.settings, usual);
    assert_eq!(interval(&run), usual);
    run.status_after([passed(), failed()]);
    assert_eq!(interval(&run), usual, "in doubt");
    assert_eq!(run.status_after([lost()]), HealthStatus::Unhealthy);
    assert_eq!(interval(&run), usual, "down");
    assert_eq!(run.status_after([passed()]), HealthStatus::Recovering);
    assert_eq!(interval(&run), usual, "coming back");
}
