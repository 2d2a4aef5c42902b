//! Compares `pool-core` with other pools: deadpool, bb8, mobc, asyncband, r2d2 and sqlx, and with two floors that no
//! pool can beat by much.
//!
//! The only crate that depends on the peers. It is a program; this library is what its tests run. Reading order:
//! `pool` (what is measured), `pools` (who), `workload` (what they do), `steady`, `threads`, `handoff`, `cancel` (how
//! one sample is taken), `rounds` (how samples are interleaved), `report` (what they say).

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
mod pool;
mod pools;
mod queue;
mod report;
mod rounds;
mod run;
mod runtime;
mod sample;
mod snapshot;
mod spread;
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
