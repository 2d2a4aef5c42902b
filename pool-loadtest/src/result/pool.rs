//! What the pool says of itself, and whether that adds up.

use std::collections::BTreeMap;

use serde::Serialize;

/// The pool's own account.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolReport {
    /// How it was when all cycles had ended.
    pub at_end: PoolGauges,
    /// The highest sample of each gauge, warm-up included.
    pub peak: PoolGauges,
    /// What happened from its building until all cycles had ended.
    pub counters: PoolTotals,
    /// Connections in use on average of all samples; `None` when nobody looked. Not in the JSON: its format has no
    /// place for it.
    #[serde(skip)]
    pub in_use_mean: Option<f64>,
}

/// How a pool is at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolGauges {
    /// All connections.
    pub total: u64,
    /// Free ones.
    pub idle: u64,
    /// Those in callers' hands.
    pub in_use: u64,
    /// Callers inside an acquire.
    pub pending: u64,
    /// The limit.
    pub max: u64,
}

/// What happened in a pool.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolTotals {
    /// Connects that succeeded.
    pub created: u64,
    /// Connects that failed.
    pub create_failed: u64,
    /// Acquires that got a connection.
    pub acquired: u64,
    /// Connections given back.
    pub released: u64,
    /// Acquires that reached their deadline.
    pub timeouts: u64,
    /// Validations.
    pub validations: u64,
    /// Those that failed.
    pub validation_failures: u64,
    /// Connections that are gone, by reason.
    pub closed: BTreeMap<String, u64>,
}

/// Whether everything was given back.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LeakCheck {
    /// Whether the check ran to its end.
    pub performed: bool,
    /// How long the pool was given to settle before the second look.
    pub grace_ms: f64,
    /// Connections in callers' hands after all callers had ended; the greater of both looks.
    pub outstanding_handles: u64,
    /// Whether what was opened less what was closed is what is there, and nothing acquired is still out.
    pub ledger_balanced: bool,
    /// Sessions that the server counts; `None` = it cannot be asked.
    pub server_sessions: Option<u64>,
    /// Open file descriptors.
    pub open_fds: BeforeAfter,
    /// Threads of the operating system.
    pub os_threads: BeforeAfter,
    /// Growth of memory; not measured.
    pub rss_slope_bytes_per_hour: Option<f64>,
    /// The outcome.
    pub status: LeakStatus,
    /// What was found, one sentence each.
    pub findings: Vec<String>,
}

/// A count before the load and after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct BeforeAfter {
    /// When the pool was warm and no load had begun.
    pub before: u64,
    /// When all cycles had ended and the pool was still open.
    pub after: u64,
}

/// The outcome of a leak check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum LeakStatus {
    /// Nothing leaked.
    Pass,
    /// Something did.
    Fail,
    /// The user was in a hurry.
    NotPerformed,
}
