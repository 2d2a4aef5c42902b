//! The task that finds the queue limits of pools with `max_waiting: auto`. There is one for all of them, and none while there
//! are none.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use pool_config::MaxWaiting;
use pool_health::{LoadShedder, SheddingSettings};
use tokio::time::sleep;

use super::Shared;
use crate::any::AnyPool;
use crate::registry::Registry;

/// How often the limits are looked at.
const ROUND: Duration = Duration::from_secs(1);

/// Whether the task runs.
#[derive(Default)]
pub(crate) struct Duty(Arc<AtomicBool>);

/// Is with the task, and notes its end if that comes unforeseen: with its runtime, or by a panic.
struct OnDuty(Option<Arc<AtomicBool>>);

impl Drop for OnDuty {
    fn drop(&mut self) {
        if let Some(runs) = self.0.take() {
            runs.store(false, Ordering::Release);
        }
    }
}

/// The pools whose limit is to be found, by name.
fn wanted(registry: &Registry) -> HashMap<String, AnyPool> {
    let entries = registry.named.values().chain(registry.on_demand.values().map(|pool| &pool.entry));
    let wanted = entries.filter(|entry| {
        entry.config.settings.max_waiting == MaxWaiting::Auto && !entry.is_closed() && !registry.is_closed
    });
    wanted.map(|entry| (entry.pool.control().name().to_owned(), entry.pool.clone())).collect()
}

/// Starts the task, if there is something to do and it does not run.
pub(crate) fn call(shared: &Arc<Shared>) {
    if wanted(&shared.read()).is_empty() {
        return;
    }
    // Ordering: whoever sees `true` has put in a pool, under the lock, that the task will see there.
    if !shared.shedding.0.swap(true, Ordering::AcqRel) {
        let on_duty = OnDuty(Some(Arc::clone(&shared.shedding.0)));
        tokio::spawn(work(Arc::downgrade(shared), on_duty));
    }
}

async fn work(shared: Weak<Shared>, mut on_duty: OnDuty) {
    let mut shedders = HashMap::new();
    loop {
        let goes_on = match shared.upgrade() {
            Some(shared) => round(&shared, &mut shedders),
            None => return,
        };
        if !goes_on {
            // Noted already, and perhaps the next task runs.
            on_duty.0 = None;
            return;
        }
        sleep(ROUND).await;
    }
}

/// Looks once. Returns whether there is something to look after.
fn round(shared: &Shared, shedders: &mut HashMap<String, LoadShedder>) -> bool {
    let pools = {
        let registry = shared.read();
        let pools = wanted(&registry);
        if pools.is_empty() {
            // Lock: under which the next such pool is put in, and after which it calls.
            shared.shedding.0.store(false, Ordering::Release);
        }
        pools
    };
    // Who is no longer among them has got its limit from the reload that took it out.
    shedders.retain(|name, _| pools.contains_key(name));
    for (name, pool) in &pools {
        let shedder = shedders.entry(name.clone()).or_insert_with(|| {
            LoadShedder::new(SheddingSettings::default()).expect("the defaults are in their ranges")
        });
        match shedder.step(pool.control()) {
            Ok(Some(limit)) => tracing::debug!(pool = name, limit, "callers beyond this one are refused"),
            Ok(None) => {}
            Err(error) => tracing::error!(pool = name, "failed to {error}"),
        }
    }
    !pools.is_empty()
}
