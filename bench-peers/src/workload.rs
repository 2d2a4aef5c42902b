//! The workloads, by the names that tables, JSON, and the command line use.

use crate::runtime::Flavor;

/// Callers that acquire and drop, over and over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    /// Tasks, or threads where callers block.
    pub(crate) callers: usize,
    /// The pool's size; all are open.
    pub(crate) connections: usize,
    /// Connections that somebody else holds all the time.
    pub(crate) held: usize,
    /// Whether a connection is held for one turn of the scheduler. Such loads also have their waits measured.
    pub(crate) hold: bool,
}

/// What is done to a pool to get one sample.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Task {
    /// A steady load, for the length of a window.
    Steady(Load),
    /// One connection through the hands of all waiters.
    Handoff { waiters: usize },
    /// All waiters give up.
    Cancel { waiters: usize },
}

/// A workload that is measured in rounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) task: Task,
    /// Whether it belongs to `--quick`.
    pub(crate) quick: bool,
    /// The runtimes it is measured on.
    pub(crate) flavors: &'static [Flavor],
}

/// A workload that is not measured in rounds but has a report of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Special {
    Memory,
    CancelStorm,
    Snapshot,
}

impl Special {
    /// All of them, in the order of the report.
    pub(crate) const ALL: [Special; 3] = [Special::Memory, Special::CancelStorm, Special::Snapshot];

    /// Its name on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Special::Memory => "memory",
            Special::CancelStorm => "cancelstorm",
            Special::Snapshot => "snapshot1000",
        }
    }

    /// What it is, in a line.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Special::Memory => "10,000 waiting tasks, 1,000 idle connections, a process each",
            Special::CancelStorm => {
                "200 tasks, pool of 4, half of all acquires dropped after 0–3 polls; on 2 workers"
            }
            Special::Snapshot => "ours only: looking at 1,000 open connections, half of them held",
        }
    }
}

const fn steady(callers: usize, connections: usize, held: usize, hold: bool) -> Task {
    Task::Steady(Load { callers, connections, held, hold })
}

const fn core(name: &'static str, about: &'static str, task: Task) -> Workload {
    Workload { name, about, task, quick: true, flavors: &Flavor::ALL }
}

const fn extra(name: &'static str, about: &'static str, task: Task, flavors: &'static [Flavor]) -> Workload {
    Workload { name, about, task, quick: false, flavors }
}

/// The workloads that are measured in rounds, in the order of the report.
pub(crate) const ALL: [Workload; 11] = [
    core("uncontended", "1 task, pool of 10, acquire and drop", steady(1, 10, 0, false)),
    core("pair", "2 tasks, pool of 10, acquire and drop", steady(2, 10, 0, false)),
    core("eight", "8 tasks, pool of 8, acquire and drop", steady(8, 8, 0, false)),
    core("saturated64", "64 tasks, pool of 8, held for one yield", steady(64, 8, 0, true)),
    core("saturated1000", "1,000 tasks, pool of 10, held for one yield", steady(1000, 10, 0, true)),
    core("handoff", "10,000 waiters, pool of 1, per hand-off", Task::Handoff { waiters: 10_000 }),
    extra("idle1of1", "1 task, pool of 1", steady(1, 1, 0, false), &Flavor::ALL),
    extra("idle1of63", "1 task, pool of 63, all but one held", steady(1, 63, 62, false), &Flavor::ALL),
    extra(
        "idle1of1000",
        "1 task, pool of 1,000, all but one held",
        steady(1, 1000, 999, false),
        &Flavor::ALL,
    ),
    extra(
        "cancel1000",
        "1,000 waiters leave, per waiter",
        Task::Cancel { waiters: 1000 },
        &[Flavor::Current],
    ),
    extra(
        "cancel10000",
        "10,000 waiters leave, per waiter",
        Task::Cancel { waiters: 10_000 },
        &[Flavor::Current],
    ),
];
