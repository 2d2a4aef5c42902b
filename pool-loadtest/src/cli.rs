//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use pool_loadtest::{Request, parse_duration};

const AFTER_HELP: &str = "\
A thread is a task of the runtime. It makes bursts of cycles (acquire a connection, run one query,
give it back) with a pause of 1 ms after each burst, and begins a cycle only when its last one has
ended (a closed loop). The query counts to a hundred and touches no table. The first second is not
measured, unless the run is shorter than three.

With --alerts a monitor looks at the pool each second, or ten times in a shorter run, and judges it
by the rules of the configuration, or else by those that are built in. Alerts change no exit code.

Without --config the pool leads to an embedded SQLite database in a temporary file, and opens all
its connections beforehand. With it, the pool's options are those of the file, and what is given
here wins.

Ctrl-C or SIGTERM ends the load and reports what was measured; a second one skips waiting and the
leak check; a third one ends the program at once. RUST_LOG sets how much is logged to standard
error (default: warn).

Exit codes:
    0  finished, and no defect was found; cycles may have failed, the report tells how many
    1  internal error
    2  wrong command line, configuration file or output file
    3  could not start, or not one cycle succeeded
    5  the pool has a defect: a leak, an account that does not add up, starvation
  130  interrupted by SIGINT; 143 by SIGTERM (the result was written if the load had begun)";

/// Puts load on a connection pool, measures it, and writes the result as JSON.
#[derive(Debug, Parser)]
#[command(name = "pool-loadtest", version, after_help = AFTER_HELP)]
pub(crate) struct Arguments {
    /// The most connections [default: as configured, else 20]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pool_size: Option<u32>,

    /// Threads that compete for connections
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    threads: u32,

    /// Seconds to run, or 500ms, 10s, 1m30s
    #[arg(long, value_name = "TIME", default_value = "60", value_parser = parse_duration)]
    duration: Duration,

    /// Size of a thread's burst
    #[arg(
        long,
        value_name = "N",
        default_value = "100",
        value_parser = clap::value_parser!(u64).range(1..)
    )]
    connections_per_thread: u64,

    /// Where the result goes, as JSON
    #[arg(long, value_name = "FILE", default_value = "results.json")]
    pub(crate) output: PathBuf,

    /// Test a pool of this connection_pool.yaml
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,

    /// Which pool of the configuration [default: the first]
    #[arg(long, value_name = "NAME", requires = "config")]
    pub(crate) pool: Option<String>,

    /// Watch the pool with a monitor, and list the alerts that the load raises
    #[arg(long)]
    alerts: bool,

    /// What to print: a report, or the same JSON as in the file
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    /// Print neither progress nor report; JSON is still printed if asked for
    #[arg(long)]
    pub(crate) quiet: bool,
}

/// What is printed on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// A report for people
    #[value(help = None)]
    Text,
    /// The JSON document
    #[value(help = None)]
    Json,
}

impl Arguments {
    /// The load that is asked for.
    pub(crate) fn request(&self) -> Request {
        Request {
            pool_size: self.pool_size.map(|size| size as usize),
            threads: self.threads as usize,
            duration: self.duration,
            connections_per_thread: self.connections_per_thread,
            alerts: self.alerts,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_those_of_a_request() {
        assert_eq!(Arguments::parse_from(["pool-loadtest"]).request(), Request::default());
    }

    #[test]
    fn flags_become_the_request() {
        let arguments = Arguments::parse_from([
            "pool-loadtest",
            "--pool-size=8",
            "--threads=32",
            "--duration=1m30s",
            "--connections-per-thread=7",
            "--alerts",
        ]);
        let expected = Request {
            pool_size: Some(8),
            threads: 32,
            duration: Duration::from_secs(90),
            connections_per_thread: 7,
            alerts: true,
        };
        assert_eq!(arguments.request(), expected);
    }

    #[test]
    fn a_pool_needs_a_configuration() {
        assert!(Arguments::try_parse_from(["pool-loadtest", "--pool", "orders"]).is_err());
    }
}
