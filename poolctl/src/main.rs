//! The program `poolctl`.

mod alerts;
mod check;
mod cli;
mod diff;
mod doctor;
mod duration;
mod exit;
mod health;
mod metrics;
mod notes;
mod output;
mod reading;
mod schema;
mod show;
mod surroundings;
mod watching;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use crate::cli::{Arguments, Command};
use crate::exit::Failure;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match carry_out(&arguments.command) {
        Ok(exit_code) => ExitCode::from(exit_code),
        Err(Failure { exit_code, error }) => {
            // Nobody is left to tell when standard error is closed, too.
            drop(writeln!(io::stderr(), "error: failed to {error:#}"));
            ExitCode::from(exit_code)
        }
    }
}

fn carry_out(command: &Command) -> Result<u8, Failure> {
    match command {
        Command::Check(check) => check::check(check),
        Command::Schema { format } => schema::print(*format),
        Command::Diff(diff) => diff::diff(diff),
        Command::Show(show) => show::show(show),
        Command::Doctor(doctor) => doctor::doctor(doctor),
        Command::Health(health) => health::health(health),
        Command::Alerts(alerts) => alerts::alerts(alerts),
        Command::Metrics(metrics) => metrics::metrics(metrics),
        Command::Rules(rules) => metrics::rules(rules),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Arguments::command(), "poolctl", &mut script);
            output::print(&String::from_utf8_lossy(&script))
        }
        Command::Man => schema::print_manual(),
    }
}
