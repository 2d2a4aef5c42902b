//! The project's own chores: `cargo xtask <chore>`.
//!
//! Each chore is a pure function over plain data, in a module of its own; this file only gathers the data,
//! prints the outcome and sets the exit code (0 done, 1 the chore found something wrong, 2 bad usage). Chores that
//! are programs of the workspace are only started here.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks to its user")]

mod dag;
mod prove;

use std::ffi::OsString;
use std::fs;
use std::process::{Command, ExitCode};

use anyhow::Context as _;
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};
use clap::{Parser, Subcommand};

/// The project's own chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Xtask {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Check who depends on whom against the tables in ARCHITECTURE.md.
    Dag,
    /// Prove the engine of pool-core with model checkers and sanitizers, and that the proof can fail.
    Prove(prove::Arguments),
    /// Compare our pool with other pools; see `cargo xtask bench-peers --help`, and `… sql --help` for databases.
    #[command(disable_help_flag = true)]
    BenchPeers {
        /// Handed on to the program `bench-peers`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Take the database away from our pool and others, and see what they do; see `cargo xtask outage --help`.
    #[command(disable_help_flag = true)]
    Outage {
        /// Handed on to `bench-peers outage`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

/// The mode of `bench-peers` that has a chore of its own.
const OUTAGE: &str = "outage";

/// The modes of `bench-peers` that need its feature `sql`.
const OVER_DATABASES: [&str; 2] = ["sql", OUTAGE];

fn main() -> ExitCode {
    let outcome = match Xtask::parse().chore {
        Chore::Dag => check_dag(),
        Chore::Prove(arguments) => prove::run(&arguments),
        Chore::BenchPeers { arguments } => bench_peers(&arguments),
        Chore::Outage { mut arguments } => {
            arguments.insert(0, OsString::from(OUTAGE));
            bench_peers(&arguments)
        }
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn check_dag() -> anyhow::Result<ExitCode> {
    // Why not the resolved graph: the rules are about what a manifest declares, and without resolving nothing
    // is downloaded and Cargo.lock stays as it is.
    let metadata = MetadataCommand::new().no_deps().exec().context("`cargo metadata` did not work")?;
    let path = metadata.workspace_root.join("ARCHITECTURE.md");
    let document = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;

    let rules = match dag::Rules::parse(&document) {
        Ok(rules) => rules,
        Err(problems) => {
            for problem in &problems {
                eprintln!("ARCHITECTURE.md:{problem}");
            }
            eprintln!("dag: the tables cannot be read: {} problem(s)", problems.len());
            return Ok(ExitCode::FAILURE);
        }
    };
    match dag::check(&rules, &members(&metadata)) {
        Ok(summary) => {
            println!("{summary}");
            Ok(ExitCode::SUCCESS)
        }
        Err(violations) => {
            for violation in &violations {
                eprintln!("{violation}\n");
            }
            eprintln!("dag: {} violation(s)", violations.len());
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Builds the comparison for release and runs it; its exit code becomes ours.
fn bench_peers(arguments: &[OsString]) -> anyhow::Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["run", "--release", "--package", "bench-peers"]);
    if arguments.first().is_some_and(|mode| OVER_DATABASES.iter().any(|other| mode == other)) {
        command.args(["--features", "sql"]);
    }
    let status = command.arg("--").args(arguments).status().context("`cargo run` did not start")?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// The workspace's members as plain data, in the order of their names.
fn members(metadata: &Metadata) -> Vec<dag::Member> {
    let mut members: Vec<_> = metadata
        .workspace_packages()
        .into_iter()
        .map(|package| dag::Member {
            name: package.name.to_string(),
            dependencies: package
                .dependencies
                .iter()
                .map(|dependency| dag::Dependency {
                    package: dependency.name.clone(),
                    rename: dependency.rename.clone(),
                    kind: match dependency.kind {
                        DependencyKind::Development => dag::Kind::Dev,
                        DependencyKind::Build => dag::Kind::Build,
                        _ => dag::Kind::Normal,
                    },
                })
                .collect(),
        })
        .collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    members
}
