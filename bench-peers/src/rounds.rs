//! Interleaved rounds: every pool has its turn in every round, in an order that chance decides anew each time, so that
//! neither a busy machine nor a neighbour's warm cache favours one of them.

use std::time::Duration;

use fastrand::Rng;

use crate::pool::{Callers, Kind};
use crate::runtime::Flavor;
use crate::sample::Sample;
use crate::subject::{Subject, Windows};
use crate::workload::{Load, Task, Workload};

/// What is to be measured.
pub(crate) struct Plan {
    pub(crate) subjects: Vec<Box<dyn Subject>>,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) flavors: Vec<Flavor>,
    pub(crate) rounds: usize,
    pub(crate) windows: Windows,
    pub(crate) seed: u64,
}

/// All samples of one workload on one runtime.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) workload: Workload,
    pub(crate) flavor: Flavor,
    pub(crate) entries: Vec<Entry>,
    /// The control: our own pool once more, as if it were another. Its ratio to itself is the noise.
    pub(crate) control: Option<Entry>,
}

/// One pool's samples, one per round.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) pool: &'static str,
    pub(crate) kind: Kind,
    pub(crate) callers: Callers,
    pub(crate) samples: Vec<Sample>,
}

impl Entry {
    fn new(subject: &dyn Subject) -> Self {
        let (pool, kind, callers) = (subject.name(), subject.kind(), subject.callers());
        Entry { pool, kind, callers, samples: Vec::new() }
    }

    /// Nanoseconds per operation, round by round.
    pub(crate) fn ns_per_op(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.ns_per_op).collect()
    }
}

/// Whose turn it is, as an index into the subjects that take part.
struct Turn {
    subject: usize,
    control: bool,
}

impl Plan {
    /// Runs all rounds. `progress` is told the number of each before it begins, from 1 on.
    pub(crate) fn run(&self, mut progress: impl FnMut(usize)) -> Vec<Series> {
        let mut rng = Rng::with_seed(self.seed);
        let mut all: Vec<_> = self.series().collect();
        // Rounds on the outside: a disturbance of half a minute then costs every workload one round, and not one
        // workload all of its rounds.
        for round in 1..=self.rounds {
            progress(round);
            for series in &mut all {
                self.round(series, &mut rng);
            }
        }
        all
    }

    fn series(&self) -> impl Iterator<Item = Series> {
        self.workloads.iter().flat_map(|workload| {
            let flavors = self.flavors.iter().filter(|flavor| workload.flavors.contains(flavor));
            flavors.filter_map(|&flavor| {
                let taking_part = self.subjects.iter().filter(|subject| subject.can(&workload.task, flavor));
                let entries: Vec<_> = taking_part.map(|subject| Entry::new(&**subject)).collect();
                let ours = entries.iter().find(|entry| entry.kind == Kind::Ours).cloned();
                (!entries.is_empty()).then_some(Series {
                    workload: *workload,
                    flavor,
                    entries,
                    control: ours,
                })
            })
        })
    }

    fn round(&self, series: &mut Series, rng: &mut Rng) {
        for turn in turns(series, rng) {
            let entry = &mut series.entries[turn.subject];
            let subject = self.subjects.iter().find(|subject| subject.name() == entry.pool);
            let subject = subject.expect("entries are made of subjects");
            let task = &series.workload.task;
            let sample = subject.sample(task, series.flavor, &self.windows, rng.u64(..));
            match &mut series.control {
                Some(control) if turn.control => control.samples.push(sample),
                _ => entry.samples.push(sample),
            }
        }
    }

    /// The parts of the plan, for the one who waits: how many samples there are, and roughly how long they take.
    pub(crate) fn estimate(&self) -> (usize, Duration) {
        let mut samples = 0;
        let mut time = Duration::ZERO;
        for series in self.series() {
            let pools = series.entries.len() + usize::from(series.control.is_some());
            samples += pools * self.rounds;
            let Windows { warm_up, throughput, waits } = self.windows;
            let one = match series.workload.task {
                Task::Steady(Load { hold: false, .. }) => warm_up + throughput,
                Task::Steady(Load { hold: true, .. }) => warm_up + throughput + warm_up + waits,
                // 10,000 tasks queue, wait and go within about 25 ms, three times.
                Task::Handoff { .. } | Task::Cancel { .. } => Duration::from_millis(75),
            };
            time += one * u32::try_from(pools * self.rounds).unwrap_or(u32::MAX);
        }
        (samples, time)
    }
}

/// Everybody once, ours twice, in random order.
fn turns(series: &Series, rng: &mut Rng) -> Vec<Turn> {
    let mut turns: Vec<_> =
        (0..series.entries.len()).map(|subject| Turn { subject, control: false }).collect();
    if series.control.is_some() {
        let ours = series.entries.iter().position(|entry| entry.kind == Kind::Ours);
        turns.extend(ours.map(|subject| Turn { subject, control: true }));
    }
    rng.shuffle(&mut turns);
    turns
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{pools, workload};

    fn a_series() -> Series {
        let entries: Vec<_> = pools::all().iter().map(|subject| Entry::new(&**subject)).collect();
        let control = Some(entries[0].clone());
        Series { workload: workload::ALL[0], flavor: Flavor::Multi, entries, control }
    }

    fn order(series: &Series, rng: &mut Rng) -> Vec<(usize, bool)> {
        turns(series, rng).into_iter().map(|turn| (turn.subject, turn.control)).collect()
    }

    #[test]
    fn every_order_has_every_pool_once_and_ours_once_more() {
        let series = a_series();
        let mut rng = Rng::with_seed(1);
        let mut expected: BTreeSet<_> = (0..series.entries.len()).map(|index| (index, false)).collect();
        expected.insert((0, true));
        for _ in 0..50 {
            let order = order(&series, &mut rng);
            assert_eq!(order.len(), expected.len());
            assert_eq!(order.into_iter().collect::<BTreeSet<_>>(), expected);
        }
    }

    #[test]
    fn chance_decides_the_order_and_the_seed_decides_chance() {
        let series = a_series();
        let orders = |seed| {
            let mut rng = Rng::with_seed(seed);
            (0..5).map(|_| order(&series, &mut rng)).collect::<Vec<_>>()
        };
        assert_eq!(orders(7), orders(7));
        assert_ne!(orders(7), orders(8));
        assert_eq!(orders(7).into_iter().collect::<BTreeSet<_>>().len(), 5);
    }

    #[test]
    fn threads_do_not_take_part_on_one_thread() {
        let plan = Plan {
            subjects: pools::all(),
            workloads: workload::ALL.to_vec(),
            flavors: Flavor::ALL.to_vec(),
            rounds: 1,
            windows: Windows { warm_up: Duration::ZERO, throughput: Duration::ZERO, waits: Duration::ZERO },
            seed: 0,
        };
        for series in plan.series() {
            let threads = series.entries.iter().any(|entry| entry.pool == "r2d2");
            let cancels = matches!(series.workload.task, Task::Cancel { .. });
            assert_eq!(threads, series.flavor == Flavor::Multi && !cancels, "{}", series.workload.name);
        }
    }
}
