//! The engine among real threads, and stories of the moments in which the shelf and the lock meet.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::Taken;
use super::crowd::{CONNECTIONS, meddle, turn};
use super::harness::{LONG, Outcome, World, options};
use crate::connection::ConnectionId;
use crate::options::PoolOptions;
use crate::shelf::Lease;
use crate::state::Refusal;
use crate::sync::thread;

const CALLERS: u64 = 6;
const TURNS: usize = 400;
const ROUNDS: u64 = 60;

fn one_round(seed: u64) {
    let stripes = if seed.is_multiple_of(2) { 1 } else { 2 };
    let world = World::striped(options(CONNECTIONS), stripes);
    world.hire_keeper();
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
        let mut rng = fastrand::Rng::with_seed(seed);
        move || {
            while !stop.load(Relaxed) {
                meddle(&world, &mut rng);
                // Not all the time: most of what callers do is to go over the shelf.
                for _ in 0..rng.u8(..50) {
                    thread::yield_now();
                }
            }
        }
    }));
    let keeper = thread::spawn({
        let world = Arc::clone(&world);
        move || world.serve_as_keeper()
    });
    let begun = Instant::now();
    let until = |most: usize| {
        while left.load(Relaxed) > most {
            assert!(begun.elapsed() < Duration::from_secs(60), "I3: somebody sleeps: {:?}", world.stats());
            thread::yield_now();
        }
    };
    // In some rounds the pool is closed while they are at it.
    if seed.is_multiple_of(3) {
        until(CALLERS as usize - 1);
        world.close();
    }
    until(0);
    stop.store(true, Relaxed);
    for thread in threads {
        thread.join().unwrap();
    }
    world.dismiss_keeper();
    keeper.join().unwrap();
    world.reconfigure(options(CONNECTIONS));
    world.finish(Vec::new());
}

#[test]
fn threads_that_do_what_they_like_lose_nothing() {
    for seed in 0..ROUNDS {
        one_round(seed);
    }
}

#[test]
fn a_guard_comes_back_over_the_shelf_unless_the_gate_is_shut() {
    let world = World::full(options(2));
    let mut held = world.hold(2);
    world.release_over_the_shelf(held.remove(0));
    world.pause();
    world.release_at_the_gate(held.remove(0));
    assert!(matches!(world.look(1), Taken::Nothing), "nothing is taken through a gate that is shut");
    world.resume();
    assert_eq!(world.stats().idle, 2);
    world.finish(held);
}

// The fourth word is the last of a block of two.
#[test]
fn a_pool_of_four_words_finds_every_connection() {
    let world = World::full(options(200));
    let mut held = world.hold(200);
    held.sort_by_key(Lease::index);
    assert!(held.iter().map(Lease::index).eq(0..200), "each is taken once");
    assert!(matches!(world.look(1), Taken::Nothing));
    for index in 0..200 {
        let lease = held.remove(0);
        assert_eq!(lease.index(), index);
        world.release_over_the_shelf(lease);
        let Taken::Ready(lease) = world.look(1) else { panic!("{index} is free, and no other") };
        assert_eq!(lease.index(), index);
        held.push(lease);
    }
    for lease in held {
        world.release_over_the_shelf(lease);
    }
    assert_eq!(world.stats().idle, 200);
    world.reconfigure(options(70));
    world.keep();
    assert_eq!(world.stats().total, 70);
    world.finish(Vec::new());
}

#[test]
fn a_striped_pool_finds_every_connection() {
    for connections in [2, 5, 200, 300] {
        let world = World::striped(options(connections), 4);
        for _ in 0..2 {
            let held = world.hold(connections);
            assert!(matches!(world.look(1), Taken::Nothing));
            held.into_iter().for_each(|lease| world.release_over_the_shelf(lease));
        }
        assert_eq!(world.stats().idle, connections);
        world.finish(Vec::new());
    }
}

// What is touched after that only a sanitizer sees, with luck: `cargo xtask prove asan`.
#[test]
fn the_last_handle_may_go_while_a_guard_comes_back() {
    for _ in 0..2_000 {
        let world = World::full(options(1));
        let lease = world.hold(1).remove(0);
        let world = Arc::into_inner(world).expect("no thread has it yet");
        let pool = world.watch();
        let guard = thread::spawn(move || World::release_alone(lease));
        world.close();
        world.keep();
        drop(world);
        guard.join().unwrap();
        assert!(pool.is_over(), "every connection is gone, and every share in the pool");
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
