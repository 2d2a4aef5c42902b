//! `poolctl doctor`: one connection of each pool, and what is to be said of it.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write as _};

use anyhow::Context as _;
use pool_manager::{Examination, ExaminationProgress, Examiner, Finding, FindingStatus, PoolExamination};
use serde_json::{Value as Json, json};

use crate::cli::{Doctor, Format};
use crate::exit::{Failure, INVALID, USAGE, WARNINGS, WELL};
use crate::output;

pub(crate) fn doctor(arguments: &Doctor) -> Result<u8, Failure> {
    let loaded = arguments.reading.load_valid(arguments.subject.path())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("start a runtime").map_err(Failure::with(USAGE))?;
    let mut examiner = Examiner::new().timeout(arguments.timeout);
    let is_watched = io::stderr().is_terminal();
    if is_watched {
        examiner = examiner.on_progress(show_progress);
    }
    let examination = runtime.block_on(examiner.examine(&loaded.config));
    if is_watched {
        wipe_progress();
    }
    let file = arguments.subject.path().display().to_string();
    match arguments.format {
        Format::Text => output::print(&text(&file, &examination, output::is_coloured()))?,
        Format::Json => output::print_json(&json(&file, loaded.environment.as_deref(), &examination))?,
    };
    Ok(match examination.status() {
        FindingStatus::Failed => INVALID,
        FindingStatus::Warning if arguments.lint => WARNINGS,
        _ => WELL,
    })
}

fn show_progress(progress: &ExaminationProgress<'_>) {
    let ExaminationProgress { pool, done, total, .. } = progress;
    let mut out = io::stderr().lock();
    // Who closes standard error does not want to see it.
    drop(write!(out, "\r\u{1b}[K{done} of {total} pools: {pool}").and_then(|()| out.flush()));
}

fn wipe_progress() {
    drop(write!(io::stderr().lock(), "\r\u{1b}[K"));
}

fn text(file: &str, examination: &Examination, is_coloured: bool) -> String {
    let mut text = String::new();
    for pool in &examination.pools {
        let PoolExamination { pool: name, driver, target, findings, .. } = pool;
        let place = target.as_deref().unwrap_or(driver.as_str());
        let _infallible = writeln!(text, "{name} ({place})");
        for finding in findings {
            let _infallible = writeln!(text, "  {}", line(finding, is_coloured));
        }
        text.push('\n');
    }
    let counted = |count: usize| format!("{count} pool{}", if count == 1 { "" } else { "s" });
    let _infallible = write!(text, "{file}: {}", counted(examination.pools.len()));
    for (status, word) in [
        (FindingStatus::Ok, "ok"),
        (FindingStatus::Warning, "with warnings"),
        (FindingStatus::Failed, "failed"),
    ] {
        let count = examination.count(status);
        if count > 0 {
            let _infallible = write!(text, ", {count} {word}");
        }
    }
    text + "\n"
}

/// As it is, with the colour of its status.
fn line(finding: &Finding, is_coloured: bool) -> String {
    let line = finding.to_string();
    if !is_coloured {
        return line;
    }
    let color = match finding.status {
        FindingStatus::Ok => 32,
        FindingStatus::Warning => 33,
        FindingStatus::Failed => 31,
        FindingStatus::Skipped => 2,
    };
    // The line begins with it.
    let word = finding.status.as_str();
    format!("\u{1b}[{color}m{word}\u{1b}[0m{}", &line[word.len()..])
}

fn json(file: &str, environment: Option<&str>, examination: &Examination) -> Json {
    json!({
        "file": file,
        "environment": environment,
        "status": examination.status().as_str(),
        "tookMs": milliseconds(examination.took),
        "pools": examination.pools.iter().map(pool_json).collect::<Vec<_>>(),
    })
}

fn pool_json(pool: &PoolExamination) -> Json {
    json!({
        "name": pool.pool,
        "driver": pool.driver.as_str(),
        "target": pool.target,
        "server": pool.server,
        "status": pool.status().as_str(),
        "roundTripMs": pool.round_trip.map(milliseconds),
        "tookMs": milliseconds(pool.took),
        "findings": pool.findings.iter().map(finding_json).collect::<Vec<_>>(),
    })
}

fn finding_json(finding: &Finding) -> Json {
    json!({
        "check": finding.check.as_str(),
        "status": finding.status.as_str(),
        "text": finding.text,
        "cure": finding.cure,
    })
}

/// To the microsecond.
fn milliseconds(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_alone_is_coloured() {
        let config = pool_config::Config::from_yaml(
            "connection_pool: {pools: [{name: a, database: a, password_file: /no/such/file}]}",
            "connection_pool.yaml",
        );
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let examination = runtime.block_on(Examiner::new().examine(&config.unwrap()));
        let coloured = text("f", &examination, true);
        assert!(coloured.contains("  \u{1b}[31mfailed\u{1b}[0m   configuration"), "{coloured:?}");
        let plain = text("f", &examination, false);
        assert_eq!(coloured.replace("\u{1b}[31m", "").replace("\u{1b}[0m", ""), plain);
    }
}
