//! Compares `pool-core` with other pools: deadpool, bb8, mobc, asyncband, r2d2 and sqlx, and with two floors that no
//! pool can beat by much.
//!
//! The only crate that depends on the peers. It is a program; this library is what its tests run. Reading order:
//! `pool` (what is measured), `pools` (who), `workload` (what they do), `steady`, `threads`, `handoff`, `cancel` (how
//! one sample is taken), `rounds` (how samples are interleaved), `report` (what they say).
//!
//! The mode `sql` (feature `sql`) is another comparison, of drivers and pools over real databases; so is the mode `outage`
//! of the same feature, which takes the database away. See there.
//!
//! # To add a pool
//!
//! One file in `pools/` that implements `BenchPool`, and one line in `pools.rs`.
//!
//! # What to know before reading the tables
//!
//! - The control is our own pool, measured twice per round. A difference smaller than its spread is noise.
//! - bb8, asyncband and the mutex never give way while they find a connection. On `current`, their first task of
//!   `pair` and `eight` therefore does everything; these are serial runs.
//! - r2d2's callers are threads, and those that never wait pay for no scheduler but the kernel's. So each workload
//!   names the best peer of all, and the best of those that serve tasks.
//! - Pools on tokio's semaphore, and ours, give way every 128 acquires; on `multi` the task is then rescheduled,
//!   which is part of the figure.
//! - A task starves when it gets nothing within the window in which waits are timed. In a window of 80 ms that is
//!   also said of a pool whose longest waits are longer.
//! - The mutex without a queue spins; its `handoff` and `cancel` figures are what the tasks and futures alone cost.

mod board;
mod cancel;
mod child;
mod cli;
mod clock;
mod connection;
mod fairness;
mod handoff;
mod machine;
mod markdown;
mod memory;
#[cfg(feature = "sql")]
mod outage;
mod output;
mod pool;
mod pools;
mod queue;
mod quiet;
mod report;
mod rounds;
mod run;
mod runtime;
mod sample;
mod snapshot;
mod spread;
#[cfg(feature = "sql")]
mod sql;
mod steady;
mod storm;
mod subject;
mod threads;
mod wait;
mod workload;

use std::process::ExitCode;

use clap::Parser;

/// Runs the program: 0 done, 1 something failed, 2 bad arguments.
#[expect(clippy::print_stderr, reason = "a command-line program talks to its user")]
pub fn main() -> ExitCode {
    run::run(&cli::Arguments::parse()).unwrap_or_else(|error| {
        eprintln!("error: failed to {error:#}");
        ExitCode::FAILURE
    })
}
