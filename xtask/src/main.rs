//! The project's own chores: `cargo xtask <chore>`.
//!
//! Each chore is a pure function over plain data, in a module of its own; this file only gathers the data,
//! prints the outcome and sets the exit code (0 done, 1 the chore found something wrong, 2 bad usage).

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks to its user")]

mod dag;

use std::fs;
use std::process::ExitCode;

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
}

fn main() -> ExitCode {
    let outcome = match Xtask::parse().chore {
        Chore::Dag => check_dag(),
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
