//! Single stories that are easier to tell to the state machine than to a pool.

use super::*;
use crate::options::Reuse;

const SECOND: Duration = Duration::from_secs(1);

/// A pool of this size, full and idle.
fn full(options: PoolOptions) -> World {
    let mut world = World::new(options);
    while !world.connects.is_empty() {
        world.connect();
    }
    world
}

#[test]
fn a_successor_is_opened_before_its_predecessor_retires() {
    let mut world = full(PoolOptions {
        max_lifetime: 600 * SECOND,
        lifetime_jitter: 0.0,
        idle_timeout: Duration::ZERO,
        keepalive_interval: Duration::ZERO,
        ..options(3, 1)
    });
    world.pass(596 * SECOND);
    assert_eq!(world.connects.len(), 1, "asked for five seconds ahead");
    assert_eq!(world.stats().idle, 1);
    world.connect();
    assert_eq!(world.closed(CloseReason::MaxLifetime), 0, "still saying goodbye");
    assert_eq!((world.stats().idle, world.stats().destroying), (1, 1));
    world.all_jobs();
    assert_eq!(world.closed(CloseReason::MaxLifetime), 1);
}

#[test]
fn a_busy_predecessor_goes_when_it_comes_back() {
    let mut world = full(PoolOptions {
        max_lifetime: 600 * SECOND,
        lifetime_jitter: 0.0,
        keepalive_interval: Duration::ZERO,
        ..options(3, 1)
    });
    world.acquire();
    world.pass(597 * SECOND);
    world.connect();
    assert_eq!((world.stats().active, world.stats().idle), (1, 1));
    world.release(0, Verdict::Clean);
    world.all_jobs();
    assert_eq!((world.closed(CloseReason::MaxLifetime), world.stats().total), (1, 1));
}

#[test]
fn without_room_for_a_successor_the_pool_is_one_short_for_one_connect() {
    let mut world = full(PoolOptions {
        max_lifetime: 600 * SECOND,
        idle_timeout: Duration::ZERO,
        keepalive_interval: Duration::ZERO,
        ..options(3, 3)
    });
    let mut fewest = 3;
    for _ in 0..3_000 {
        world.pass(SECOND);
        fewest = fewest.min(world.stats().idle);
        world.all_jobs();
        world.connect_all();
    }
    assert_eq!(fewest, 2);
    assert!(world.closed(CloseReason::MaxLifetime) >= 9);
}

#[test]
fn the_lowest_or_the_one_unused_longest_is_next() {
    for (reuse, expected) in [(Reuse::Lifo, [1, 2, 3]), (Reuse::Fifo, [1, 2, 3])] {
        let mut world = full(PoolOptions { reuse, ..options(3, 3) });
        for _ in 0..3 {
            world.acquire();
        }
        world.held.sort_by_key(|lease| lease.connection().number);
        for _ in 0..3 {
            world.now += Duration::from_millis(1);
            world.release(0, Verdict::Clean);
        }
        for _ in 0..3 {
            world.acquire();
        }
        let order: Vec<_> = world.held.iter().map(|lease| lease.connection().number).collect();
        assert_eq!(order, expected, "{reuse:?}");
    }
}

#[test]
fn an_overdue_connect_is_not_counted_on() {
    let mut world = World::new(options(3, 0));
    world.acquire();
    assert_eq!(world.connects.len(), 1);
    world.pass(Duration::from_millis(499));
    assert_eq!(world.connects.len(), 1, "nothing is known yet: a tenth of connect_timeout");
    world.pass(Duration::from_millis(1));
    assert_eq!(world.connects.len(), 2);
}

#[test]
fn a_late_housekeeper_forgives_the_time_that_was_lost() {
    let mut world = full(PoolOptions {
        max_lifetime: 600 * SECOND,
        keepalive_interval: Duration::ZERO,
        leak_detection_threshold: 5 * SECOND,
        ..options(20, 20)
    });
    world.acquire();
    world.now += 3_600 * SECOND;
    world.turn();
    assert!(world.events.iter().any(|event| matches!(event, PoolEvent::Starved { .. })));
    assert_eq!(world.counters().leaks, 0);
    assert_eq!(world.stats().idle, 19, "nobody is closed at once");
    // From now on one after another.
    world.pass(95 * SECOND);
    let destroyed = world.jobs.iter().filter(|job| matches!(job, Work::Close(_))).count();
    assert_eq!(destroyed, 2, "in three gaps of 30 s, one of which is that of the busy one");
}

#[test]
fn a_new_lifetime_applies_to_the_living_without_a_massacre() {
    let mut world = full(PoolOptions {
        max_lifetime: Duration::ZERO,
        idle_timeout: Duration::ZERO,
        keepalive_interval: Duration::ZERO,
        ..options(10, 10)
    });
    world.pass(3_600 * SECOND);
    let shorter = PoolOptions {
        max_lifetime: 100 * SECOND,
        ..world.engine.peek(|state| PoolOptions::clone(&state.options))
    };
    world.run(|state, now, fx| state.reconfigure(shorter.checked().unwrap(), now, fx));
    world.pass(25 * SECOND);
    let closing = world.jobs.iter().filter(|job| matches!(job, Work::Close(_))).count();
    assert!((2..=4).contains(&closing), "{closing} of 10 in a quarter of a lifetime");
}

#[test]
fn a_waiter_of_a_full_queue_makes_way_for_nobody_else() {
    let mut world = full(PoolOptions { max_waiting: 1, ..options(1, 1) });
    world.acquire();
    let waiter = world.acquire().expect("it waits");
    assert_eq!(world.acquire(), None);
    assert_eq!(world.refused, [Refusal::QueueFull]);
    world.cancel(waiter);
    assert!(world.acquire().is_some());
}

#[test]
fn a_connection_opened_before_an_eviction_is_not_handed_out_after_it() {
    let mut world = World::new(options(1, 0));
    let waiter = world.acquire().expect("it waits");
    world.run(|state, now, fx| state.evict_all(now, fx));
    world.connect();
    assert!(!world.claim(waiter), "opened with what was valid before");
    world.all_jobs();
    world.connect();
    assert!(world.claim(waiter));
    assert_eq!(world.held[0].connection().number, 2);
}

#[test]
fn a_written_off_connection_ends_when_its_guard_does() {
    let mut world = full(options(1, 1));
    world.acquire();
    let id = world.held[0].id();
    assert!(world.run(|state, now, fx| state.abandon(id, now, fx)));
    assert!(!world.run(|state, now, fx| state.abandon(id, now, fx)), "once");
    world.connect();
    world.acquire();
    assert_eq!((world.held.len(), world.stats().total), (2, 1));
    world.release(0, Verdict::Clean);
    assert_eq!((world.alive.len(), world.stats().active), (1, 1));
}

// F4: an expired idle connection is never handed out, even if the keeper has not looked yet.
#[test]
fn an_expired_connection_is_not_handed_out_before_the_keeper_has_seen_it() {
    let mut world = full(PoolOptions {
        max_lifetime: 60 * SECOND,
        lifetime_jitter: 0.0,
        maintenance_interval: 3_600 * SECOND,
        ..options(2, 1)
    });
    world.now += 60 * SECOND;
    assert!(world.acquire().is_some(), "it waits for another one");
    assert!(world.jobs.iter().any(|job| matches!(job, Work::Close(_))));
}

#[test]
fn expired_connections_are_evicted_on_demand() {
    let mut world = full(PoolOptions {
        max_lifetime: 100 * SECOND,
        lifetime_jitter: 0.0,
        maintenance_interval: 3_600 * SECOND,
        ..options(4, 4)
    });
    assert_eq!(world.run(|state, now, fx| state.evict_expired(now, fx)), 0);
    // Their dates are 25 s apart.
    world.now += 130 * SECOND;
    assert_eq!(world.run(|state, now, fx| state.evict_expired(now, fx)), 2);
}
