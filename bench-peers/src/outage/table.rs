//! The report as tables for people.

use std::fmt::{self, Write};

use super::contender::{QUERY, QUERY_LIMIT, SIZE, Settings};
use super::fault::Fault;
use super::figures::Figures;
use super::report::{Report, Run, spread};
use crate::markdown;

/// A column, and the figure in it.
type Column = (&'static str, fn(&Figures) -> Option<f64>);

/// The columns, in their order. A figure that is a number of something is shown without a point.
const COLUMNS: [Column; 17] = [
    ("T_detect ms", |run| run.t_detect_ms),
    ("overrun ms", |run| run.overrun_ms),
    ("dead hand-outs", |run| count(run.dead_handouts)),
    ("… in window", |run| count(run.dead_handouts_in_window)),
    ("blocked caller-s", |run| Some(run.blocked_caller_seconds)),
    ("turned away", |run| count(run.turned_away)),
    ("connects", |run| count(run.connect_attempts)),
    ("peak connects/s", |run| count(run.peak_connects_per_second)),
    ("error p50 ms", |run| run.error_p50_ms),
    ("error p99 ms", |run| run.error_p99_ms),
    ("with cause %", |run| run.explained_pct),
    ("T_first ms", |run| run.t_first_ms),
    ("T_95 ms", |run| run.t95_ms),
    ("last error ms", |run| Some(run.last_error_ms)),
    ("storm /100 ms", |run| count(run.storm_per100_ms)),
    ("leaked slots", |run| count(run.leaked_slots)),
    ("leaked tasks", |run| count(run.leaked_tasks)),
];

fn count(number: usize) -> Option<f64> {
    Some(number as f64)
}

/// Writes the whole report.
pub(crate) fn write(report: &Report) -> String {
    let mut text = String::new();
    let write = head(report, &mut text).and_then(|()| tables(&report.runs, &mut text));
    write.expect("a string takes everything");
    text
}

fn head(report: &Report, out: &mut String) -> fmt::Result {
    let method = &report.settings;
    writeln!(out, "# Pools in an outage\n\n{}\n", markdown::machine(&report.machine))?;
    writeln!(
        out,
        "{} rounds, seed {}, {:.0} s in all; {}. The database was gone for {} ms. Each request: acquire, `{QUERY}` with a limit of \
         {} ms, give back. Pools of {SIZE}. With several rounds: median (least–greatest). An empty cell: nobody met an error, or it \
         never happened.\n",
        method.rounds,
        method.seed,
        report.seconds,
        markdown::others(report.others_cpu_pct),
        method.outage_ms,
        QUERY_LIMIT.as_millis(),
    )?;
    writeln!(out, "```text\n  {}", method.database)?;
    let versions: Vec<_> =
        method.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    writeln!(out, "  versions: {}", versions.join(", "))?;
    for (pool, settings) in &method.pools {
        for (which, text) in settings {
            writeln!(out, "  {pool}, {which}: {text}")?;
        }
    }
    writeln!(out, "```")
}

fn tables(runs: &[Run], out: &mut String) -> fmt::Result {
    let mut kinds: Vec<(Settings, usize)> = runs.iter().map(|run| (run.settings, run.tasks)).collect();
    let mut seen = Vec::new();
    kinds.retain(|kind| {
        !seen.contains(kind) && {
            seen.push(*kind);
            true
        }
    });
    for (settings, tasks) in kinds {
        let here: Vec<_> = runs.iter().filter(|run| run.settings == settings && run.tasks == tasks).collect();
        let rate = here.first().map_or(0, |run| run.arrivals_per_second);
        writeln!(out, "\n## {tasks} tasks, {rate} requests a second, {} settings\n", settings.name())?;
        table(&here, out)?;
    }
    Ok(())
}

/// One table: faults, and pools within each.
fn table(runs: &[&Run], out: &mut String) -> fmt::Result {
    let names: Vec<_> = COLUMNS.iter().map(|(name, _)| *name).collect();
    writeln!(out, "| fault | pool | {} |\n|{}", names.join(" | "), "---|".repeat(COLUMNS.len() + 2))?;
    for fault in Fault::ALL {
        for entrant in super::contenders::all() {
            let rounds: Vec<_> =
                runs.iter().copied().filter(|run| run.fault == fault && run.pool == entrant.name).collect();
            if rounds.is_empty() {
                continue;
            }
            write!(out, "| {} | {} |", fault.name(), entrant.name)?;
            for (_, figure) in COLUMNS {
                write!(out, " {} |", cell(&rounds, figure))?;
            }
            writeln!(out)?;
        }
    }
    Ok(())
}

fn cell(rounds: &[&Run], figure: fn(&Figures) -> Option<f64>) -> String {
    match spread(rounds, figure) {
        Some(spread) if rounds.len() == 1 => number(spread.median),
        Some(spread) if spread.min == spread.max => number(spread.median),
        Some(spread) => {
            format!("{} ({}–{})", number(spread.median), number(spread.min), number(spread.max))
        }
        None => String::new(),
    }
}

/// As many digits as say something.
fn number(figure: f64) -> String {
    if figure.fract() == 0.0 || figure >= 100.0 { format!("{figure:.0}") } else { format!("{figure:.1}") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn run(pool: &'static str, round: usize, t_first_ms: Option<f64>) -> Run {
        Run {
            pool,
            driver: "sqlx",
            fault: Fault::Stop,
            settings: Settings::Equal,
            tasks: 16,
            arrivals_per_second: 200,
            round,
            figures: Figures {
                t_detect_ms: Some(3.25),
                overrun_ms: None,
                dead_handouts: 0,
                dead_handouts_in_window: 1,
                blocked_caller_seconds: 7.5,
                connect_attempts: 1_234,
                peak_connects_per_second: 300,
                errors_while_down: 10,
                error_p50_ms: Some(0.1),
                error_p99_ms: Some(2_000.4),
                explained_pct: Some(100.0),
                t_first_ms,
                t95_ms: None,
                last_error_ms: 0.0,
                storm_per100_ms: 2,
                leaked_slots: 0,
                leaked_tasks: 0,
                memory_delta_bytes: 0.0,
                outage_ms: 5_000.0,
                baseline_per_second: 200.0,
                turned_away: 0,
                arrival_lag_p99_ms: 0.2,
                errors: BTreeMap::new(),
            },
        }
    }

    #[test]
    fn a_table_has_a_row_for_each_pool_and_a_cell_for_each_figure() {
        let mut text = String::new();
        tables(&[run("bb8", 0, Some(20.0)), run("ours", 0, None)], &mut text).unwrap();
        assert!(text.contains("## 16 tasks, 200 requests a second, equal settings"), "{text}");
        let rows: Vec<_> = text.lines().filter(|line| line.starts_with("| stop")).collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(
            rows[0],
            "| stop | ours | 3.2 |  | 0 | 1 | 7.5 | 0 | 1234 | 300 | 0.1 | 2000 | 100 |  |  | 0 | 2 | 0 | 0 |"
        );
        assert!(rows.iter().all(|row| row.matches('|').count() == COLUMNS.len() + 3));
    }

    #[test]
    fn several_rounds_become_a_median_and_a_spread() {
        let all = [run("ours", 0, Some(20.0)), run("ours", 1, Some(10.0)), run("ours", 2, Some(150.4))];
        let rounds: Vec<_> = all.iter().collect();
        assert_eq!(cell(&rounds, |figures| figures.t_first_ms), "20 (10–150)");
        assert_eq!(cell(&rounds, |figures| figures.t_detect_ms), "3.2");
        let once_never = [&all[0], &run("ours", 1, None)];
        assert_eq!(cell(&once_never, |figures| figures.t_first_ms), "", "no median of what never happened");
    }
}
