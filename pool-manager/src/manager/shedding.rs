//! The task that finds the queue limits of pools with `max_waiting: auto`. There is one for all of them, and none while there
//! are none.

mod limit;

use std::sync::{Arc, Weak};
use std::time::Duration;

use pool_config::MaxWaiting;
use tokio::time::sleep;

use super::Shared;
use crate::any::AnyPool;
use crate::duty::OnDuty;
use crate::registry::Registry;

pub(crate) use limit::QueueLimit;

/// How often the limits are looked at.
const ROUND: Duration = Duration::from_secs(1);

/// The pools whose limit is to be found.
fn wanted(registry: &Registry) -> Vec<(AnyPool, Arc<QueueLimit>)> {
    let entries = registry.named.values().chain(registry.on_demand.values().map(|pool| &pool.entry));
    let wanted = entries.filter(|entry| {
        entry.config.settings.max_waiting == MaxWaiting::Auto && !entry.is_closed() && !registry.is_closed
    });
    wanted.map(|entry| (entry.pool.clone(), Arc::clone(&entry.limit))).collect()
}

/// Starts the task, if there is something to do and it does not run.
pub(crate) fn call(shared: &Arc<Shared>) {
    if wanted(&shared.read()).is_empty() {
        return;
    }
    if let Some(on_duty) = shared.shedding.begin() {
        tokio::spawn(work(Arc::downgrade(shared), on_duty));
    }
}

async fn work(shared: Weak<Shared>, on_duty: OnDuty) {
    loop {
        let goes_on = match shared.upgrade() {
            Some(shared) => round(&shared),
            None => return,
        };
        if !goes_on {
            on_duty.leave();
            return;
        }
        sleep(ROUND).await;
    }
}

/// Looks once. Returns whether there is something to look after.
fn round(shared: &Shared) -> bool {
    let pools = {
        let registry = shared.read();
        let pools = wanted(&registry);
        if pools.is_empty() {
            // Lock: under which the next such pool is put in, and after which it calls.
            shared.shedding.end();
        }
        pools
    };
    pools.iter().for_each(|(pool, limit)| look(pool, limit));
    !pools.is_empty()
}

/// Looks at one pool. A reload may have taken it out of those that are wanted since they were listed; its limit knows.
fn look(pool: &AnyPool, limit: &QueueLimit) {
    let name = pool.control().name();
    match limit.step(pool.control()) {
        Ok(Some(limit)) => tracing::debug!(pool = name, limit, "callers beyond this one are refused"),
        Ok(None) => {}
        Err(error) => tracing::error!(pool = name, "failed to {error}"),
    }
}

#[cfg(test)]
mod tests;
