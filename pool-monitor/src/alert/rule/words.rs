//! What is said of an alert.

use std::fmt::Write;
use std::time::Duration;

use pool_core::Span;

use crate::condition::brief;
use crate::metric::{Metric, MetricKind};

use super::super::labels::Labels;
use super::AlertRule;
use super::template::expand;

impl AlertRule {
    /// In one line: of which pool, what is the matter, and what was read.
    pub(crate) fn message(&self, pool: &str, value: Option<f64>) -> String {
        let mut message = format!("{pool}: ");
        let summary = self.annotations.get("summary");
        let Some(first) = self.conditions.first() else { return message + summary };
        if !summary.is_empty() {
            message.push_str(summary);
            if is_flag(first.metric) && value.is_some() {
                return message;
            }
            message.push_str(": ");
        }
        message.push_str(first.metric.name());
        if let Some(window) = first.window {
            let _infallible = write!(message, " over {}", brief(window));
        }
        match value {
            Some(value) => {
                let (shown, threshold) = (show(first.metric, value), show(first.metric, first.threshold));
                let _infallible = write!(message, " is {shown} ({} {threshold})", first.comparison);
            }
            None => message.push_str(" cannot be read"),
        }
        message
    }

    /// The annotations with values in place of what stands for them.
    pub(crate) fn annotations_for(&self, labels: &Labels, value: Option<f64>) -> Labels {
        let expand = |text: &str| expand(text, labels, value);
        self.annotations.iter().map(|(name, text)| (name, expand(text))).collect()
    }

    /// Whether an annotation changes with the value.
    pub(crate) fn tells_the_value(&self) -> bool {
        self.annotations.iter().any(|(_, text)| text.contains("$value"))
    }
}

/// Whether it is 0 or 1 and nothing in between.
fn is_flag(metric: Metric) -> bool {
    metric.kind() == MetricKind::Gauge && metric.unit() == "1" && !is_share(metric)
}

fn is_share(metric: Metric) -> bool {
    let name = metric.name();
    metric.kind() == MetricKind::Ratio || name.ends_with("utilization") || name.ends_with("_share")
}

/// A reading or threshold, for people.
pub(crate) fn show(metric: Metric, value: f64) -> String {
    if value.is_nan() {
        "?".to_owned()
    } else if is_share(metric) {
        format!("{} %", short(value * 100.0))
    } else if metric.unit() == "s" && (0.0..1e9).contains(&value) {
        Span(Duration::from_secs_f64(value)).to_string()
    } else {
        short(value)
    }
}

/// With as many decimals as say something, and at most two.
fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
