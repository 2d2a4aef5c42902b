//! What commands have in common that open the pools of a file and look at them for a while.

use std::time::Duration;

use anyhow::Context as _;
use pool_config::Config;
use pool_manager::{PoolManager, PoolManagerBuilder, for_a_while};

use crate::exit::{Failure, INVALID, USAGE};

/// How long connections that are still being opened or checked may take to end.
pub(crate) const GOODBYE: Duration = Duration::from_secs(1);

/// Runs `work` on a runtime of its own.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("start a runtime").map_err(Failure::with(USAGE))?;
    Ok(runtime.block_on(work))
}

/// Opens the pools and watches them, for about `duration`. Nobody else is told: the log of a command is read by nobody, and
/// who is named as a receiver of alerts is told of them by the service already.
pub(crate) async fn open(
    mut config: Config,
    duration: Duration,
    builder: PoolManagerBuilder,
) -> Result<PoolManager, Failure> {
    config.monitoring = for_a_while(&config.monitoring, duration);
    config.monitoring.audit_log.path = None;
    (config.monitoring.enabled, config.health_monitoring.enabled) = (true, true);
    builder.from_config(config).await.map_err(Failure::with(INVALID))
}

/// Waits so long; `None` = for ever. Nobody waits for nothing.
pub(crate) async fn over(manager: &PoolManager, duration: Option<Duration>) {
    match duration {
        _ if manager.names().is_empty() => {}
        Some(duration) => tokio::time::sleep(duration).await,
        None => std::future::pending().await,
    }
}

/// Without line breaks and what steers a terminal: part of the text is what a server said.
pub(crate) fn in_one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}
