//! One run of the mode `outage`: the stage, all turns, output.

#![expect(clippy::print_stderr, reason = "a command-line program talks to its user")]

use std::process::ExitCode;

use super::arguments::OutageArguments;
use super::contender::{QUERY, QUERY_LIMIT, SIZE};
use super::contenders::OURS;
use super::figures::Figures;
use super::report::{Method, Report, Run};
use super::rounds::Plan;
use super::stage::Stage;
use super::table;
use crate::machine::{self, Machine};
use crate::output::Output;
use crate::quiet::Ticks;
use crate::run::warn_of_debug;
use crate::{clock, markdown};

/// Does what the command line asks for. It fails if our pool has lost a connection: in a peer that is a finding.
///
/// # Errors
///
/// When a server does not start or a file cannot be written.
pub(crate) fn run(arguments: &OutageArguments) -> anyhow::Result<ExitCode> {
    let output = Output::create(arguments.json.as_ref(), arguments.markdown.as_ref())?;
    let report = measure(arguments)?;
    output.write(&report, &table::write(&report))?;
    eprintln!("done in {:.0} s; {}", report.seconds, markdown::others(report.others_cpu_pct));
    let leaks: Vec<_> =
        report.runs.iter().filter(|run| run.pool == OURS && run.figures.leaked_slots > 0).collect();
    for run in &leaks {
        let lost = run.figures.leaked_slots;
        eprintln!("error: after {} {OURS} has lost {lost} of {SIZE} connections", run.fault.name());
    }
    Ok(if leaks.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(arguments: &OutageArguments) -> anyhow::Result<Report> {
    let machine = Machine::read();
    warn_of_debug(&machine);
    eprintln!("starting two PostgreSQL servers");
    let stage = Stage::open()?;
    let plan = Plan {
        settings: arguments.settings(),
        faults: arguments.faults(),
        crowds: arguments.tasks().into_iter().map(|tasks| (tasks, arguments.per_second(tasks))).collect(),
        entrants: arguments.entrants(),
        rounds: arguments.rounds(),
        pace: arguments.pace(),
        seed: arguments.seed,
    };
    let method = method(&plan, stage.version()?);
    let turns = plan.turns();
    let (began, ticks) = (clock::now(), Ticks::now());
    let mut runs = Vec::with_capacity(turns.len());
    for (index, turn) in turns.iter().enumerate() {
        let conditions = &turn.conditions;
        eprint!(
            "{:4.0} s  {:3} of {}: {} tasks, {}, {}, {}",
            began.elapsed().as_secs_f64(),
            index + 1,
            turns.len(),
            conditions.tasks,
            conditions.settings.name(),
            conditions.fault.name(),
            turn.entrant.name,
        );
        let figures = Figures::of(&turn.entrant.run(&stage, conditions)?);
        eprintln!(": {}", summary(&figures));
        runs.push(Run::of(turn, figures));
    }
    Ok(Report {
        schema: 1,
        machine,
        settings: method,
        seconds: began.elapsed().as_secs_f64(),
        others_cpu_pct: Ticks::now().zip(ticks).map(|(now, before)| now.others_pct(before)),
        runs,
    })
}

fn method(plan: &Plan, database: String) -> Method {
    let settings = |entrant: &super::contenders::Entrant| {
        plan.settings.iter().map(|settings| (settings.name(), entrant.settings(*settings))).collect()
    };
    Method {
        seed: plan.seed,
        rounds: plan.rounds,
        outage_ms: plan.pace.outage.as_millis(),
        connections: SIZE,
        query: QUERY,
        query_limit_ms: QUERY_LIMIT.as_millis(),
        versions: machine::sql_versions().collect(),
        database,
        pools: plan.entrants.iter().map(|entrant| (entrant.name, settings(entrant))).collect(),
    }
}

/// A run in a few words, to watch it by.
fn summary(figures: &Figures) -> String {
    let ms = |figure: Option<f64>| figure.map_or_else(|| String::from("never"), |ms| format!("{ms:.0} ms"));
    format!(
        "{} connects, first success after {}, back after {}",
        figures.connect_attempts,
        ms(figures.t_first_ms),
        ms(figures.t95_ms)
    )
}
