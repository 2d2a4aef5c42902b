//! OpenTelemetry's instruments, on a meter of the user's. This uses the API alone: which SDK, and which exporter, is the user's business.
//!
//! Numbers are observed when the SDK asks for them, from the exposition that was given last. Histograms cannot be observed, only
//! recorded: with each exposition, what has been counted since the one before is recorded, each duration as the end of the bucket in which the
//! pool counted it. So a bucket of the SDK's holds exactly what Prometheus' text says; the sum is too large by less than the width of
//! a bucket of the pool's, as are quantiles.
//!
//! To record is a call for each duration. A pool that counted more than [`OtelExporter::MAX_RECORDS`] in one interval
//! has that many recorded, in the same proportions, and the rest is counted in `pool.histogram.unrecorded`.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, Histogram as Recorder, Meter};
use pool_core::Histogram;

use super::Exposition;
use super::family::{Family, FamilyKind, Source};
use crate::alert::{Alert, RefusedAlerts};
use crate::sample::{Sample, Unmeasured};
use crate::sink::SinkStats;

/// The end of what a pool counts exactly; whatever was longer is recorded as this.
const LONGEST: Duration = Duration::from_secs(4_398);

/// Tells OpenTelemetry what Prometheus is told, by the names of [`Family::name`].
///
/// When it is dropped, its instruments have nothing more to say.
///
/// # Examples
///
/// ```
/// # use pool_core::PoolSet;
/// # use pool_monitor::{MonitorSettings, PoolMonitor};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pool_monitor::{Exposition, OtelExporter};
///
/// # let monitor = PoolMonitor::new(PoolSet::new(), MonitorSettings::default())?;
/// let exporter = OtelExporter::new(&opentelemetry::global::meter("pool_monitor"));
/// // after each collection:
/// let (samples, unmeasured) = (monitor.samples(), monitor.unmeasured());
/// exporter.observe(&Exposition::of(&samples).unmeasured(&unmeasured));
/// # Ok(())
/// # }
/// ```
pub struct OtelExporter {
    recorders: Vec<(&'static Family, Recorder<f64>)>,
    state: Arc<Mutex<State>>,
}

/// The exposition that was given last, and what was recorded of its histograms.
#[derive(Default)]
struct State {
    samples: Vec<Arc<Sample>>,
    /// What was recorded last of the histograms of pools that have no sample now, and may have one again.
    absent: Vec<Arc<Sample>>,
    unmeasured: Vec<Unmeasured>,
    alerts: Vec<Arc<Alert>>,
    refused: Vec<RefusedAlerts>,
    sinks: Vec<SinkStats>,
    /// By pool and family.
    unrecorded: HashMap<(Arc<str>, &'static str), u64>,
}

impl OtelExporter {
    /// How many durations of a pool and a histogram are recorded at once at most.
    pub const MAX_RECORDS: u64 = 100_000;

    /// Makes the instruments.
    pub fn new(meter: &Meter) -> Self {
        let state = Arc::default();
        let mut recorders = Vec::new();
        for family in Family::all() {
            match family.kind {
                FamilyKind::Histogram => recorders.push((family, recorder(meter, family))),
                FamilyKind::Counter => counter(meter, family, Arc::downgrade(&state)),
                FamilyKind::UpDownCounter => up_down_counter(meter, family, Arc::downgrade(&state)),
                FamilyKind::Gauge => gauge(meter, family, Arc::downgrade(&state)),
            }
        }
        unrecorded(meter, Arc::downgrade(&state));
        OtelExporter { recorders, state }
    }

    /// Takes what is to be observed from now on, and records what its histograms counted since the last time. To be called after each
    /// collection, and with the pools that it could not measure, so that nothing is recorded twice when they can be measured again.
    pub fn observe(&self, exposition: &Exposition<'_>) {
        let mut state = lock(&self.state);
        let State { samples, absent, .. } = &mut *state;
        let mut before: HashMap<_, _> = absent
            .drain(..)
            .chain(samples.drain(..))
            .map(|sample| (Arc::clone(&sample.pool), sample))
            .collect();
        // Who is neither measured nor missed is gone, and one of its name begins anew.
        let is_missed = |pool: &Arc<str>| exposition.unmeasured.iter().any(|missed| missed.pool == *pool);
        let is_measured = |pool: &Arc<str>| exposition.samples.iter().any(|sample| sample.pool == *pool);
        state.unrecorded.retain(|(pool, _), _| is_measured(pool) || is_missed(pool));
        for sample in exposition.samples {
            let earlier = before.remove(&sample.pool);
            let earlier = earlier.as_ref();
            for (family, recorder) in &self.recorders {
                let Source::Durations(read, _) = family.source else { continue };
                let now = read(sample).histogram;
                let counted =
                    earlier.map_or_else(|| now.clone(), |earlier| since(now, read(earlier).histogram));
                let left = record(recorder, &attributes(family, &[&sample.pool]), &counted);
                if left > 0 {
                    *state.unrecorded.entry((Arc::clone(&sample.pool), family.name)).or_default() += left;
                }
            }
        }
        state.absent = before.into_values().filter(|sample| is_missed(&sample.pool)).collect();
        state.unmeasured = exposition.unmeasured.to_vec();
        state.samples = exposition.samples.to_vec();
        state.alerts = exposition.alerts.to_vec();
        state.refused = exposition.refused.to_vec();
        state.sinks = exposition.sinks.to_vec();
    }
}

impl fmt::Debug for OtelExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OtelExporter").finish_non_exhaustive()
    }
}

/// What was counted since `earlier`; all of it if that was of another pool of the name, which had counted what this one has not.
fn since(now: &Histogram, earlier: &Histogram) -> Histogram {
    let mut both = earlier.clone();
    let since = now.since(earlier);
    both.add(&since);
    if both == *now { since } else { now.clone() }
}

/// Records a histogram; returns how many of its durations were left out.
fn record(recorder: &Recorder<f64>, attributes: &[KeyValue], counted: &Histogram) -> u64 {
    let all = counted.count();
    let mut recorded = 0;
    for (end, count) in counted.buckets() {
        let share = u128::from(count) * u128::from(OtelExporter::MAX_RECORDS.min(all)) / u128::from(all);
        let times = u64::try_from(share).unwrap_or(count).max(1);
        let seconds = end.unwrap_or(LONGEST).as_secs_f64();
        (0..times).for_each(|_| recorder.record(seconds, attributes));
        recorded += times;
    }
    all - recorded
}

fn recorder(meter: &Meter, family: &'static Family) -> Recorder<f64> {
    meter
        .f64_histogram(family.name)
        .with_unit(family.unit)
        .with_description(family.help)
        .with_boundaries(family.bounds().to_vec())
        .build()
}

fn counter(meter: &Meter, family: &'static Family, state: Weak<Mutex<State>>) {
    let builder = meter.u64_observable_counter(family.name).with_unit(family.unit);
    builder
        .with_description(family.help)
        .with_callback(move |instrument| observe(&state, family, instrument, |number| number as u64))
        .build();
}

fn up_down_counter(meter: &Meter, family: &'static Family, state: Weak<Mutex<State>>) {
    let builder = meter.i64_observable_up_down_counter(family.name).with_unit(family.unit);
    builder
        .with_description(family.help)
        .with_callback(move |instrument| observe(&state, family, instrument, |number| number as i64))
        .build();
}

fn gauge(meter: &Meter, family: &'static Family, state: Weak<Mutex<State>>) {
    let builder = meter.f64_observable_gauge(family.name).with_unit(family.unit);
    builder
        .with_description(family.help)
        .with_callback(move |instrument| observe(&state, family, instrument, |number| number))
        .build();
}

fn unrecorded(meter: &Meter, state: Weak<Mutex<State>>) {
    let builder = meter.u64_observable_counter("pool.histogram.unrecorded").with_unit("{duration}");
    builder
        .with_description(
            "Durations that the histogram of this name lacks, because there were too many at once.",
        )
        .with_callback(move |instrument| {
            let Some(state) = state.upgrade() else { return };
            for ((pool, name), count) in &lock(&state).unrecorded {
                let attributes = [KeyValue::new("pool", pool.to_string()), KeyValue::new("histogram", *name)];
                instrument.observe(*count, &attributes);
            }
        })
        .build();
}

fn observe<T>(
    state: &Weak<Mutex<State>>,
    family: &'static Family,
    instrument: &dyn AsyncInstrument<T>,
    number_of: impl Fn(f64) -> T,
) {
    let Some(state) = state.upgrade() else { return };
    let state = lock(&state);
    let State { samples, unmeasured, alerts, refused, sinks, .. } = &*state;
    let exposition = Exposition { samples, unmeasured, alerts, refused, sinks };
    family.read(&exposition, &mut |values, number| {
        instrument.observe(number_of(number), &attributes(family, values));
    });
}

fn attributes(family: &'static Family, values: &[&str]) -> Vec<KeyValue> {
    let labels = family.labels.iter().zip(values);
    labels.map(|(label, value)| KeyValue::new(*label, (*value).to_owned())).collect()
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
