//! Shuttle draws schedules at random, for more threads than loom could explore: callers who do what they like, one who
//! meddles, the keeper, and somebody who closes the pool in the end.
//!
//! Shuttle has no weak memory: what the orderings are good for only loom tells. In exchange it goes deep. It finds a
//! sleeper that nobody wakes as a deadlock, and prints the schedule of a failure, which `shuttle::replay` repeats.
//!
//! Run by `cargo xtask prove shuttle`. `POOL_SCHEDULES` is the number of schedules.

use std::sync::Arc;

use shuttle::rand::RngCore;

use super::crowd::{CONNECTIONS, meddle, turn};
use super::harness::{World, options};
use crate::sync::thread;

const CALLERS: u64 = 6;
const TURNS: usize = 3;

/// Preemptions that PCT places.
const DEPTH: usize = 3;

fn schedules() -> usize {
    std::env::var("POOL_SCHEDULES").map_or(2_000, |count| count.parse().expect("a number"))
}

/// A thread in the same world, with luck of its own that the schedule decides.
fn spawn(
    world: &Arc<World>,
    run: impl FnOnce(&World, &mut fastrand::Rng) + Send + 'static,
) -> thread::JoinHandle<()> {
    let world = Arc::clone(world);
    thread::spawn(move || {
        let mut rng = fastrand::Rng::with_seed(shuttle::rand::thread_rng().next_u64());
        run(&world, &mut rng);
    })
}

/// Six callers, one who meddles, the keeper, and this thread.
fn crowd(close: bool) {
    let world = World::full(options(CONNECTIONS));
    world.hire_keeper();
    let mut threads = Vec::new();
    for caller in 1..=CALLERS {
        threads.push(spawn(&world, move |world, rng| {
            let mut turns = 0..TURNS;
            while turns.next().is_some() && turn(world, caller, rng) {}
        }));
    }
    threads.push(spawn(&world, |world, rng| {
        for _ in 0..TURNS {
            meddle(world, rng);
        }
    }));
    let keeper = spawn(&world, |world, _| world.serve_as_keeper());
    if close {
        world.close();
    }
    for thread in threads {
        thread.join().unwrap();
    }
    world.dismiss_keeper();
    keeper.join().unwrap();
    world.reconfigure(options(CONNECTIONS));
    world.finish(Vec::new());
}

#[test]
fn a_crowd_loses_nothing_in_random_schedules() {
    shuttle::check_random(|| crowd(false), schedules());
}

#[test]
fn a_crowd_loses_nothing_in_schedules_with_few_preemptions() {
    shuttle::check_pct(|| crowd(false), schedules(), DEPTH);
}

#[test]
fn a_crowd_in_a_pool_that_is_closed_loses_nothing_in_random_schedules() {
    shuttle::check_random(|| crowd(true), schedules());
}

#[test]
fn a_crowd_in_a_pool_that_is_closed_loses_nothing_in_schedules_with_few_preemptions() {
    shuttle::check_pct(|| crowd(true), schedules(), DEPTH);
}
