//! One collection: every pool that is open is measured, what was found is entered, and whoever wants to know is told.
//!
//! In the steady state nothing is allocated: all that is needed is in the [`Workshop`], samples are used again once nobody
//! reads them, and histories have had all their memory since they were made.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use pool_core::{PoolControl, PoolHistograms};
use tokio::time::Instant;

use super::{Shared, State, Watched};
use crate::collector::{Facts, Measured, Scratch, Source};
use crate::history::{History, Interval};
use crate::performance::PerformanceMetrics;
use crate::sample::Sample;
use crate::target::TargetSource;

/// What a collection works with, kept from one to the next.
#[derive(Default)]
pub(super) struct Workshop {
    pools: Vec<Arc<dyn PoolControl>>,
    sources: BTreeMap<Arc<str>, Known>,
    round: u64,
    scratch: Scratch,
    interval: Interval,
    /// What is to be told.
    updated: Vec<PerformanceMetrics>,
}

struct Known {
    source: Source,
    /// When it was last there.
    round: u64,
}

/// Who has the workshop. Gives it back when dropped.
struct Working<'a> {
    shared: &'a Shared,
    workshop: Option<Box<Workshop>>,
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        *self.shared.workshop.lock().unwrap_or_else(PoisonError::into_inner) = self.workshop.take();
    }
}

impl Shared {
    /// Measures all pools, and tells of it. Does nothing if that is under way already.
    pub(super) fn collect(&self) {
        let workshop = self.workshop.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut working = Working { shared: self, workshop };
        let Some(workshop) = working.workshop.as_deref_mut() else {
            // Whoever has it gives it back.
            std::mem::forget(working);
            return;
        };
        self.measure_all(workshop);
        self.collected(workshop);
        self.judge();
    }

    fn measure_all(&self, workshop: &mut Workshop) {
        let now = Instant::now();
        let time = (self.wall)();
        let mut state = self.state();
        state.timeline.compare(now, time);
        state.collected_at = now;
        drop(state);
        let targets = self.targets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        workshop.round += 1;
        workshop.updated.clear();
        self.pools.list_into(&mut workshop.pools);
        let pools = std::mem::take(&mut workshop.pools);
        for pool in pools.iter().filter(|pool| !is_closed(&***pool)) {
            let measure = AssertUnwindSafe(|| self.measure(workshop, pool, targets.as_deref(), now));
            if catch_unwind(measure).is_err() {
                tracing::error!(pool = pool.name(), "to measure this pool panicked");
            }
        }
        workshop.pools = pools;
        // Handles must not outlive the collection. One of them may be the last.
        workshop.pools.clear();
        let Workshop { sources, round, .. } = workshop;
        sources.retain(|_, known| known.round == *round);
        let mut state = self.state();
        state.finished = now;
        state.retain(|pool| sources.contains_key(pool));
        state.unmeasured.clear();
        if state.watched.len() < sources.len() {
            let State { watched, unmeasured, .. } = &mut *state;
            unmeasured.extend(sources.keys().filter(|pool| !watched.contains_key(*pool)).cloned());
        }
    }

    fn measure(
        &self,
        workshop: &mut Workshop,
        pool: &Arc<dyn PoolControl>,
        targets: Option<&dyn TargetSource>,
        now: Instant,
    ) {
        let Workshop { sources, round, scratch, interval, updated, .. } = workshop;
        let name = pool.name();
        if !sources.contains_key(name) {
            let source = Source::new(name);
            sources.insert(Arc::clone(source.name()), Known { source, round: *round });
        }
        let known = sources.get_mut(name).expect("it was inserted above");
        known.round = *round;
        let facts = targets.map_or_else(Facts::default, |targets| ask(targets, name));
        let state = self.state();
        let label = state.timeline.label(state.timeline.position(now));
        let usual = state.settings.collection_interval;
        drop(state);
        let measured = known.source.measure(pool, facts, (label, usual), scratch, interval);
        let mut state = self.state();
        let replaced = state.enter(measured, interval, now, &mut scratch.delta);
        updated.extend(state.watched.get(name).map(|watched| watched.metrics.clone()));
        drop(state);
        known.source.recycle(replaced);
    }

    /// Tells whoever wants to know what was collected.
    fn collected(&self, workshop: &mut Workshop) {
        let calls = Arc::clone(&self.on_updated.lock().unwrap_or_else(PoisonError::into_inner));
        for metrics in workshop.updated.drain(..) {
            for call in calls.iter() {
                if catch_unwind(AssertUnwindSafe(|| call(&metrics))).is_err() {
                    tracing::error!(pool = &*metrics.pool, "a callback for metrics panicked");
                }
            }
        }
    }
}

/// Whether a pool is closed; one that panics is not, and will be missed.
fn is_closed(pool: &dyn PoolControl) -> bool {
    catch_unwind(AssertUnwindSafe(|| pool.is_closed())).unwrap_or(false)
}

/// Asks how the target of a pool is.
fn ask(targets: &dyn TargetSource, pool: &str) -> Facts {
    let asked = catch_unwind(AssertUnwindSafe(|| Facts {
        health: targets.health(pool),
        breaker: targets.breaker(pool),
        flapping: targets.is_flapping(pool),
        last_error: targets.last_error(pool),
    }));
    asked.unwrap_or_else(|_| {
        tracing::error!(pool, "to ask how its target is panicked");
        Facts::default()
    })
}

impl State {
    /// Enters what was found of a pool. Returns the sample that this one replaces.
    fn enter(
        &mut self,
        measured: Measured,
        interval: &Interval,
        now: Instant,
        scratch: &mut PoolHistograms,
    ) -> Option<Arc<Sample>> {
        let Measured { sample, uptime } = measured;
        let position = self.timeline.position(now);
        let before = self.watched.get(&sample.pool);
        let peak = before.map_or(0, |watched| watched.peak).max(sample.peak_active);
        let metrics = PerformanceMetrics::new(&sample, interval, uptime, peak);
        let history = if before.is_none_or(|watched| watched.history.is_none()) {
            self.new_history(&sample.pool)
        } else {
            None
        };
        let (watched, replaced) = match self.watched.entry(Arc::clone(&sample.pool)) {
            Entry::Vacant(entry) => {
                let interval = interval.clone();
                (
                    entry.insert(Watched {
                        sample,
                        measured_at: now,
                        metrics,
                        interval,
                        peak,
                        history: None,
                    }),
                    None,
                )
            }
            Entry::Occupied(entry) => {
                let watched = entry.into_mut();
                let replaced = std::mem::replace(&mut watched.sample, sample);
                watched.measured_at = now;
                watched.interval.clone_from(interval);
                (watched.metrics, watched.peak) = (metrics, peak);
                (watched, Some(replaced))
            }
        };
        watched.history = history.or(watched.history.take());
        if let Some(history) = &mut watched.history {
            history.push(position, interval, scratch);
        }
        replaced
    }

    /// A history for one more pool, if there is room for it.
    fn new_history(&mut self, pool: &str) -> Option<History> {
        let room = self.settings.pools_with_history();
        if self.histories < room {
            self.histories += 1;
            return Some(History::new(&self.settings));
        }
        if !std::mem::replace(&mut self.warned, true) {
            tracing::warn!(
                pool,
                "no history is kept of this pool, nor of others that come: max_memory_bytes = {} has room for {room} pools of \
                 {} bytes each. They are measured all the same.",
                self.settings.max_memory_bytes,
                self.settings.memory_per_pool(),
            );
        }
        None
    }
}
