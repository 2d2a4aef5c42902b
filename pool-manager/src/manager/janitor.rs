//! The task that removes pools made on demand when nobody needs them any more. There is one for all of them, and none
//! while there are none.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use pool_core::{PoolSnapshot, Target};
use tokio::time::{Instant, sleep};

use super::Shared;
use crate::any::AnyPool;
use crate::duty::OnDuty;
use crate::event::ManagerEvent;
use crate::registry::OnDemand;

/// How often it looks, at most and at least. A quarter of the shortest `idle_timeout` is often enough in between.
const ROUND: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));

/// How many handles the manager itself has of a pool: one in the registry and one in the set.
const OWN_HANDLES: usize = 2;

/// Starts the task, unless it runs.
pub(super) fn call(shared: &Arc<Shared>) {
    if let Some(on_duty) = shared.janitor.begin() {
        tokio::spawn(work(Arc::downgrade(shared), on_duty));
    }
}

async fn work(shared: Weak<Shared>, on_duty: OnDuty) {
    loop {
        let Some(pause) = shared.upgrade().and_then(|shared| round(&shared)) else {
            on_duty.leave();
            return;
        };
        sleep(pause).await;
    }
}

/// A pool, as it was found before the lock was taken: asking it may run code of a user.
struct Found {
    key: Target,
    pool: AnyPool,
    /// How often it had been asked for.
    asked_for: u64,
    /// How many had asked it for a connection, if nobody had one or waited for one. Checks of its health do not count.
    at_rest: Option<u64>,
}

/// Looks once. Returns when to look again; `None` when there is nothing left to look after.
fn round(shared: &Arc<Shared>) -> Option<Duration> {
    let found = look(shared);
    let now = Instant::now();
    let mut removed = Vec::new();
    let pause = {
        let mut registry = shared.write();
        for Found { key, pool, asked_for, at_rest } in found {
            let Some(on_demand) = registry.on_demand.get_mut(&key) else { continue };
            let is_quiet = is_quiet(on_demand, at_rest, now);
            // Lock: nobody can get a handle from us meanwhile. One more handle is ours, to look at it.
            let is_alone =
                on_demand.asked_for.load(Ordering::Acquire) == asked_for && pool.handles() == OWN_HANDLES + 1;
            if is_quiet && is_alone {
                // The handle in `pool` is dropped without the lock.
                drop(registry.take_on_demand(&key));
                shared.set.remove(pool.control().name());
                shared.health.forget(pool.control().name());
                removed.push(pool);
            }
        }
        if registry.on_demand.is_empty() || registry.is_closed {
            // Lock: under which the next pool is put in, and after which it calls.
            shared.janitor.end();
            None
        } else {
            let timeouts = registry.on_demand.values().map(|pool| pool.entry.config.settings.idle_timeout);
            // Zero is never.
            let shortest = timeouts.filter(|timeout| !timeout.is_zero()).min().unwrap_or(4 * ROUND.1);
            Some((shortest / 4).clamp(ROUND.0, ROUND.1))
        }
    };
    for pool in removed {
        let name = pool.control().name().to_owned();
        // The last handle: that closes it.
        drop(pool);
        shared.tell(&ManagerEvent::PoolRemoved { pool: name });
    }
    pause
}

fn look(shared: &Shared) -> Vec<Found> {
    let pools: Vec<_> = {
        let registry = shared.read();
        let found = registry.on_demand.iter();
        found
            .map(|(key, on_demand)| {
                let asked_for = on_demand.asked_for.load(Ordering::Acquire);
                (key.clone(), on_demand.entry.pool.clone(), asked_for)
            })
            .collect()
    };
    let look = |(key, pool, asked_for): (Target, AnyPool, u64)| {
        let checks = shared.health.checks_of(pool.control().name());
        let PoolSnapshot { stats, counters, .. } = pool.control().snapshot();
        // A check that is under way waits for a connection or has one.
        let of_others = (stats.active + stats.pending).saturating_sub(checks.under_way);
        // Only whether it is another number than before counts, which holds when the counters of the pool were reset, too.
        let requests = counters.requests.wrapping_sub(checks.begun);
        Found { key, pool, asked_for, at_rest: (of_others == 0).then_some(requests) }
    };
    pools.into_iter().map(look).collect()
}

/// Whether nothing has happened in a pool for its `idle_timeout`.
fn is_quiet(on_demand: &mut OnDemand, at_rest: Option<u64>, now: Instant) -> bool {
    let idle_timeout = on_demand.entry.config.settings.idle_timeout;
    let Some(requests) = at_rest else {
        on_demand.quiet = None;
        return false;
    };
    match on_demand.quiet {
        Some((since, before)) if before == requests => {
            !idle_timeout.is_zero() && now.duration_since(since) >= idle_timeout
        }
        _ => {
            on_demand.quiet = Some((now, requests));
            false
        }
    }
}
