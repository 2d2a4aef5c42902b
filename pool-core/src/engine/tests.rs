//! The engine among real threads, and stories of the moments in which the shelf and the lock meet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::Taken;
use super::harness::{LONG, Outcome, World, options, touch};
use crate::connection::ConnectionId;
use crate::options::PoolOptions;
use crate::state::Refusal;
use crate::sync::thread;

/// Connections of a pool that threads meddle with.
const CONNECTIONS: usize = 3;
const CALLERS: u64 = 6;
const TURNS: usize = 400;
const ROUNDS: u64 = 60;

/// One turn of a caller. False once the pool is closed.
fn turn(world: &World, caller: u64, rng: &mut fastrand::Rng) -> bool {
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

/// Meddles with the pool in every way there is, until told to stop.
fn meddle(world: &World, rng: &mut fastrand::Rng, stop: &AtomicBool) {
    while !stop.load(Relaxed) {
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
        // Not all the time: most of what callers do is to go over the shelf.
        for _ in 0..rng.u8(..50) {
            thread::yield_now();
        }
    }
    world.reconfigure(options(CONNECTIONS));
}

fn one_round(seed: u64) {
    let world = World::full(options(CONNECTIONS));
    let (left, stop) = (Arc::new(AtomicUsize::new(CALLERS as usize)), Arc::new(AtomicBool::new(false)));
    let mut threads = Vec::new();
    for caller in 1..=CALLERS {
        let (world, left) = (Arc::clone(&world), Arc::clone(&left));
        threads.push(thread::spawn(move || {
            let mut rng = fastrand::Rng::with_seed(seed << 8 | caller);
            let mut turns = 0..TURNS;
            while turns.next().is_some() && turn(&world, caller, &mut rng) {}
            left.fetch_sub(1, Relaxed);
        }));
    }
    threads.push(thread::spawn({
        let (world, stop) = (Arc::clone(&world), Arc::clone(&stop));
        move || meddle(&world, &mut fastrand::Rng::with_seed(seed), &stop)
    }));
    threads.push(thread::spawn({
        let (world, stop) = (Arc::clone(&world), Arc::clone(&stop));
        move || {
            while !stop.load(Relaxed) {
                if world.is_rung() {
                    world.keep();
                }
                thread::yield_now();
            }
        }
    }));
    // In some rounds the pool is closed while they are at it.
    let early = seed.is_multiple_of(3).then_some(CALLERS as usize - 1);
    let begun = Instant::now();
    while left.load(Relaxed) > early.unwrap_or(0) {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "I3: somebody sleeps for ever: {:?}",
            world.stats()
        );
        thread::yield_now();
    }
    if early.is_some() {
        world.close();
    }
    while left.load(Relaxed) > 0 {
        assert!(
            begun.elapsed() < Duration::from_secs(60),
            "I3: somebody sleeps for ever: {:?}",
            world.stats()
        );
        thread::yield_now();
    }
    stop.store(true, Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    world.finish(Vec::new());
}

#[test]
fn threads_that_do_what_they_like_lose_nothing() {
    for seed in 0..ROUNDS {
        one_round(seed);
    }
}

/// A world with one connection that lies on the shelf and is marked: its holder put it there in the very moment in which
/// `mark` was done, and saw nothing of that.
fn marked_while_it_came_back(options: PoolOptions, mark: impl FnOnce(&World, ConnectionId)) -> Arc<World> {
    let world = World::full(options);
    let lease = world.hold(1).remove(0);
    mark(&world, lease.id());
    world.release_late(lease);
    assert_eq!(world.stats().active, 1, "a look does not notice it");
    world
}

// Whoever found it took it for a good one, and had it.
#[test]
fn a_connection_evicted_while_it_came_back_is_given_to_nobody() {
    let evict = |world: &World, id| assert!(world.evict(id), "it is there");
    let world = marked_while_it_came_back(options(1), evict);
    match world.ask(1, Some(LONG)) {
        Outcome::Waits(waiter) => world.cancel(1, waiter),
        other => panic!("it was evicted, and there is no other: {other:?}"),
    }
    world.finish(Vec::new());

    let world = marked_while_it_came_back(options(1), evict);
    match world.look(1) {
        Taken::Doubtful(lease) => world.put_back(lease),
        _ => panic!("it is there, and marked"),
    }
    assert_eq!((world.stats().idle, world.stats().destroying), (0, 1), "it is not idle");
    world.finish(Vec::new());
}

// It stayed in the closed pool as an idle one, and the close never ended.
#[test]
fn a_connection_found_doubtful_before_a_close_is_closed_with_the_others() {
    let world = World::full(PoolOptions { validate_after_idle: Duration::from_millis(100), ..options(1) });
    world.pass(Duration::from_millis(200));
    // Any operation tells the time to those who look at the shelf.
    world.resume();
    let Taken::Doubtful(lease) = world.look(1) else { panic!("it was idle for long") };
    world.close();
    let outcome = world.ask_with(Some(lease), 1, Some(LONG));
    assert!(matches!(outcome, Outcome::Refused(Refusal::Closed)), "{outcome:?}");
    world.finish(Vec::new());
}

#[test]
fn a_leak_that_ended_while_it_was_reported_is_reported_to_have_ended() {
    let options = PoolOptions { leak_detection_threshold: Duration::from_millis(100), ..options(1) };
    let report = |world: &World, _| {
        world.pass(Duration::from_secs(2));
        world.keep();
        assert_eq!(world.stats().leaked, 1);
    };
    let world = marked_while_it_came_back(options, report);
    let Outcome::Has(lease) = world.ask(1, Some(LONG)) else { panic!("it is free") };
    world.finish(vec![lease]);
}
