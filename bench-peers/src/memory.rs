//! What waiting callers and idle connections take of memory.
//!
//! Each figure comes from a process of its own (see `child`), because an allocator keeps what it once had.

use std::fs;
use std::future::pending;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::task::yield_now;

use crate::pool::{BenchPool, BlockingPool, fill, fill_blocking};
use crate::queue::{Counter, arrive};
use crate::runtime::Flavor;

/// What a caller costs while it waits.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Waiters {
    /// Resident bytes per waiting task, the task included.
    pub(crate) rss_bytes_per_waiter: f64,
    /// Bytes of the future that `acquire` returns.
    pub(crate) future_bytes: usize,
}

/// What a connection costs while nobody wants it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Idle {
    /// Resident bytes of the pool and all its connections.
    pub(crate) rss_bytes: f64,
}

/// Parks `waiters` tasks in a pool of one whose connection is held.
pub(crate) fn waiters<P: BenchPool>(waiters: usize) -> Waiters {
    let runtime = Flavor::Current.start();
    let pool = Arc::new(runtime.block_on(P::new(1)));
    let rss_bytes = runtime.block_on(async {
        let _held = fill(&*pool, 1, 1).await;
        let queued = Arc::new(Counter::default());
        let before = resident_bytes();
        for _ in 0..waiters {
            let (pool, queued) = (Arc::clone(&pool), Arc::clone(&queued));
            tokio::spawn(async move { drop(arrive(pool.acquire(), &queued).await) });
        }
        while queued.get() < waiters {
            yield_now().await;
        }
        resident_bytes() - before
    });
    let _context = runtime.enter();
    Waiters { rss_bytes_per_waiter: rss_bytes / waiters as f64, future_bytes: pool.future_bytes() }
}

/// What tasks cost that wait for nothing at all: the part of [`waiters`] that no pool can save.
pub(crate) fn bare_tasks(tasks: usize) -> Waiters {
    let rss_bytes = Flavor::Current.start().block_on(async {
        let queued = Arc::new(Counter::default());
        let before = resident_bytes();
        for _ in 0..tasks {
            let queued = Arc::clone(&queued);
            tokio::spawn(async move { arrive(pending::<()>(), &queued).await });
        }
        while queued.get() < tasks {
            yield_now().await;
        }
        resident_bytes() - before
    });
    Waiters { rss_bytes_per_waiter: rss_bytes / tasks as f64, future_bytes: size_of_val(&pending::<()>()) }
}

/// Opens `connections` and leaves them idle.
pub(crate) fn idle<P: BenchPool>(connections: usize) -> Idle {
    let runtime = Flavor::Current.start();
    runtime.block_on(async {
        let before = resident_bytes();
        let pool = P::new(connections).await;
        drop(fill(&pool, connections, 0).await);
        Idle { rss_bytes: resident_bytes() - before }
    })
}

/// As [`idle`].
pub(crate) fn idle_blocking<P: BlockingPool>(connections: usize) -> Idle {
    let before = resident_bytes();
    let pool = P::new(connections);
    drop(fill_blocking(&pool, connections, 0));
    Idle { rss_bytes: resident_bytes() - before }
}

/// This process' resident memory, as the kernel counts it.
pub(crate) fn resident_bytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    parse_resident(&status).expect("Linux tells the resident size of a process")
}

fn parse_resident(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_kilobytes_become_bytes() {
        assert_eq!(parse_resident("VmPeak:\t  99 kB\nVmRSS:\t    2048 kB\n"), Some(2_097_152.0));
        assert_eq!(parse_resident("VmPeak:\t  99 kB\n"), None);
    }
}
