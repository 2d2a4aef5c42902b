//! What it costs to look at our pool while it is large.

use std::hint::black_box;

use serde::Serialize;

use crate::clock;
use crate::pool::{BenchPool, fill};
use crate::pools::Ours;
use crate::runtime::Flavor;
use crate::spread::Spread;

/// Nanoseconds per call with so many open connections, half of them held.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SnapshotCost {
    pub(crate) connections: usize,
    pub(crate) stats_ns: Spread,
    pub(crate) snapshot_ns: Spread,
}

/// Calls per sample.
const CALLS: u32 = 200;

/// Measures `stats()` and `snapshot()`.
pub(crate) fn measure(connections: usize, rounds: usize) -> SnapshotCost {
    let runtime = Flavor::Current.start();
    let pool = runtime.block_on(Ours::new(connections));
    let held = runtime.block_on(fill(&pool, connections, connections / 2));
    let (mut stats, mut snapshots) = (Vec::new(), Vec::new());
    // One round more than asked for: the first finds nothing in the caches.
    for _ in 0..=rounds {
        stats.push(per_call(|| pool.0.stats()));
        snapshots.push(per_call(|| pool.0.snapshot()));
    }
    let _context = runtime.enter();
    drop(held);
    drop(pool);
    SnapshotCost { connections, stats_ns: Spread::of(&stats[1..]), snapshot_ns: Spread::of(&snapshots[1..]) }
}

fn per_call<T>(call: impl Fn() -> T) -> f64 {
    let began = clock::now();
    for _ in 0..CALLS {
        black_box(call());
    }
    began.elapsed().as_nanos() as f64 / f64::from(CALLS)
}
