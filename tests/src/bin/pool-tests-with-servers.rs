//! Runs a program with a PostgreSQL and a Redis of its own, which are gone when it has ended:
//! `pool-tests-with-servers schema.sql PROGRAM [ARGUMENT]…`
//!
//! The program finds the servers in the environment, as [`Shop`] names them. Signals are passed on to it, and its exit
//! code is ours. For `scripts/example_service.sh`.

use std::error::Error;
use std::process::ExitCode;

use pool_tests::shop::Shop;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(schema), Some(program)) = (arguments.next(), arguments.next()) else {
        return Err("usage: pool-tests-with-servers schema.sql PROGRAM [ARGUMENT]…".into());
    };
    let schema = std::fs::read_to_string(schema)?;
    let servers = Shop::launch(&schema).await?;
    let mut command = Command::new(program);
    command.args(arguments).envs(servers.variables()).kill_on_drop(true);

    // A terminal sends them to the program as well, which may hear of one twice.
    let (mut hangup, mut interrupt, mut terminate) =
        (signal(SignalKind::hangup())?, signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut program = command.spawn()?;
    let status = loop {
        tokio::select! {
            status = program.wait() => break status?,
            _ = hangup.recv() => pass_on(&program, Signal::HUP)?,
            _ = interrupt.recv() => pass_on(&program, Signal::INT)?,
            _ = terminate.recv() => pass_on(&program, Signal::TERM)?,
        }
    };
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Tells the program, unless it has ended.
fn pass_on(program: &Child, signal: Signal) -> Result<(), Box<dyn Error>> {
    let Some(pid) = program.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)) else { return Ok(()) };
    Ok(kill_process(pid, signal)?)
}
