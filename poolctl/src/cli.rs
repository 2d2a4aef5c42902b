//! The command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;

use crate::duration;

const AFTER_HELP: &str = "\
Exit codes:
  0  all is well
  1  the configuration is invalid, or what it describes does not work
  2  wrong command line, or a file that cannot be read or written
  3  warnings, with --lint

Commands that take FILE take --config FILE as well. Files may refer to environment variables;
POOL_ENV names the environment if --env does not, and variables such as
POOL__POOLS__orders__MAX_CONNECTIONS override single keys. NO_COLOR switches colours off. Passwords
are never printed.";

/// Looks after connection_pool.yaml and the pools it describes.
#[derive(Debug, Parser)]
#[command(name = "poolctl", version, after_help = AFTER_HELP, arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Tell everything that is wrong with configurations
    Check(Check),
    /// Print the JSON Schema of a configuration, or its reference
    Schema {
        /// What to print
        #[arg(long, value_enum, default_value_t = SchemaFormat::Json)]
        format: SchemaFormat,
    },
    /// Tell what differs between two configurations, and what a reload would do about it
    Diff(Diff),
    /// Print a configuration as it is understood, without secrets
    Show(Show),
    /// Open one connection of each pool, and tell what works and what does not
    Doctor(Doctor),
    /// Watch the pools of a configuration, and tell how their targets are
    Health(Health),
    /// Watch the pools of a configuration, and list the alerts that this raises
    Alerts(Alerts),
    /// Measure the pools of a configuration, and print what a Prometheus would be told
    Metrics(Metrics),
    /// Print the rules that alerts are raised by, as a file of rules for a Prometheus
    Rules(Rules),
    /// Print a script that completes this command line
    Completions {
        /// The shell it is for
        shell: Shell,
    },
    /// Print the manual page
    Man,
}

/// How a file is read.
#[derive(Debug, Args)]
pub(crate) struct Reading {
    /// The environment, whose file is laid over the given one [default: POOL_ENV]
    #[arg(long, value_name = "NAME")]
    pub(crate) env: Option<String>,
}

/// The file that a command is about.
#[derive(Debug, Args)]
pub(crate) struct Subject {
    /// The configuration
    #[arg(value_name = "FILE", required_unless_present = "config", conflicts_with = "config")]
    file: Option<PathBuf>,

    /// The same, for those who write it so
    #[arg(long, value_name = "FILE", hide = true)]
    config: Option<PathBuf>,
}

impl Subject {
    /// Its path.
    pub(crate) fn path(&self) -> &Path {
        self.file.as_deref().or(self.config.as_deref()).expect("one of the two is required")
    }
}

/// The same for a command that takes several.
#[derive(Debug, Args)]
pub(crate) struct Subjects {
    /// The configurations
    #[arg(value_name = "FILE", required_unless_present = "config", conflicts_with = "config")]
    files: Vec<PathBuf>,

    /// One of them, for those who write it so
    #[arg(long, value_name = "FILE", hide = true)]
    config: Option<PathBuf>,
}

impl Subjects {
    /// Their paths.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.iter().chain(&self.config).map(PathBuf::as_path)
    }
}

/// Of the commands that judge what they look at.
const EXIT_CODES: &str = "\
Exit codes:
  0  nothing is wrong
  1  something is
  2  wrong command line, or a file that cannot be read
  3  warnings alone, with --lint";

#[derive(Debug, Args)]
#[command(override_usage = "poolctl check [OPTIONS] <FILE>...", after_help = EXIT_CODES)]
pub(crate) struct Check {
    #[command(flatten)]
    pub(crate) subjects: Subjects,

    /// Look at the files alone: at no secret, certificate or database they name
    #[arg(long)]
    pub(crate) syntax_only: bool,

    /// Exit with 3 if there are warnings
    #[arg(long)]
    pub(crate) lint: bool,

    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// The configuration there is
    #[arg(value_name = "OLD")]
    pub(crate) old: PathBuf,

    /// The configuration there is to be
    #[arg(value_name = "NEW")]
    pub(crate) new: PathBuf,

    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
#[command(override_usage = "poolctl show [OPTIONS] <FILE>")]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) subject: Subject,

    /// Show every key there is, inherited and built-in ones too
    #[arg(long)]
    pub(crate) resolved: bool,

    /// Say of each value where it comes from
    #[arg(long)]
    pub(crate) origin: bool,

    /// What to print; text is YAML
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
#[command(override_usage = "poolctl doctor [OPTIONS] <FILE>", after_help = EXIT_CODES)]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) subject: Subject,

    /// How long each pool may take, such as 500ms, 30s or 5m
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = duration::parse)]
    pub(crate) timeout: Duration,

    /// Exit with 3 if there are warnings
    #[arg(long)]
    pub(crate) lint: bool,

    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,

    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// Of the command that watches.
const HEALTH_NOTES: &str = "\
It opens one connection of each pool, whatever its min_connections, and checks that. With --for it
does so every fast_interval_ms of health_monitoring, a second unless written, and lists what became
of each pool meanwhile; Ctrl-C ends the watch before its time.

Exit codes:
  0  all pools are healthy or degraded, and were so all the time; or there are none
  1  one is unhealthy, or was so meanwhile, or nothing is known of it; or the file is invalid
  2  wrong command line, or a file that cannot be read
  3  one is degraded or recovering, or there are none, with --lint";

#[derive(Debug, Args)]
#[command(override_usage = "poolctl health [OPTIONS] <FILE>", after_help = HEALTH_NOTES)]
pub(crate) struct Health {
    #[command(flatten)]
    pub(crate) subject: Subject,

    /// How long to watch them, such as 500ms, 30s or 5m [default: as long as it takes to be sure]
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    pub(crate) duration: Option<Duration>,

    /// Exit with 3 if a pool works but not well, or there is none
    #[arg(long)]
    pub(crate) lint: bool,

    /// What to print
    #[arg(long, value_enum, default_value_t = Table::Table)]
    pub(crate) format: Table,

    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// Of the command that lists alerts.
const ALERTS_EXIT_CODES: &str = "\
Exit codes:
  0  nothing fires, or warnings alone
  1  an error or something critical fires; or the configuration is invalid
  2  wrong command line, or a file that cannot be read
  3  warnings alone fire, with --lint

The pools are opened here, beside the service: what its callers do to its own is not seen. Receivers
that the configuration names are not told. What must hold for 30 seconds fires after 30 seconds, and
is pending until then (--all). A rule over five minutes judges by as much as was seen until now.";

#[derive(Debug, Args)]
#[command(override_usage = "poolctl alerts [OPTIONS] <FILE>", after_help = ALERTS_EXIT_CODES)]
pub(crate) struct Alerts {
    #[command(flatten)]
    pub(crate) subject: Subject,

    /// How long to watch them, such as 500ms, 30s or 5m [default: 10s, or with --watch until Ctrl-C]
    #[arg(long = "for", value_name = "TIME", value_parser = duration::parse)]
    pub(crate) duration: Option<Duration>,

    /// List those too that are pending, or over
    #[arg(long)]
    pub(crate) all: bool,

    /// Print each change as it happens; the list comes at the end
    #[arg(long)]
    pub(crate) watch: bool,

    /// Exit with 3 if there are warnings alone
    #[arg(long)]
    pub(crate) lint: bool,

    /// What to print; with --watch and json, an object on each line
    #[arg(long, value_enum, default_value_t = Table::Table)]
    pub(crate) format: Table,

    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
#[command(override_usage = "poolctl metrics [OPTIONS] <FILE>")]
pub(crate) struct Metrics {
    #[command(flatten)]
    pub(crate) subject: Subject,

    /// How long to measure them, such as 500ms, 30s or 5m
    #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = duration::parse)]
    pub(crate) duration: Duration,

    #[command(flatten)]
    pub(crate) reading: Reading,
}

#[derive(Debug, Args)]
#[command(override_usage = "poolctl rules [OPTIONS] <FILE>")]
pub(crate) struct Rules {
    #[command(flatten)]
    pub(crate) subject: Subject,

    #[command(flatten)]
    pub(crate) reading: Reading,
}

/// How a list is printed on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Table {
    /// For people
    #[value(help = None)]
    Table,
    /// For programs
    #[value(help = None)]
    Json,
}

/// What is printed on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people
    #[value(help = None)]
    Text,
    /// For programs
    #[value(help = None)]
    Json,
}

/// What the schema is printed as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SchemaFormat {
    /// A JSON Schema
    #[value(help = None)]
    Json,
    /// The reference of all keys
    #[value(help = None)]
    Markdown,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_consistent() {
        Arguments::command().debug_assert();
    }
}
