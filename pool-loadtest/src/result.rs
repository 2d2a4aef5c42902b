//! The result of a run, field by field as the JSON has it.
//!
//! The keys are those of `result.schema.json`, in lower camel case; tests hold the two together. Durations are
//! milliseconds in a field that ends in `_ms` and microseconds in a [`Distribution`]; instants are
//! milliseconds since the load began, warm-up included. `None` means *not measured*, never zero.

mod measured;
mod pool;

use std::collections::BTreeMap;

use serde::Serialize;

pub use measured::{
    Attempts, Censored, Distribution, Errors, Fairness, Histogram, KindOfError, Overtakes, Phases, Queue,
    Series, ThreadAcquires, ThreadGaps, Throughput, Timeline,
};
pub use pool::{BeforeAfter, LeakCheck, LeakStatus, PoolGauges, PoolReport, PoolTotals};

/// Everything a run found out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LoadResult {
    /// Version of this format: a new major number breaks readers, a new minor number only adds keys.
    pub schema_version: &'static str,
    /// Cycles that began after the warm-up and have ended, and those that lasted longer than all of the measured time:
    /// `successful_connections + failed_connections`.
    pub total_connections: u64,
    /// Those that got a connection and whose query succeeded.
    pub successful_connections: u64,
    /// Those that got no connection, or whose query failed.
    pub failed_connections: u64,
    /// Milliseconds from call to release of successful cycles; a sample where there are many.
    pub connection_times: Vec<f64>,
    /// What `connection_times` is a sample of.
    pub connection_times_sample: TimesSample,
    /// The unit of each kind of number.
    pub units: Units,
    /// When, how and by what this result was made.
    pub run: Run,
    /// What was asked for, as it was carried out.
    pub config: Config,
    /// The machine, and the load tester as a process on it.
    pub environment: Environment,
    /// How long each step took.
    pub phases: Phases,
    /// Successful cycles per second.
    pub throughput: Throughput,
    /// What became of every attempt.
    pub attempts: Attempts,
    /// What went wrong in failed cycles.
    pub errors: Errors,
    /// Whether all threads were served alike.
    pub fairness: Fairness,
    /// How many callers waited.
    pub queue: Queue,
    /// How all that went on over time.
    pub timeline: Timeline,
    /// What happened meanwhile.
    pub events: Vec<Event>,
    /// The pool's own account.
    pub pool: PoolReport,
    /// Faults that were injected.
    pub faults: [Never; 0],
    /// Whether everything was given back.
    pub leak_check: LeakCheck,
    /// Alerts of a monitor that watched the pool, in the order in which they were raised; empty if none did.
    pub alerts: Vec<RaisedAlert>,
    /// Whether one did. Not in the JSON: its format has no place for it.
    #[serde(skip)]
    pub is_monitored: bool,
    /// What to make of it.
    pub verdict: Verdict,
}

/// An entry of a list that this version always leaves empty: it injects no faults and sets no limits.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Never {}

/// How the list of times was taken from all times.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TimesSample {
    /// Whether some times were left out.
    pub sampled: bool,
    /// Number of times there were.
    pub of: u64,
    /// Number of times in the list.
    pub kept: u64,
    /// How they were chosen.
    pub method: String,
}

/// The units of all numbers. Each is fixed by the format.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Units {
    /// Of `connection_times`.
    pub connection_times: &'static str,
    /// Of every [`Distribution`].
    pub latency: &'static str,
    /// Inside histogram payloads.
    pub histogram: &'static str,
    /// Of fields that end in `_ms`.
    pub duration: &'static str,
    /// Of rates.
    pub throughput: &'static str,
    /// Of sizes.
    pub memory: &'static str,
}

impl Default for Units {
    fn default() -> Self {
        Units {
            connection_times: "ms",
            latency: "us",
            histogram: "ns",
            duration: "ms",
            throughput: "1/s",
            memory: "bytes",
        }
    }
}

/// When, how and by what a result was made.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// Names this run: the time it began, and four random digits.
    pub id: String,
    /// How it ended.
    pub status: Status,
    /// When the load began, in UTC.
    pub started_at: String,
    /// When the leak check was over, in UTC.
    pub ended_at: String,
    /// How long the load ran before anything was measured.
    pub warmup_ms: f64,
    /// How long it was measured.
    pub measured_ms: f64,
    /// How long cycles under way took to finish after that.
    pub drain_ms: f64,
    /// The program's exit code.
    pub exit_code: u8,
    /// Seed of all that is random; text, because JSON numbers lose bits above 2^53.
    pub seed: String,
    /// The command line, without secrets.
    pub command: Vec<String>,
    /// Labels of the user's own.
    pub tags: BTreeMap<String, String>,
    /// The program.
    pub tool: Tool,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// As planned.
    Completed,
    /// By a signal, before its time; what was measured until then stands.
    Interrupted,
    /// Not one cycle succeeded, so there is nothing to judge the pool by.
    Failed,
}

/// The program that made a result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// Its name.
    pub name: &'static str,
    /// Its version.
    pub version: &'static str,
    /// The commit that was checked out when it was built; changes on top of that are not told.
    pub git_commit: Option<&'static str>,
    /// The compiler's version.
    pub rustc: &'static str,
    /// `debug` or `release`.
    pub profile: &'static str,
    /// Drivers it was built with.
    pub features: Vec<&'static str>,
}

/// What was asked for, as it was carried out.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Config {
    /// Name of the kind of load.
    pub scenario: &'static str,
    /// What the connections lead to.
    pub backend: &'static str,
    /// Where that is, without secrets.
    pub url: String,
    /// The pool's options.
    pub pool: PoolSummary,
    /// The load.
    pub load: Load,
}

/// The options of the pool that shape a result most.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolSummary {
    /// Which pool.
    pub implementation: &'static str,
    /// `max_connections`.
    pub size: usize,
    /// How many connections it keeps while nobody uses any.
    pub min_idle: usize,
    /// `acquire_timeout`.
    pub acquire_timeout_ms: Option<f64>,
    /// `max_lifetime`; `None` = for ever.
    pub max_lifetime_ms: Option<f64>,
    /// `idle_timeout`; `None` = for ever.
    pub idle_timeout_ms: Option<f64>,
    /// When connections are validated before they are handed out.
    pub validate_on_acquire: String,
    /// In which order callers are served.
    pub fairness: &'static str,
}

/// The load that was put on the pool.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Load {
    /// `closed`: a thread begins a cycle when its last one has ended.
    pub model: &'static str,
    /// Threads, which are tasks of a runtime.
    pub threads: usize,
    /// Cycles of a thread's burst.
    pub connections_per_thread: Option<u64>,
    /// How long the load lasts, warm-up included.
    pub duration_ms: Option<f64>,
    /// Cycles asked for per second; none in a closed loop.
    pub rate_per_sec: Option<f64>,
    /// Law of arrivals; none in a closed loop.
    pub arrival: &'static str,
    /// Steps of a changing load.
    pub stages: [Never; 0],
    /// How long connections are held.
    pub hold: &'static str,
    /// How long a thread pauses after a cycle.
    pub think: String,
    /// Shares of the kinds of work.
    pub mix: BTreeMap<&'static str, f64>,
}

/// The machine, and the load tester as a process on it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Environment {
    /// Name of the system.
    pub os: String,
    /// Release of its kernel.
    pub kernel: String,
    /// Architecture of the processor.
    pub arch: &'static str,
    /// Name of the processor.
    pub cpu_model: String,
    /// Processors that this process may run on.
    pub cpu_count: usize,
    /// Processors' worth of time that its control group grants it; `None` = no limit.
    pub cpu_quota: Option<f64>,
    /// Memory of the machine.
    pub memory_bytes: u64,
    /// File descriptors it may have open.
    pub fd_limit: u64,
    /// Whether it seems to run inside a container.
    pub container: bool,
    /// Version of what the connections lead to.
    pub backend_version: String,
    /// Settings of that which matter.
    pub backend_settings: BTreeMap<&'static str, String>,
    /// The load tester itself.
    pub generator: Generator,
}

/// The load tester as a process.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Generator {
    /// Processor time while measuring, in percent of all that it may have. An embedded database is part of it.
    pub cpu_util_pct: f64,
    /// How late cycles began; none in a closed loop, which has no schedule.
    pub schedule_lag_p99_us: Option<f64>,
    /// The most memory it ever held.
    pub rss_peak_bytes: u64,
    /// Whether it, rather than the pool, may have set the pace.
    pub saturated: bool,
}

/// Something that happened during a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// When.
    pub t_ms: f64,
    /// What.
    pub kind: &'static str,
    /// The details, without secrets.
    pub detail: String,
}

/// An alert that was raised while the load was on.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RaisedAlert {
    /// Names it, and no other of the same run.
    pub id: String,
    /// What it is called, such as `PoolUtilizationHigh`.
    pub alertname: String,
    /// How bad it is.
    pub severity: &'static str,
    /// When it was raised.
    pub raised_at_ms: f64,
    /// When it was over; `None` = not before the run was.
    pub cleared_at_ms: Option<f64>,
    /// What was measured last while it was there; `None` if it tells of something that was not measured.
    pub value: Option<f64>,
    /// What that was compared with.
    pub limit: f64,
    /// What is wrong.
    pub message: String,
}

/// What to make of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// The short of it.
    pub status: VerdictStatus,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
    /// Limits that were set; this version knows none.
    pub thresholds: [Never; 0],
}

/// The short of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum VerdictStatus {
    /// No defect was found and no cycle failed.
    Pass,
    /// The pool has a defect, or nothing succeeded.
    Fail,
    /// No defect was found, but cycles failed or the run was cut short, and nothing says how much of that is
    /// allowed.
    None,
}
