//! The command line of `bench-peers outage`.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};

use super::contender::Settings;
use super::contenders::{self, Entrant};
use super::experiment::Pace;
use super::fault::Fault;

/// Takes the database away from ours, sqlx, deadpool-postgres and bb8-postgres, gives it back, and tells what each did.
///
/// Starts two PostgreSQL servers of its own, which have to be installed (scripts/test.sh --install), and a proxy. Every
/// run has a fresh pool of 10 connections under a load that does not wait for answers: 200 requests a second with 16
/// tasks, 1000 with 200, each a task that acquires a connection, asks and gives it back; at most so many tasks are under way, and a
/// request that finds as many is turned away and counted. After three seconds the database is gone, for five seconds; then
/// the pool is watched until it has been back for a second. All pools meet the same schedule, in an order that rotates with the
/// rounds; ours takes part twice, as a control. Progress goes to standard error, the tables to standard output.
///
/// A run takes about 12 seconds: all of them once with equal settings about 20 minutes, --quick 3 minutes. Build it with
/// --release, and leave the machine alone meanwhile.
#[derive(Debug, Args)]
pub(crate) struct OutageArguments {
    /// Only {stop, blackhole, refuse} x 16 tasks x {ours, sqlx, deadpool, bb8}, with equal settings, once
    #[arg(long)]
    quick: bool,

    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,

    /// Write the tables to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(super) markdown: Option<PathBuf>,

    /// Only these faults; may be repeated. Default: all
    #[arg(long = "faults", visible_alias = "fault", value_name = "NAME", value_delimiter = ',')]
    faults: Vec<Fault>,

    /// Only these pools; may be repeated. Default: all
    #[arg(long = "pools", visible_alias = "pool", value_name = "NAME", value_delimiter = ',', value_parser = PossibleValuesParser::new(names()))]
    pools: Vec<String>,

    /// How many requests may be under way; may be repeated [default: 16,200, with --quick 16]
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=10_000))]
    tasks: Vec<u16>,

    /// Equal settings for all, each pool's own defaults, or both
    #[arg(long, value_name = "WHICH", default_value = "equal")]
    settings: Which,

    /// Requests a second [default: 200 with up to 50 tasks, 1000 with more]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: Option<u32>,

    /// How often everything is run; figures are then medians [default: 1]
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,

    /// How long the database is gone, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    outage: u64,

    /// Decides when requests come
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,
}

/// Which settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Equal,
    Default,
    Both,
}

fn names() -> Vec<&'static str> {
    contenders::all().iter().map(|entrant| entrant.name).collect()
}

impl OutageArguments {
    /// The faults, in the order of the tables.
    pub(super) fn faults(&self) -> Vec<Fault> {
        let all = if self.quick { Fault::QUICK.to_vec() } else { Fault::ALL.to_vec() };
        let mut chosen = if self.faults.is_empty() { all } else { self.faults.clone() };
        chosen.dedup();
        chosen
    }

    /// The pools, in the order of the tables.
    pub(super) fn entrants(&self) -> Vec<Entrant> {
        let takes_part = |name: &str| match (self.pools.is_empty(), self.quick) {
            (false, _) => self.pools.iter().any(|pool| pool == name),
            (true, true) => contenders::QUICK.contains(&name),
            (true, false) => true,
        };
        contenders::all().into_iter().filter(|entrant| takes_part(entrant.name)).collect()
    }

    /// How many requests may be under way.
    pub(super) fn tasks(&self) -> Vec<usize> {
        match (self.tasks.is_empty(), self.quick) {
            (false, _) => self.tasks.iter().copied().map(usize::from).collect(),
            (true, true) => vec![16],
            (true, false) => vec![16, 200],
        }
    }

    /// How many come in a second, of which so many may be under way.
    pub(super) fn per_second(&self, tasks: usize) -> u32 {
        self.rate.unwrap_or(if tasks <= 50 { 200 } else { 1_000 })
    }

    /// Whose settings.
    pub(super) fn settings(&self) -> Vec<Settings> {
        match self.settings {
            Which::Equal => vec![Settings::Equal],
            Which::Default => vec![Settings::Default],
            Which::Both => vec![Settings::Equal, Settings::Default],
        }
    }

    /// How many rounds.
    pub(super) fn rounds(&self) -> usize {
        usize::from(self.rounds)
    }

    /// How long each part of a run takes.
    pub(super) fn pace(&self) -> Pace {
        Pace {
            before: Duration::from_secs(3),
            outage: Duration::from_millis(self.outage),
            after: Duration::from_secs(10),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Arguments, Mode};

    fn parse(line: &str) -> Result<OutageArguments, clap::Error> {
        let words = ["bench-peers", "outage"].into_iter().chain(line.split_whitespace());
        let Some(Mode::Outage(arguments)) = Arguments::try_parse_from(words)?.mode else {
            unreachable!("the mode was named")
        };
        Ok(arguments)
    }

    fn names(arguments: &OutageArguments) -> Vec<&'static str> {
        arguments.entrants().iter().map(|entrant| entrant.name).collect()
    }

    #[test]
    fn everything_is_run_unless_something_is_named() {
        let all = parse("").unwrap();
        assert_eq!((all.faults().as_slice(), all.tasks()), (Fault::ALL.as_slice(), vec![16, 200]));
        assert_eq!(all.entrants().len(), 6);
        assert_eq!(all.settings(), [Settings::Equal]);
        assert_eq!((all.per_second(16), all.per_second(200)), (200, 1_000));

        let some = parse("--faults freeze,stop --pools bb8 --tasks 3 --settings both --rate 7").unwrap();
        assert_eq!(some.faults(), [Fault::Freeze, Fault::Stop]);
        assert_eq!((names(&some), some.tasks(), some.per_second(3)), (vec!["bb8"], vec![3], 7));
        assert_eq!(some.settings(), [Settings::Equal, Settings::Default]);
    }

    #[test]
    fn quick_means_three_faults_one_crowd_and_a_pool_of_each() {
        let quick = parse("--quick").unwrap();
        assert_eq!(quick.faults(), [Fault::Stop, Fault::Blackhole, Fault::Refuse]);
        assert_eq!((quick.tasks(), quick.rounds()), (vec![16], 1));
        assert_eq!(names(&quick), ["ours", "sqlx", "deadpool", "bb8"]);
        assert_eq!(quick.settings(), [Settings::Equal]);
    }

    #[test]
    fn bad_arguments_end_with_code_2() {
        for line in
            ["--faults flood", "--pools nobody", "--tasks 0", "--settings some", "--rounds 0", "--outage 0"]
        {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
