//! A run from its first connection to its result: warm the pool, put the load on it, check it, judge.

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use pool_core::{BuildError, PoolControl, WarmUpError};
use tokio::time::Instant;

use crate::alerts::{Watch, WatchError};
use crate::assemble::{Parts, assemble};
use crate::clock::Schedule;
use crate::collector::Watcher;
use crate::environment::Machine;
use crate::failure::Failure;
use crate::leak::{self, Baseline};
use crate::load::put_on;
use crate::plan::{Backend, Plan};
use crate::result::{LeakCheck, LoadResult};
use crate::signals::{Interruptions, Signal};
use crate::sqlite;
use crate::subject::Subject;
use crate::verdict::exit;
use crate::witness::Witness;

/// Who may end a run early, and who watches it.
pub struct Controls {
    /// Ends the load early.
    pub interruptions: Interruptions,
    /// Is told how it goes.
    pub watcher: Option<Watcher>,
}

impl Controls {
    /// Nobody.
    pub fn none() -> Self {
        Controls { interruptions: Interruptions::never(), watcher: None }
    }
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The pool's options are wrong.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// There is no place for a temporary database.
    #[error("make a temporary directory for the database")]
    TemporaryDirectory(#[source] io::Error),
    /// What is to raise alerts cannot be had.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// The pool could not open its connections.
    #[error(transparent)]
    WarmUp(#[from] WarmUpError),
    /// Connections open, and the first cycle fails all the same.
    #[error("make the first cycle: {0}")]
    FirstCycle(String),
    /// The kernel does not tell what a result must say.
    #[error("read what the kernel tells of this machine")]
    Environment(#[source] io::Error),
    /// A signal came before the load had begun.
    #[error("begin the load: {} came first", .0.name())]
    Interrupted(Signal),
}

impl RunError {
    /// The program's exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            RunError::Build(_) | RunError::Watch(_) => exit::INTERNAL,
            RunError::Interrupted(signal) => signal.exit_code(),
            _ => exit::NOT_STARTED,
        }
    }
}

/// Carries out a plan. Must be called in a tokio runtime with timers and I/O.
///
/// # Errors
///
/// When the load could not begin. Once it has, there is a result, whatever happens; its
/// [`exit_code`](crate::result::Run::exit_code) tells whether it is a good one.
///
/// # Cancel safety
///
/// Dropping the future ends the load and loses its result; the pool closes by itself.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool_loadtest::{Controls, Plan, Request, run};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let request = Request { pool_size: Some(2), duration: Duration::from_millis(200), ..Request::default() };
/// let result = run(&Plan::embedded(&request)?, Controls::none()).await?;
/// assert!(result.successful_connections > 0);
/// println!("{:.0} per second", result.throughput.mean);
/// # Ok(())
/// # }
/// ```
pub async fn run(plan: &Plan, mut controls: Controls) -> Result<LoadResult, RunError> {
    let place = match &plan.backend {
        Backend::TemporarySqlite => sqlite::Place::temporary().map_err(RunError::TemporaryDirectory)?,
        Backend::Sqlite { database } => sqlite::Place::Given(database.clone()),
    };
    let witness = Arc::new(Witness::new());
    let pool = sqlite::pool(&place, plan, &witness)?;
    warm_up(&pool, &mut controls.interruptions).await?;
    let watched = pool.clone();
    let subject = tokio::select! {
        subject = sqlite::subject(&place, pool) => subject,
        signal = controls.interruptions.stop() => return Err(RunError::Interrupted(signal)),
    };
    let result = match &plan.monitoring {
        None => run_watched(plan, subject, &witness, controls, None).await,
        Some(monitoring) => match Watch::begin(watched, monitoring) {
            Ok(watch) => run_watched(plan, subject, &witness, controls, Some(watch)).await,
            Err(error) => Err(error.into()),
        },
    };
    // Not before the pool is closed: its files are in there.
    drop(place);
    result
}

/// Puts the load of a plan on a pool that the caller has built, and closes it. The plan's backend, options and monitoring
/// are not looked at: the pool has its own, and whoever has it may watch it.
///
/// `witness` should observe the pool since before it opened anything; what it has not seen, the result lacks.
///
/// # Errors
///
/// As [`run`].
///
/// # Cancel safety
///
/// As [`run`].
pub async fn run_on<S: Subject>(
    plan: &Plan,
    subject: S,
    witness: &Witness,
    controls: Controls,
) -> Result<LoadResult, RunError> {
    run_watched(plan, subject, witness, controls, None).await
}

async fn run_watched<S: Subject>(
    plan: &Plan,
    subject: S,
    witness: &Witness,
    controls: Controls,
    watch: Option<Watch>,
) -> Result<LoadResult, RunError> {
    let is_monitored = watch.is_some();
    let Controls { mut interruptions, watcher } = controls;
    let subject = Arc::new(subject);
    let machine = Machine::read().map_err(RunError::Environment)?;
    warm_up(subject.control(), &mut interruptions).await?;
    tokio::select! {
        first = first_cycle(&*subject) => first?,
        signal = interruptions.stop() => return Err(RunError::Interrupted(signal)),
    }
    let baseline = Baseline::take(&*subject).map_err(RunError::Environment)?;

    let started_at = SystemTime::now();
    let schedule = Schedule::new(Instant::now(), plan.warm_up(), plan.duration);
    let loaded = put_on(plan, &subject, schedule, watcher, &mut interruptions).await;
    let loaded = loaded.map_err(RunError::Environment)?;
    let at_end = subject.control().snapshot();
    let alerts = match watch {
        Some(watch) => watch.end().await,
        None => Vec::new(),
    };
    let leak_check = check_leaks(&*subject, baseline, plan, &mut interruptions, loaded.abandoned).await;
    let leak_check = leak_check.map_err(RunError::Environment)?;

    let description = subject.description();
    let environment = machine.environment(&description, loaded.cpu, loaded.measured);
    Ok(assemble(Parts {
        plan,
        schedule,
        options: subject.control().options(),
        description,
        loaded,
        at_end,
        leak_check,
        alerts,
        is_monitored,
        environment: environment.map_err(RunError::Environment)?,
        witness,
        started_at,
        ended_at: SystemTime::now(),
    }))
}

async fn warm_up(pool: &dyn PoolControl, interruptions: &mut Interruptions) -> Result<(), RunError> {
    tokio::select! {
        warm = pool.warm_up() => Ok(warm?),
        signal = interruptions.stop() => Err(RunError::Interrupted(signal)),
    }
}

/// Finds out whether the load makes sense at all: a pool may be warm without a single connection.
async fn first_cycle<S: Subject>(subject: &S) -> Result<(), RunError> {
    let failed = |failure: Failure| RunError::FirstCycle(failure.message().to_owned());
    let mut lease = subject.acquire().await.map_err(failed)?;
    subject.work(&mut lease).await.map_err(failed)?;
    subject.release(lease);
    Ok(())
}

async fn check_leaks<S: Subject>(
    subject: &S,
    baseline: Baseline,
    plan: &Plan,
    interruptions: &mut Interruptions,
    abandoned: bool,
) -> io::Result<LeakCheck> {
    if !abandoned {
        tokio::select! {
            checked = leak::check(subject, baseline, plan.alone_in_process) => return checked,
            _ = interruptions.abandon() => {}
        }
    }
    leak::not_performed(subject, baseline)
}
