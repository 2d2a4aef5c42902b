//! One run: a fresh pool under a steady load, a fault, its end, and what is left over.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::arrivals::{Arrivals, Schedule};
use super::contender::{ACQUIRE, CONNECT, Contender, Place, SIZE, Settings};
use super::dial::Dial;
use super::fault::Fault;
use super::figures::{Figures, is_settled};
use super::record::{Record, Request};
use super::stage::Stage;
use crate::clock;
use crate::memory::resident_bytes;
use crate::runtime::Flavor;

/// How long each part of a run takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Under load before the fault; the last two thirds of it are the baseline.
    pub(crate) before: Duration,
    /// From the fault to its end. A restart ends by itself.
    pub(crate) outage: Duration,
    /// After its end at most. It is over sooner when the pool has long been back.
    pub(crate) after: Duration,
}

/// What a run is to show.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Conditions {
    pub(crate) fault: Fault,
    pub(crate) settings: Settings,
    /// How many requests may be under way.
    pub(crate) tasks: usize,
    pub(crate) per_second: u32,
    pub(crate) pace: Pace,
    pub(crate) seed: u64,
}

/// All that was seen. Times are since the start of the run.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    /// When the baseline began.
    pub(crate) baseline: Duration,
    /// When the fault began.
    pub(crate) fault: Duration,
    /// When it was wholly in force.
    pub(crate) in_force: Duration,
    /// When the database answered again.
    pub(crate) heal: Duration,
    /// When no more requests came.
    pub(crate) end: Duration,
    /// How long an acquire may take, if the pool has such a limit.
    pub(crate) limit: Option<Duration>,
    /// In the order in which they ended.
    pub(crate) requests: Vec<Request>,
    pub(crate) turned_away: Vec<Duration>,
    /// In order.
    pub(crate) connects: Vec<Duration>,
    /// What is not there any more.
    pub(crate) residue: Residue,
}

/// What a run leaves behind.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Residue {
    /// Of the pool's connections, how many cannot be had at the same time.
    pub(crate) slots: usize,
    /// Tasks that live on a while after the pool was closed and its last handle dropped.
    pub(crate) tasks: usize,
    /// Resident memory of this process after the run, to that before the fault.
    pub(crate) bytes: f64,
}

/// How often it is looked whether the pool is back.
const LOOK: Duration = Duration::from_millis(100);
/// How long requests have to end when no more come: longer than all limits of equal settings together.
const PATIENCE: Duration = Duration::from_secs(4);
/// How long all connections of the pool may take to be had.
const SPARE: Duration = Duration::from_secs(6);
/// How long a pool may take to have all its connections for the first time.
const WARM_UP: Duration = Duration::from_secs(30);
/// How long a closed pool has to end its tasks.
const FAREWELL: Duration = Duration::from_secs(1);

/// See the [module](self).
///
/// # Errors
///
/// The stage does not do as it is told, or the pool could not be opened.
pub(crate) fn run<C: Contender>(stage: &Stage, conditions: &Conditions) -> anyhow::Result<Trace> {
    let Conditions { fault, settings, pace, .. } = *conditions;
    stage.calm()?;
    let epoch = clock::now();
    let runtime = Flavor::Multi.start();
    let dial = Dial::new(epoch, settings.limit(CONNECT));
    let place = Place { address: stage.address(fault), settings, dial: dial.clone() };
    let pool = runtime.block_on(async {
        let pool = C::open(&place).await?;
        // A connect may be given up by its limit while ten are made at once on a busy machine; the experiment begins with all.
        let mut open = spare(&pool).await;
        while open < SIZE && epoch.elapsed() < WARM_UP {
            open = spare(&pool).await;
        }
        anyhow::ensure!(open == SIZE, "open a connection: {open} of {SIZE}");
        anyhow::Ok(pool)
    });
    let pool = pool.with_context(|| format!("open the pool {}", C::NAME))?;

    let record = Arc::new(Record::new(epoch));
    let schedule = Schedule::new(conditions.per_second, conditions.seed);
    let arrivals = Arrivals::start(
        pool.clone(),
        Arc::clone(&record),
        schedule,
        conditions.tasks,
        runtime.handle().clone(),
    );
    clock::pass(pace.before / 3);
    let baseline = record.now();
    clock::pass(pace.before * 2 / 3);

    let bytes_before = resident_bytes();
    let began = record.now();
    stage.strike(fault)?;
    let in_force = record.now();
    if fault.lasts() {
        clock::pass((began + pace.outage).saturating_sub(in_force));
    }
    stage.heal(fault)?;
    let heal = record.now();
    let per_second = record.look(|requests| Figures::baseline_of(requests, baseline, began));
    while record.now() < heal + pace.after {
        clock::pass(LOOK);
        if record.look(|requests| is_settled(requests, per_second, heal, record.now())) {
            break;
        }
    }
    let end = record.now();
    arrivals.stop(&record, PATIENCE);

    let slots = SIZE - runtime.block_on(spare(&pool));
    let bytes = resident_bytes() - bytes_before;
    runtime.block_on(pool.close());
    clock::pass(FAREWELL);
    let tasks = runtime.metrics().num_alive_tasks();
    // What still hangs is not waited for.
    runtime.shutdown_timeout(FAREWELL);
    Ok(Trace {
        baseline,
        fault: began,
        in_force,
        heal,
        end,
        limit: match settings {
            Settings::Equal => Some(ACQUIRE),
            Settings::Default => C::DEFAULTS.acquire,
        },
        requests: record.look(<[Request]>::to_vec),
        turned_away: record.turned_away(),
        connects: dial.begun(),
        residue: Residue { slots, tasks, bytes },
    })
}

/// How many connections can be had at the same time.
async fn spare<C: Contender>(pool: &C) -> usize {
    let mut all = JoinSet::new();
    for _ in 0..SIZE {
        let pool = pool.clone();
        all.spawn(async move { pool.acquire().await.ok() });
    }
    let mut held = Vec::new();
    let gather = async {
        while let Some(one) = all.join_next().await {
            held.extend(one.ok().flatten());
        }
    };
    // Those that are not had in time are not there.
    drop(timeout(SPARE, gather).await);
    held.len()
}

#[cfg(test)]
mod tests;
