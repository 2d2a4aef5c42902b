//! What all runs say, as it is written to JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::contender::Settings;
use super::fault::Fault;
use super::figures::Figures;
use super::rounds::Turn;
use crate::machine::Machine;
use crate::spread::Spread;

/// Everything; `schema` grows when a field changes its meaning or goes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Report {
    pub(crate) schema: u32,
    pub(crate) machine: Machine,
    pub(crate) settings: Method,
    pub(crate) seconds: f64,
    /// The share of all processors, in percent, that neither this process nor its servers used.
    pub(crate) others_cpu_pct: Option<f64>,
    pub(crate) runs: Vec<Run>,
}

/// How it was measured.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Method {
    pub(crate) seed: u64,
    pub(crate) rounds: usize,
    pub(crate) outage_ms: u128,
    pub(crate) connections: usize,
    pub(crate) query: &'static str,
    pub(crate) query_limit_ms: u128,
    pub(crate) versions: BTreeMap<&'static str, &'static str>,
    pub(crate) database: String,
    /// Of each pool, under each of the settings.
    pub(crate) pools: BTreeMap<&'static str, BTreeMap<&'static str, &'static str>>,
}

/// One run.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Run {
    pub(crate) pool: &'static str,
    pub(crate) driver: &'static str,
    pub(crate) fault: Fault,
    pub(crate) settings: Settings,
    pub(crate) tasks: usize,
    pub(crate) arrivals_per_second: u32,
    /// From 0 on.
    pub(crate) round: usize,
    #[serde(flatten)]
    pub(crate) figures: Figures,
}

impl Run {
    /// What came of a turn.
    pub(crate) fn of(turn: &Turn, figures: Figures) -> Self {
        let conditions = &turn.conditions;
        Run {
            pool: turn.entrant.name,
            driver: turn.entrant.driver,
            fault: conditions.fault,
            settings: conditions.settings,
            tasks: conditions.tasks,
            arrivals_per_second: conditions.per_second,
            round: turn.round,
            figures,
        }
    }
}

/// What the rounds of one pool under the same conditions say of one figure. `None` if it has none in any of them.
pub(crate) fn spread(runs: &[&Run], figure: impl Fn(&Figures) -> Option<f64>) -> Option<Spread> {
    let all: Option<Vec<_>> = runs.iter().map(|run| figure(&run.figures)).collect();
    all.filter(|all| !all.is_empty()).map(|all| Spread::of(&all))
}
