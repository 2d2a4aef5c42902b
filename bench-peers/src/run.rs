//! One run: plan, rounds, special reports, output.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program talks to its user")]

use std::process::ExitCode;
use std::time::Duration;

use crate::child::{BARE_TASK, memory_of};
use crate::cli::Arguments;
#[cfg(feature = "sql")]
use crate::cli::Mode;
use crate::machine::{Machine, versions};
use crate::output::Output;
use crate::quiet::Ticks;
use crate::report::{Control, Report, Settings, StormRow, WorkloadReport};
use crate::rounds::Plan;
use crate::storm::Storm;
use crate::workload::Special;
use crate::{child, clock, markdown, pools, snapshot};
#[cfg(feature = "sql")]
use crate::{outage, sql};

/// Does what the command line asks for.
///
/// # Errors
///
/// When a file cannot be written or a child process does not answer.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    #[cfg(feature = "sql")]
    match &arguments.mode {
        Some(Mode::Sql(arguments)) => return sql::run(arguments),
        Some(Mode::Outage(arguments)) => return outage::run(arguments),
        None => {}
    }
    if let (Some(figure), Some(pool)) = (arguments.memory_child, &arguments.memory_pool) {
        println!("{}", child::figure(figure, pool)?);
        return Ok(ExitCode::SUCCESS);
    }
    let output = Output::create(arguments.json.as_ref(), arguments.markdown.as_ref())?;
    let report = measure(arguments)?;
    output.write(&report, &markdown::write(&report))?;
    eprintln!("done in {:.0} s; {}", report.seconds, markdown::others(report.others_cpu_pct));
    Ok(verdict(&report))
}

fn measure(arguments: &Arguments) -> anyhow::Result<Report> {
    let began = clock::now();
    let machine = Machine::read();
    let ticks = Ticks::now();
    let plan = Plan {
        subjects: pools::all().into_iter().filter(|subject| arguments.takes_part(subject.name())).collect(),
        workloads: arguments.in_rounds(),
        flavors: arguments.flavors(),
        rounds: arguments.rounds(),
        windows: arguments.windows(),
        seed: arguments.seed,
    };
    let settings = settings(arguments, &plan);
    announce(&plan, &settings, &machine);

    let all = plan.run(|round| eprintln!("{:4.0} s  round {round} of {}", elapsed(began), plan.rounds));
    let memory = arguments.wants(Special::Memory).then(|| memory(&plan)).transpose()?;
    let cancelstorm = arguments.wants(Special::CancelStorm).then(|| cancelstorm(arguments, &plan));
    let snapshot1000 = (arguments.wants(Special::Snapshot) && arguments.takes_part("ours")).then(|| {
        eprintln!("snapshot1000");
        snapshot::measure(1000, plan.rounds)
    });
    Ok(Report {
        schema: 1,
        machine,
        settings,
        seed: plan.seed,
        rounds: plan.rounds,
        seconds: elapsed(began),
        others_cpu_pct: Ticks::now().zip(ticks).map(|(now, before)| now.others_pct(before)),
        workloads: all.iter().map(WorkloadReport::of).collect(),
        aa_control: all.iter().filter_map(Control::of).collect(),
        memory,
        cancelstorm,
        snapshot1000,
    })
}

fn elapsed(began: std::time::Instant) -> f64 {
    began.elapsed().as_secs_f64()
}

fn settings(arguments: &Arguments, plan: &Plan) -> Settings {
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    Settings {
        warm_up_ms: milliseconds(plan.windows.warm_up),
        window_ms: milliseconds(plan.windows.throughput),
        waits_window_ms: milliseconds(plan.windows.waits),
        storm_seconds: arguments.storm_time().as_secs_f64(),
        versions: versions().collect(),
        pools: plan.subjects.iter().map(|subject| (subject.name(), subject.settings())).collect(),
    }
}

fn announce(plan: &Plan, settings: &Settings, machine: &Machine) {
    eprint!("equalised settings:\n{}", markdown::settings(settings));
    warn_of_debug(machine);
    let (samples, time) = plan.estimate();
    eprintln!(
        "seed {}, {} rounds, {samples} samples, at least {:.0} s",
        plan.seed,
        plan.rounds,
        time.as_secs_f64()
    );
}

/// Says so if the program was not built to be measured.
pub(crate) fn warn_of_debug(machine: &Machine) {
    if machine.profile != "release" {
        eprintln!("warning: this is a {} build; its figures mean nothing", machine.profile);
    }
}

fn memory(plan: &Plan) -> anyhow::Result<Vec<child::MemoryRow>> {
    let pools = plan.subjects.iter().map(|subject| subject.name());
    pools
        .chain([BARE_TASK])
        .map(|pool| {
            eprintln!("memory: {pool}");
            memory_of(pool)
        })
        .collect()
}

fn cancelstorm(arguments: &Arguments, plan: &Plan) -> Vec<StormRow> {
    let time = arguments.storm_time();
    let storm = Storm { tasks: 200, connections: 4, time, calm: time / 4, seed: plan.seed };
    let rows = plan.subjects.iter().filter_map(|subject| {
        eprintln!("cancelstorm: {}", subject.name());
        let outcome = subject.storm(&storm)?;
        Some(StormRow { pool: subject.name(), sound: outcome.is_sound(), outcome })
    });
    rows.collect()
}

/// A peer that loses connections is a finding; ours is a failure.
fn verdict(report: &Report) -> ExitCode {
    let rows = report.cancelstorm.iter().flatten();
    let unsound: Vec<_> = rows.filter(|row| row.pool == "ours" && !row.sound).collect();
    for row in &unsound {
        eprintln!(
            "error: {} does not account for every connection after the storm: {:?}",
            row.pool, row.outcome
        );
    }
    if unsound.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
