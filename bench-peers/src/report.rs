//! What all rounds say, as it is written to JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::child::MemoryRow;
use crate::machine::Machine;
use crate::pool::{Callers, Kind};
use crate::rounds::{Entry, Series};
use crate::snapshot::SnapshotCost;
use crate::spread::Spread;
use crate::storm::StormOutcome;
use crate::wait::Waits;

/// Everything; `schema` grows when a field changes its meaning or goes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) schema: u32,
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) seed: u64,
    pub(crate) rounds: usize,
    pub(crate) seconds: f64,
    /// The share of all processors, in percent, that other processes used meanwhile. Above a few, measure again.
    pub(crate) others_cpu_pct: Option<f64>,
    pub(crate) workloads: Vec<WorkloadReport>,
    pub(crate) aa_control: Vec<Control>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memory: Option<Vec<MemoryRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cancelstorm: Option<Vec<StormRow>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot1000: Option<SnapshotCost>,
}

/// How it was measured, and how the pools were made equal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Settings {
    pub(crate) warm_up_ms: f64,
    pub(crate) window_ms: f64,
    pub(crate) waits_window_ms: f64,
    pub(crate) storm_seconds: f64,
    pub(crate) versions: BTreeMap<&'static str, &'static str>,
    pub(crate) pools: BTreeMap<&'static str, &'static str>,
}

/// One workload on one runtime.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WorkloadReport {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) runtime: &'static str,
    /// The fastest peer, by its median, among those that starve nobody.
    pub(crate) best_peer: Option<&'static str>,
    /// The same among those whose callers are tasks: threads that never wait do not pay for a scheduler of tasks.
    pub(crate) best_task_peer: Option<&'static str>,
    pub(crate) results: Vec<PoolReport>,
}

/// One pool under one workload. Waits and shares are medians of the rounds, unless their name says otherwise.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolReport {
    pub(crate) pool: &'static str,
    pub(crate) kind: Kind,
    pub(crate) ns_per_op: Spread,
    pub(crate) p50_wait_us: Option<f64>,
    pub(crate) p99_wait_us: Option<f64>,
    pub(crate) p999_wait_us: Option<f64>,
    pub(crate) max_wait_us: Option<f64>,
    /// The longest wait of any round.
    pub(crate) worst_wait_us: Option<f64>,
    pub(crate) jain: Option<f64>,
    /// Of the least fair round.
    pub(crate) jain_min: Option<f64>,
    pub(crate) fewest_ops_per_task: Option<f64>,
    pub(crate) most_ops_per_task: Option<f64>,
    /// Tasks without a single operation within the window.
    pub(crate) starved_tasks: Option<f64>,
    pub(crate) ratio_to_deadpool: Option<Spread>,
    pub(crate) ratio_to_best_peer: Option<Spread>,
    pub(crate) ratio_to_best_task_peer: Option<Spread>,
    pub(crate) ratio_to_floor_mutex: Option<Spread>,
}

/// How far our own pool is from itself: what is nearer to 1 than this is noise.
#[derive(Debug, Serialize)]
pub(crate) struct Control {
    pub(crate) name: &'static str,
    pub(crate) runtime: &'static str,
    pub(crate) pool: &'static str,
    #[serde(flatten)]
    pub(crate) ratio: Spread,
}

/// What a storm left of a pool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StormRow {
    pub(crate) pool: &'static str,
    #[serde(flatten)]
    pub(crate) outcome: StormOutcome,
    /// Whether every connection is accounted for.
    pub(crate) sound: bool,
}

/// The name of the control.
pub(crate) const CONTROL: &str = "ours(A/A)";

impl WorkloadReport {
    /// Judges the samples of one workload on one runtime.
    pub(crate) fn of(series: &Series) -> Self {
        let find = |name| series.entries.iter().find(|entry| entry.pool == name).map(Entry::ns_per_op);
        let best = best_peer(series.entries.iter());
        let best_task = best_peer(series.entries.iter().filter(|entry| entry.callers == Callers::Tasks));
        let bases = Bases {
            deadpool: find("deadpool"),
            best_peer: best.map(Entry::ns_per_op),
            best_task_peer: best_task.map(Entry::ns_per_op),
            floor_mutex: find("floor-mutex"),
        };
        WorkloadReport {
            name: series.workload.name,
            about: series.workload.about,
            runtime: series.flavor.name(),
            best_peer: best.map(|entry| entry.pool),
            best_task_peer: best_task.map(|entry| entry.pool),
            results: series.entries.iter().map(|entry| PoolReport::of(entry, &bases)).collect(),
        }
    }
}

impl Control {
    /// The ratio of our pool's second samples to its first ones, if it was measured.
    pub(crate) fn of(series: &Series) -> Option<Self> {
        let again = series.control.as_ref()?;
        let first = series.entries.iter().find(|entry| entry.pool == again.pool)?;
        Some(Control {
            name: series.workload.name,
            runtime: series.flavor.name(),
            pool: CONTROL,
            ratio: Spread::ratio(&again.ns_per_op(), &first.ns_per_op()),
        })
    }
}

/// What ratios are taken to, round by round.
struct Bases {
    deadpool: Option<Vec<f64>>,
    best_peer: Option<Vec<f64>>,
    best_task_peer: Option<Vec<f64>>,
    floor_mutex: Option<Vec<f64>>,
}

/// The fastest peer that serves everybody. One that lets tasks starve does less than a pool should, and is faster for
/// it.
fn best_peer<'a>(entries: impl Iterator<Item = &'a Entry>) -> Option<&'a Entry> {
    let peers = entries.filter(|entry| entry.kind == Kind::Peer);
    let correct = peers.filter(|entry| middle(entry, |waits| waits.starved as f64).unwrap_or(0.0) == 0.0);
    correct.min_by(|a, b| Spread::of(&a.ns_per_op()).median.total_cmp(&Spread::of(&b.ns_per_op()).median))
}

fn spread(entry: &Entry, figure: impl Fn(&Waits) -> f64) -> Option<Spread> {
    let figures: Option<Vec<_>> =
        entry.samples.iter().map(|sample| sample.waits.as_ref().map(&figure)).collect();
    figures.filter(|figures| !figures.is_empty()).map(|figures| Spread::of(&figures))
}

fn middle(entry: &Entry, figure: impl Fn(&Waits) -> f64) -> Option<f64> {
    spread(entry, figure).map(|spread| spread.median)
}

impl PoolReport {
    fn of(entry: &Entry, bases: &Bases) -> Self {
        let ns_per_op = entry.ns_per_op();
        let ratio = |base: &Option<Vec<f64>>| base.as_ref().map(|base| Spread::ratio(&ns_per_op, base));
        PoolReport {
            pool: entry.pool,
            kind: entry.kind,
            ns_per_op: Spread::of(&ns_per_op),
            p50_wait_us: middle(entry, |waits| waits.p50_us),
            p99_wait_us: middle(entry, |waits| waits.p99_us),
            p999_wait_us: middle(entry, |waits| waits.p999_us),
            max_wait_us: middle(entry, |waits| waits.max_us),
            worst_wait_us: spread(entry, |waits| waits.max_us).map(|spread| spread.max),
            jain: middle(entry, |waits| waits.jain),
            jain_min: spread(entry, |waits| waits.jain).map(|spread| spread.min),
            fewest_ops_per_task: middle(entry, |waits| waits.fewest as f64),
            most_ops_per_task: middle(entry, |waits| waits.most as f64),
            starved_tasks: middle(entry, |waits| waits.starved as f64),
            ratio_to_deadpool: ratio(&bases.deadpool),
            ratio_to_best_peer: ratio(&bases.best_peer),
            ratio_to_best_task_peer: ratio(&bases.best_task_peer),
            ratio_to_floor_mutex: ratio(&bases.floor_mutex),
        }
    }
}

#[cfg(test)]
mod tests;
