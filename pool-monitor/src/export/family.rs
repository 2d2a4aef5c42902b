//! What is exported, as data: names, units, types, labels, and how each is read.

use std::time::Duration;

use pool_core::Histogram;

use super::Exposition;
use super::families::FAMILIES;
use crate::sample::Sample;

/// The type of a [`Family`], as OpenTelemetry has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FamilyKind {
    /// A number that is now, and of which a sum over pools says nothing.
    Gauge,
    /// A number that is now, and that can be added up over pools. Prometheus calls it a gauge.
    UpDownCounter,
    /// A number that only grows.
    Counter,
    /// Counts of durations, in buckets.
    Histogram,
}

impl FamilyKind {
    /// The word for it, as OpenTelemetry's tables have it.
    pub fn as_str(self) -> &'static str {
        match self {
            FamilyKind::Gauge => "Gauge",
            FamilyKind::UpDownCounter => "UpDownCounter",
            FamilyKind::Counter => "Counter",
            FamilyKind::Histogram => "Histogram",
        }
    }

    /// The word for it in Prometheus' text format.
    pub fn prometheus_type(self) -> &'static str {
        match self {
            FamilyKind::Gauge | FamilyKind::UpDownCounter => "gauge",
            FamilyKind::Counter => "counter",
            FamilyKind::Histogram => "histogram",
        }
    }
}

/// Series of one name: what they are called, what they mean, and which labels tell them apart.
#[derive(Debug)]
pub struct Family {
    pub(super) name: &'static str,
    pub(super) kind: FamilyKind,
    pub(super) unit: &'static str,
    pub(super) help: &'static str,
    pub(super) labels: &'static [&'static str],
    pub(super) source: Source,
}

/// Takes the values of the labels, in the order of [`Family::labels`], and the number.
pub(super) type Put<'a> = dyn FnMut(&[&str], f64) + 'a;

/// Where the numbers of a family come from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// One of each pool.
    Number(fn(&Sample) -> f64),
    /// Several of each pool; without the first label, which is the pool's name.
    Numbers(fn(&Sample, &mut Put<'_>)),
    /// Durations of each pool.
    Durations(fn(&Sample) -> Durations<'_>, &'static [f64]),
    /// Of all pools together.
    Whole(fn(&Exposition<'_>, &mut Put<'_>)),
}

/// Durations that were counted, and their sum.
pub(super) struct Durations<'a> {
    pub(super) histogram: &'a Histogram,
    pub(super) sum: Duration,
}

impl Family {
    /// All of them, in the order in which they are told.
    pub fn all() -> &'static [Family] {
        FAMILIES
    }

    /// The name for OpenTelemetry, such as `db.client.connection.wait_time`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The name for Prometheus, such as `db_client_connection_wait_time_seconds`: OpenTelemetry's rules make it of the other one, but
    /// for the suffix `_ratio` of numbers without a unit.
    pub fn prometheus_name(&self) -> String {
        let mut name = prometheus_label(self.name);
        if self.unit == "s" {
            name.push_str("_seconds");
        }
        if self.kind == FamilyKind::Counter {
            name.push_str("_total");
        }
        name
    }

    /// Its type.
    pub fn kind(&self) -> FamilyKind {
        self.kind
    }

    /// Its unit as UCUM has it, such as `s`, `1` or `{connection}`.
    pub fn unit(&self) -> &'static str {
        self.unit
    }

    /// What it tells, in one line.
    pub fn help(&self) -> &'static str {
        self.help
    }

    /// Its labels, by OpenTelemetry's names; Prometheus has `_` for each dot.
    pub fn labels(&self) -> &'static [&'static str] {
        self.labels
    }

    /// The ends of its buckets in seconds, without that of the last, which has none; empty if it is not a histogram.
    pub fn bounds(&self) -> &'static [f64] {
        match self.source {
            Source::Durations(_, bounds) => bounds,
            Source::Number(_) | Source::Numbers(_) | Source::Whole(_) => &[],
        }
    }

    /// Calls `put` with every number of a family that has no buckets.
    pub(super) fn read(&self, exposition: &Exposition<'_>, put: &mut Put<'_>) {
        match self.source {
            Source::Whole(read) => read(exposition, put),
            Source::Durations(..) => {}
            Source::Number(read) => {
                exposition.samples.iter().for_each(|sample| put(&[&sample.pool], read(sample)));
            }
            Source::Numbers(read) => {
                for sample in exposition.samples {
                    let pool: &[&str] = &[&sample.pool];
                    read(sample, &mut |others, number| put(&[pool, others].concat(), number));
                }
            }
        }
    }
}

/// A name that Prometheus takes for a label.
pub(super) fn prometheus_label(name: &str) -> String {
    name.replace('.', "_")
}
