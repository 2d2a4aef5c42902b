//! What was seen, as a table for people and as JSON for programs.

use std::fmt::Write as _;
use std::time::Duration;

use pool_core::Span;
use pool_health::{HealthReport, HealthStatus, Issue};
use serde_json::{Value as Json, json};

use super::watch::{Change, Seen};

const OF_POOLS: [&str; 8] = ["POOL", "TARGET", "STATUS", "SINCE", "LAST CHECK", "TOOK", "OPEN", "REASON"];
const OF_CHANGES: [&str; 5] = ["AFTER", "POOL", "FROM", "TO", "REASON"];

pub(super) fn table(file: &str, seen: &Seen, notes: &[String], is_coloured: bool) -> String {
    let Seen { reports, changes, .. } = seen;
    let mut text = String::new();
    if !reports.is_empty() {
        let rows: Vec<_> = reports.iter().map(row).collect();
        text += &aligned(&OF_POOLS, &rows, |row, column| {
            (is_coloured && column == 2).then(|| reports[row].status)
        });
        text.push('\n');
    }
    if !changes.is_empty() {
        let rows: Vec<_> = changes.iter().map(row_of_change).collect();
        text += &aligned(&OF_CHANGES, &rows, |row, column| match column {
            2 if is_coloured => Some(changes[row].from),
            3 if is_coloured => Some(changes[row].to),
            _ => None,
        });
        text.push('\n');
    }
    text += &summary(file, seen);
    for note in notes {
        let _infallible = writeln!(text, "note: {note}");
    }
    text
}

/// Lines in columns, the statuses among the cells with their colours.
fn aligned<const N: usize>(
    headings: &[&str; N],
    rows: &[[String; N]],
    status: impl Fn(usize, usize) -> Option<HealthStatus>,
) -> String {
    let mut widths = headings.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut push = |line: String| {
        text += line.trim_end();
        text.push('\n');
    };
    push(headings.iter().zip(widths).map(|(heading, width)| format!("{heading:width$}  ")).collect());
    for (index, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| {
            let padded = format!("{cell:width$}");
            status(index, column).map_or(padded.clone(), |status| coloured(status, &padded)) + "  "
        });
        push(cells.collect());
    }
    text
}

fn row(report: &HealthReport) -> [String; OF_POOLS.len()] {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let (open, max) = (report.stats.open(), report.stats.max);
    [
        report.pool.clone(),
        or_none(report.target.as_ref().map(ToString::to_string)),
        report.status.to_string(),
        Span(report.since).to_string(),
        or_none(report.last_check.map(|age| format!("{} ago", Span(age)))),
        or_none(report.took.map(|took| Span(took).to_string())),
        format!("{open}/{max}"),
        reason(&report.issues),
    ]
}

fn row_of_change(change: &Change) -> [String; OF_CHANGES.len()] {
    let Change { after, pool, from, to, issues } = change;
    [Span(*after).to_string(), pool.clone(), from.to_string(), to.to_string(), reason(issues)]
}

/// All that is wrong, in one line.
fn reason(issues: &[Issue]) -> String {
    let issues: Vec<_> = issues.iter().map(Issue::to_string).collect();
    if issues.is_empty() { "-".to_owned() } else { in_one_line(&issues.join("; ")) }
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

fn summary(file: &str, seen: &Seen) -> String {
    let count = seen.reports.len();
    let mut text = format!("{file}: {count} pool{}", if count == 1 { "" } else { "s" });
    for status in HealthStatus::ALL {
        let count = seen.reports.iter().filter(|report| report.status == status).count();
        if count > 0 {
            let _infallible = write!(text, ", {count} {status}");
        }
    }
    let lost: Vec<_> = seen.lost().collect();
    if !lost.is_empty() {
        let _infallible = write!(text, "; unhealthy meanwhile: {}", lost.join(", "));
    }
    text + "\n"
}

pub(super) fn json(file: &str, environment: Option<&str>, seen: &Seen, notes: &[String]) -> Json {
    json!({
        "file": file,
        "environment": environment,
        "watchedMs": milliseconds(seen.lasted),
        "notes": notes,
        "changes": seen.changes.iter().map(change_json).collect::<Vec<_>>(),
        "unhealthyMeanwhile": seen.lost().collect::<Vec<_>>(),
        "pools": seen.reports.iter().map(report_json).collect::<Vec<_>>(),
    })
}

fn change_json(change: &Change) -> Json {
    json!({
        "afterMs": milliseconds(change.after),
        "pool": change.pool,
        "from": change.from.to_string(),
        "to": change.to.to_string(),
        "issues": change.issues.iter().map(issue_json).collect::<Vec<_>>(),
    })
}

fn issue_json(issue: &Issue) -> Json {
    json!({ "kind": issue.kind(), "text": issue.to_string() })
}

fn report_json(report: &HealthReport) -> Json {
    json!({
        "name": report.pool,
        "target": report.target.as_ref().map(ToString::to_string),
        "status": report.status.to_string(),
        "sinceMs": milliseconds(report.since),
        "issues": report.issues.iter().map(issue_json).collect::<Vec<_>>(),
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

    #[test]
    fn only_a_status_is_coloured_and_its_column_stays_straight() {
        let rows = [["a", "healthy"], ["orders", "degraded"]].map(|row| row.map(str::to_owned));
        let statuses = [HealthStatus::Healthy, HealthStatus::Degraded];
        let status = |row: usize, column: usize| (column == 1).then(|| statuses[row]);
        let text = aligned(&["POOL", "STATUS"], &rows, status);
        assert_eq!(
            text,
            "POOL    STATUS\na       \u{1b}[32mhealthy \u{1b}[0m\norders  \u{1b}[33mdegraded\u{1b}[0m\n"
        );
    }
}
