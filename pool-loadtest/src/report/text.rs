//! The result as a page for people, ending with what the figures mean.

use std::fmt::Write as _;
use std::io;

use super::meaning::{busy, says};
use crate::assemble::NOTE;
use crate::duration::shown_us;
use crate::result::{Distribution, LeakStatus, LoadResult, RaisedAlert, Status, VerdictStatus};

/// Sentences are wrapped to this many characters.
const WIDTH: usize = 100;

/// Characters that the reader's terminal understands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// All of them.
    Unicode,
    /// Only ASCII: `µs` becomes `us`.
    Ascii,
}

impl Charset {
    /// The one that the locale in these variables asks for: the first that is set of `LC_ALL`, `LC_CTYPE` and
    /// `LANG` counts.
    pub fn of_locale(variable: impl Fn(&str) -> Option<String>) -> Self {
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
            .into_iter()
            .find_map(|name| variable(name).filter(|value| !value.is_empty()));
        let name = locale.unwrap_or_default().to_ascii_lowercase();
        if name.contains("utf-8") || name.contains("utf8") { Charset::Unicode } else { Charset::Ascii }
    }
}

/// Writes the report.
///
/// # Errors
///
/// Those of `out`.
pub fn write_text(mut out: impl io::Write, result: &LoadResult, charset: Charset) -> io::Result<()> {
    let text = report(result);
    match charset {
        Charset::Unicode => out.write_all(text.as_bytes()),
        Charset::Ascii => out.write_all(ascii(&text).as_bytes()),
    }
}

fn ascii(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            'µ' => plain.push('u'),
            '·' | '–' => plain.push('-'),
            '•' => plain.push('*'),
            '±' => plain.push_str("+-"),
            '→' => plain.push_str("->"),
            '…' => plain.push_str("..."),
            '×' => plain.push('x'),
            c if c.is_ascii() => plain.push(c),
            _ => plain.push('?'),
        }
    }
    plain
}

/// Writing to a string does not fail, and `writeln!` does not know.
macro_rules! line {
    ($page:expr) => { $page.push('\n') };
    ($page:expr, $($format:tt)*) => {
        writeln!($page, $($format)*).expect("a string takes everything")
    };
}

fn report(result: &LoadResult) -> String {
    let mut page = String::new();
    line!(page, "{}", header(result));
    for note in result.events.iter().filter(|event| event.kind == NOTE) {
        line!(page, "  note: {}", note.detail);
    }
    line!(page);
    outcome(&mut page, result);
    table(&mut page, result);
    account(&mut page, result);
    let says = says(result);
    if !says.is_empty() {
        line!(page);
        line!(page, "  What this says");
        for sentence in says {
            page.push_str(&wrapped("  • ", &sentence));
        }
    }
    line!(page);
    page.push_str(&verdict(result));
    page
}

fn header(result: &LoadResult) -> String {
    let tool = &result.run.tool;
    let settings: Vec<&str> = result.environment.backend_settings.values().map(String::as_str).collect();
    let backend = match settings.as_slice() {
        [] => result.config.backend.to_owned(),
        settings => format!("{} ({})", result.config.backend, settings.join(", ")),
    };
    let warm_up = match result.run.warmup_ms {
        0.0 => String::new(),
        warm_up => format!(" + {} warm-up", shown_ms(warm_up)),
    };
    let load = &result.config.load;
    format!(
        "{} {} · {backend} · pool {} · {} · {} loop · {}{warm_up}",
        tool.name,
        tool.version,
        result.config.pool.size,
        plural(load.threads as u64, "thread"),
        load.model,
        shown_ms(result.run.measured_ms),
    )
}

fn outcome(page: &mut String, result: &LoadResult) {
    let (ok, total) = (result.successful_connections, result.total_connections);
    let part = if total == 0 { String::from("none ended") } else { share(ok, total) };
    let rate = &result.throughput;
    let error =
        rate.std_err.map_or_else(String::new, |error| format!(" ± {}", grouped(error.round() as u64)));
    line!(
        page,
        "  Succeeded  {} of {} ({part})      {}{error} per second",
        grouped(ok),
        grouped(total),
        grouped(rate.mean.round() as u64)
    );
    for (kind, error) in &result.errors.by_kind {
        let name = serde_json::to_value(kind).ok();
        let name = name.as_ref().and_then(serde_json::Value::as_str).unwrap_or("other");
        let (first, last) = (shown_ms(error.first_at_ms), shown_ms(error.last_at_ms));
        line!(page, "  {name}  {}, from {first} to {last} into the run", grouped(error.count));
        page.push_str(&wrapped("      ", &error.sample));
    }
    let attempts = &result.attempts;
    if attempts.still_waiting + attempts.still_in_use > 0 {
        line!(
            page,
            "  Unfinished {} still waiting (longest {}), {} still working (longest {}); in no figure below",
            grouped(attempts.still_waiting),
            or_dash(result.phases.acquire_wait.censored.max_so_far),
            grouped(attempts.still_in_use),
            or_dash(result.phases.r#use.censored.max_so_far)
        );
    }
}

fn table(page: &mut String, result: &LoadResult) {
    let phases = &result.phases;
    line!(page);
    line!(page, "  {:12}{:>9}{:>9}{:>9}{:>9}{:>9}", "", "p50", "p90", "p99", "p99.9", "max");
    for (name, phase) in [
        ("acquire wait", &phases.acquire_wait),
        ("in use", &phases.r#use),
        ("release", &phases.release),
        ("whole cycle", &phases.response),
    ] {
        let cells = cells(phase).map(|cell| format!("{cell:>9}")).concat();
        line!(page, "  {name:12}{cells}");
    }
    let connect = &phases.connect;
    if let (Some(mean), Some(max)) = (connect.mean, connect.max) {
        let opened = plural(connect.count, "connection");
        line!(
            page,
            "  {:12}{:>9} on average, {} at most ({opened} opened)",
            "connect",
            shown_us(mean),
            shown_us(max)
        );
    }
    line!(page);
}

/// Percentiles with too few values beyond them are left out: they would change from run to run.
fn cells(phase: &Distribution) -> [String; 5] {
    let reliable = |percentile: f64, value: Option<f64>| {
        let reliable = phase.reliable_up_to.is_some_and(|highest| percentile <= highest);
        or_dash(value.filter(|_| reliable))
    };
    [
        reliable(50.0, phase.p50),
        reliable(90.0, phase.p90),
        reliable(99.0, phase.p99),
        reliable(99.9, phase.p99_9),
        or_dash(phase.max),
    ]
}

/// Fairness, pool and leaks.
fn account(page: &mut String, result: &LoadResult) {
    let fairness = &result.fairness;
    if let Some(jain) = fairness.jain {
        let starved = match fairness.starved_threads {
            0 => String::from("no starved thread"),
            starved => format!("{} starved", plural(starved, "thread")),
        };
        let gap = shown_ms(fairness.thread_max_gap_ms.max);
        line!(page, "  Fairness   Jain {jain:.3} · {starved} · longest gap {gap}");
    }
    if let Some(busy) = busy(result) {
        let peak = &result.pool.peak;
        line!(
            page,
            "  Pool       {:.1} of {} in use on average, {} at most · queue mean {:.1}, max {}",
            busy * result.config.pool.size as f64,
            result.config.pool.size,
            peak.in_use,
            result.queue.depth_mean,
            result.queue.depth_max
        );
    }
    let counters = &result.pool.counters;
    let account = format!("{} acquired, {} released", grouped(counters.acquired), grouped(counters.released));
    let leaks = &result.leak_check;
    match leaks.status {
        LeakStatus::Pass => line!(
            page,
            "  Leaks      none ({account}; file descriptors {} → {}, threads {} → {})",
            leaks.open_fds.before,
            leaks.open_fds.after,
            leaks.os_threads.before,
            leaks.os_threads.after
        ),
        LeakStatus::Fail => line!(page, "  Leaks      FOUND ({account})"),
        LeakStatus::NotPerformed => line!(page, "  Leaks      not checked"),
    }
    for finding in &leaks.findings {
        page.push_str(&wrapped("             ", finding));
    }
    if result.is_monitored {
        alerts(page, result);
    }
}

fn alerts(page: &mut String, result: &LoadResult) {
    if result.alerts.is_empty() {
        line!(page, "  Alerts     none");
        return;
    }
    line!(page, "  Alerts     {} raised", grouped(result.alerts.len() as u64));
    for alert in &result.alerts {
        let until = alert.cleared_at_ms.map_or_else(|| String::from("the end"), shown_ms);
        let RaisedAlert { alertname, severity, raised_at_ms, message, .. } = alert;
        let from = shown_ms(*raised_at_ms);
        page.push_str(&wrapped(
            "             ",
            &format!("{alertname} ({severity}) from {from} to {until}: {message}"),
        ));
    }
}

fn verdict(result: &LoadResult) -> String {
    let status = match (result.verdict.status, result.run.status) {
        (VerdictStatus::Pass, _) => "PASS",
        (VerdictStatus::Fail, _) => "FAIL",
        (VerdictStatus::None, Status::Interrupted) => "INTERRUPTED",
        (VerdictStatus::None, _) => "NO VERDICT",
    };
    let mut text = status.to_owned();
    text.push('\n');
    for reason in &result.verdict.reasons {
        text.push_str(&wrapped("  ", reason));
    }
    text
}

/// The text in lines of at most [`WIDTH`] characters, the first after `lead`, the others after as many blanks.
fn wrapped(lead: &str, text: &str) -> String {
    let indent = lead.chars().count();
    let mut page = lead.to_owned();
    let mut column = indent;
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > indent && column + 1 + width > WIDTH {
            page.push('\n');
            page.extend(std::iter::repeat_n(' ', indent));
            column = indent;
        } else if column > indent {
            page.push(' ');
            column += 1;
        }
        page.push_str(word);
        column += width;
    }
    page.push('\n');
    page
}

pub(super) fn shown_ms(millis: f64) -> String {
    shown_us(millis * 1e3)
}

fn or_dash(micros: Option<f64>) -> String {
    micros.map_or_else(|| String::from("–"), shown_us)
}

/// Never rounded up to a hundred.
fn share(part: u64, whole: u64) -> String {
    let hundredths = u128::from(part) * 10_000 / u128::from(whole);
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => format!("{whole} %"),
        (whole, part) => format!("{whole}.{part:02} %"),
    }
}

fn plural(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", grouped(count), if count == 1 { "" } else { "s" })
}

/// `21870` is shown as `21,870`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
