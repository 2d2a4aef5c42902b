//! `poolctl alerts`: the pools of a file, watched for a while, and the alerts that this raises.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pool_config::Config;
use pool_manager::PoolManager;
use pool_monitor::{Alert, AlertState, AlertTable, Severity, alerts_json};
use serde_json::{Value as Json, json};

use crate::cli::{Alerts, Table};
use crate::exit::{Failure, INVALID, WARNINGS, WELL};
use crate::{output, watching};

/// How long pools are watched unless somebody says so.
const DURATION: Duration = Duration::from_secs(10);

pub(crate) fn alerts(arguments: &Alerts) -> Result<u8, Failure> {
    let loaded = arguments.reading.load_valid(&arguments.config)?;
    let alerts = watching::block_on(watch(loaded.config, arguments))??;
    let file = arguments.config.display().to_string();
    let shown: Vec<_> =
        alerts.iter().filter(|alert| arguments.all || alert.is_active()).map(Arc::clone).collect();
    match arguments.format {
        Table::Table => output::print(&table(&file, &shown))?,
        Table::Json if arguments.watch => {
            output::print(&format!("{}\n", document(&file, &loaded.environment, &shown)))?
        }
        Table::Json => output::print_json(&document(&file, &loaded.environment, &shown))?,
    };
    Ok(exit_code(&alerts, arguments.lint))
}

/// Opens the pools, watches them, and returns all alerts there were, as they are at the end.
async fn watch(config: Config, arguments: &Alerts) -> Result<Vec<Arc<Alert>>, Failure> {
    let duration = match (arguments.duration, arguments.watch) {
        (Some(duration), _) => Some(duration),
        (None, true) => None,
        (None, false) => Some(DURATION),
    };
    let manager = watching::open(config, duration.unwrap_or(DURATION), PoolManager::builder()).await?;
    if arguments.watch {
        let format = arguments.format;
        manager.monitor().on_alert_triggered(move |alert| tell(alert, format));
        manager.monitor().on_alert_resolved(move |alert| tell(alert, format));
    }
    tokio::select! {
        () = watching::over(duration) => {}
        // Who has seen enough wants the list as well.
        _ = tokio::signal::ctrl_c() => {}
    }
    manager.health().check_all().await;
    manager.monitor().collect();
    let alerts = manager.monitor().all_alerts();
    manager.close(watching::GOODBYE).await;
    Ok(alerts)
}

/// Prints what has become of an alert, in one line.
fn tell(alert: &Alert, format: Table) {
    let line = match format {
        Table::Json => json!(alert).to_string(),
        Table::Table => {
            let Alert { severity, state, rule, message, .. } = alert;
            watching::in_one_line(&format!("{state} {severity} {rule}: {message}"))
        }
    };
    // Who closes standard output does not want to see it.
    let mut out = io::stdout().lock();
    drop(writeln!(out, "{line}").and_then(|()| out.flush()));
}

fn exit_code(alerts: &[Arc<Alert>], lint: bool) -> u8 {
    let worst = alerts.iter().filter(|alert| alert.is_active()).map(|alert| alert.severity).max();
    match worst {
        Some(Severity::Error | Severity::Critical) => INVALID,
        Some(Severity::Warning) if lint => WARNINGS,
        Some(Severity::Warning) | None => WELL,
    }
}

fn table(file: &str, alerts: &[Arc<Alert>]) -> String {
    let mut text = String::new();
    if !alerts.is_empty() {
        text += &format!("{}\n", AlertTable::new(alerts, SystemTime::now()).to_string().trim_end());
        text.push('\n');
    }
    text + &summary(file, alerts)
}

fn summary(file: &str, alerts: &[Arc<Alert>]) -> String {
    let mut text = format!("{file}: {} alert{}", alerts.len(), if alerts.len() == 1 { "" } else { "s" });
    for state in [AlertState::Firing, AlertState::Recovering, AlertState::Pending, AlertState::Resolved] {
        let count = alerts.iter().filter(|alert| alert.state == state).count();
        if count > 0 {
            text += &format!(", {count} {state}");
        }
    }
    text + "\n"
}

fn document(file: &str, environment: &Option<String>, alerts: &[Arc<Alert>]) -> Json {
    json!({ "file": file, "environment": environment, "alerts": alerts_json(alerts) })
}
