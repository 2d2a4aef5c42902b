//! What was measured of the cycles: times, rates, outcomes, fairness.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::failure::{ErrorKind, Phase};

/// How long each step took, of cycles that began after the warm-up.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Phases {
    /// From the call to the connection, or to the timeout: leaving timed-out waits out would flatter the pool.
    /// Acquires that were refused without a wait are only in [`Errors`].
    pub acquire_wait: Distribution,
    /// Connects, those before and during the warm-up included: most happen there.
    pub connect: Distribution,
    /// From the connection to the end of the query.
    pub r#use: Distribution,
    /// Giving it back.
    pub release: Distribution,
    /// The whole of successful cycles.
    pub response: Distribution,
}

/// How long something took, in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Distribution {
    /// `us`.
    pub unit: &'static str,
    /// Number of values.
    pub count: u64,
    /// The least, exactly.
    pub min: Option<f64>,
    /// The mean, exactly.
    pub mean: Option<f64>,
    /// The standard deviation.
    pub stddev: Option<f64>,
    /// The greatest, exactly.
    pub max: Option<f64>,
    /// Half of the values are at most this. Percentiles are exact to three figures, and `None` when not even
    /// one value lies beyond.
    pub p50: Option<f64>,
    /// 75 % of the values are at most this.
    pub p75: Option<f64>,
    /// 90 % of the values are at most this.
    pub p90: Option<f64>,
    /// 95 % of the values are at most this.
    pub p95: Option<f64>,
    /// 99 % of the values are at most this.
    pub p99: Option<f64>,
    /// 99.9 % of the values are at most this.
    pub p99_9: Option<f64>,
    /// 99.99 % of the values are at most this.
    pub p99_99: Option<f64>,
    /// The highest of these percentiles with at least ten values beyond it.
    #[serde(rename = "reliableUpTo")]
    pub reliable_up_to: Option<f64>,
    /// What was still under way when the run ended; it is in no figure above.
    pub censored: Censored,
    /// All values, for other tools.
    pub histogram: Option<Histogram>,
}

/// What was still under way when the run ended.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Censored {
    /// How many.
    pub count: u64,
    /// Microseconds that the longest had taken by then.
    pub max_so_far: Option<f64>,
}

/// A histogram in the format that all HdrHistogram tools read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Histogram {
    /// `hdr-v2-deflate-base64`.
    pub encoding: &'static str,
    /// `ns`.
    pub unit: &'static str,
    /// Figures to which values are kept.
    pub significant_figures: u8,
    /// The payload.
    pub data: String,
}

/// Successful cycles per second.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Throughput {
    /// Over the whole measured time.
    pub mean: f64,
    /// Standard error of the mean, corrected for seconds that resemble their neighbours. `None` for fewer than
    /// three full seconds.
    pub std_err: Option<f64>,
    /// As many independent seconds would tell as much.
    pub effective_samples: Option<f64>,
    /// The best second; after an hour, the best of the longer intervals.
    pub peak_second: f64,
    /// Rate that was asked for; none in a closed loop.
    pub offered: Option<f64>,
    /// The part of it that was reached.
    pub achieved_ratio: Option<f64>,
}

/// What became of every attempt: `offered = ok + failed + skipped + still_waiting + still_in_use`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempts {
    /// Cycles begun after the warm-up, and those begun before that had not ended when the load did.
    pub offered: u64,
    /// The same: a closed loop begins all that it offers.
    pub started: u64,
    /// Successful ones.
    pub ok: u64,
    /// Failed ones.
    pub failed: u64,
    /// Begun late; none in a closed loop.
    pub late: u64,
    /// Never begun; none in a closed loop.
    pub skipped: u64,
    /// Repeated; never done.
    pub retried: u64,
    /// Still waiting for a connection when the run ended.
    pub still_waiting: u64,
    /// Still holding a connection when the run ended.
    pub still_in_use: u64,
}

/// What went wrong in failed cycles.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Errors {
    /// Failed cycles.
    pub total: u64,
    /// The same by kind.
    pub by_kind: BTreeMap<ErrorKind, KindOfError>,
}

/// Failed cycles of one kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KindOfError {
    /// How many.
    pub count: u64,
    /// The step that failed.
    pub phase: Phase,
    /// When it first failed.
    pub first_at_ms: f64,
    /// When it last failed.
    pub last_at_ms: f64,
    /// The first message, without secrets.
    pub sample: String,
}

/// Whether all threads were served alike.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Fairness {
    /// Jain's index over the threads' connections: 1 = equal shares. It hardly sees unfair waiting.
    pub jain: Option<f64>,
    /// p99 of the wait over its p50.
    pub wait_tail_ratio: Option<f64>,
    /// Connections that a thread got.
    pub thread_acquires: ThreadAcquires,
    /// The longest time that a thread went without getting one.
    pub thread_max_gap_ms: ThreadGaps,
    /// Threads that got none, or none for longer than ten times the mean gap and the acquire timeout.
    pub starved_threads: u64,
    /// Callers that came later and were served first.
    pub overtakes: Overtakes,
}

/// Connections that a thread got.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ThreadAcquires {
    /// The thread that got fewest.
    pub min: u64,
    /// The thread in the middle.
    pub p50: u64,
    /// The thread that got most.
    pub max: u64,
}

/// The longest time that a thread went without getting a connection.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct ThreadGaps {
    /// The thread in the middle.
    pub p50: f64,
    /// The thread worse off than 99 %.
    pub p99: f64,
    /// The thread worst off.
    pub max: f64,
}

/// By how many later callers a cycle was overtaken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Overtakes {
    /// Cycles that were overtaken at all. A few per processor happen under any order, on the way to and from the
    /// pool.
    pub count: u64,
    /// 99 % of the cycles were overtaken by at most this many.
    pub p99: u64,
    /// The cycle that was overtaken by most, those still waiting at the end included.
    pub max: u64,
}

/// How many callers waited, by the pool's own gauge.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Queue {
    /// Mean of all samples.
    pub depth_mean: f64,
    /// 99 % of the samples were at most this.
    pub depth_p99: f64,
    /// The greatest sample.
    pub depth_max: u64,
    /// Time from one sample to the next; a busy machine may skip some.
    pub sample_every_ms: f64,
}

/// A run over time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Timeline {
    /// Length of an interval. It doubles when there would be more than 3,600.
    pub interval_ms: f64,
    /// One list per figure, all of one length.
    pub series: Series,
}

/// One list per figure. A cycle belongs to the interval in which it began.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Series {
    /// When the interval began.
    pub t_ms: Vec<f64>,
    /// Cycles that succeeded.
    pub ok: Vec<u64>,
    /// Cycles that failed.
    pub failed: Vec<u64>,
    /// Cycles that began late; none in a closed loop.
    pub late: Vec<u64>,
    /// Half of the waits were at most this, to 1.6 %.
    pub acquire_p50_us: Vec<Option<f64>>,
    /// 99 % of the waits were at most this, to 1.6 %.
    pub acquire_p99_us: Vec<Option<f64>>,
    /// The longest wait, exactly.
    pub acquire_max_us: Vec<Option<f64>>,
    /// Half of the uses took at most this, to 1.6 %.
    pub use_p50_us: Vec<Option<f64>>,
    /// 99 % of the uses took at most this, to 1.6 %.
    pub use_p99_us: Vec<Option<f64>>,
    /// Connections in use in the interval's last sample.
    pub in_use: Vec<Option<u64>>,
    /// Idle connections in the same sample.
    pub idle: Vec<Option<u64>>,
    /// All connections in the same sample.
    pub total: Vec<Option<u64>>,
    /// Callers waiting in the same sample.
    pub pending: Vec<Option<u64>>,
    /// Connections opened in the interval.
    pub created: Vec<Option<u64>>,
    /// Connections closed in the interval.
    pub closed: Vec<Option<u64>>,
    /// Memory of the process at the interval's last sample.
    pub rss_bytes: Vec<Option<u64>>,
}
