//! `poolctl health`: the pools of a file, watched for a while, how they are, and what became of them meanwhile.

mod print;
mod watch;

use anyhow::Context as _;
use pool_config::Config;
use pool_health::HealthStatus;

use crate::cli::{Health, Table};
use crate::exit::{Failure, INVALID, USAGE, WARNINGS, WELL};
use crate::{notes, output};
use watch::Seen;

pub(crate) fn health(arguments: &Health) -> Result<u8, Failure> {
    let loaded = arguments.reading.load_valid(arguments.subject.path())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("start a runtime").map_err(Failure::with(USAGE))?;
    let notes = notes_of(&loaded.config);
    let seen = runtime.block_on(watch::watch(loaded.config, arguments.duration))?;
    let file = arguments.subject.path().display().to_string();
    match arguments.format {
        Table::Table => output::print(&print::table(&file, &seen, &notes, output::is_coloured()))?,
        Table::Json => output::print_json(&print::json(&file, loaded.environment.as_deref(), &seen, &notes))?,
    };
    Ok(exit_code(&seen, arguments.lint))
}

/// What is not watched although it stands in the file, and what a service would not do.
fn notes_of(config: &Config) -> Vec<String> {
    let mut notes = notes::of_pools(config);
    if !config.health_monitoring.enabled {
        let note = "a service with this file does not watch by itself: `health_monitoring.enabled` is false";
        notes.push(note.to_owned());
    }
    notes
}

fn exit_code(seen: &Seen, lint: bool) -> u8 {
    let any = |of: &[HealthStatus]| seen.reports.iter().any(|report| of.contains(&report.status));
    if any(&[HealthStatus::Unhealthy, HealthStatus::Unknown]) || seen.lost().next().is_some() {
        INVALID
    } else if lint && (any(&[HealthStatus::Degraded, HealthStatus::Recovering]) || seen.reports.is_empty()) {
        WARNINGS
    } else {
        WELL
    }
}
