//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
#[cfg(feature = "sql")]
use clap::Subcommand;
use clap::builder::{PossibleValue, PossibleValuesParser};

use crate::child::Figure;
#[cfg(feature = "sql")]
use crate::outage::OutageArguments;
use crate::pools;
use crate::runtime::Flavor;
#[cfg(feature = "sql")]
use crate::sql::SqlArguments;
use crate::subject::Windows;
use crate::workload::{self, Special, Workload};

/// Compares this project's pool with other pools, all over connections that cost nothing.
///
/// Every pool is measured once per round, in random order, each time on a fresh runtime and pool; ours is measured
/// twice, as a control. Ratios are taken within a round. Build it with --release, and leave the machine alone
/// meanwhile: the ratio of the control tells whether that went well.
#[derive(Debug, Parser)]
#[command(name = "bench-peers", version, max_term_width = 100, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "`cargo xtask bench-peers sql` compares drivers and pools over real databases, `cargo xtask outage` takes the \
        database away from them; both have a --help of their own."
)]
pub(crate) struct Arguments {
    /// Another comparison
    #[cfg(feature = "sql")]
    #[command(subcommand)]
    pub(crate) mode: Option<Mode>,

    /// Measure the six main workloads with short windows: 80 to 120 seconds
    #[arg(long)]
    pub(crate) quick: bool,

    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,

    /// Write the tables to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(crate) markdown: Option<PathBuf>,

    /// Measure only these workloads; may be repeated. Default: all, with --quick the six main ones
    #[arg(long = "workload", value_name = "NAME", value_delimiter = ',', value_parser = PossibleValuesParser::new(workload_values()))]
    pub(crate) workloads: Vec<String>,

    /// Measure only these pools; may be repeated. Ratios need deadpool, a peer, and floor-mutex among them
    #[arg(long = "pool", value_name = "NAME", value_delimiter = ',', value_parser = PossibleValuesParser::new(pool_names()))]
    pub(crate) pools: Vec<String>,

    /// Measure only on this runtime
    #[arg(long, value_name = "KIND")]
    pub(crate) runtime: Option<Flavor>,

    /// Rounds [default: 9, with --quick 7]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) rounds: Option<u16>,

    /// How long operations are counted per sample, in milliseconds; waits are timed for twice as long, and a fifth
    /// of it passes before as warm-up [default: 250, with --quick 40]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    pub(crate) window: Option<u64>,

    /// Decides the order of the pools, and who gives up in the cancel workloads
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,

    /// How long the cancel storm lasts per pool; a quarter of it is added without cancellations [default: 20, with
    /// --quick 2]
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub(crate) storm_seconds: Option<u64>,

    /// Measures one figure in a process of its own
    #[arg(long, hide = true, requires = "memory_pool")]
    pub(crate) memory_child: Option<Figure>,

    /// The pool that `--memory-child` measures
    #[arg(long, hide = true)]
    pub(crate) memory_pool: Option<String>,
}

/// A comparison with arguments of its own.
#[cfg(feature = "sql")]
#[derive(Debug, Subcommand)]
pub(crate) enum Mode {
    Sql(SqlArguments),
    Outage(OutageArguments),
}

fn workload_values() -> impl Iterator<Item = PossibleValue> {
    let in_rounds =
        workload::ALL.iter().map(|workload| PossibleValue::new(workload.name).help(workload.about));
    in_rounds.chain(Special::ALL.map(|special| PossibleValue::new(special.name()).help(special.about())))
}

fn pool_names() -> Vec<&'static str> {
    pools::all().iter().map(|subject| subject.name()).collect()
}

impl Arguments {
    /// The workloads to be measured in rounds.
    pub(crate) fn in_rounds(&self) -> Vec<Workload> {
        let chosen = |workload: &&Workload| {
            if self.workloads.is_empty() {
                workload.quick || !self.quick
            } else {
                self.names(workload.name)
                    // Only the two together show whether leaving takes longer in a longer queue.
                    || workload.name == "cancel1000" && self.names("cancel10000")
            }
        };
        workload::ALL.iter().filter(chosen).copied().collect()
    }

    /// Whether to make this report, too.
    pub(crate) fn wants(&self, special: Special) -> bool {
        if self.workloads.is_empty() { !self.quick } else { self.names(special.name()) }
    }

    fn names(&self, workload: &str) -> bool {
        self.workloads.iter().any(|name| name == workload)
    }

    /// Whether the pool takes part.
    pub(crate) fn takes_part(&self, pool: &str) -> bool {
        self.pools.is_empty() || self.pools.iter().any(|name| name == pool)
    }

    /// The runtimes to be measured on.
    pub(crate) fn flavors(&self) -> Vec<Flavor> {
        self.runtime.map_or_else(|| Flavor::ALL.to_vec(), |flavor| vec![flavor])
    }

    /// How many rounds.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.map_or(if self.quick { 7 } else { 9 }, usize::from)
    }

    /// How long each part of a sample takes.
    pub(crate) fn windows(&self) -> Windows {
        let window = Duration::from_millis(self.window.unwrap_or(if self.quick { 40 } else { 250 }));
        Windows { warm_up: window / 5, throughput: window, waits: window * 2 }
    }

    /// How long the storm lasts.
    pub(crate) fn storm_time(&self) -> Duration {
        Duration::from_secs(self.storm_seconds.unwrap_or(if self.quick { 2 } else { 20 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, clap::Error> {
        Arguments::try_parse_from(std::iter::once("bench-peers").chain(line.split_whitespace()))
    }

    fn in_rounds(line: &str) -> Vec<&'static str> {
        parse(line).unwrap().in_rounds().iter().map(|workload| workload.name).collect()
    }

    #[test]
    fn quick_means_the_six_main_workloads() {
        let main = ["uncontended", "pair", "eight", "saturated64", "saturated1000", "handoff"];
        assert_eq!(in_rounds("--quick"), main);
        assert_eq!(in_rounds("").len(), workload::ALL.len());
        assert!(!parse("--quick").unwrap().wants(Special::Memory));
        assert!(parse("").unwrap().wants(Special::Memory));
    }

    #[test]
    fn what_is_named_is_measured_and_nothing_else() {
        assert_eq!(in_rounds("--workload pair --workload handoff,memory"), ["pair", "handoff"]);
        assert_eq!(in_rounds("--quick --workload cancel10000"), ["cancel1000", "cancel10000"]);
        let arguments = parse("--workload memory --pool ours").unwrap();
        assert!(arguments.wants(Special::Memory) && !arguments.wants(Special::CancelStorm));
        assert!(arguments.takes_part("ours") && !arguments.takes_part("bb8"));
    }

    #[test]
    fn bad_arguments_end_with_code_2() {
        for line in ["--pool nobody", "--workload nothing", "--rounds 0", "--window 0", "--runtime both"] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
