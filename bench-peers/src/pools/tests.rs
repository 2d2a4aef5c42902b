//! Every pool, small: that what is measured is a pool at all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use tokio::task::yield_now;

use super::*;
use crate::pool::{BenchPool, BlockingPool, fill, fill_blocking};
use crate::runtime::Flavor;
use crate::subject::Windows;
use crate::workload::{Load, Task};

const SIZE: usize = 3;
const CALLERS: usize = 8;
const TURNS: usize = 100;

/// Who holds which connection.
#[derive(Default)]
struct Ledger {
    held: parking_lot::Mutex<BTreeSet<u64>>,
    turns: AtomicUsize,
}

impl Ledger {
    fn takes(&self, id: u64) {
        let mut held = self.held.lock();
        assert!(held.insert(id), "connection {id} is held twice");
        assert!(held.len() <= SIZE, "{} connections are out", held.len());
    }

    fn gives(&self, id: u64) {
        assert!(self.held.lock().remove(&id));
        self.turns.fetch_add(1, Ordering::Relaxed);
    }

    fn is_settled(&self) {
        assert!(self.held.lock().is_empty());
        assert_eq!(self.turns.load(Ordering::Relaxed), CALLERS * TURNS);
    }
}

fn is_a_pool<P: BenchPool>() {
    for flavor in Flavor::ALL {
        let runtime = flavor.start();
        let pool = Arc::new(runtime.block_on(P::new(SIZE)));
        let ledger = Arc::new(Ledger::default());
        let tasks: Vec<_> = (0..CALLERS)
            .map(|_| {
                let (pool, ledger) = (Arc::clone(&pool), Arc::clone(&ledger));
                runtime.spawn(async move {
                    for _ in 0..TURNS {
                        let connection = pool.acquire().await;
                        ledger.takes(connection.id);
                        yield_now().await;
                        ledger.gives(connection.id);
                        drop(connection);
                    }
                })
            })
            .collect();
        for task in tasks {
            runtime.block_on(task).unwrap();
        }
        ledger.is_settled();
        // Filling opens exactly as many as there may be, and leaves as many held as asked for.
        let ids =
            |held: &[P::Guard<'_>]| held.iter().map(|connection| connection.id).collect::<BTreeSet<_>>();
        runtime.block_on(async {
            assert_eq!(ids(&fill(&*pool, SIZE, SIZE).await).len(), SIZE);
            assert_eq!(ids(&fill(&*pool, SIZE, SIZE - 1).await).len(), SIZE - 1);
            assert!(pool.future_bytes() > 0);
        });
        let _context = runtime.enter();
        drop(pool);
    }
}

fn is_a_blocking_pool<P: BlockingPool>() {
    let pool = P::new(SIZE);
    let ledger = Ledger::default();
    thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                for _ in 0..TURNS {
                    let connection = pool.acquire();
                    ledger.takes(connection.id);
                    thread::yield_now();
                    ledger.gives(connection.id);
                    drop(connection);
                }
            });
        }
    });
    ledger.is_settled();
    assert_eq!(fill_blocking(&pool, SIZE, SIZE).len(), SIZE);
}

#[test]
fn every_pool_hands_out_each_connection_to_one_caller_at_a_time() {
    is_a_pool::<Ours>();
    is_a_pool::<deadpool::Deadpool>();
    is_a_pool::<bb8::Bb8>();
    is_a_pool::<mobc::Mobc>();
    is_a_pool::<asyncband::Asyncband>();
    is_a_pool::<sqlx::Sqlx>();
    is_a_pool::<floor_mutex::FloorMutex>();
    is_a_pool::<floor_semaphore::FloorSemaphore>();
    is_a_blocking_pool::<r2d2::R2d2>();
}

#[test]
fn every_pool_can_do_every_task_it_says_it_can() {
    let moment = Duration::from_millis(2);
    let windows = Windows { warm_up: moment, throughput: moment, waits: moment };
    let load = Load { callers: 4, connections: 3, held: 1, hold: true };
    let idle = Load { callers: 1, connections: 3, held: 2, hold: false };
    let tasks =
        [Task::Steady(load), Task::Steady(idle), Task::Handoff { waiters: 20 }, Task::Cancel { waiters: 20 }];
    for subject in all() {
        for flavor in Flavor::ALL {
            for task in tasks.iter().filter(|task| subject.can(task, flavor)) {
                let sample = subject.sample(task, flavor, &windows, 1);
                let place = format!("{} {task:?} {flavor:?}", subject.name());
                assert!(sample.ns_per_op > 0.0 && sample.ns_per_op.is_finite(), "{place}: {sample:?}");
                let waits = matches!(task, Task::Steady(load) if load.hold);
                assert_eq!(sample.waits.is_some(), waits, "{place}");
            }
        }
    }
}

#[test]
fn the_names_are_those_that_others_rely_on() {
    let names: Vec<_> = all().iter().map(|subject| subject.name()).collect();
    let expected =
        ["ours", "deadpool", "bb8", "mobc", "asyncband", "r2d2", "sqlx", "floor-mutex", "floor-semaphore"];
    assert_eq!(names, expected);
}
