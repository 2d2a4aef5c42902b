//! When a rule is met: a metric, over a window, against a threshold.

use std::fmt;
use std::time::Duration;

use crate::metric::Metric;

/// How a reading is compared with a threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `>`
    Above,
    /// `>=`
    AtLeast,
    /// `<`
    Below,
    /// `<=`
    AtMost,
}

impl Comparison {
    /// The sign for it, as PromQL writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Comparison::Above => ">",
            Comparison::AtLeast => ">=",
            Comparison::Below => "<",
            Comparison::AtMost => "<=",
        }
    }

    /// The comparison of this sign.
    pub(crate) fn from_sign(sign: &str) -> Option<Comparison> {
        let all = [Comparison::Above, Comparison::AtLeast, Comparison::Below, Comparison::AtMost];
        all.into_iter().find(|comparison| comparison.as_str() == sign)
    }

    /// Whether `value` is so compared with `threshold`. Nothing is so compared with a NaN.
    pub fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Comparison::Above => value > threshold,
            Comparison::AtLeast => value >= threshold,
            Comparison::Below => value < threshold,
            Comparison::AtMost => value <= threshold,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A metric of a pool, compared with a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Condition {
    /// What is read.
    pub metric: Metric,
    /// Over how long a time up to now; `None` = what the last collection found.
    pub window: Option<Duration>,
    /// How it is compared.
    pub comparison: Comparison,
    /// With what.
    pub threshold: f64,
}

impl Condition {
    /// What is read, whatever it is compared with.
    pub(crate) fn reading(&self) -> (Metric, Option<Duration>) {
        (self.metric, self.window)
    }
}

/// Such as `wait_p99 over 5m > 1`.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric.name())?;
        if let Some(window) = self.window {
            write!(f, " over {}", brief(window))?;
        }
        write!(f, " {} {}", self.comparison, self.threshold)
    }
}

/// A window in its largest unit, such as `5m`; this is also how PromQL has it.
pub(crate) fn brief(window: Duration) -> String {
    let millis = window.as_millis();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        if millis >= size && millis.is_multiple_of(size) {
            return format!("{}{unit}", millis / size);
        }
    }
    format!("{millis}ms")
}

/// What can be read of one pool: the last collection, and windows of its history.
pub trait Readings {
    /// The metric over a window up to now, or of the last collection; see [`MetricKind`](crate::MetricKind).
    ///
    /// `None` if nothing is known: there was no collection, or most of the window is a gap. A share or quantile of nothing, such as the
    /// error rate of a pool in which no acquire has ended, is a NaN, as 0/0 is in Prometheus: it is known, and meets no condition.
    ///
    /// The time before a pool was measured first is a gap to averages, and none to what is counted. Of a window that is longer than
    /// what is kept, what is kept is read.
    fn read(&self, metric: Metric, window: Option<Duration>) -> Option<f64>;

    /// What the metric is surely not above, where that costs less to know than to [read](Self::read) it. `None` unless implemented.
    fn bound(&self, metric: Metric, window: Option<Duration>) -> Option<f64> {
        let _ = (metric, window);
        None
    }

    /// Where the pool's target is and what is wrong with it, such as `db:5432: connection refused`: alerts about targets say it. `None` if
    /// nothing is known to be wrong. Nothing unless implemented.
    fn trouble(&self) -> Option<String> {
        None
    }
}
