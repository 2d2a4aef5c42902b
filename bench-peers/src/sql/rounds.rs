//! Interleaved rounds: every client has its turn in every round of every series, in an order that chance decides anew
//! each time.

use std::time::Duration;

use fastrand::Rng;

use super::client::{Driver, Load, Subject};
use super::clients::{self, OURS};
use super::place::Place;
use super::question::Question;
use super::sample::{Sample, Windows};
use crate::runtime::Flavor;

/// What is the same for all samples of a run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub(crate) rounds: usize,
    pub(crate) windows: Windows,
    pub(crate) flavor: Flavor,
    pub(crate) seed: u64,
}

/// All samples of one question over one way with so many tasks.
pub(crate) struct Series<'a> {
    pub(crate) place: &'a Place,
    pub(crate) way: usize,
    pub(crate) question: Question,
    pub(crate) tasks: usize,
    subjects: Vec<Box<dyn Subject>>,
    pub(crate) entries: Vec<Entry>,
}

/// The samples of one client, one per round.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) client: &'static str,
    pub(crate) driver: Driver,
    pub(crate) samples: Vec<Sample>,
}

/// The name of the control: our pool once more, as if it were another.
pub(crate) const CONTROL: &str = "ours(A/A)";

impl<'a> Series<'a> {
    /// A series without samples.
    pub(crate) fn new(
        place: &'a Place,
        way: usize,
        question: Question,
        tasks: usize,
        takes_part: impl Fn(&str) -> bool,
    ) -> Self {
        let mut subjects = Vec::new();
        let mut entries = Vec::new();
        for subject in clients::of(place.database) {
            if takes_part(subject.name()) {
                let (client, driver) = (subject.name(), subject.driver());
                entries.push(Entry { client, driver, samples: Vec::new() });
                subjects.push(subject);
            }
        }
        if let Some(ours) = clients::of(place.database).into_iter().find(|_| takes_part(OURS)) {
            entries.push(Entry { client: CONTROL, driver: ours.driver(), samples: Vec::new() });
            subjects.push(ours);
        }
        Series { place, way, question, tasks, subjects, entries }
    }

    /// Everybody once.
    fn round(&mut self, pace: &Pace, rng: &mut Rng) {
        let mut turns: Vec<_> = (0..self.subjects.len()).collect();
        rng.shuffle(&mut turns);
        for turn in turns {
            let load = Load {
                way: &self.place.ways[self.way],
                question: self.question,
                tasks: self.tasks,
                flavor: pace.flavor,
                windows: pace.windows,
                seed: rng.u64(..),
            };
            self.entries[turn].samples.push(self.subjects[turn].sample(&load));
        }
    }
}

/// Runs all rounds. `progress` is told the number of each before it begins, from 1 on.
pub(crate) fn run(all: &mut [Series<'_>], pace: &Pace, mut progress: impl FnMut(usize)) {
    let mut rng = Rng::with_seed(pace.seed);
    // Rounds on the outside: a disturbance of half a minute then costs every series one round, and not one all of
    // its rounds.
    for round in 1..=pace.rounds {
        progress(round);
        for series in &mut *all {
            series.round(pace, &mut rng);
        }
    }
}

/// How many samples there will be, and how long they take at least.
pub(crate) fn estimate(all: &[Series<'_>], pace: &Pace) -> (usize, Duration) {
    let samples = pace.rounds * all.iter().map(|series| series.subjects.len()).sum::<usize>();
    let one = pace.windows.warm_up + pace.windows.window;
    (samples, one * u32::try_from(samples).unwrap_or(u32::MAX))
}
