//! The report as tables for people.

use std::fmt::{self, Write};

use crate::machine::Machine;
use crate::report::{PoolReport, Report, WorkloadReport};
use crate::spread::Spread;
use crate::storm::StormOutcome;

/// Writes the whole report.
pub(crate) fn write(report: &Report) -> String {
    let mut text = String::new();
    let write = head(report, &mut text)
        .and_then(|()| report.workloads.iter().try_for_each(|workload| table(workload, &mut text)))
        .and_then(|()| control(report, &mut text))
        .and_then(|()| specials(report, &mut text));
    write.expect("a string takes everything");
    text
}

/// The settings of all pools, one line each.
pub(crate) fn settings(report: &crate::report::Settings) -> String {
    let width = report.pools.keys().map(|pool| pool.len()).max().unwrap_or(0);
    let lines = report.pools.iter().map(|(pool, settings)| format!("  {pool:width$}  {settings}\n"));
    let versions: Vec<_> =
        report.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    lines.collect::<String>() + "  versions: " + &versions.join(", ") + "\n"
}

/// How much the machine was disturbed.
pub(crate) fn others(pct: Option<f64>) -> String {
    let pct = pct.map_or_else(|| "an unknown part".to_owned(), |pct| format!("{pct:.0} %"));
    format!("other processes used {pct} of the processors")
}

/// Where the figures were made.
pub(crate) fn machine(machine: &Machine) -> String {
    format!(
        "{}, {} cores, Linux {}, rustc {}, profile {}, {}; load average before: {}.",
        machine.cpu,
        machine.cores,
        machine.kernel,
        machine.rustc,
        machine.profile,
        machine.date,
        machine.load_average.map_or_else(|| "unknown".to_owned(), |load| load.to_string()),
    )
}

fn head(report: &Report, out: &mut String) -> fmt::Result {
    let settings = &report.settings;
    writeln!(out, "# Comparison with other pools\n")?;
    writeln!(out, "{}\n", machine(&report.machine))?;
    writeln!(
        out,
        "{} rounds, seed {}, warm-up {} ms, window {} ms (waits: {} ms), {:.0} s in all; {}. Median (min–max) of the \
         rounds; ratios are taken within each round, above 1 is slower. The best peer is the fastest that lets no \
         task starve.\n",
        report.rounds,
        report.seed,
        settings.warm_up_ms,
        settings.window_ms,
        settings.waits_window_ms,
        report.seconds,
        others(report.others_cpu_pct),
    )?;
    writeln!(out, "Equalised settings, connections without cost, pools filled before:\n\n```text")?;
    writeln!(out, "{}```", self::settings(settings))
}

fn table(workload: &WorkloadReport, out: &mut String) -> fmt::Result {
    writeln!(out, "\n## {}, {}: {}\n", workload.name, workload.runtime, workload.about)?;
    let best = workload.best_peer.unwrap_or("none");
    // Where the best peer serves tasks, it is the best of these.
    let best_task = workload.best_task_peer.filter(|&pool| pool != best);
    let waits = workload.results.iter().any(|result| result.p999_wait_us.is_some());
    write!(out, "| pool | ns/op | × deadpool | × best peer ({best}) | × floor-mutex |")?;
    let columns = if waits {
        write!(
            out,
            " wait p50 µs | p99 | p99.9 | max (worst) | Jain (min) | ops per task | tasks with 0 ops |"
        )?;
        12
    } else {
        5
    };
    writeln!(out, "\n|{}", "---|".repeat(columns))?;
    for result in &workload.results {
        write!(
            out,
            "| {} | {} | {} | {} |",
            result.pool,
            nanoseconds(result.ns_per_op),
            ratio(result.ratio_to_deadpool),
            ratio(result.ratio_to_best_peer),
        )?;
        if best_task.is_some() {
            write!(out, " {} |", ratio(result.ratio_to_best_task_peer))?;
        }
        write!(out, " {} |", ratio(result.ratio_to_floor_mutex))?;
        if waits {
            write_waits(result, out)?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_waits(result: &PoolReport, out: &mut String) -> fmt::Result {
    let us = |figure: Option<f64>| figure.map_or_else(|| "–".to_owned(), significant);
    let count = |figure: Option<f64>| figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.0}"));
    let share = |figure: Option<f64>| figure.map_or_else(|| "–".to_owned(), |figure| format!("{figure:.3}"));
    write!(
        out,
        " {} | {} | {} | {} ({}) | {} ({}) | {}–{} | {} |",
        us(result.p50_wait_us),
        us(result.p99_wait_us),
        us(result.p999_wait_us),
        us(result.max_wait_us),
        us(result.worst_wait_us),
        share(result.jain),
        share(result.jain_min),
        count(result.fewest_ops_per_task),
        count(result.most_ops_per_task),
        count(result.starved_tasks),
    )
}

fn control(report: &Report, out: &mut String) -> fmt::Result {
    if report.aa_control.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## Control: ours, measured a second time in every round, as a ratio to the first\n")?;
    writeln!(out, "| workload | runtime | ratio |\n|---|---|---|")?;
    for control in &report.aa_control {
        writeln!(out, "| {} | {} | {} |", control.name, control.runtime, ratio(Some(control.ratio)))?;
    }
    Ok(())
}

fn specials(report: &Report, out: &mut String) -> fmt::Result {
    if let Some(rows) = &report.memory {
        writeln!(out, "\n## memory: 10,000 waiting tasks, 1,000 idle connections, a process each\n")?;
        writeln!(
            out,
            "| pool | resident bytes per waiter | bytes of the acquire future | resident KiB of 1,000 idle |"
        )?;
        writeln!(out, "|---|---|---|---|")?;
        for row in rows {
            let number = |figure: Option<f64>| figure.map_or_else(|| "–".to_owned(), |n| format!("{n:.0}"));
            let future = row.acquire_future_bytes.map(|bytes| bytes as f64);
            let idle = row.rss_bytes_of1000_idle.map(|bytes| bytes / 1024.0);
            let per_waiter = row.rss_bytes_per_waiter;
            writeln!(
                out,
                "| {} | {} | {} | {} |",
                row.pool,
                number(per_waiter),
                number(future),
                number(idle)
            )?;
        }
    }
    if let Some(rows) = &report.cancelstorm {
        writeln!(
            out,
            "\n## cancelstorm: 200 tasks, pool of 4, half of all acquires dropped after 0–3 polls\n"
        )?;
        writeln!(
            out,
            "| pool | completed/s | without cancellations | ratio | ratio of all that ended | cancelled | peak held | acquirable afterwards | \
             one too many | hung tasks | sound |\n|{}",
            "---|".repeat(11)
        )?;
        for row in rows {
            let StormOutcome { per_second, calm_per_second, completed, cancelled, .. } = row.outcome;
            let ended = per_second * (completed + cancelled) as f64 / completed as f64;
            writeln!(
                out,
                "| {} | {per_second:.0} | {calm_per_second:.0} | {:.2} | {:.2} | {} | {} of {} | {} of {} | {} | {} | {} |",
                row.pool,
                per_second / calm_per_second,
                ended / calm_per_second,
                cancelled,
                row.outcome.peak_held,
                row.outcome.size,
                row.outcome.acquirable,
                row.outcome.size,
                yes(row.outcome.one_too_many),
                row.outcome.hung,
                yes(row.sound),
            )?;
        }
    }
    if let Some(cost) = &report.snapshot1000 {
        writeln!(out, "\n## snapshot1000: ours, {} open connections, half of them held\n", cost.connections)?;
        writeln!(out, "| call | ns |\n|---|---|")?;
        writeln!(out, "| `stats()` | {} |", nanoseconds(cost.stats_ns))?;
        writeln!(out, "| `snapshot()` | {} |", nanoseconds(cost.snapshot_ns))?;
    }
    Ok(())
}

fn yes(yes: bool) -> &'static str {
    if yes { "yes" } else { "no" }
}

fn nanoseconds(spread: Spread) -> String {
    format!("**{}** ({}–{})", significant(spread.median), significant(spread.min), significant(spread.max))
}

/// A ratio with its spread, or a dash.
pub(crate) fn ratio(spread: Option<Spread>) -> String {
    spread.map_or_else(
        || "–".to_owned(),
        |spread| format!("**{:.2}** ({:.2}–{:.2})", spread.median, spread.min, spread.max),
    )
}

/// Three figures before the point are enough; below that, one or two after it.
pub(crate) fn significant(figure: f64) -> String {
    match figure {
        figure if figure >= 100.0 => format!("{figure:.0}"),
        figure if figure >= 10.0 => format!("{figure:.1}"),
        figure => format!("{figure:.2}"),
    }
}
