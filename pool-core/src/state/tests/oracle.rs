//! The same operations on two pools: one whose callers go over the shelf, and one whose gate is shut.
//!
//! With the gate shut every operation goes through the lock: that is the pool as it was before there was a shelf, and
//! the oracle for the one that has it. Both must grant the same connections to the same callers, refuse the same,
//! count the same and tell of the same events, step by step.

use proptest::prelude::*;

use super::model::{CORE, Op, REST, any_options};
use super::*;
use crate::options::Reuse;

/// What can be seen of a pool from outside.
#[derive(Debug, PartialEq)]
struct Seen {
    stats: PoolStats,
    counters: PoolCounters,
    held: Vec<u64>,
    validating: Vec<u64>,
    waiting: usize,
    connects: usize,
    jobs: usize,
    refused: Vec<Refusal>,
    events: Vec<String>,
}

impl World {
    fn seen(&self) -> Seen {
        // A pool with an observer keeps its gate shut, which is how the oracle does it; the other has none.
        let rare = |event: &&PoolEvent| {
            !matches!(
                event,
                PoolEvent::Acquired { .. } | PoolEvent::Released { .. } | PoolEvent::StatsUpdated { .. }
            )
        };
        Seen {
            stats: self.stats(),
            counters: self.counters(),
            held: self.held.iter().map(|lease| lease.connection().number).collect(),
            validating: self.validating.iter().map(|(lease, _)| lease.connection().number).collect(),
            waiting: self.waiting.len(),
            connects: self.connects.len(),
            jobs: self.jobs.len(),
            refused: self.refused.clone(),
            events: self.events.iter().filter(rare).map(|event| format!("{event:?}")).collect(),
        }
    }
}

fn compare(options: &PoolOptions, ops: &[Op]) {
    let now = Instant::now();
    let mut shelf = World::with_gate(options.clone(), Gate::Free, now);
    let mut oracle = World::with_gate(options.clone(), Gate::Shut, now);
    for (step, op) in ops.iter().enumerate() {
        for world in [&mut shelf, &mut oracle] {
            world.step(*op);
            // The one difference: that the process was stopped is noticed by the keeper, or by whoever takes the
            // lock, whichever comes first.
            if *op == Op::Suspended && world.engine.peek(|state| state.keeper_runs) {
                world.turn();
            }
        }
        let (seen, expected) = (shelf.seen(), oracle.seen());
        assert_eq!(seen, expected, "after {:?}", &ops[..=step]);
    }
}

fn operations() -> impl Strategy<Value = Vec<Op>> {
    let all: Vec<_> = CORE.into_iter().chain(REST).collect();
    // Half of them from those that matter most, as all others end in a pool without connections soon.
    prop::collection::vec(
        prop_oneof![
            prop::sample::select(CORE.to_vec()),
            prop::sample::select(vec![Op::Acquire, Op::Release, Op::Connect, Op::Tick]),
            prop::sample::select(all)
        ],
        0..200,
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_shelf_and_the_lock_do_the_same(seed: u64, ops in operations()) {
        let options = any_options(&mut fastrand::Rng::with_seed(seed));
        // Both keep some connections off the shelf, so that another one than the lowest may be taken.
        compare(&PoolOptions { min_idle: 0, reserve_connections: 0, ..options }, &ops);
    }
}

/// The comparison itself: it sees which connection goes to whom.
#[test]
#[should_panic(expected = "left == right")]
fn the_comparison_notices_another_order() {
    let lifo = World::with_gate(options(2, 2), Gate::Free, Instant::now());
    let fifo = World::new(PoolOptions { reuse: Reuse::Fifo, ..options(2, 2) });
    let [one, other] = [lifo, fifo].map(|mut world| {
        world.connect_all();
        world.acquire();
        world.now += Duration::from_millis(5);
        world.engine.tell(world.now);
        world.release(0, Verdict::Clean);
        world.acquire();
        world.seen().held
    });
    assert_eq!(one, other);
}
