//! Defects that the review of the gated bitmap found on 2026-11-21, each with the scenario that showed it.

use super::*;
use crate::state::waiters::HIGH_BURST;

fn full(options: PoolOptions) -> World {
    let mut world = World::with_gate(options, Gate::Free, Instant::now());
    while !world.connects.is_empty() {
        world.connect();
    }
    world
}

/// Takes an idle connection as a caller does who then has to go to the lock with it, because it is stale.
fn doubtful(world: &mut World) -> Lease<Numbered> {
    world.now += Duration::from_secs(1);
    world.engine.tell(world.now);
    let request = world.request(Priority::Normal, Some(Duration::from_secs(30)));
    match world.engine.take(request.owner, request.site, |_| true) {
        Taken::Doubtful(lease) => lease,
        _ => panic!("it is stale"),
    }
}

// Review, 1, as the machine sees it.
#[test]
fn what_is_put_aside_in_a_closing_pool_is_closed() {
    let mut world = full(options(1, 1));
    let lease = doubtful(&mut world);
    world.run(|state, now, fx| state.close(now, fx));
    world.run(|state, now, fx| state.put_back(lease, now, fx));
    world.all_jobs();
    assert_eq!(world.engine.peek(|state| state.phase), Phase::Closed, "{:?}", world.stats());
}

// Review, 1b: evicted while a caller looked at it and then did not want it: it stays, and stays idle.
#[test]
fn what_is_put_aside_after_it_was_evicted_is_closed() {
    let mut world = full(options(1, 0));
    world.acquire();
    world.connect_all();
    world.claim_all();
    world.release(0, Verdict::Clean);
    let lease = doubtful(&mut world);
    let id = lease.id();
    assert!(world.run(|state, now, fx| state.evict(id, now, fx)));
    world.run(|state, now, fx| state.put_back(lease, now, fx));
    assert_eq!(world.stats().idle, 0);
}

// Review, 1c: the pool shrank meanwhile: an idle connection stays over the limit.
#[test]
fn what_is_put_aside_after_the_pool_shrank_is_closed() {
    let mut world = full(options(2, 2));
    let lease = doubtful(&mut world);
    let other = doubtful(&mut world);
    world.shrunk = true;
    let smaller = options(1, 0).checked().unwrap();
    world.run(|state, now, fx| state.reconfigure(smaller, now, fx));
    world.run(|state, now, fx| state.put_back(lease, now, fx));
    world.run(|state, now, fx| state.put_back(other, now, fx));
    world.all_jobs();
    assert_eq!(world.stats().total, 1, "{:?}", world.stats());
}

// Review, 4: promise 3, "an expired waiter is skipped, never given a connection": not by pass_on.
#[test]
fn who_is_late_is_passed_over_in_a_saturated_pool_too() {
    let mut world = full(options(1, 1));
    world.acquire();
    let late = world.request(Priority::Normal, Some(Duration::from_millis(100)));
    let late = world.ask(late).unwrap();
    let (next, _last) = (world.acquire().unwrap(), world.acquire().unwrap());
    // The alarm did not go off yet.
    world.now += Duration::from_millis(150);
    world.release(0, Verdict::Clean);
    let granted = |world: &World, waiter| {
        world.engine.peek(|state| matches!(state.waiters.progress(waiter), Progress::Granted(..)))
    };
    assert!(!granted(&world, late), "it could only be served at the cost of one that still waits in time");
    assert!(granted(&world, next));
}

// Review, 15: a guard written off in the very moment of its return: its slot counts one more return than uses ever after, so
// nobody who holds the next connection there is seen to hold it, and uses are counted twice.
#[test]
fn a_slot_works_on_after_its_guard_was_abandoned_in_the_moment_of_its_return() {
    let mut world = full(options(1, 1));
    world.acquire();
    let lease = world.held.remove(0);
    let id = lease.id();
    // `put`, step by step: neither marked nor is the gate shut.
    assert!(!lease.record().is_due(0) || !lease.gate_is_shut());
    let (abandoned, fx) = world.engine.with_at(world.now, |state, now, fx| state.abandon(id, now, fx));
    assert!(abandoned);
    drop(fx);
    let _ = lease.record().end_use(0);
    // Whether the gate is open by now or not.
    let unshelved = lease.put();
    if let Err(lease) = unshelved {
        let (_, fx) = world
            .engine
            .with_at(world.now, |state, now, fx| state.release(lease, Verdict::Clean, true, now, fx));
        for connection in fx.orphans {
            world.alive.remove(&connection.number);
        }
    } else {
        let (_, fx) = world.engine.with_at(world.now, |_, _, _| ());
        for connection in fx.orphans {
            world.alive.remove(&connection.number);
        }
    }
    let counters = world.counters();
    assert_eq!((counters.acquired, counters.released), (1, 1), "one use");
    // The next connection may have the same slot.
    world.engine.with_at(world.now, |state, _, _| state.start_keeper());
    world.turn();
    world.connect_all();
    world.acquire();
    let lease = &world.held[0];
    assert_eq!(lease.index(), 0);
    let index = lease.index();
    assert!(world.engine.read_at(world.now, |state, _| state.slots.is_in_use(index)), "somebody holds it");
}

/// A random walk in which other operations come between the two steps of those who go without the lock: between the
/// shelf and the lock of a caller who found something doubtful, and between the count and the swap of a guard that goes back.
#[test]
fn a_random_walk_with_callers_between_two_steps() {
    use super::model::{CORE, Op, REST};

    for seed in 0..400_u64 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let chosen = PoolOptions {
            min_idle: rng.usize(0..2),
            acquire_timeout: Duration::from_secs(2),
            fairness: [Fairness::Strict, Fairness::Adaptive, Fairness::Throughput][rng.usize(0..3)],
            leak_detection_threshold: Duration::from_secs(rng.u64(0..2)),
            ..options(rng.usize(1..4), 0)
        };
        let mut world = World::with_gate(chosen, Gate::Free, Instant::now());
        let (mut looking, mut returning) = (Vec::new(), Vec::new());
        for _ in 0..250 {
            match rng.usize(0..16) {
                0..3 => looking.extend(world.engine.shelf().take()),
                3 if !looking.is_empty() => {
                    let lease = looking.swap_remove(rng.usize(0..looking.len()));
                    let request = world.request(Priority::Normal, Some(Duration::from_secs(2)));
                    let admission = world.run(|state, now, fx| {
                        state.put_aside(lease, now, fx);
                        state.acquire(request, Some(Waker::noop().clone()), now, fx)
                    });
                    world.admit(request, admission);
                }
                4 if !looking.is_empty() => {
                    let lease = looking.swap_remove(rng.usize(0..looking.len()));
                    world.run(|state, now, fx| state.put_back(lease, now, fx));
                }
                5 | 6 if !world.held.is_empty() => {
                    let lease = world.held.remove(rng.usize(0..world.held.len()));
                    let now = world.now;
                    let ticks = world.engine.peek(|state| state.slots.epoch().ticks(now));
                    let current = world.engine.peek(|state| state.current(&lease).is_some());
                    if !current || lease.record().is_due(ticks) || lease.gate_is_shut() {
                        world.held.insert(0, lease);
                        world.release(0, Verdict::Clean);
                    } else {
                        let _ = lease.record().end_use(ticks);
                        returning.push(lease);
                    }
                }
                7 | 8 if !returning.is_empty() => {
                    let lease = returning.swap_remove(rng.usize(0..returning.len()));
                    finish(&mut world, lease);
                }
                _ => {
                    let all = CORE.len() + REST.len();
                    let at = rng.usize(0..all);
                    let op = if at < CORE.len() { CORE[at] } else { REST[at - CORE.len()] };
                    // Defect 15, and an end too soon.
                    if op == Op::Abandon || op == Op::Close && rng.u32(0..30) > 0 {
                        continue;
                    }
                    world.step(op);
                }
            }
        }
        if world.engine.peek(|state| state.phase) == Phase::Paused {
            world.step(Op::Resume);
        }
        for lease in looking {
            world.run(|state, now, fx| state.put_back(lease, now, fx));
        }
        for lease in returning {
            finish(&mut world, lease);
        }
        world.settle_down();
        if world.engine.peek(|state| state.phase) != Phase::Open {
            assert_eq!(world.engine.peek(|state| state.phase), Phase::Closed, "seed {seed}");
        }
        let counters = world.counters();
        assert!(counters.acquired >= counters.released, "seed {seed}: {counters:?}");
    }
}

// Second review, 4: normal callers who were served in a saturated pool did not end a streak of high ones.
#[test]
fn a_normal_caller_served_in_a_saturated_pool_ends_a_streak_of_high_ones() {
    let mut world = full(options(2, 2));
    world.acquire();
    world.acquire();
    let normal: Vec<_> = (0..4).map(|_| world.acquire().expect("it waits")).collect();
    let high = |world: &mut World| {
        let request = world.request(Priority::High, Some(Duration::from_secs(30)));
        world.ask(request).expect("it waits")
    };
    for _ in 0..HIGH_BURST {
        let first = high(&mut world);
        world.release(1, Verdict::Clean);
        assert!(world.claim(first), "high ones go first, so many in a row");
    }
    // A normal caller gives back: a connection of a high one goes through the general path.
    world.release(0, Verdict::Clean);
    assert!(world.claim(normal[0]));
    let next = high(&mut world);
    world.release(0, Verdict::Clean);
    assert!(world.claim(next), "the streak is over, so the next one goes first again");
}

fn finish(world: &mut World, lease: Lease<Numbered>) {
    let Err(lease) = lease.put() else { return };
    let (now, mut back) = (world.now, Some(lease));
    world.engine.if_steady(|state| {
        let ticks = state.slots.epoch().ticks(now);
        back = state.pass_on(back.take().unwrap(), true, now, ticks).err();
    });
    if let Some(lease) = back {
        world.run(|state, now, fx| state.release(lease, Verdict::Clean, true, now, fx));
    }
}
