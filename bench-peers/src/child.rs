//! Memory is measured in child processes: this program, asked for one figure of one pool, which it prints as JSON.

use std::process::Command;

use anyhow::{Context, bail};
use clap::ValueEnum;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::memory::{Idle, Waiters, bare_tasks};
use crate::pools;
use crate::spread::Spread;

/// What a child measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Figure {
    Waiters,
    Idle,
}

/// Memory of one pool: medians of several processes.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemoryRow {
    pub(crate) pool: String,
    /// Per task that waits, the task included; none where callers are threads.
    pub(crate) rss_bytes_per_waiter: Option<f64>,
    /// Of the future that `acquire` returns.
    pub(crate) acquire_future_bytes: Option<usize>,
    /// Of a pool with this many idle connections; none for the row without a pool.
    pub(crate) rss_bytes_of1000_idle: Option<f64>,
}

/// In place of a pool: tasks that wait for nothing.
pub(crate) const BARE_TASK: &str = "bare-task";

const WAITERS: usize = 10_000;
const CONNECTIONS: usize = 1000;

/// Processes per figure.
const PROCESSES: usize = 3;

/// The child's part: measures one figure and returns it as JSON.
pub(crate) fn figure(figure: Figure, pool: &str) -> anyhow::Result<String> {
    if pool == BARE_TASK {
        return Ok(serde_json::to_string(&Some(bare_tasks(WAITERS)))?);
    }
    let subjects = pools::all();
    let Some(subject) = subjects.iter().find(|subject| subject.name() == pool) else {
        bail!("find the pool {pool}");
    };
    Ok(match figure {
        Figure::Waiters => serde_json::to_string(&subject.waiters(WAITERS))?,
        Figure::Idle => serde_json::to_string(&subject.idle(CONNECTIONS))?,
    })
}

/// The parent's part: all figures of one pool.
pub(crate) fn memory_of(pool: &str) -> anyhow::Result<MemoryRow> {
    let mut waiters = Vec::new();
    let mut idle = Vec::new();
    for _ in 0..PROCESSES {
        waiters.extend(ask::<Option<Waiters>>("waiters", pool)?);
        if pool != BARE_TASK {
            idle.push(ask::<Idle>("idle", pool)?.rss_bytes);
        }
    }
    let median = |figures: &[f64]| (!figures.is_empty()).then(|| Spread::of(figures).median);
    let per_waiter: Vec<_> = waiters.iter().map(|waiters| waiters.rss_bytes_per_waiter).collect();
    Ok(MemoryRow {
        pool: pool.to_owned(),
        rss_bytes_per_waiter: median(&per_waiter),
        acquire_future_bytes: waiters.first().map(|waiters| waiters.future_bytes),
        rss_bytes_of1000_idle: median(&idle),
    })
}

fn ask<T: DeserializeOwned>(figure: &str, pool: &str) -> anyhow::Result<T> {
    let program = std::env::current_exe().context("find this program")?;
    let output = Command::new(program).args(["--memory-child", figure, "--memory-pool", pool]).output();
    let output = output.context("start a child process")?;
    if !output.status.success() {
        bail!("measure the memory of {pool}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    serde_json::from_slice(&output.stdout).with_context(|| format!("read the memory of {pool}"))
}
