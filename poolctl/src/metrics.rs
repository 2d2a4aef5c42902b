//! `poolctl metrics` and `poolctl rules`: what a Prometheus would be told of the pools of a file, and by which rules it
//! would raise the same alerts.

use std::time::Duration;

use pool_config::Config;
use pool_manager::PoolManager;
use pool_monitor::{RulesFile, RulesFileSettings};

use crate::cli::{Metrics, Rules};
use crate::exit::Failure;
use crate::{notes, output, watching};

pub(crate) fn metrics(arguments: &Metrics) -> Result<u8, Failure> {
    let loaded = arguments.reading.load_valid(arguments.subject.path())?;
    output::print_notes(&notes::of_metrics(&loaded.config));
    let text = watching::block_on(measure(loaded.config, arguments.duration))??;
    output::print(&text)
}

/// Opens the pools, measures them for as long as is asked for, and once more at the end.
async fn measure(config: Config, duration: Duration) -> Result<String, Failure> {
    let manager = watching::open(config, duration, PoolManager::builder()).await?;
    watching::over(&manager, Some(duration)).await;
    manager.health().check_all().await;
    manager.monitor().collect();
    let text = manager.prometheus_text();
    manager.close(watching::GOODBYE).await;
    Ok(text)
}

pub(crate) fn rules(arguments: &Rules) -> Result<u8, Failure> {
    let loaded = arguments.reading.load_valid(arguments.subject.path())?;
    output::print_notes(&notes::of_rules(&loaded.config.monitoring));
    let rules = pool_manager::alert_rules(&loaded.config.monitoring);
    let interval = loaded.config.monitoring.collection_interval;
    let by_default = RulesFileSettings::default();
    // In a window of fewer than four samples PromQL finds no increase that can be trusted; of one, none at all.
    let window = by_default.window.max(interval.saturating_mul(4));
    let settings = RulesFileSettings { interval: Some(interval), window, ..by_default };
    output::print(&RulesFile::new(&rules, settings).to_string())
}
