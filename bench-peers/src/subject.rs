//! A pool as the rounds see it: an object that can be asked for one sample of a workload, whatever its types are.

use std::marker::PhantomData;
use std::time::Duration;

use crate::memory::Idle;
use crate::pool::{BenchPool, BlockingPool, Callers, Kind};
use crate::runtime::Flavor;
use crate::sample::Sample;
use crate::spread::Spread;
use crate::storm::{Storm, StormOutcome};
use crate::workload::{Load, Task};
use crate::{cancel, handoff, memory, steady, storm, threads};

/// How long each part of a sample takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Windows {
    /// Runs before anything is counted.
    pub(crate) warm_up: Duration,
    /// In which operations are counted.
    pub(crate) throughput: Duration,
    /// In which waits are timed.
    pub(crate) waits: Duration,
}

/// One pool, ready to be measured.
pub(crate) trait Subject {
    /// Its name.
    fn name(&self) -> &'static str;

    /// What it is to the comparison.
    fn kind(&self) -> Kind;

    /// What its callers are.
    fn callers(&self) -> Callers;

    /// How it is configured.
    fn settings(&self) -> &'static str;

    /// Whether it can run the task on such a runtime.
    fn can(&self, task: &Task, flavor: Flavor) -> bool;

    /// One sample, on a fresh runtime and pool. `seed` decides what is left to chance.
    fn sample(&self, task: &Task, flavor: Flavor, windows: &Windows, seed: u64) -> Sample;

    /// A storm of cancellations; `None` where callers cannot be cancelled.
    fn storm(&self, storm: &Storm) -> Option<StormOutcome>;

    /// Resident bytes of so many waiters, and the size of one's future; `None` where callers are threads.
    fn waiters(&self, waiters: usize) -> Option<memory::Waiters>;

    /// Resident bytes of so many idle connections.
    fn idle(&self, connections: usize) -> Idle;
}

/// A pool whose callers are tasks.
pub(crate) struct Tasks<P>(PhantomData<fn() -> P>);

/// A pool whose callers are threads.
pub(crate) struct Threads<P>(PhantomData<fn() -> P>);

impl<P: BenchPool> Tasks<P> {
    pub(crate) fn boxed() -> Box<dyn Subject> {
        Box::new(Self(PhantomData))
    }
}

impl<P: BlockingPool> Threads<P> {
    pub(crate) fn boxed() -> Box<dyn Subject> {
        Box::new(Self(PhantomData))
    }
}

impl<P: BenchPool> Subject for Tasks<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn kind(&self) -> Kind {
        P::KIND
    }

    fn callers(&self) -> Callers {
        Callers::Tasks
    }

    fn settings(&self) -> &'static str {
        P::SETTINGS
    }

    fn can(&self, _task: &Task, _flavor: Flavor) -> bool {
        true
    }

    fn sample(&self, task: &Task, flavor: Flavor, windows: &Windows, seed: u64) -> Sample {
        match *task {
            Task::Steady(load) => steady::<P>(&load, flavor, windows),
            Task::Handoff { waiters } => middle_of_three(|| handoff::tasks::<P>(waiters, flavor)),
            Task::Cancel { waiters } => middle_of_three(|| cancel::per_waiter::<P>(waiters, flavor, seed)),
        }
    }

    fn storm(&self, storm: &Storm) -> Option<StormOutcome> {
        Some(storm::run::<P>(storm))
    }

    fn waiters(&self, waiters: usize) -> Option<memory::Waiters> {
        Some(memory::waiters::<P>(waiters))
    }

    fn idle(&self, connections: usize) -> Idle {
        memory::idle::<P>(connections)
    }
}

/// For what is over within milliseconds: one interruption would be the whole sample.
fn middle_of_three(measure: impl Fn() -> f64) -> Sample {
    Sample::plain(Spread::of(&[measure(), measure(), measure()]).median)
}

fn steady<P: BenchPool>(load: &Load, flavor: Flavor, windows: &Windows) -> Sample {
    let ns_per_op = steady::throughput::<P>(load, flavor, windows);
    let waits = load.hold.then(|| steady::waits::<P>(load, flavor, windows));
    Sample { ns_per_op, waits }
}

impl<P: BlockingPool> Subject for Threads<P> {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn kind(&self) -> Kind {
        Kind::Peer
    }

    fn callers(&self) -> Callers {
        Callers::Threads
    }

    fn settings(&self) -> &'static str {
        P::SETTINGS
    }

    fn can(&self, task: &Task, flavor: Flavor) -> bool {
        flavor == Flavor::Multi && !matches!(task, Task::Cancel { .. })
    }

    fn sample(&self, task: &Task, _flavor: Flavor, windows: &Windows, _seed: u64) -> Sample {
        match *task {
            Task::Steady(load) => {
                let ns_per_op = threads::throughput::<P>(&load, windows);
                let waits = load.hold.then(|| threads::waits::<P>(&load, windows));
                Sample { ns_per_op, waits }
            }
            Task::Handoff { waiters } => Sample::plain(handoff::threads::<P>(waiters)),
            Task::Cancel { .. } => unreachable!("`can` said no"),
        }
    }

    fn storm(&self, _storm: &Storm) -> Option<StormOutcome> {
        None
    }

    fn waiters(&self, _waiters: usize) -> Option<memory::Waiters> {
        None
    }

    fn idle(&self, connections: usize) -> Idle {
        memory::idle_blocking::<P>(connections)
    }
}
