//! Prometheus' text format, version 0.0.4.
//!
//! A family is a line `# HELP`, a line `# TYPE` and a line for each series; one without series is left out. What stands in labels and
//! help texts is escaped.

use std::fmt::Write as _;

use super::Exposition;
use super::buckets::cumulative;
use super::family::{Durations, Family, Source, prometheus_label};

/// The media type of [`Exposition::prometheus_text`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(super) fn text(exposition: &Exposition<'_>) -> String {
    let mut text = String::new();
    for family in Family::all() {
        let mut lines = Lines::new(&mut text, family);
        match family.source {
            Source::Durations(read, bounds) => {
                for sample in exposition.samples {
                    lines.histogram(&sample.pool, &read(sample), bounds);
                }
            }
            _ => family.read(exposition, &mut |values, number| lines.line("", values, None, number)),
        }
    }
    text
}

/// Writes the lines of one family.
struct Lines<'a> {
    text: &'a mut String,
    family: &'a Family,
    name: String,
    labels: Vec<String>,
    has_head: bool,
}

impl<'a> Lines<'a> {
    fn new(text: &'a mut String, family: &'a Family) -> Self {
        let labels = family.labels.iter().map(|label| prometheus_label(label)).collect();
        Lines { text, family, name: family.prometheus_name(), labels, has_head: false }
    }

    fn histogram(&mut self, pool: &str, durations: &Durations<'_>, bounds: &[f64]) {
        let counts = cumulative(durations.histogram, bounds);
        let all = counts.last().copied().unwrap_or(0) as f64;
        for (bound, count) in bounds.iter().copied().chain([f64::INFINITY]).zip(counts) {
            self.line("_bucket", &[pool], Some(bound), count as f64);
        }
        self.line("_sum", &[pool], None, durations.sum.as_secs_f64());
        self.line("_count", &[pool], None, all);
    }

    fn line(&mut self, suffix: &str, values: &[&str], le: Option<f64>, number: f64) {
        self.head();
        self.text.push_str(&self.name);
        self.text.push_str(suffix);
        let mut between = '{';
        for (label, value) in self.labels.iter().zip(values) {
            self.text.push(between);
            self.text.push_str(label);
            self.text.push_str("=\"");
            escape(self.text, value, true);
            self.text.push('"');
            between = ',';
        }
        if let Some(le) = le {
            self.text.push(between);
            self.text.push_str("le=\"");
            push_number(self.text, le);
            self.text.push('"');
            between = ',';
        }
        self.text.push_str(if between == ',' { "} " } else { " " });
        push_number(self.text, number);
        self.text.push('\n');
    }

    fn head(&mut self) {
        if std::mem::replace(&mut self.has_head, true) {
            return;
        }
        self.text.push_str("# HELP ");
        self.text.push_str(&self.name);
        self.text.push(' ');
        escape(self.text, self.family.help, false);
        self.text.push_str("\n# TYPE ");
        self.text.push_str(&self.name);
        self.text.push(' ');
        self.text.push_str(self.family.kind.prometheus_type());
        self.text.push('\n');
    }
}

fn escape(text: &mut String, value: &str, is_label: bool) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if is_label => text.push_str("\\\""),
            other => text.push(other),
        }
    }
}

fn push_number(text: &mut String, number: f64) {
    let written = match number {
        number if number == f64::INFINITY => text.write_str("+Inf"),
        number if number == f64::NEG_INFINITY => text.write_str("-Inf"),
        number => write!(text, "{number}"),
    };
    written.expect("a string takes whatever is written to it");
}
