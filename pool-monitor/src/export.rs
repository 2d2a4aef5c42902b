//! What is told to those who collect metrics: Prometheus, OpenTelemetry, and readers of JSON.
//!
//! One table ([`Family`]) says what there is, in what unit, and how it is read from a [`Sample`]; every exporter goes through it.
//! All of them are given the same samples, so they cannot contradict each other.
//!
//! The nine `db.client.connection.*` are those of OpenTelemetry's semantic conventions, with their names, units, types and
//! attributes; everything else is ours and begins with `pool.`. Labels have values from the configuration and from closed lists
//! alone, never from callers: what is exported grows with the number of pools and with nothing else.
//!
//! # Why not a library
//!
//! `prometheus-client` (0.25) writes OpenMetrics and nothing else, which `promtool check metrics` does not read; `prometheus`
//! (0.14) would have a copy of everything made as its own tree for each scrape. The text format is three kinds of lines; a real
//! `promtool` and a real Prometheus read them in the tests.

mod buckets;
mod families;
mod family;
mod json;
#[cfg(feature = "otel")]
mod otel;
mod prometheus;
#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use family::{Family, FamilyKind};
pub use json::metrics_json;
#[cfg(feature = "otel")]
pub use otel::OtelExporter;
pub use prometheus::CONTENT_TYPE;

use crate::alert::{Alert, RefusedAlerts};
use crate::sample::{Sample, Unmeasured};
use crate::sink::SinkStats;

/// What is exported: the samples of all pools, and whatever else there is to tell at that moment.
///
/// # Examples
///
/// ```
/// # use pool_core::PoolSet;
/// # use pool_monitor::{MonitorSettings, PoolMonitor};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use pool_monitor::{CONTENT_TYPE, Exposition};
///
/// # let monitor = PoolMonitor::new(PoolSet::new(), MonitorSettings::default())?;
/// let (samples, unmeasured) = (monitor.samples(), monitor.unmeasured());
/// let text = Exposition::of(&samples).unmeasured(&unmeasured).prometheus_text(); // what `/metrics` answers, as CONTENT_TYPE
/// assert!(text.contains("pool_build_info"));
/// # let _ = CONTENT_TYPE;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use]
pub struct Exposition<'a> {
    samples: &'a [Arc<Sample>],
    unmeasured: &'a [Unmeasured],
    alerts: &'a [Arc<Alert>],
    refused: &'a [RefusedAlerts],
    sinks: &'a [SinkStats],
}

impl<'a> Exposition<'a> {
    /// The latest sample of each pool, in the order in which they are to be told.
    pub fn of(samples: &'a [Arc<Sample>]) -> Self {
        Exposition { samples, unmeasured: &[], alerts: &[], refused: &[], sinks: &[] }
    }

    /// And the pools that have none: when they were measured last is all that is told of them. Without these, the exported rules on
    /// pools that are not measured do not fire.
    pub fn unmeasured(self, unmeasured: &'a [Unmeasured]) -> Self {
        Exposition { unmeasured, ..self }
    }

    /// And these alerts, of which those that are pending or active are told.
    pub fn alerts(self, alerts: &'a [Arc<Alert>]) -> Self {
        Exposition { alerts, ..self }
    }

    /// And how many alerts were not raised because their rule had too many.
    pub fn refused(self, refused: &'a [RefusedAlerts]) -> Self {
        Exposition { refused, ..self }
    }

    /// And what became of notifications.
    pub fn sinks(self, sinks: &'a [SinkStats]) -> Self {
        Exposition { sinks, ..self }
    }

    /// In Prometheus' text format, version 0.0.4; its media type is [`CONTENT_TYPE`].
    ///
    /// Families come in the order of [`Family::all`], and series in that of the samples: the same samples give the same text.
    pub fn prometheus_text(&self) -> String {
        prometheus::text(self)
    }

    /// As JSON: everything that the samples hold, with quantiles in place of histograms. Durations are in seconds; totals, and
    /// what is made of them, are since each pool was built.
    pub fn json(&self) -> serde_json::Value {
        json::value(self)
    }
}
