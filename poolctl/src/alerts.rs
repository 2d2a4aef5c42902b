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
use crate::{notes, output, watching};

/// How long pools are watched unless somebody says so.
const DURATION: Duration = Duration::from_secs(10);

/// What is remembered for with `--watch`, which has no end: twice this, so that rules over five minutes see all of them.
const MEMORY: Duration = Duration::from_secs(5 * 60);

pub(crate) fn alerts(arguments: &Alerts) -> Result<u8, Failure> {
    let loaded = arguments.reading.load_valid(arguments.subject.path())?;
    let notes = notes::of_alerts(&loaded.config);
    // At once: who waits for alerts is to know that none can come.
    output::print_notes(&notes);
    let alerts = watching::block_on(watch(loaded.config, arguments))??;
    let file = arguments.subject.path().display().to_string();
    let shown: Vec<_> =
        alerts.iter().filter(|alert| arguments.all || alert.is_active()).map(Arc::clone).collect();
    match arguments.format {
        Table::Table => output::print(&table(&file, &shown))?,
        Table::Json if arguments.watch => {
            output::print(&format!("{}\n", document(&file, &loaded.environment, &shown, &notes)))?
        }
        Table::Json => output::print_json(&document(&file, &loaded.environment, &shown, &notes))?,
    };
    Ok(exit_code(&alerts, arguments.lint))
}

/// How long they are watched; `None` = for ever.
fn duration(arguments: &Alerts) -> Option<Duration> {
    arguments.duration.or_else(|| (!arguments.watch).then_some(DURATION))
}

/// Opens the pools, watches them, and returns all alerts there were, as they are at the end.
async fn watch(config: Config, arguments: &Alerts) -> Result<Vec<Arc<Alert>>, Failure> {
    let duration = duration(arguments);
    let manager = watching::open(config, duration.unwrap_or(MEMORY), PoolManager::builder()).await?;
    if arguments.watch {
        let format = arguments.format;
        manager.monitor().on_alert_triggered(move |alert| tell(alert, format));
        manager.monitor().on_alert_resolved(move |alert| tell(alert, format));
    }
    tokio::select! {
        () = watching::over(&manager, duration) => {}
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

fn document(file: &str, environment: &Option<String>, alerts: &[Arc<Alert>], notes: &[String]) -> Json {
    json!({ "file": file, "environment": environment, "notes": notes, "alerts": alerts_json(alerts) })
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;
    use pool_config::Monitoring;
    use pool_manager::for_a_while;

    use super::*;
    use crate::cli::{Arguments, Command};

    /// How long it is watched, and remembered for.
    fn times(more: &[&str]) -> (Option<Duration>, Duration) {
        let line = [&["poolctl", "alerts", "connection_pool.yaml"], more].concat();
        let Command::Alerts(arguments) = Arguments::parse_from(line).command else { panic!("it is one") };
        let duration = duration(&arguments);
        let monitoring = for_a_while(&Monitoring::default(), duration.unwrap_or(MEMORY));
        (duration, monitoring.retention_period)
    }

    #[test]
    fn what_is_watched_without_end_is_remembered_for_as_long_as_rules_over_five_minutes_look_back() {
        let seconds = Duration::from_secs;
        assert_eq!(times(&[]), (Some(seconds(10)), seconds(20)));
        assert_eq!(times(&["--for", "30s", "--watch"]), (Some(seconds(30)), seconds(60)));
        assert_eq!(times(&["--watch"]), (None, seconds(600)));
    }
}
