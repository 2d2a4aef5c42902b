//! What `cargo xtask prove` does: runs the engine of pool-core under model checkers and sanitizers.
//!
//! A step is a function from a [`Workshop`] to an [`Outcome`]. Each model is run in a process of its own: one that
//! fails may well abort. The builds have a target folder for each kind, as their flags differ from the usual ones; what
//! the programs printed is kept beside them in `logs/`.

mod report;
#[cfg(test)]
mod tests;
mod workshop;

use std::fmt;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use clap::{Args, ValueEnum};

use report::{first_panic, tests_passed};
use workshop::{Workshop, stopwatch};

/// How long one model may take.
const MODEL_LIMIT: Duration = Duration::from_secs(600);

#[derive(Args)]
pub(crate) struct Arguments {
    /// In less than three minutes, build aside: loom with two preemptions, few schedules, no sanitizer.
    #[arg(long)]
    quick: bool,
    /// What to run; everything but `mutants` unless given.
    steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// Every interleaving of two or three threads, for each moment in which the shelf and the lock meet.
    Loom,
    /// Random schedules of eight threads.
    Shuttle,
    /// That both fail when a defect is planted.
    MutantsSeeded,
    /// Real threads under the address sanitizer; needs a nightly toolchain.
    Asan,
    /// Real threads under the thread sanitizer; needs a nightly toolchain with its `rust-src`.
    Tsan,
    /// That no change of the engine's code passes its tests: takes half an hour to an hour; needs `cargo mutants`.
    Mutants,
}

const QUICK: [Step; 3] = [Step::Loom, Step::Shuttle, Step::MutantsSeeded];
const USUAL: [Step; 5] = [Step::Loom, Step::Shuttle, Step::MutantsSeeded, Step::Asan, Step::Tsan];

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::Loom => "loom",
            Step::Shuttle => "shuttle",
            Step::MutantsSeeded => "mutants-seeded",
            Step::Asan => "asan",
            Step::Tsan => "tsan",
            Step::Mutants => "mutants",
        })
    }
}

/// What came of a step, in one line.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Holds(String),
    Fails(String),
    /// A tool is missing. Says which, and how to get it.
    NotRun(String),
}

/// A defect that pool-core can be built with (`pool-core/src/sync/planted.rs`), and who must notice.
struct Planted {
    name: &'static str,
    /// A model that finds it soon.
    model: &'static str,
    /// Whether it is there without weak memory, too.
    by_shuttle: bool,
}

const PLANTED: [Planted; 8] = [
    Planted {
        name: "NoGateCheck",
        model: "who_finds_nothing_and_queues_is_woken_by_the_release_of_that_moment",
        by_shuttle: true,
    },
    Planted {
        name: "OpenTooEarly",
        model: "who_finds_nothing_and_queues_is_woken_by_the_release_of_that_moment",
        by_shuttle: true,
    },
    Planted {
        name: "LookThenShut",
        model: "who_finds_nothing_and_queues_is_woken_by_the_release_of_that_moment",
        by_shuttle: true,
    },
    Planted {
        name: "HalfShut",
        model: "who_queues_is_woken_by_the_only_release_to_the_second_word",
        by_shuttle: true,
    },
    Planted {
        name: "RelaxedPut",
        model: "of_two_who_look_for_one_connection_one_has_it_at_a_time",
        by_shuttle: false,
    },
    Planted {
        name: "RelaxedTake",
        model: "of_two_who_look_for_one_connection_one_has_it_at_a_time",
        by_shuttle: false,
    },
    Planted { name: "TornHatch", model: "what_lies_in_a_hatch_is_had_once", by_shuttle: true },
    Planted {
        name: "RelaxedHatch",
        model: "who_looks_into_his_hatch_sees_what_was_done_with_what_lies_there",
        by_shuttle: false,
    },
];

const MODELS: &str = "engine::models::";
const SCHEDULES: &str = "engine::schedules::";

/// The checker's flags, and the variables that bound it.
const LOOM: &str = "--cfg pool_loom";
const SHUTTLE: &str = "--cfg pool_shuttle";
const PREEMPTIONS: &str = "LOOM_MAX_PREEMPTIONS";
const SCHEDULE_COUNT: &str = "POOL_SCHEDULES";
const DEFECT: &str = "POOL_PLANTED";

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let workshop = Workshop::open()?;
    let named = !arguments.steps.is_empty();
    let steps = match (named, arguments.quick) {
        (true, _) => arguments.steps.as_slice(),
        (false, true) => &QUICK,
        (false, false) => &USUAL,
    };
    let mut verdicts = Vec::new();
    let mut failed = 0;
    for step in steps {
        println!("\n== {step}");
        let (outcome, took) = stopwatch(|| match step {
            Step::Loom => loom(&workshop, arguments.quick),
            Step::Shuttle => shuttle(&workshop, arguments.quick),
            Step::MutantsSeeded => mutants_seeded(&workshop, arguments.quick),
            Step::Asan => sanitizer(&workshop, &ADDRESS),
            Step::Tsan => sanitizer(&workshop, &THREAD),
            Step::Mutants => mutants(&workshop),
        });
        let (verdict, why) = match outcome? {
            Outcome::Holds(why) => ("holds", why),
            Outcome::Fails(why) => ("FAILS", why),
            Outcome::NotRun(why) => ("not run", why),
        };
        // Who names a step wants it run.
        failed += usize::from(verdict == "FAILS" || (verdict == "not run" && named));
        verdicts.push(format!("{step}: {verdict} ({:.0} s): {why}", took.as_secs_f64()));
    }
    println!("\n== prove");
    for verdict in &verdicts {
        println!("{verdict}");
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn loom(workshop: &Workshop, quick: bool) -> anyhow::Result<Outcome> {
    let program = workshop.build("loom", LOOM)?;
    let preemptions = if quick { "2" } else { "3" };
    let models = program.tests(MODELS)?;
    let mut runs = program.run_each(&models, &[(PREEMPTIONS, preemptions)], MODEL_LIMIT)?;
    runs.sort_by(|a, b| a.test.cmp(&b.test));
    let (mut executions, mut failures) = (0, Vec::new());
    for run in &runs {
        let counted = report::executions(&run.output);
        match counted.filter(|_| run.passed) {
            Some(model) => {
                executions += model.executions;
                println!(
                    "{:>8} executions {:>6.1} s  {:<16} {}",
                    model.executions,
                    run.took.as_secs_f64(),
                    model.name,
                    run.name()
                );
            }
            None => {
                println!("  FAILED: {}: {}\n  see {}", run.name(), run.reason(), run.log.display());
                failures.push(run.name());
            }
        }
    }
    let summary =
        format!("{} models, {executions} executions, at most {preemptions} preemptions", models.len());
    Ok(verdict(&failures, summary))
}

fn shuttle(workshop: &Workshop, quick: bool) -> anyhow::Result<Outcome> {
    let program = workshop.build("shuttle", SHUTTLE)?;
    let count = if quick { "10000" } else { "100000" };
    let tests = program.tests(SCHEDULES)?;
    let runs = program.run_each(&tests, &[(SCHEDULE_COUNT, count)], MODEL_LIMIT)?;
    let mut failures = Vec::new();
    for run in &runs {
        let seconds = run.took.as_secs_f64();
        if run.passed {
            println!("{count:>8} schedules  {seconds:>6.1} s  {}", run.name());
        } else {
            println!("  FAILED: {}: {}\n  see {}", run.name(), run.reason(), run.log.display());
            failures.push(run.name());
        }
    }
    Ok(verdict(&failures, format!("{} crowds, {count} schedules each", tests.len())))
}

/// With `quick`, each defect is shown to the model that finds it soonest; else to all, of which that one must find it.
fn mutants_seeded(workshop: &Workshop, quick: bool) -> anyhow::Result<Outcome> {
    let loom = workshop.build("loom", LOOM)?;
    let shuttle = workshop.build("shuttle", SHUTTLE)?;
    let models = loom.tests(MODELS)?;
    let crowds = shuttle.tests(SCHEDULES)?;
    let mut missed = Vec::new();
    for planted in &PLANTED {
        let finder = format!("{MODELS}{}", planted.model);
        let shown = if quick { vec![finder.clone()] } else { models.clone() };
        let bounds = [(PREEMPTIONS, "2"), (DEFECT, planted.name)];
        let runs = loom.run_each(&shown, &bounds, Duration::from_secs(60))?;
        let caught: Vec<_> = runs.iter().filter_map(|run| Some((run, run.panic()?))).collect();
        let Some((_, panic)) = caught.iter().find(|(run, _)| run.test == finder) else {
            println!("{:<13} MISSED by {}", planted.name, planted.model);
            missed.push(planted.name);
            continue;
        };
        println!("{:<13} loom: {} of {} models fail; {panic}", planted.name, caught.len(), runs.len());
        if planted.by_shuttle {
            let bounds = [(SCHEDULE_COUNT, "10000"), (DEFECT, planted.name)];
            let runs = shuttle.run_each(&crowds, &bounds, Duration::from_secs(60))?;
            let caught = runs.iter().filter(|run| run.panic().is_some()).count();
            println!("{:<13} shuttle: {caught} of {} crowds fail", "", runs.len());
            if caught == 0 {
                missed.push(planted.name);
            }
        }
    }
    Ok(if missed.is_empty() {
        Outcome::Holds(format!("each of {} planted defects is found", PLANTED.len()))
    } else {
        Outcome::Fails(format!("not found: {}", missed.join(", ")))
    })
}

struct Sanitizer {
    name: &'static str,
    flag: &'static str,
    /// Whether the standard library must be built with it as well.
    with_std: bool,
    /// What a report of it begins with.
    mark: &'static str,
}

const ADDRESS: Sanitizer =
    Sanitizer { name: "asan", flag: "-Zsanitizer=address", with_std: false, mark: "ERROR: AddressSanitizer" };
const THREAD: Sanitizer =
    Sanitizer { name: "tsan", flag: "-Zsanitizer=thread", with_std: true, mark: "WARNING: ThreadSanitizer" };

fn sanitizer(workshop: &Workshop, sanitizer: &Sanitizer) -> anyhow::Result<Outcome> {
    let Some(nightly) = workshop.nightly()? else {
        return Ok(Outcome::NotRun(String::from("needs `rustup toolchain install nightly`")));
    };
    if sanitizer.with_std && !nightly.has_source {
        let cure = "needs `rustup component add rust-src --toolchain nightly`: a standard library that is not \
                    instrumented makes it see races where there are none";
        return Ok(Outcome::NotRun(String::from(cure)));
    }
    let mut passed = 0;
    for (target, tests) in
        [("--lib", "engine::"), ("--lib", "state::tests::stories"), ("--test=it", "stress")]
    {
        let run = workshop.sanitized(&nightly, sanitizer, &[target], &["--", tests])?;
        if !run.passed || run.output.contains(sanitizer.mark) {
            println!("  FAILED: {tests}: {}\n  see {}", run.reason(), run.log.display());
            return Ok(Outcome::Fails(format!("{tests}: {}", run.reason())));
        }
        let count = tests_passed(&run.output);
        if count == 0 {
            bail!("{target} has no test {tests}: see {}", run.log.display());
        }
        println!("{count:>4} tests {:>6.1} s  {target} {tests}", run.took.as_secs_f64());
        passed += count;
    }
    Ok(Outcome::Holds(format!("{passed} tests, no report")))
}

fn mutants(workshop: &Workshop) -> anyhow::Result<Outcome> {
    let files = ["--file=pool-core/src/shelf.rs", "--file=pool-core/src/engine.rs"];
    // What takes longest among the library's tests says nothing about these files.
    let tests = ["--lib", "--", "engine::", "state::tests::oracle", "state::tests::stories"];
    let Some(status) = workshop.mutants(&files, &tests)? else {
        return Ok(Outcome::NotRun(String::from("needs `cargo install cargo-mutants --locked`")));
    };
    Ok(match status.code() {
        Some(0) => Outcome::Holds(String::from("every mutant is caught")),
        Some(2) => {
            Outcome::Fails(String::from("some mutants survive: see target/prove/mutants.out/missed.txt"))
        }
        code => Outcome::Fails(format!("cargo mutants ended with {code:?}")),
    })
}

fn verdict(failures: &[&str], summary: String) -> Outcome {
    if failures.is_empty() {
        Outcome::Holds(summary)
    } else {
        Outcome::Fails(format!("{} of {summary}: {}", failures.len(), failures.join(", ")))
    }
}

/// A test that ran in a process of its own.
struct Run {
    /// Its path.
    test: String,
    passed: bool,
    timed_out: bool,
    output: String,
    log: std::path::PathBuf,
    took: Duration,
}

impl Run {
    fn name(&self) -> &str {
        self.test.rsplit("::").next().unwrap_or(&self.test)
    }

    /// What it panicked with, if that is why it failed.
    fn panic(&self) -> Option<&str> {
        if self.passed { None } else { first_panic(&self.output) }
    }

    fn reason(&self) -> &str {
        if self.timed_out { "took too long" } else { self.panic().unwrap_or("ended without a panic") }
    }
}
