//! The program `pool-loadtest`: flags in, a report and a JSON file out.

mod cli;

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use pool_config::Config;
use pool_loadtest::result::LoadResult;
use pool_loadtest::{
    Charset, Controls, Interruptions, OutputFile, Plan, PlanError, ProgressLine, RunError, Watcher, exit,
    run, write_json, write_text,
};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::cli::{Arguments, Format};

/// Why the program ends without a result.
struct Failure {
    exit_code: u8,
    error: anyhow::Error,
}

impl Failure {
    /// For `map_err`.
    fn with<E: Into<anyhow::Error>>(exit_code: u8) -> impl Fn(E) -> Failure {
        move |error| Failure { exit_code, error: error.into() }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    log_to_stderr();
    match load_test(&arguments) {
        Ok(exit_code) => ExitCode::from(exit_code),
        Err(Failure { exit_code, error }) => {
            // Nobody is left to tell when standard error is closed, too.
            drop(writeln!(io::stderr(), "error: failed to {error:#}"));
            ExitCode::from(exit_code)
        }
    }
}

fn log_to_stderr() {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::WARN.into()).from_env_lossy();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false).init();
}

fn load_test(arguments: &Arguments) -> Result<u8, Failure> {
    let plan = plan(arguments)?;
    // Before the run: nobody wants to learn after an hour that it was for nothing.
    let output = OutputFile::create(&arguments.output)
        .with_context(|| format!("write to {}", arguments.output.display()))
        .map_err(Failure::with(exit::USAGE))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")
        .map_err(Failure::with(exit::INTERNAL))?;
    let result = runtime.block_on(carry_out(&plan, arguments))?;
    // A task that does not end must not keep the result.
    runtime.shutdown_background();

    let exit_code = result.run.exit_code;
    output
        .commit(&result)
        .with_context(|| format!("write to {}", arguments.output.display()))
        .map_err(Failure::with(exit::INTERNAL))?;
    print(arguments, &result).context("print the result").map_err(Failure::with(exit::INTERNAL))?;
    Ok(exit_code)
}

fn plan(arguments: &Arguments) -> Result<Plan, Failure> {
    let request = arguments.request();
    let plan = match &arguments.config {
        None => Plan::embedded(&request),
        Some(path) => {
            let config = Config::from_file(path).map_err(Failure::with(exit::USAGE))?;
            Plan::configured(&config, arguments.pool.as_deref(), &request)
        }
    };
    let mut plan = plan.map_err(|error| {
        let unsupported = matches!(error, PlanError::UnsupportedDriver { .. });
        Failure { exit_code: if unsupported { exit::NOT_STARTED } else { exit::USAGE }, error: error.into() }
    })?;
    plan.command = std::env::args_os().map(|argument| argument.to_string_lossy().into_owned()).collect();
    plan.alone_in_process = true;
    Ok(plan)
}

async fn carry_out(plan: &Plan, arguments: &Arguments) -> Result<LoadResult, Failure> {
    let interruptions =
        Interruptions::listen().context("listen to signals").map_err(Failure::with(exit::INTERNAL))?;
    let shown = !arguments.quiet && io::stderr().is_terminal();
    let watcher = shown.then(|| -> Watcher {
        let mut line = ProgressLine::new(io::stderr());
        // A terminal that is gone is no reason to stop measuring.
        Box::new(move |progress| drop(line.show(progress)))
    });
    let result = run(plan, Controls { interruptions, watcher }).await;
    if shown {
        drop(ProgressLine::new(io::stderr()).clear());
    }
    result.map_err(|error: RunError| Failure { exit_code: error.exit_code(), error: error.into() })
}

fn print(arguments: &Arguments, result: &LoadResult) -> io::Result<()> {
    let mut out = io::stdout().lock();
    let printed = match arguments.format {
        Format::Json => write_json(&mut out, result),
        Format::Text if arguments.quiet => return Ok(()),
        Format::Text => {
            let charset = Charset::of_locale(|name| std::env::var(name).ok());
            write_text(&mut out, result, charset).and_then(|()| {
                let path = arguments.output.display().to_string();
                writeln!(out, "result written to {path}")
            })
        }
    };
    match printed.and_then(|()| out.flush()) {
        // `| head` has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}
