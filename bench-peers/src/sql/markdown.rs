//! The report as tables for people.

use std::fmt::{self, Write};

use super::client::Driver;
use super::clients::{OURS, OURS_TOKIO_POSTGRES, PEERS};
use super::report::{ClientReport, Report, SeriesReport, Settings};
use crate::markdown::{self, ratio, significant};
use crate::spread::Spread;

/// Writes the whole report.
pub(crate) fn write(report: &Report) -> String {
    let mut text = String::new();
    let write = head(report, &mut text)
        .and_then(|()| summary(&report.series, &mut text))
        .and_then(|()| report.series.iter().try_for_each(|series| table(series, &mut text)));
    write.expect("a string takes everything");
    text
}

/// The settings of all clients, one line each.
pub(crate) fn settings(settings: &Settings) -> String {
    let width = settings.clients.keys().map(|client| client.len()).max().unwrap_or(0);
    let clients =
        settings.clients.iter().map(|(client, settings)| format!("  {client:width$}  {settings}\n"));
    let databases = settings.databases.iter().map(|(name, version)| format!("  {name}: {version}\n"));
    let versions: Vec<_> =
        settings.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
    clients.chain(databases).collect::<String>() + "  versions: " + &versions.join(", ") + "\n"
}

fn head(report: &Report, out: &mut String) -> fmt::Result {
    let settings = &report.settings;
    writeln!(out, "# Drivers and pools over real databases\n")?;
    writeln!(out, "{}\n", markdown::machine(&report.machine))?;
    writeln!(
        out,
        "{} rounds, seed {}, warm-up {} ms, window {} ms, {:.0} s in all; {}. Runtime: {}, the same for all, on the \
         machine of the servers; {} connections each, no TLS. Median (min–max) of the rounds; ratios are taken within \
         each round, above 1 its first side is faster. What is unpooled has a task for each connection, also where \
         pools serve more.\n",
        settings.rounds,
        settings.seed,
        settings.warm_up_ms,
        settings.window_ms,
        report.seconds,
        markdown::others(report.others_cpu_pct),
        settings.runtime,
        settings.connections,
    )?;
    writeln!(out, "```text\n{}```", self::settings(settings))
}

fn summary(all: &[SeriesReport], out: &mut String) -> fmt::Result {
    writeln!(out, "\n## Ours to the others\n")?;
    writeln!(
        out,
        "Where the driver is not sqlx: raw; then our pool over the same driver. The last column is our pool over \
         tokio-postgres to that driver unpooled.\n"
    )?;
    write!(out, "| database | over | question | tasks | sqlx-unpooled |")?;
    for peer in PEERS {
        write!(out, " {peer} |")?;
    }
    writeln!(out, " control | tokio-postgres-unpooled |\n|{}", "---|".repeat(7 + PEERS.len()))?;
    for series in all {
        write!(
            out,
            "| {} | {} | {} | {} | {} |",
            series.database,
            series.transport.name(),
            series.question.name(),
            series.tasks,
            ratio(series.client(OURS).and_then(|ours| ours.to_unpooled)),
        )?;
        for peer in PEERS {
            write!(out, " {} |", against(series.client(peer)))?;
        }
        let over_the_other = series.client(OURS_TOKIO_POSTGRES).and_then(|ours| ours.to_unpooled);
        writeln!(out, " {} | {} |", ratio(series.control()), ratio(over_the_other))?;
    }
    Ok(())
}

/// Ours to a peer; raw, and over the peer's driver if that is another.
fn against(peer: Option<&ClientReport>) -> String {
    let raw = ratio(peer.and_then(|peer| peer.ours_to_it));
    match peer {
        Some(peer) if peer.driver != Driver::Sqlx => {
            format!("{raw}; {}", ratio(peer.ours_on_its_driver_to_it))
        }
        _ => raw,
    }
}

fn table(series: &SeriesReport, out: &mut String) -> fmt::Result {
    let (database, transport, question) = (series.database, series.transport.name(), series.question.name());
    writeln!(out, "\n## {database} over {transport}: {question}, {} tasks\n", series.tasks)?;
    writeln!(
        out,
        "| client | operations per second | its processor time, µs per operation | Jain (least) | it ÷ its driver unpooled | ours ÷ it | \
         ours on its driver ÷ it |\n|{}",
        "---|".repeat(7)
    )?;
    for result in &series.results {
        writeln!(
            out,
            "| {} | {} | {} | {:.2} ({:.2}) | {} | {} | {} |",
            result.client,
            thousands(result.per_second),
            significant(result.client_us.median),
            result.jain.median,
            result.jain.min,
            ratio(result.to_unpooled),
            ratio(result.ours_to_it),
            ratio(result.ours_on_its_driver_to_it),
        )?;
    }
    Ok(())
}

/// `**161,364** (102,827–168,922)`.
fn thousands(spread: Spread) -> String {
    format!("**{}** ({}–{})", grouped(spread.median), grouped(spread.min), grouped(spread.max))
}

fn grouped(figure: f64) -> String {
    let digits = format!("{figure:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::place::Transport;
    use crate::sql::question::Question;

    fn spread(median: f64) -> Spread {
        Spread { min: median / 2.0, median, max: median * 2.0 }
    }

    fn result(client: &'static str, driver: Driver, per_second: f64) -> ClientReport {
        ClientReport {
            client,
            driver,
            per_second: spread(per_second),
            client_us: spread(4.0),
            jain: spread(0.9),
            to_unpooled: Some(spread(0.97)),
            ours_to_it: Some(spread(2.1)),
            ours_on_its_driver_to_it: Some(spread(1.05)),
        }
    }

    fn series() -> SeriesReport {
        SeriesReport {
            database: "PostgreSQL",
            transport: Transport::Socket,
            question: Question::One,
            tasks: 32,
            results: vec![
                result(OURS, Driver::Sqlx, 161_364.4),
                result("sqlx-equalised", Driver::Sqlx, 999.0),
                result("deadpool-postgres", Driver::TokioPostgres, 1_000.0),
            ],
        }
    }

    #[test]
    fn figures_are_grouped() {
        assert_eq!(grouped(7.4), "7");
        assert_eq!(grouped(999.0), "999");
        assert_eq!(grouped(1_000.0), "1,000");
        assert_eq!(grouped(12_345_678.0), "12,345,678");
    }

    #[test]
    fn a_table_has_a_row_for_each_client() {
        let mut text = String::new();
        table(&series(), &mut text).unwrap();
        assert!(text.contains("## PostgreSQL over Unix socket: SELECT 1, 32 tasks"), "{text}");
        let row = "| ours | **161,364** (80,682–322,729) | 4.00 | 0.90 (0.45) | **0.97** (0.48–1.94) | **2.10** (1.05–4.20) | \
                   **1.05** (0.53–2.10) |";
        assert!(text.lines().any(|line| line == row), "{text}");
        assert_eq!(text.lines().filter(|line| line.starts_with("| ")).count(), 4);
    }

    #[test]
    fn the_summary_compares_over_another_driver_twice_and_leaves_out_who_is_absent() {
        let mut text = String::new();
        summary(&[series()], &mut text).unwrap();
        let row = text.lines().last().unwrap();
        let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells[..4], ["PostgreSQL", "Unix socket", "SELECT 1", "32"]);
        assert_eq!(cells[4], "**0.97** (0.48–1.94)");
        assert_eq!(cells[5], "**2.10** (1.05–4.20)");
        assert_eq!(cells[6], "–");
        assert_eq!(cells[7], "**2.10** (1.05–4.20); **1.05** (0.53–2.10)");
        let header = text.lines().find(|line| line.starts_with("| database")).unwrap();
        assert_eq!(header.matches('|').count(), row.matches('|').count());
    }
}
