//! How a pool behaves: every option with its default.
//!
//! An option is named three times and no more: as a field here, in `Default` below, and with its key and range in
//! [`layer`].

pub(crate) mod layer;
mod rules;

use std::time::Duration;

use serde::Deserialize;

/// How a pool behaves, with every key resolved: set by the pool, inherited from `default_pool`, or built in.
///
/// Every duration is written in the file as whole milliseconds, at most a year, under a key that ends in `_ms`.
#[derive(Debug, Clone, PartialEq)]
pub struct PoolSettings {
    /// `max_connections`: the most connections the pool ever has, in use or not. 1 to 10000, default 10.
    pub max_connections: usize,
    /// `min_connections`: the size below which the pool does not shrink. At most `max_connections`, default 2;
    /// 0 lets an unused pool close everything.
    ///
    /// If nobody wrote it, it is lowered to a smaller `max_connections`.
    pub min_connections: usize,
    /// `min_idle`: how many connections are kept ready beyond those in use. At most `max_connections`; default 0,
    /// which keeps none ready.
    pub min_idle: usize,
    /// `connection_timeout_ms`: the deadline of an acquire as a whole: queueing, connecting and validating together,
    /// as in HikariCP. Default 30 s; cannot be switched off.
    pub acquire_timeout: Duration,
    /// `connect_timeout_ms`: how long one attempt to open a connection may take, log-in included. Default 5 s;
    /// cannot be switched off.
    pub connect_timeout: Duration,
    /// `validation_timeout_ms`: how long the check of one connection may take; within an acquire never longer than
    /// its deadline. Below `connection_timeout_ms` where both are written; default 5 s; cannot be switched off.
    pub validation_timeout: Duration,
    /// `validate_after_idle_ms`: a connection that has been idle for longer is checked before it is handed out.
    /// Default 500 ms; 0 checks always.
    pub validate_after_idle: Duration,
    /// `validate_on_return`: whether a connection is also checked when it comes back. Default false.
    pub validate_on_return: bool,
    /// `idle_timeout_ms`: a connection idle for longer is closed, down to `min_connections`. Below `max_lifetime_ms`
    /// where both are written; default 5 min; 0 = never.
    pub idle_timeout: Duration,
    /// `max_lifetime_ms`: an older connection is replaced. Default 30 min; 0 = never.
    pub max_lifetime: Duration,
    /// `lifetime_jitter`: the part of `max_lifetime_ms` by which lifetimes differ, so that connections opened
    /// together do not end together. 0 to 0.5, default 0.2; 0 makes all lifetimes equal.
    pub lifetime_jitter: f64,
    /// `max_uses`: a connection handed out this often is replaced. Default 0, which is unlimited.
    pub max_uses: u64,
    /// `keepalive_interval_ms`: how often an idle connection is pinged. Below `max_lifetime_ms` where both are
    /// written; default 2 min; 0 = off.
    pub keepalive_interval: Duration,
    /// `maintenance_interval_ms`: how often the pool looks for connections to close, ping or open. Default 1 s;
    /// cannot be switched off.
    pub maintenance_interval: Duration,
    /// `leak_detection_threshold_ms`: a connection held for longer is reported once. Default 0, which is off.
    pub leak_detection_threshold: Duration,
    /// `max_waiting`: how many callers may wait for a connection; further ones fail at once. Default 0, which is
    /// unbounded.
    pub max_waiting: usize,
    /// `connect_concurrency`: how many connections are opened at the same time. 1 to 10000, default 2.
    pub connect_concurrency: usize,
    /// `max_retries`: how many pauses of `retry_delay_ms` make one round of recovery. An outage that outlasts its
    /// round is reported, and connecting goes on. Default 3; 0 = not reported.
    pub max_retries: u32,
    /// `retry_delay_ms`: see `max_retries`. At least 1 ms, default 1 s.
    pub retry_delay: Duration,
    /// `fail_fast`: whether an acquire fails at once while the target is known to be down, instead of waiting for its
    /// deadline. Default true.
    pub fail_fast: bool,
    /// `reuse`: which idle connection is handed out next. Default `lifo`.
    pub reuse: Reuse,
    /// `reserve_connections`: how many connections only callers of high priority may take. Below `max_connections`;
    /// default 0, which reserves none.
    pub reserve_connections: usize,
    /// `reset_timeout_ms`: how long cleaning a returned connection may take before it is closed instead.
    /// Default 5 s; cannot be switched off.
    pub reset_timeout: Duration,
    /// `health_check_interval_ms`: how often the health of the pool's target is checked. Default 1 min; checks are
    /// switched off for all pools by `health_monitoring.enabled`.
    pub health_check_interval: Duration,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_connections: 10,
            min_connections: 2,
            min_idle: 0,
            acquire_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(5),
            validation_timeout: Duration::from_secs(5),
            validate_after_idle: Duration::from_millis(500),
            validate_on_return: false,
            idle_timeout: Duration::from_secs(5 * 60),
            max_lifetime: Duration::from_secs(30 * 60),
            lifetime_jitter: 0.2,
            max_uses: 0,
            keepalive_interval: Duration::from_secs(2 * 60),
            maintenance_interval: Duration::from_secs(1),
            leak_detection_threshold: Duration::ZERO,
            max_waiting: 0,
            connect_concurrency: 2,
            max_retries: 3,
            retry_delay: Duration::from_secs(1),
            fail_fast: true,
            reuse: Reuse::Lifo,
            reserve_connections: 0,
            reset_timeout: Duration::from_secs(5),
            health_check_interval: Duration::from_secs(60),
        }
    }
}

/// Which idle connection is handed out next; the word in the file is the name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reuse {
    /// `lifo`: the one that came back last. Keeps few connections busy, so that a pool too large can shrink.
    #[default]
    Lifo,
    /// `fifo`: the one idle for longest. Spreads use evenly over all connections.
    Fifo,
}
