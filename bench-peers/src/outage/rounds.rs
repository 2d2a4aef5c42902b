//! All runs, in an order that favours nobody.

use super::contender::Settings;
use super::contenders::Entrant;
use super::experiment::{Conditions, Pace};
use super::fault::Fault;

/// What is to be run.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) settings: Vec<Settings>,
    pub(crate) faults: Vec<Fault>,
    /// How many requests may be under way, and how many come in a second.
    pub(crate) crowds: Vec<(usize, u32)>,
    pub(crate) entrants: Vec<Entrant>,
    pub(crate) rounds: usize,
    pub(crate) pace: Pace,
    pub(crate) seed: u64,
}

/// One run of a plan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Turn {
    pub(crate) round: usize,
    pub(crate) entrant: Entrant,
    pub(crate) conditions: Conditions,
}

impl Plan {
    /// All runs. Those under the same conditions follow each other, in an order that rotates: what disturbs a minute disturbs
    /// all pools, and none always comes first.
    pub(crate) fn turns(&self) -> Vec<Turn> {
        let mut turns = Vec::new();
        let mut cell = 0;
        for round in 0..self.rounds {
            for &settings in &self.settings {
                for &(tasks, per_second) in &self.crowds {
                    for &fault in &self.faults {
                        let conditions = Conditions {
                            fault,
                            settings,
                            tasks,
                            per_second,
                            pace: self.pace,
                            // The same schedule for all pools, another one in each round.
                            seed: self.seed.wrapping_add(round as u64),
                        };
                        let mut order = self.entrants.clone();
                        order.rotate_left(cell % self.entrants.len().max(1));
                        turns.extend(order.into_iter().map(|entrant| Turn { round, entrant, conditions }));
                        cell += 1;
                    }
                }
            }
        }
        turns
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::contenders;
    use super::*;

    #[test]
    fn each_pool_has_each_place_in_the_order_and_the_same_schedule_as_the_others() {
        let plan = Plan {
            settings: vec![Settings::Equal],
            faults: vec![Fault::Stop, Fault::Refuse, Fault::Reset],
            crowds: vec![(16, 200)],
            entrants: contenders::all()[..3].to_vec(),
            rounds: 1,
            pace: Pace { before: Duration::ZERO, outage: Duration::ZERO, after: Duration::ZERO },
            seed: 7,
        };
        let turns = plan.turns();
        assert_eq!(turns.len(), 9);
        for entrant in &plan.entrants {
            let places: Vec<_> =
                (0..9).filter(|&n| turns[n].entrant.name == entrant.name).map(|n| n % 3).collect();
            let mut sorted = places.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2], "{} had {places:?}", entrant.name);
        }
        assert!(turns.iter().all(|turn| turn.conditions.seed == 7));
    }
}
