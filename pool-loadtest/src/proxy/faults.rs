//! The rules in force, and what they come to for one connection.

use std::num::NonZeroU64;
use std::time::Duration;

use super::fault::{Direction, Ending, Fault, FaultKind, Reach, Rule};
use super::socket::Closing;

/// Delay and jitter of a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Latency {
    pub(super) delay: Duration,
    pub(super) jitter: Duration,
}

/// How many bytes may pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    /// Of the rule: another rule counts anew.
    pub(super) id: u64,
    pub(super) bytes: u64,
    pub(super) ending: Ending,
}

/// What holds in one direction of one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Conditions {
    pub(super) latency: Option<Latency>,
    pub(super) bandwidth: Option<NonZeroU64>,
    pub(super) limit: Option<Limit>,
    pub(super) blackhole: bool,
    pub(super) stalled: bool,
    pub(super) half_closed: bool,
    pub(super) reset: bool,
}

impl Conditions {
    /// Whether bytes pass as if the proxy were not there.
    pub(super) fn is_plain(&self) -> bool {
        *self == Conditions::default()
    }
}

/// What becomes of a connection that was just accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Welcome {
    Through,
    Silence,
    End(Closing),
}

/// One rule in one direction.
#[derive(Debug, Clone)]
struct Entry {
    id: u64,
    rule: Rule,
    /// The number of the first connection that it concerns.
    from: u64,
}

/// All rules in force. A value: whoever changes them makes others.
///
/// Invariant: of each kind there is at most one entry for a direction.
#[derive(Debug, Clone)]
pub(super) struct Faults {
    seed: u64,
    entries: Vec<Entry>,
    next_id: u64,
}

impl Faults {
    pub(super) fn none(seed: u64) -> Self {
        Faults { seed, entries: Vec::new(), next_id: 0 }
    }

    /// Adds a rule in the place of those of its kind and direction. `accepted` is how many connections there
    /// have been.
    pub(super) fn set(&mut self, rule: Rule, accepted: u64) {
        let kind = rule.fault.kind();
        let from = match rule.reach {
            Reach::All => 0,
            Reach::New => accepted + 1,
        };
        let directions: &[Option<Direction>] = match (kind, rule.direction) {
            (FaultKind::Refuse | FaultKind::Silence, _) => &[None],
            (_, None) => &[Some(Direction::ToServer), Some(Direction::ToClient)],
            (_, Some(Direction::ToServer)) => &[Some(Direction::ToServer)],
            (_, Some(Direction::ToClient)) => &[Some(Direction::ToClient)],
        };
        for &direction in directions {
            self.entries.retain(|entry| entry.rule.fault.kind() != kind || entry.rule.direction != direction);
            self.entries.push(Entry { id: self.next_id, rule: Rule { direction, ..rule }, from });
            self.next_id += 1;
        }
    }

    pub(super) fn lift(&mut self, kind: FaultKind) {
        self.entries.retain(|entry| entry.rule.fault.kind() != kind);
    }

    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    pub(super) fn rules(&self) -> Vec<Rule> {
        self.entries.iter().map(|entry| entry.rule).collect()
    }

    pub(super) fn refusing(&self) -> bool {
        self.entries.iter().any(|entry| entry.rule.fault == Fault::Refuse)
    }

    /// What holds for the connection of this number in this direction.
    pub(super) fn conditions(&self, number: u64, direction: Direction) -> Conditions {
        let mut conditions = Conditions::default();
        for entry in self.concerning(number).filter(|entry| entry.rule.direction == Some(direction)) {
            match entry.rule.fault {
                Fault::Latency { delay, jitter } => conditions.latency = Some(Latency { delay, jitter }),
                Fault::Bandwidth { bytes_per_second } => conditions.bandwidth = Some(bytes_per_second),
                Fault::Limit { bytes, ending } => {
                    conditions.limit = Some(Limit { id: entry.id, bytes, ending });
                }
                Fault::Blackhole => conditions.blackhole = true,
                Fault::Stall => conditions.stalled = true,
                Fault::HalfClose => conditions.half_closed = true,
                Fault::Reset => conditions.reset = true,
                Fault::Refuse | Fault::Silence => {}
            }
        }
        conditions
    }

    /// How the connection of this number is torn down, if it is.
    pub(super) fn reset(&self, number: u64) -> Option<Closing> {
        let [server, client] = Direction::ALL.map(|direction| self.conditions(number, direction).reset);
        let ending = |reset| if reset { Ending::Reset } else { Ending::Fin };
        (server || client).then(|| Closing { server: ending(server), client: ending(client) })
    }

    /// What becomes of the connection of this number, which was just accepted.
    pub(super) fn welcome(&self, number: u64) -> Welcome {
        if let Some(closing) = self.reset(number) {
            return Welcome::End(closing);
        }
        let silent = self.concerning(number).any(|entry| entry.rule.fault == Fault::Silence);
        if silent { Welcome::Silence } else { Welcome::Through }
    }

    fn concerning(&self, number: u64) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| {
            number >= entry.from
                && draw(self.seed, number, entry.rule.fault.kind()) < entry.rule.share.fraction()
        })
    }
}

/// A number in [0, 1) that is always the same for the same connection and kind, and unlike that of others.
fn draw(seed: u64, number: u64, kind: FaultKind) -> f64 {
    // The kind is in the low bits: two faults of the same share meet different connections.
    let own = fastrand::Rng::with_seed((number << 8) | kind as u64).u64(..);
    fastrand::Rng::with_seed(seed ^ own).f64()
}

#[cfg(test)]
mod tests {
    use super::super::fault::Share;
    use super::*;

    fn with(rules: impl IntoIterator<Item = Rule>) -> Faults {
        let mut faults = Faults::none(7);
        for rule in rules {
            faults.set(rule, 10);
        }
        faults
    }

    #[test]
    fn a_fault_takes_the_place_of_one_of_its_kind_in_its_direction() {
        let (slow, slower) =
            (Fault::latency(Duration::from_millis(1)), Fault::latency(Duration::from_millis(9)));
        let faults = with([slow.into(), Fault::Blackhole.into(), slower.to(Direction::ToClient)]);
        let delay = |direction| faults.conditions(1, direction).latency.unwrap().delay.as_millis();
        assert_eq!(Direction::ALL.map(delay), [1, 9]);
        assert!(faults.conditions(1, Direction::ToServer).blackhole, "another kind stays");
    }

    #[test]
    fn a_rule_for_new_connections_spares_those_that_exist() {
        let faults = with([Fault::Stall.new_only()]);
        assert!(faults.conditions(10, Direction::ToServer).is_plain());
        assert!(faults.conditions(11, Direction::ToServer).stalled);
    }

    #[test]
    fn the_same_seed_chooses_the_same_connections_and_another_others() {
        let chosen = |seed| {
            let mut faults = Faults::none(seed);
            faults.set(Fault::Blackhole.share(Share::new(0.3).unwrap()), 0);
            (1..=1000)
                .filter(|&number| faults.conditions(number, Direction::ToServer).blackhole)
                .collect::<Vec<u64>>()
        };
        assert_eq!(chosen(1), chosen(1));
        assert_ne!(chosen(1), chosen(2));
        assert!((200..400).contains(&chosen(1).len()), "{} of 1000", chosen(1).len());
    }

    #[test]
    fn both_directions_of_a_connection_and_every_greater_share_are_chosen_together() {
        let at = |share| with([Fault::Blackhole.share(Share::new(share).unwrap())]);
        let (some, more) = (at(0.2), at(0.6));
        for number in 1..=200 {
            let chosen = |faults: &Faults| Direction::ALL.map(|way| faults.conditions(number, way).blackhole);
            assert_eq!(chosen(&some)[0], chosen(&some)[1]);
            assert!(!chosen(&some)[0] || chosen(&more)[0]);
        }
    }

    #[test]
    fn two_faults_of_the_same_share_do_not_choose_the_same_connections() {
        let half = Share::new(0.5).unwrap();
        let faults = with([Fault::Blackhole.share(half), Fault::Stall.share(half)]);
        let unlike = (1..=200).filter(|&number| {
            let conditions = faults.conditions(number, Direction::ToServer);
            conditions.blackhole != conditions.stalled
        });
        assert!(unlike.count() > 50);
    }

    #[test]
    fn a_reset_in_one_direction_ends_the_other_side_in_good_order() {
        let faults = with([Fault::Reset.to(Direction::ToServer)]);
        let closing = Closing { server: Ending::Reset, client: Ending::Fin };
        assert_eq!(faults.welcome(1), Welcome::End(closing));
    }

    #[test]
    fn what_is_lifted_is_gone_and_the_rest_stays() {
        let mut faults = with([Fault::Silence.into(), Fault::Refuse.into(), Fault::Stall.into()]);
        assert_eq!(faults.welcome(1), Welcome::Silence);
        faults.lift(FaultKind::Silence);
        assert_eq!(faults.welcome(1), Welcome::Through);
        assert!(faults.refusing());
        assert_eq!(faults.rules().len(), 3, "one refusal, and the stall in two directions");
        faults.clear();
        assert_eq!(faults.rules(), []);
    }
}
