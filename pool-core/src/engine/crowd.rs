//! Callers who do what they like, and someone who meddles: for threads that run for real, and for random schedules.

use std::task::Waker;
use std::time::Duration;

use super::Taken;
use super::harness::{LONG, Outcome, World, options, touch};
use crate::state::Refusal;
use crate::sync::thread;

/// Connections of a pool that threads meddle with.
pub(super) const CONNECTIONS: usize = 3;

/// One turn of a caller. False once the pool is closed.
pub(super) fn turn(world: &World, caller: u64, rng: &mut fastrand::Rng) -> bool {
    let outcome = match rng.u8(..8) {
        0 => match world.look(caller) {
            Taken::Ready(lease) => Outcome::Has(lease),
            Taken::Doubtful(lease) | Taken::Refused(lease) => {
                world.put_back(lease);
                return true;
            }
            Taken::Nothing => return true,
        },
        1 => world.ask(caller, None),
        _ => world.ask(caller, Some(LONG)),
    };
    let outcome = match outcome {
        Outcome::Waits(waiter) => match rng.u8(..8) {
            0 => {
                world.cancel(caller, waiter);
                return true;
            }
            1 => world.expire(caller, waiter),
            2 => {
                // Looks once, and gives up.
                match world.claim(caller, waiter, Waker::noop().clone()) {
                    Some(Outcome::Waits(waiter)) => Outcome::Waits(waiter),
                    Some(outcome) => outcome,
                    None => Outcome::Waits(waiter),
                }
            }
            _ => world.wait(caller, waiter).map_or_else(Outcome::Refused, Outcome::Has),
        },
        outcome => outcome,
    };
    match outcome {
        Outcome::Has(mut lease) => {
            touch(&mut lease);
            if rng.u8(..4) == 0 {
                thread::yield_now();
            }
            touch(&mut lease);
            let id = lease.id();
            match rng.u8(..32) {
                0 => world.discard(lease),
                1 => {
                    world.release(lease);
                    world.evict(id);
                }
                _ => world.release(lease),
            }
        }
        Outcome::Waits(waiter) => world.cancel(caller, waiter),
        Outcome::Refused(refusal) => return refusal != Refusal::Closed,
    }
    true
}

/// Meddles with the pool in one of the ways there are.
pub(super) fn meddle(world: &World, rng: &mut fastrand::Rng) {
    match rng.u8(..6) {
        0 => world.evict_all(),
        1 => {
            world.pause();
            thread::yield_now();
            world.resume();
        }
        2 => world.reconfigure(options(rng.usize(1..=CONNECTIONS))),
        3 => {
            let stats = world.stats();
            assert!(stats.idle + stats.active <= stats.total, "{stats:?}");
        }
        4 => world.pass(Duration::from_millis(1)),
        _ => thread::yield_now(),
    }
}
