//! `poolctl health`: the pools of a file, watched for a while, and how they are.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use pool_config::Config;
use pool_core::Span;
use pool_health::{HealthEvent, HealthMonitor, HealthObserver, HealthReport, HealthStatus, Issue};
use pool_manager::PoolManager;
use serde_json::{Value as Json, json};

use crate::cli::{Health, Table};
use crate::exit::{Failure, INVALID, USAGE, WARNINGS, WELL};
use crate::output;

/// How long connections that are still being opened or checked may take to end.
const GOODBYE: Duration = Duration::from_secs(1);

pub(crate) fn health(arguments: &Health) -> Result<u8, Failure> {
    let loaded = arguments.reading.load_valid(&arguments.config)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("start a runtime").map_err(Failure::with(USAGE))?;
    let reports = runtime.block_on(watch(loaded.config, arguments.duration))?;
    let file = arguments.config.display().to_string();
    match arguments.format {
        Table::Table => output::print(&table(&file, &reports, output::is_coloured()))?,
        Table::Json => output::print_json(&json(&file, loaded.environment.as_deref(), &reports))?,
    };
    Ok(exit_code(&reports, arguments.lint))
}

/// Opens the pools, checks each of them, and watches them for as long as is asked for. Each is checked once more at the end.
async fn watch(mut config: Config, duration: Option<Duration>) -> Result<Vec<HealthReport>, Failure> {
    // Nothing but the pools: nobody reads the log of a command, and its file may not be for whoever runs it.
    config.monitoring.audit_log.path = None;
    config.health_monitoring.enabled = duration.is_some();
    let builder = PoolManager::builder();
    let builder = if io::stderr().is_terminal() { builder.health_observer(Progress) } else { builder };
    let manager = builder.from_config(config).await.map_err(Failure::with(INVALID))?;
    let monitor = manager.health();
    // A target that was not reached within a round of checks is as bad as one that is down.
    rounds(monitor, monitor.settings().fall).await;
    if let Some(duration) = duration {
        tokio::time::sleep(duration).await;
        monitor.check_all().await;
    }
    let reports = monitor.reports();
    wipe_progress();
    manager.close(GOODBYE).await;
    Ok(reports)
}

/// Checks all pools until each has passed or failed often enough to be called one or the other.
async fn rounds(monitor: &HealthMonitor, fall: u32) {
    for _ in 0..fall {
        let reports = monitor.check_all().await;
        if reports.iter().all(|report| report.consecutive_failures == 0) {
            return;
        }
    }
}

/// What is told while it lasts: what becomes of each pool.
struct Progress;

impl HealthObserver for Progress {
    fn event(&self, pool: &str, event: &HealthEvent) {
        if let HealthEvent::StatusChanged { to, .. } = event {
            // Who closes standard error does not want to see it.
            let mut out = io::stderr().lock();
            drop(write!(out, "\r\u{1b}[K{pool} is {to}").and_then(|()| out.flush()));
        }
    }
}

fn wipe_progress() {
    if io::stderr().is_terminal() {
        drop(write!(io::stderr().lock(), "\r\u{1b}[K"));
    }
}

fn exit_code(reports: &[HealthReport], lint: bool) -> u8 {
    let any = |of: &[HealthStatus]| reports.iter().any(|report| of.contains(&report.status));
    if any(&[HealthStatus::Unhealthy, HealthStatus::Unknown]) {
        INVALID
    } else if lint && any(&[HealthStatus::Degraded, HealthStatus::Recovering]) {
        WARNINGS
    } else {
        WELL
    }
}

const HEADINGS: [&str; 8] = ["POOL", "TARGET", "STATUS", "SINCE", "LAST CHECK", "TOOK", "OPEN", "REASON"];

fn table(file: &str, reports: &[HealthReport], is_coloured: bool) -> String {
    let mut rows = vec![HEADINGS.map(str::to_owned)];
    rows.extend(reports.iter().map(row));
    let mut widths = [0; HEADINGS.len()];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for (index, row) in rows.iter().enumerate() {
        let mut line = String::new();
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let padded = format!("{cell:width$}");
            let status = index.checked_sub(1).filter(|_| column == 2 && is_coloured);
            line += &status.map_or(padded.clone(), |report| coloured(reports[report].status, &padded));
            line.push_str("  ");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text + &summary(file, reports)
}

fn row(report: &HealthReport) -> [String; HEADINGS.len()] {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let issues: Vec<_> = report.issues.iter().map(Issue::to_string).collect();
    let (open, max) = (report.stats.open(), report.stats.max);
    [
        report.pool.clone(),
        or_none(report.target.as_ref().map(ToString::to_string)),
        report.status.to_string(),
        Span(report.since).to_string(),
        or_none(report.last_check.map(|age| format!("{} ago", Span(age)))),
        or_none(report.took.map(|took| Span(took).to_string())),
        format!("{open}/{max}"),
        or_none((!issues.is_empty()).then(|| in_one_line(&issues.join("; ")))),
    ]
}

/// Without line breaks and what steers a terminal: part of the text is what a server said.
fn in_one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn coloured(status: HealthStatus, text: &str) -> String {
    let color = match status {
        HealthStatus::Healthy => 32,
        HealthStatus::Unhealthy | HealthStatus::Unknown => 31,
        _ => 33,
    };
    format!("\u{1b}[{color}m{text}\u{1b}[0m")
}

fn summary(file: &str, reports: &[HealthReport]) -> String {
    let mut text = format!("\n{file}: {} pool{}", reports.len(), if reports.len() == 1 { "" } else { "s" });
    for status in HealthStatus::ALL {
        let count = reports.iter().filter(|report| report.status == status).count();
        if count > 0 {
            let _infallible = write!(text, ", {count} {status}");
        }
    }
    text + "\n"
}

fn json(file: &str, environment: Option<&str>, reports: &[HealthReport]) -> Json {
    json!({
        "file": file,
        "environment": environment,
        "pools": reports.iter().map(report_json).collect::<Vec<_>>(),
    })
}

fn report_json(report: &HealthReport) -> Json {
    let issue = |issue: &Issue| json!({ "kind": issue.kind(), "text": issue.to_string() });
    json!({
        "name": report.pool,
        "target": report.target.as_ref().map(ToString::to_string),
        "status": report.status.to_string(),
        "sinceMs": milliseconds(report.since),
        "issues": report.issues.iter().map(issue).collect::<Vec<_>>(),
        "checks": report.checks,
        "failedChecks": report.failed_checks,
        "consecutiveFailures": report.consecutive_failures,
        "lastCheckMs": report.last_check.map(milliseconds),
        "lastFailureMs": report.last_failure.map(milliseconds),
        "tookMs": report.took.map(milliseconds),
        "responseTimeMs": report.response_time.map(milliseconds),
        "open": report.stats.open(),
        "active": report.stats.active,
        "idle": report.stats.idle,
        "waiting": report.stats.waiting,
        "max": report.stats.max,
    })
}

/// To the microsecond.
fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_stays_in_its_line_and_steers_no_terminal() {
        assert_eq!(in_one_line("refused:\r\n\u{1b}[2Jall is well\u{9b}"), "refused:   [2Jall is well ");
    }
}
