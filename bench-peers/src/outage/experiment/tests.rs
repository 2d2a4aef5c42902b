//! Short runs over real servers: every fault is one, and every pool comes back from one.

use super::*;
use crate::outage::contenders::{self, Entrant};

/// Long enough for an error, and short enough for a test.
const PACE: Pace = Pace {
    before: Duration::from_millis(600),
    outage: Duration::from_millis(1_500),
    after: Duration::from_secs(10),
};

fn take(stage: &Stage, entrant: Entrant, fault: Fault, settings: Settings) -> Figures {
    let conditions = Conditions { fault, settings, tasks: 16, per_second: 100, pace: PACE, seed: 1 };
    Figures::of(&entrant.run(stage, &conditions).unwrap())
}

#[test]
fn every_fault_takes_the_database_away_and_gives_it_back() {
    let stage = Stage::open().unwrap();
    let [ours, ..] = contenders::all();
    for fault in Fault::ALL {
        let figures = take(&stage, ours, fault, Settings::Equal);
        let name = fault.name();
        assert!(figures.baseline_per_second > 0.0, "{name}: {figures:?}");
        // What is frozen or lost is missed only when a limit has passed. A restart may be ridden out.
        if fault.lasts() && fault != Fault::Freeze && fault != Fault::Blackhole {
            assert!(figures.t_detect_ms.is_some() && figures.connect_attempts > 0, "{name}: {figures:?}");
        }
        assert!(figures.t_first_ms.is_some(), "{name}: {figures:?}");
        let left = (figures.leaked_slots, figures.leaked_tasks, figures.dead_handouts);
        assert_eq!(left, (0, 0, 0), "{name}: {figures:?}");
    }
}

#[test]
fn every_pool_meets_the_same_fault() {
    let stage = Stage::open().unwrap();
    for (entrant, settings) in
        contenders::all().into_iter().zip([Settings::Equal, Settings::Default].into_iter().cycle())
    {
        let figures = take(&stage, entrant, Fault::Reset, settings);
        let name = entrant.name;
        assert!(figures.connect_attempts > 0, "{name}: {figures:?}");
        assert!(figures.t_first_ms.is_some(), "{name}: {figures:?}");
        assert!(
            figures.errors.values().sum::<usize>() > 0 || settings == Settings::Default,
            "{name}: {figures:?}"
        );
    }
}
