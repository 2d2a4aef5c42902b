//! The command line of `bench-peers sql`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::client::Database;
use super::clients;
use super::place::Transport;
use super::question::Question;
use super::sample::Windows;
use crate::runtime::Flavor;

/// Compares our drivers and their pools with sqlx, deadpool-postgres and bb8-postgres, over real databases.
///
/// Starts a PostgreSQL and a MariaDB of its own, which have to be installed (scripts/test.sh --install), and makes a
/// SQLite file. All pools have 8 connections without TLS, every operation acquires a connection, runs one prepared
/// query and gives the connection back; what has no pool has 8 connections and a task for each. Every client is measured
/// once per round, in random order, each time on a fresh runtime of 2 workers and with fresh connections; ours is
/// measured twice, as a control. Ratios are taken within a round; that of the control tells what is noise. Build it
/// with --release, and leave the machine alone meanwhile: 21 minutes, with --quick 3 to 4.
#[derive(Debug, Args)]
pub(crate) struct SqlArguments {
    /// Measure only these databases; may be repeated. Default: all
    #[arg(long = "database", value_name = "NAME", value_delimiter = ',')]
    databases: Vec<Database>,

    /// Reach servers only this way
    #[arg(long, value_name = "NAME")]
    transport: Option<Transport>,

    /// Ask only this
    #[arg(long, value_name = "NAME")]
    question: Option<Question>,

    /// How many tasks share the 8 connections; may be repeated
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [8, 32], value_parser = clap::value_parser!(u16).range(1..=10_000))]
    tasks: Vec<u16>,

    /// Measure only these clients; may be repeated. Ratios need both sides
    #[arg(long = "client", value_name = "NAME", value_delimiter = ',', value_parser = PossibleValuesParser::new(client_names()))]
    clients: Vec<String>,

    /// Short windows and few rounds
    #[arg(long)]
    quick: bool,

    /// Rounds [default: 9, with --quick 5]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    rounds: Option<u16>,

    /// How long operations are counted per sample, in milliseconds; a third of it passes before as warm-up
    /// [default: 600, with --quick 150]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..=60_000))]
    window: Option<u64>,

    /// The runtime
    #[arg(long, value_name = "KIND", default_value = "multi")]
    pub(super) runtime: Flavor,

    /// Decides the order of the clients, and the keys that are asked for
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,

    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub(super) json: Option<PathBuf>,

    /// Write the tables to this file instead of standard output
    #[arg(long, value_name = "FILE")]
    pub(super) markdown: Option<PathBuf>,
}

fn client_names() -> Vec<&'static str> {
    // Those of PostgreSQL are all there are.
    clients::of(Database::Postgres).iter().map(|client| client.name()).collect()
}

impl SqlArguments {
    /// The databases, in the order of the tables.
    pub(super) fn databases(&self) -> Vec<Database> {
        let chosen = |database: &Database| self.databases.is_empty() || self.databases.contains(database);
        Database::ALL.into_iter().filter(chosen).collect()
    }

    /// Whether to go this way. There is but one to a file.
    pub(super) fn goes_by(&self, transport: Transport) -> bool {
        transport == Transport::File || self.transport.is_none_or(|wanted| wanted == transport)
    }

    /// What to ask.
    pub(super) fn questions(&self) -> Vec<Question> {
        self.question.map_or_else(|| Question::ALL.to_vec(), |question| vec![question])
    }

    /// How many tasks.
    pub(super) fn tasks(&self) -> Vec<usize> {
        self.tasks.iter().copied().map(usize::from).collect()
    }

    /// Whether the client takes part.
    pub(super) fn takes_part(&self, client: &str) -> bool {
        self.clients.is_empty() || self.clients.iter().any(|name| name == client)
    }

    /// How many rounds.
    pub(super) fn rounds(&self) -> usize {
        self.rounds.map_or(if self.quick { 5 } else { 9 }, usize::from)
    }

    /// How long each part of a sample takes.
    pub(super) fn windows(&self) -> Windows {
        let window = Duration::from_millis(self.window.unwrap_or(if self.quick { 150 } else { 600 }));
        Windows { warm_up: window / 3, window }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Arguments, Mode};

    fn parse(line: &str) -> Result<SqlArguments, clap::Error> {
        let words = ["bench-peers", "sql"].into_iter().chain(line.split_whitespace());
        let Some(Mode::Sql(arguments)) = Arguments::try_parse_from(words)?.mode else {
            unreachable!("the mode was named")
        };
        Ok(arguments)
    }

    #[test]
    fn everything_is_measured_unless_something_is_named() {
        let all = parse("").unwrap();
        assert_eq!(all.databases(), Database::ALL);
        assert_eq!(all.tasks(), [8, 32]);
        assert_eq!(all.questions().len(), 2);
        assert!(all.takes_part("bb8-postgres") && all.goes_by(Transport::Tcp));

        let some =
            parse("--database sqlite,postgres --tasks 3 --client ours --transport socket --quick").unwrap();
        assert_eq!(some.databases(), [Database::Postgres, Database::Sqlite]);
        assert_eq!(some.tasks(), [3]);
        assert!(some.takes_part("ours") && !some.takes_part("bb8-postgres"));
        assert!(some.goes_by(Transport::File) && !some.goes_by(Transport::Tcp));
        assert!(some.rounds() < all.rounds());
    }

    #[test]
    fn bad_arguments_end_with_code_2() {
        for line in [
            "--database oracle",
            "--client nobody",
            "--tasks 0",
            "--rounds 0",
            "--question why",
            "--pool ours",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
