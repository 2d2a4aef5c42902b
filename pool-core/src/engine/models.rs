//! Loom explores every interleaving of a few threads on one engine, up to a number of preemptions.
//!
//! The engine, the shelf and the state machine are the real ones; only the primitives below them are loom's (see
//! `sync.rs`), a chunk has two slots, and time stands still unless a model moves it. What is checked stands in
//! [`harness`](super::harness).
//!
//! Run by `cargo xtask prove loom`. Bound: `LOOM_MAX_PREEMPTIONS`, 3 unless set.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::Waker;
use std::time::Duration;

use super::Taken;
use super::harness::{Conn, LONG, Outcome, World, number, options, touch};
use crate::options::{Fairness, PoolOptions};
use crate::shelf::Lease;
use crate::state::Refusal;
use crate::sync::thread::{self, JoinHandle};

/// What callers have in their hands.
type Held = Vec<Lease<Conn>>;

/// Explores a model and tells how many executions there were.
fn explore(name: &str, model: impl Fn() + Send + Sync + 'static) {
    let executions = Arc::new(AtomicU64::new(0));
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.max_branches = 20_000;
    let (begun, count) = (tokio::time::Instant::now(), Arc::clone(&executions));
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let (executions, seconds) = (executions.load(Ordering::Relaxed), begun.elapsed().as_secs_f64());
    println!("model {name}: {executions} executions, {seconds:.1} s");
}

/// A thread in the same world. Its handle is not one of the pool: the model checker sees no count of references.
fn spawn(world: &Arc<World>, run: impl FnOnce(&World) + 'static) -> JoinHandle<()> {
    let world = Arc::clone(world);
    thread::spawn(move || run(&world))
}

/// Uses a connection and gives it back.
fn use_and_release(world: &World, mut lease: Lease<Conn>) {
    touch(&mut lease);
    world.release(lease);
}

/// Gets a connection, however long that takes, uses it and gives it back.
fn one_use(world: &World, caller: u64) {
    use_and_release(world, world.acquire(caller).unwrap());
}

/// Takes a connection if one lies there, uses it and gives it back.
fn one_look(world: &World, caller: u64) {
    match world.look(caller) {
        Taken::Ready(lease) => use_and_release(world, lease),
        Taken::Doubtful(lease) | Taken::Refused(lease) => world.put_back(lease),
        Taken::Nothing => {}
    }
}

/// A world with its connections in somebody's hands.
fn all_held(connections: usize) -> (Arc<World>, Held) {
    let world = World::full(options(connections));
    let held = world.hold(connections);
    (world, held)
}

const MOMENT: Duration = Duration::from_millis(100);

// L1
#[test]
fn of_two_who_look_for_one_connection_one_has_it_at_a_time() {
    explore("L1", || {
        let world = World::full(options(1));
        let first = spawn(&world, |world| one_look(world, 1));
        let second = spawn(&world, |world| one_look(world, 2));
        first.join().unwrap();
        second.join().unwrap();
        world.finish(Held::new());
    });
}

// L2
#[test]
fn who_finds_nothing_and_queues_is_woken_by_the_release_of_that_moment() {
    explore("L2", || {
        let (world, mut held) = all_held(1);
        let caller = spawn(&world, |world| one_use(world, 1));
        world.release(held.remove(0));
        caller.join().unwrap();
        world.finish(held);
    });
}

// L2, where the connection is dead and another is opened.
#[test]
fn who_queues_for_a_connection_that_dies_is_served_by_a_new_one() {
    explore("L2 dead", || {
        let (world, mut held) = all_held(1);
        let caller = spawn(&world, |world| match world.ask(1, Some(LONG)) {
            Outcome::Has(lease) => use_and_release(world, lease),
            Outcome::Waits(waiter) => {
                world.keep();
                use_and_release(world, world.wait(1, waiter).unwrap());
            }
            Outcome::Refused(refusal) => unreachable!("{refusal:?}"),
        });
        world.discard(held.remove(0));
        world.keep();
        caller.join().unwrap();
        world.finish(held);
    });
}

// L3
#[test]
fn two_who_queue_are_served_by_two_releases() {
    explore("L3", || {
        let (world, held) = all_held(2);
        let first = spawn(&world, |world| one_use(world, 1));
        let second = spawn(&world, |world| one_use(world, 2));
        for lease in held {
            world.release(lease);
        }
        first.join().unwrap();
        second.join().unwrap();
        world.finish(Held::new());
    });
}

// L3, where the second is served by the first.
#[test]
fn two_who_queue_are_served_one_after_the_other() {
    explore("L3 in turn", || {
        let (world, mut held) = all_held(1);
        let first = spawn(&world, |world| one_use(world, 1));
        let second = spawn(&world, |world| one_use(world, 2));
        world.release(held.remove(0));
        first.join().unwrap();
        second.join().unwrap();
        world.finish(held);
    });
}

// L4
#[test]
fn who_gives_up_while_being_served_strands_nothing() {
    explore("L4", || {
        let (world, mut held) = all_held(1);
        let caller = spawn(&world, |world| match world.ask(1, Some(LONG)) {
            Outcome::Has(lease) => use_and_release(world, lease),
            Outcome::Waits(waiter) => world.cancel(1, waiter),
            Outcome::Refused(refusal) => unreachable!("{refusal:?}"),
        });
        let other = spawn(&world, |world| one_look(world, 2));
        world.release(held.remove(0));
        caller.join().unwrap();
        other.join().unwrap();
        world.finish(held);
    });
}

// L5
#[test]
fn who_gives_up_what_it_was_promised_passes_it_on() {
    explore("L5", || {
        let (world, mut held) = all_held(1);
        let first = world.queue(1, LONG);
        let second = spawn(&world, |world| one_use(world, 2));
        let release = spawn(&world, {
            let lease = held.remove(0);
            move |world| world.release(lease)
        });
        world.cancel(1, first);
        second.join().unwrap();
        release.join().unwrap();
        world.finish(held);
    });
}

// L6
#[test]
fn who_is_served_in_the_moment_its_time_is_over_has_it_or_leaves_it_to_the_next() {
    explore("L6", || {
        let (world, mut held) = all_held(1);
        let waiter = world.queue(1, MOMENT);
        let late = spawn(&world, move |world| {
            world.pass(MOMENT);
            match world.expire(1, waiter) {
                Outcome::Has(lease) => use_and_release(world, lease),
                Outcome::Refused(_) => {}
                Outcome::Waits(waiter) => unreachable!("its time is over: {waiter:?}"),
            }
        });
        let next = spawn(&world, |world| one_use(world, 2));
        world.release(held.remove(0));
        late.join().unwrap();
        next.join().unwrap();
        world.finish(held);
    });
}

// L7
#[test]
fn a_close_leaves_nobody_waiting_and_no_connection() {
    explore("L7", || {
        let (world, mut held) = all_held(1);
        let caller = spawn(&world, |world| match world.acquire(1) {
            Ok(lease) => use_and_release(world, lease),
            Err(refusal) => assert_eq!(refusal, Refusal::Closed),
        });
        let closer = spawn(&world, |world| {
            world.close();
            assert!(matches!(world.look(9), Taken::Nothing), "I6: nothing is handed out any more");
        });
        world.release(held.remove(0));
        caller.join().unwrap();
        closer.join().unwrap();
        world.finish(held);
    });
}

// L7, where the connection must be validated first.
#[test]
fn a_close_leaves_no_connection_that_somebody_found_doubtful() {
    explore("L7 doubtful", || {
        let mut brief = options(1);
        brief.validate_after_idle = MOMENT;
        let world = World::full(brief);
        world.pass(2 * MOMENT);
        // Any operation tells the time to those who look at the shelf.
        world.resume();
        let caller = spawn(&world, |world| match world.acquire(1) {
            Ok(lease) => use_and_release(world, lease),
            Err(refusal) => assert_eq!(refusal, Refusal::Closed),
        });
        let other = spawn(&world, |world| one_look(world, 2));
        world.close();
        caller.join().unwrap();
        other.join().unwrap();
        world.finish(Held::new());
    });
}

// L8
#[test]
fn a_pause_hands_out_nothing_and_whoever_waits_is_served_after_it() {
    explore("L8", || {
        let world = World::full(options(1));
        let pauser = spawn(&world, |world| {
            world.pause();
            assert!(matches!(world.look(9), Taken::Nothing), "nothing is handed out during a pause");
            world.resume();
        });
        let caller = spawn(&world, |world| one_use(world, 1));
        one_look(&world, 2);
        pauser.join().unwrap();
        caller.join().unwrap();
        world.finish(Held::new());
    });
}

// L9
#[test]
fn a_pool_made_smaller_ends_up_smaller() {
    explore("L9", || {
        let world = World::full(options(2));
        let mut held = world.hold(1);
        let resizer = spawn(&world, |world| world.reconfigure(options(1)));
        let caller = spawn(&world, |world| one_use(world, 1));
        world.release(held.remove(0));
        resizer.join().unwrap();
        caller.join().unwrap();
        world.finish(held);
    });
}

// L10
#[test]
fn a_connection_that_is_closed_for_idleness_is_in_nobodys_hands() {
    explore("L10", || {
        let mut options = options(1);
        options.idle_timeout = Duration::from_secs(1);
        let world = World::full(options);
        world.pass(Duration::from_secs(2));
        let keeper = spawn(&world, |world| {
            for work in world.turn() {
                world.work(work);
            }
        });
        one_look(&world, 1);
        keeper.join().unwrap();
        world.finish(Held::new());
    });
}

// L11
#[test]
fn a_connection_opened_for_one_who_gives_up_is_free_for_the_next() {
    explore("L11", || {
        let world = World::empty(options(1));
        let waiter = world.queue(1, LONG);
        let mut work = world.turn();
        let connect = spawn(&world, {
            let work = work.remove(0);
            move |world| world.work(work)
        });
        let next = spawn(&world, |world| one_use(world, 2));
        world.cancel(1, waiter);
        connect.join().unwrap();
        next.join().unwrap();
        world.finish(Held::new());
    });
}

// L12
#[test]
fn who_looks_while_its_promise_is_taken_back_has_it_or_leaves_it_to_the_next() {
    explore("L12", || {
        let (world, mut held) = all_held(1);
        let waiter = world.queue(1, MOMENT);
        world.release(held.remove(0));
        world.pass(Duration::from_secs(2));
        let keeper = spawn(&world, |world| {
            assert!(world.turn().is_empty(), "it only takes back what was promised");
        });
        let slow = spawn(&world, move |world| match world.claim(1, waiter, Waker::noop().clone()) {
            Some(Outcome::Has(lease)) => use_and_release(world, lease),
            Some(Outcome::Refused(_)) => {}
            other => unreachable!("it was served: {other:?}"),
        });
        one_use(&world, 2);
        keeper.join().unwrap();
        slow.join().unwrap();
        world.finish(held);
    });
}

// L12, where the one who was promised it never looks.
#[test]
fn a_promise_that_nobody_takes_goes_to_the_next() {
    explore("L12 unpolled", || {
        let (world, mut held) = all_held(1);
        let waiter = world.queue(1, MOMENT);
        world.release(held.remove(0));
        world.pass(Duration::from_secs(2));
        let next = spawn(&world, |world| one_use(world, 2));
        let other = spawn(&world, |world| one_look(world, 3));
        assert!(world.turn().is_empty(), "it only takes back what was promised");
        next.join().unwrap();
        other.join().unwrap();
        let claim = world.claim(1, waiter, Waker::noop().clone());
        assert!(matches!(claim, Some(Outcome::Refused(_))), "it was too late: {claim:?}");
        world.finish(held);
    });
}

// L12, in a saturated pool, where the promise lies in its hatch.
#[test]
fn what_lies_in_a_hatch_is_had_once() {
    explore("L12 hatch", || {
        let (world, mut held) = all_held(1);
        let (first, second) = (world.queue(1, LONG), world.queue(2, LONG));
        world.release(held.remove(0));
        assert!(world.lies_in_its_hatch(first));
        let slow = spawn(&world, move |world| use_and_release(world, world.wait(1, first).unwrap()));
        let look = spawn(&world, |world| assert_eq!(world.stats().total, 1));
        world.cancel(2, second);
        slow.join().unwrap();
        look.join().unwrap();
        world.finish(held);
    });
}

// L2, in a saturated pool: who looks into his hatch in the moment in which something is laid in.
#[test]
fn who_looks_into_his_hatch_sees_what_was_done_with_what_lies_there() {
    explore("L2 hatch", || {
        let (world, mut held) = all_held(1);
        let (first, second) = (world.queue(1, LONG), world.queue(2, LONG));
        let mut lease = held.remove(0);
        let other = spawn(&world, move |world| {
            touch(&mut lease);
            world.release(lease);
        });
        let lease = world.collect(1, first).unwrap_or_else(|| world.wait(1, first).unwrap());
        use_and_release(&world, lease);
        use_and_release(&world, world.wait(2, second).unwrap());
        other.join().unwrap();
        world.finish(held);
    });
}

// L12, in a saturated pool, and L6.
#[test]
fn what_lies_in_a_hatch_for_too_long_goes_to_the_next() {
    explore("L12 hatch late", || {
        let (world, mut held) = all_held(1);
        let (first, second) = (world.queue(1, MOMENT), world.queue(2, LONG));
        world.release(held.remove(0));
        assert!(world.lies_in_its_hatch(first));
        world.pass(Duration::from_secs(2));
        let keeper = spawn(&world, |world| {
            assert!(world.turn().is_empty(), "it only takes back what was promised");
        });
        let slow = spawn(&world, move |world| match world.wait(1, first) {
            Ok(lease) => use_and_release(world, lease),
            Err(refusal) => assert_eq!(refusal, Refusal::Timeout),
        });
        use_and_release(&world, world.wait(2, second).unwrap());
        keeper.join().unwrap();
        slow.join().unwrap();
        world.finish(held);
    });
}

// Adaptive fairness: who comes takes what another was granted and has not come for.
#[test]
fn who_takes_over_a_promise_leaves_its_owner_first_in_line() {
    let overtaken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&overtaken);
    explore("take over", move || {
        let world = World::full(PoolOptions { fairness: Fairness::Adaptive, ..options(1) });
        let mut held = world.hold(1);
        let waiter = world.queue(1, LONG);
        world.release(held.remove(0));
        world.pass(MOMENT);
        let slow = spawn(&world, move |world| use_and_release(world, world.wait(1, waiter).unwrap()));
        let look = spawn(&world, |world| one_look(world, 3));
        match world.ask(2, Some(LONG)) {
            Outcome::Has(lease) => {
                count.fetch_add(1, Ordering::Relaxed);
                use_and_release(&world, lease);
            }
            Outcome::Waits(waiter) => use_and_release(&world, world.wait(2, waiter).unwrap()),
            Outcome::Refused(refusal) => unreachable!("{refusal:?}"),
        }
        slow.join().unwrap();
        look.join().unwrap();
        world.finish(held);
    });
    assert_ne!(overtaken.load(Ordering::Relaxed), 0, "in some execution the second has it first");
}

// The same in a saturated pool: the first search notes who has a promise, the second takes it.
#[test]
fn who_takes_over_out_of_a_hatch_leaves_its_owner_first_in_line() {
    let overtaken = Arc::new(AtomicU64::new(0));
    let count = Arc::clone(&overtaken);
    explore("take over hatch", move || {
        let world = World::full(PoolOptions { fairness: Fairness::Adaptive, ..options(1) });
        let mut held = world.hold(1);
        let (first, second) = (world.queue(1, LONG), world.queue(2, LONG));
        world.pass(MOMENT);
        world.release(held.remove(0));
        assert!(world.lies_in_its_hatch(first));
        let third = world.queue(3, LONG);
        world.pass(MOMENT);
        let slow = spawn(&world, move |world| use_and_release(world, world.wait(1, first).unwrap()));
        match world.ask(4, Some(LONG)) {
            Outcome::Has(lease) => {
                count.fetch_add(1, Ordering::Relaxed);
                use_and_release(&world, lease);
            }
            Outcome::Waits(waiter) => world.cancel(4, waiter),
            Outcome::Refused(refusal) => unreachable!("{refusal:?}"),
        }
        world.cancel(3, third);
        use_and_release(&world, world.wait(2, second).unwrap());
        slow.join().unwrap();
        world.finish(held);
    });
    assert_ne!(overtaken.load(Ordering::Relaxed), 0, "in some execution the fourth has it first");
}

// L13
#[test]
fn who_queues_is_woken_by_a_release_to_either_word() {
    explore("L13", || {
        let (world, mut held) = all_held(3);
        assert_eq!(held.iter().map(Lease::index).collect::<Vec<_>>(), [0, 1, 2]);
        let (last, first) = (held.pop().unwrap(), held.remove(0));
        let low = spawn(&world, move |world| world.release(first));
        let high = spawn(&world, move |world| world.release(last));
        one_use(&world, 1);
        low.join().unwrap();
        high.join().unwrap();
        world.finish(held);
    });
}

// L13, one release: no other comes to the rescue.
#[test]
fn who_queues_is_woken_by_the_only_release_to_the_second_word() {
    explore("L13 second word", || {
        let (world, mut held) = all_held(3);
        let last = held.pop().unwrap();
        let high = spawn(&world, move |world| world.release(last));
        let other = spawn(&world, |world| one_look(world, 2));
        one_use(&world, 1);
        high.join().unwrap();
        other.join().unwrap();
        world.finish(held);
    });
}

// L14
#[test]
fn the_last_handle_may_go_while_a_guard_comes_back() {
    explore("L14", || {
        let (world, mut held) = all_held(1);
        let world = Arc::into_inner(world).expect("no thread has it yet");
        let ledger = world.watch();
        let lease = held.remove(0);
        let guard = thread::spawn(move || World::release_alone(lease));
        let user = thread::spawn(move || {
            world.close();
            world.keep();
        });
        guard.join().unwrap();
        user.join().unwrap();
        // That the engine is gone as well, loom sees by its count of references.
        assert!(ledger.is_over(), "every connection is gone, and every share in the pool");
    });
}

// A mark that its holder does not see in time: the next one does.
#[test]
fn nobody_is_given_a_connection_of_before_an_eviction_of_all() {
    explore("evict_all", || {
        let (world, mut held) = all_held(1);
        let evictor = spawn(&world, |world| {
            world.evict_all();
            match world.ask(1, Some(LONG)) {
                Outcome::Has(lease) => panic!("{} was evicted", number(&lease)),
                Outcome::Waits(waiter) => world.cancel(1, waiter),
                Outcome::Refused(refusal) => unreachable!("{refusal:?}"),
            }
        });
        let other = spawn(&world, |world| one_look(world, 2));
        world.release(held.remove(0));
        evictor.join().unwrap();
        other.join().unwrap();
        world.finish(held);
    });
}

// The same for one connection.
#[test]
fn nobody_is_given_a_connection_that_was_evicted() {
    explore("evict", || {
        let (world, mut held) = all_held(1);
        let id = held[0].id();
        let evictor = spawn(&world, move |world| {
            assert!(world.evict(id), "it is there");
            match world.ask(1, Some(LONG)) {
                Outcome::Has(lease) => panic!("{} was evicted", number(&lease)),
                Outcome::Waits(waiter) => world.cancel(1, waiter),
                Outcome::Refused(refusal) => unreachable!("{refusal:?}"),
            }
        });
        world.release(held.remove(0));
        evictor.join().unwrap();
        world.finish(held);
    });
}

// Whoever looks at the books does not shut the gate.
#[test]
fn a_look_at_the_books_disturbs_nobody() {
    explore("look", || {
        let (world, mut held) = all_held(2);
        let looker = spawn(&world, |world| {
            for _ in 0..2 {
                let stats = world.stats();
                assert_eq!((stats.total, stats.idle + stats.active), (2, 2), "{stats:?}");
            }
        });
        let caller = spawn(&world, |world| one_use(world, 1));
        world.release(held.remove(0));
        looker.join().unwrap();
        caller.join().unwrap();
        world.finish(held);
    });
}

// The shelf gets a second word meanwhile.
#[test]
fn a_pool_that_grows_serves_who_waits() {
    explore("grow", || {
        let mut wide = options(2);
        wide.max_connections = 3;
        let world = World::with(wide, 2);
        let mut held = world.hold(2);
        let waiter = world.queue(1, LONG);
        let keeper = spawn(&world, |world| world.keep());
        let caller = spawn(&world, |world| one_look(world, 2));
        world.release(held.remove(0));
        use_and_release(&world, world.wait(1, waiter).unwrap());
        keeper.join().unwrap();
        caller.join().unwrap();
        world.finish(held);
    });
}
