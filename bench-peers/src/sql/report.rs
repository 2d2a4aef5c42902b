//! What all rounds say, as it is written to JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::client::Driver;
use super::clients::{OURS, OURS_TOKIO_POSTGRES, SQLX_BARE, TOKIO_POSTGRES_BARE};
use super::place::Transport;
use super::question::Question;
use super::rounds::{CONTROL, Entry, Series};
use super::sample::Sample;
use crate::machine::Machine;
use crate::spread::Spread;

/// Everything; `schema` grows when a field changes its meaning or goes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) schema: u32,
    pub(crate) machine: Machine,
    pub(crate) settings: Settings,
    pub(crate) seconds: f64,
    /// The share of all processors, in percent, that neither this process nor its servers used. Above a few, measure
    /// again.
    pub(crate) others_cpu_pct: Option<f64>,
    pub(crate) series: Vec<SeriesReport>,
}

/// How it was measured, and how the clients were made equal.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Settings {
    pub(crate) seed: u64,
    pub(crate) rounds: usize,
    pub(crate) warm_up_ms: u128,
    pub(crate) window_ms: u128,
    pub(crate) runtime: &'static str,
    pub(crate) connections: usize,
    pub(crate) versions: BTreeMap<&'static str, &'static str>,
    /// What each database calls its version.
    pub(crate) databases: BTreeMap<&'static str, String>,
    pub(crate) clients: BTreeMap<&'static str, &'static str>,
}

/// One question to one database, over one way, with so many tasks.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SeriesReport {
    pub(crate) database: &'static str,
    pub(crate) transport: Transport,
    pub(crate) question: Question,
    pub(crate) tasks: usize,
    pub(crate) results: Vec<ClientReport>,
}

/// One client in one series. A ratio above 1 means that its first side is faster.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ClientReport {
    pub(crate) client: &'static str,
    pub(crate) driver: Driver,
    pub(crate) per_second: Spread,
    /// Processor time of the client for each operation, in microseconds.
    pub(crate) client_us: Spread,
    /// How evenly its tasks were served: 1 = all the same, 1/n = one task had everything.
    pub(crate) jain: Spread,
    /// It to its driver without a pool.
    pub(crate) to_unpooled: Option<Spread>,
    /// Ours to it.
    pub(crate) ours_to_it: Option<Spread>,
    /// Our pool over the driver of this client to it.
    pub(crate) ours_on_its_driver_to_it: Option<Spread>,
}

impl SeriesReport {
    /// Judges the samples of one series.
    pub(crate) fn of(series: &Series<'_>) -> Self {
        SeriesReport {
            database: series.place.database.name(),
            transport: series.place.ways[series.way].transport(),
            question: series.question,
            tasks: series.tasks,
            results: judge(&series.entries),
        }
    }

    /// The client, if it took part.
    pub(crate) fn client(&self, name: &str) -> Option<&ClientReport> {
        self.results.iter().find(|result| result.client == name)
    }

    /// Our pool measured a second time, to the first: what is nearer to 1 than this is noise.
    pub(crate) fn control(&self) -> Option<Spread> {
        self.client(CONTROL)?.ours_to_it
    }
}

impl Entry {
    fn per_second(&self) -> Vec<f64> {
        self.samples.iter().map(|sample| sample.per_second).collect()
    }
}

fn judge(entries: &[Entry]) -> Vec<ClientReport> {
    let figures = |name: &str| entries.iter().find(|entry| entry.client == name).map(Entry::per_second);
    let ratio = |upper: &str, lower: &str| Some(Spread::ratio(&figures(upper)?, &figures(lower)?));
    let report = |entry: &Entry| {
        let (bare, ours_on_it) = match entry.driver {
            Driver::Sqlx => (SQLX_BARE, OURS),
            Driver::TokioPostgres => (TOKIO_POSTGRES_BARE, OURS_TOKIO_POSTGRES),
        };
        let all =
            |figure: fn(&Sample) -> f64| Spread::of(&entry.samples.iter().map(figure).collect::<Vec<_>>());
        ClientReport {
            client: entry.client,
            driver: entry.driver,
            per_second: Spread::of(&entry.per_second()),
            client_us: all(|sample| sample.client_us),
            jain: all(|sample| sample.jain),
            to_unpooled: ratio(entry.client, bare),
            ours_to_it: ratio(OURS, entry.client),
            ours_on_its_driver_to_it: ratio(ours_on_it, entry.client),
        }
    };
    entries.iter().map(report).collect()
}

#[cfg(test)]
mod tests;
