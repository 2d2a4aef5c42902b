//! One run of the mode `sql`: places, rounds, output.

#![expect(clippy::print_stderr, reason = "a command-line program talks to its user")]

use std::process::ExitCode;

use super::arguments::SqlArguments;
use super::client::{CONNECTIONS, Database};
use super::clients;
use super::markdown;
use super::place::Place;
use super::report::{Report, SeriesReport, Settings};
use super::rounds::{self, Pace, Series};
use crate::machine::{self, Machine};
use crate::output::Output;
use crate::quiet::Ticks;
use crate::run::warn_of_debug;
use crate::runtime::Flavor;
use crate::{clock, markdown as tables};

/// Does what the command line asks for.
///
/// # Errors
///
/// When a server does not start or a file cannot be written.
pub(crate) fn run(arguments: &SqlArguments) -> anyhow::Result<ExitCode> {
    let output = Output::create(arguments.json.as_ref(), arguments.markdown.as_ref())?;
    let report = measure(arguments)?;
    output.write(&report, &markdown::write(&report))?;
    eprintln!("done in {:.0} s; {}", report.seconds, tables::others(report.others_cpu_pct));
    Ok(ExitCode::SUCCESS)
}

fn measure(arguments: &SqlArguments) -> anyhow::Result<Report> {
    let machine = Machine::read();
    // Declared before the places, whose servers it has started.
    let runtime = Flavor::Current.start();
    let mut places = Vec::new();
    for database in arguments.databases() {
        eprintln!("starting {}", database.name());
        places.push(runtime.block_on(Place::open(database))?);
    }
    let pace = Pace {
        rounds: arguments.rounds(),
        windows: arguments.windows(),
        flavor: arguments.runtime,
        seed: arguments.seed,
    };
    let mut all = plan(arguments, &places);
    let settings = settings(arguments, &pace, &places);
    eprint!("settings:\n{}", markdown::settings(&settings));
    warn_of_debug(&machine);
    let (samples, time) = rounds::estimate(&all, &pace);
    let seconds = time.as_secs_f64();
    eprintln!("seed {}, {} rounds, {samples} samples, at least {seconds:.0} s", pace.seed, pace.rounds);

    let (began, ticks) = (clock::now(), Ticks::now());
    rounds::run(&mut all, &pace, |round| {
        eprintln!("{:4.0} s  round {round} of {}", began.elapsed().as_secs_f64(), pace.rounds);
    });
    Ok(Report {
        schema: 1,
        machine,
        settings,
        seconds: began.elapsed().as_secs_f64(),
        others_cpu_pct: Ticks::now().zip(ticks).map(|(now, before)| now.others_pct(before)),
        series: all.iter().map(SeriesReport::of).collect(),
    })
}

fn plan<'a>(arguments: &SqlArguments, places: &'a [Place]) -> Vec<Series<'a>> {
    let mut all = Vec::new();
    for place in places {
        for (way, _) in place.ways.iter().enumerate().filter(|(_, way)| arguments.goes_by(way.transport())) {
            for question in arguments.questions() {
                for tasks in arguments.tasks() {
                    let takes_part = |client: &str| arguments.takes_part(client);
                    all.push(Series::new(place, way, question, tasks, takes_part));
                }
            }
        }
    }
    all
}

fn settings(arguments: &SqlArguments, pace: &Pace, places: &[Place]) -> Settings {
    // Those of PostgreSQL are all there are, and have the same settings everywhere.
    let clients = clients::of(Database::Postgres);
    let taking_part = clients.iter().filter(|client| arguments.takes_part(client.name()));
    Settings {
        seed: pace.seed,
        rounds: pace.rounds,
        warm_up_ms: pace.windows.warm_up.as_millis(),
        window_ms: pace.windows.window.as_millis(),
        runtime: pace.flavor.about(),
        connections: CONNECTIONS,
        versions: machine::sql_versions().collect(),
        databases: places.iter().map(|place| (place.database.name(), place.version.clone())).collect(),
        clients: taking_part.map(|client| (client.name(), client.settings())).collect(),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::{Arguments, Mode};

    fn run(line: &str) -> Report {
        let words = ["bench-peers", "sql"].into_iter().chain(line.split_whitespace());
        let Some(Mode::Sql(arguments)) = Arguments::try_parse_from(words).unwrap().mode else {
            unreachable!("the mode was named")
        };
        measure(&arguments).unwrap()
    }

    /// Every client has its turn in every series. A wrong answer, an error or a wait of 30 s would have ended the run.
    fn check(report: &Report, series: usize, clients: usize) {
        assert_eq!(report.series.len(), series);
        for series in &report.series {
            assert_eq!(series.results.len(), clients, "{series:?}");
            for result in &series.results {
                assert!(result.per_second.min > 0.0 && result.client_us.min > 0.0, "{result:?}");
                assert!(result.ours_to_it.is_some(), "{result:?}");
            }
        }
    }

    #[test]
    fn a_round_over_sqlite_measures_every_client() {
        let report = run("--database sqlite --rounds 1 --window 30 --tasks 12");
        check(&report, 2, 7);
        assert!(report.settings.databases["SQLite"].starts_with("3."), "{:?}", report.settings);
    }

    #[test]
    fn a_round_over_postgresql_measures_every_client() {
        let line = "--database postgres --transport socket --question key --rounds 1 --window 30 --tasks 12";
        let report = run(line);
        check(&report, 1, 11);
        assert!(markdown::write(&report).contains("## PostgreSQL over Unix socket: row by key, 12 tasks"));
    }

    #[test]
    fn drivers_of_postgresql_find_their_way_over_tcp() {
        let clients = "ours,sqlx-unpooled,deadpool-postgres,bb8-postgres";
        let line =
            "--database postgres --transport tcp --question one --rounds 1 --window 30 --tasks 2 --client ";
        check(&run(&format!("{line}{clients}")), 1, 5);
    }
}
