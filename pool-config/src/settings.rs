//! How a pool behaves, and what its sessions are like: all that `default_pool` may hold and a pool inherits.

mod breaker;
mod rules;
mod waiting;

use std::time::Duration;

use crate::class::ReloadClass::{Drain, Live};
use crate::keys::{Keys, keys};
use crate::kind::{Flag, Lines, List, Millis, Number, Optional, Text, Whole, Word, Words};
use waiting::WaitingLimit;

pub use breaker::CircuitBreakerSettings;
pub use waiting::MaxWaiting;

/// The most connections one pool may have: more is a unit error, no server takes it.
const MAX_CONNECTIONS: usize = 10_000;

keys! {
    /// How a pool behaves, with every key resolved: set by the pool, inherited from `default_pool`, or built in.
    ///
    /// Every duration is written in the file as whole milliseconds, at most a year, under a key that ends in `_ms`.
    pub struct PoolSettings {
        /// the most connections the pool ever has, in use or not
        max_connections: usize = 10,
            value("max_connections", Whole::within(1..=MAX_CONNECTIONS).of("connections"), Live);

        /// the size below which the pool does not shrink. At most `max_connections`; 0 lets an unused pool close
        /// everything. If nobody wrote it, it is lowered to a smaller `max_connections`
        min_connections: usize = 2,
            value("min_connections", Whole::within(0..=MAX_CONNECTIONS).of("connections"), Live);

        /// how many connections are kept ready beyond those in use. At most `max_connections`
        min_idle: usize = 0,
            value("min_idle", Whole::within(0..=MAX_CONNECTIONS).of("connections").zero("none"), Live);

        /// the deadline of an acquire as a whole: queueing, connecting and validating together, as in HikariCP. Cannot be
        /// switched off
        acquire_timeout: Duration = Duration::from_secs(30),
            value("connection_timeout_ms", Millis::POSITIVE, Live);

        /// how long one attempt to open a connection may take, log-in included. Cannot be switched off
        connect_timeout: Duration = Duration::from_secs(5), value("connect_timeout_ms", Millis::POSITIVE, Live);

        /// how long the check of one connection may take; within an acquire never longer than its deadline. Below
        /// `connection_timeout_ms` where both are written
        validation_timeout: Duration = Duration::from_secs(5),
            value("validation_timeout_ms", Millis::POSITIVE, Live);

        /// a connection that has been idle for longer is checked before it is handed out
        validate_after_idle: Duration = Duration::from_millis(500),
            value("validate_after_idle_ms", Millis::zero("always"), Live);

        /// whether a connection is also checked when it comes back
        validate_on_return: bool = false, value("validate_on_return", Flag, Live);

        /// a connection idle for longer is closed, down to `min_connections`. Below `max_lifetime_ms` where both are
        /// written
        idle_timeout: Duration = Duration::from_secs(300), value("idle_timeout_ms", Millis::zero("never"), Live);

        /// an older connection is replaced
        max_lifetime: Duration = Duration::from_secs(1800), value("max_lifetime_ms", Millis::zero("never"), Live);

        /// the part of `max_lifetime_ms` by which lifetimes differ, so that connections opened together do not end
        /// together; 0 makes all lifetimes equal
        lifetime_jitter: f64 = 0.2, value("lifetime_jitter", Number(0.0..=0.5), Live);

        /// a connection handed out this often is replaced
        max_uses: u64 = 0, value("max_uses", Whole::within(0..=u64::MAX).of("uses").zero("unlimited"), Live);

        /// how often an idle connection is pinged. Below `max_lifetime_ms` where both are written
        keepalive_interval: Duration = Duration::from_secs(120),
            value("keepalive_interval_ms", Millis::zero("off"), Live);

        /// how often the pool looks for connections to close, ping or open. Cannot be switched off
        maintenance_interval: Duration = Duration::from_secs(1),
            value("maintenance_interval_ms", Millis::POSITIVE, Live);

        /// a connection held for longer is reported once, with the place in the code that took it
        leak_detection_threshold: Duration = Duration::ZERO,
            value("leak_detection_threshold_ms", Millis::zero("off"), Live);

        /// how many callers may wait for a connection; further ones fail at once. With `auto` as many as can be served
        /// before their `connection_timeout_ms` is over, found anew each second from how long connections are in use
        max_waiting: MaxWaiting = MaxWaiting::UNBOUNDED, value("max_waiting", WaitingLimit, Live);

        /// how many connections are opened at the same time
        connect_concurrency: usize = 2,
            value("connect_concurrency", Whole::within(1..=MAX_CONNECTIONS).of("connections"), Live);

        /// how many pauses of `retry_delay_ms` make one round of recovery. An outage that outlasts its round is reported,
        /// and connecting goes on
        max_retries: u32 = 3, value("max_retries", Whole::within(0..=u32::MAX).of("pauses").zero("not reported"), Live);

        /// the first pause between two attempts to reach a target that is down; see `max_retries`
        retry_delay: Duration = Duration::from_secs(1), value("retry_delay_ms", Millis::POSITIVE, Live);

        /// whether an acquire fails at once while the target is known to be down, instead of waiting for its deadline
        fail_fast: bool = true, value("fail_fast", Flag, Live);

        /// which idle connection is handed out next. `lifo`, the one that came back last, keeps few connections busy, so
        /// that a pool too large can shrink; `fifo`, the one idle for longest, spreads use evenly
        reuse: Reuse = Reuse::Lifo, value("reuse", Words::new(), Live);

        /// who gets a connection that comes back while callers wait. `strict`: the one who waits longest; `adaptive`: the
        /// same, unless the pool is so busy that waking another costs more than it is worth; `throughput`: whoever comes
        /// first
        fairness: Fairness = Fairness::Adaptive, value("fairness", Words::new(), Live);

        /// how many connections only callers of high priority may take. Below `max_connections`
        reserve_connections: usize = 0,
            value("reserve_connections", Whole::within(0..=MAX_CONNECTIONS).of("connections").zero("none"), Live);

        /// how long cleaning a returned connection may take before it is closed instead. Cannot be switched off
        reset_timeout: Duration = Duration::from_secs(5), value("reset_timeout_ms", Millis::POSITIVE, Live);

        /// whether the pool finds its own size between `min_connections` and `max_connections`: `off`; `observe`, which only
        /// recommends one; `on`
        sizing: Sizing = Sizing::Off, value("sizing", Words::new(), Live);

        /// whether the times for which connections are held and idle are measured exactly, at the price of two looks at the
        /// clock for each acquire
        precise_timing: bool = false, value("precise_timing", Flag, Live);

        /// how often the health of the pool's target is checked. Without it `health_monitoring.check_interval_ms`, which is
        /// a minute unless written; switched off for all pools by `health_monitoring.enabled`
        health_check_interval: Option<Duration> = None,
            value("health_check_interval_ms", Optional(Millis::POSITIVE), Live);

        /// when to stop connecting to a target that fails, until it has proved to work
        circuit_breaker: CircuitBreakerSettings = CircuitBreakerSettings::default(), section("circuit_breaker");

        /// what the sessions of the pool are like
        session: SessionSettings = SessionSettings::default(), flat();
    }

    check(settings, section) {
        rules::check(settings, section);
    }
}

impl PoolSettings {
    /// What a field is called in the file, such as `connection_timeout_ms` for `acquire_timeout`; `None` if there is no such field here. For messages about
    /// what was set in code.
    #[must_use]
    pub fn key_of(field: &str) -> Option<&'static str> {
        <Self as Keys>::key_of(field)
    }

    /// Lowers the built-in `min_connections` to a smaller `max_connections`: whoever writes only `max_connections: 1` has made
    /// no mistake. One that is written and larger has been reported. The breaker likewise.
    pub(crate) fn settle(&mut self) {
        self.min_connections = self.min_connections.min(self.max_connections);
        self.circuit_breaker.settle();
    }
}

keys! {
    /// What the sessions of a pool are like. In the file these keys stand among those of [`PoolSettings`].
    ///
    /// A driver that has no such thing ignores what it inherits; where a pool itself sets it, that is an error.
    pub struct SessionSettings {
        /// what the server shows as the client's name. PostgreSQL and Redis; without it the name of the pool
        application_name: Option<String> = None, value("application_name", Optional(Text), Drain);

        /// how long a statement may run before the server ends it. PostgreSQL and MySQL
        statement_timeout: Duration = Duration::ZERO,
            value("statement_timeout_ms", Millis::zero("as long as it takes"), Drain);

        /// how long a session may stay idle in an open transaction before the server ends it. PostgreSQL
        idle_in_transaction_timeout: Duration = Duration::ZERO,
            value("idle_in_transaction_timeout_ms", Millis::zero("as long as it takes"), Drain);

        /// statements that are run on each new connection. PostgreSQL and MySQL
        init_sql: Vec<String> = Vec::new(), value("init_sql", List(Lines), Drain);

        /// how long to trust what a host name stands for; connections to an address that the name no longer stands for are
        /// replaced. Not for SQLite
        dns_max_ttl: Duration = Duration::ZERO, value("dns_max_ttl_ms", Millis::zero("off"), Drain);

        /// whether the server is a pooler that gives a session to each transaction, such as PgBouncer in its mode
        /// `transaction`. PostgreSQL
        transaction_pooling: bool = false, value("transaction_pooling", Flag, Drain);

        /// how many connections the server takes in all; the pools of one server are added up and compared with it. PostgreSQL
        /// and MySQL
        server_max_connections: usize = 0,
            value("server_max_connections", Whole::within(0..=1_000_000).of("connections").zero("not known"), Live);
    }
}

/// Which idle connection is handed out next; the word in the file is the name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reuse {
    /// `lifo`: the one that came back last. Keeps few connections busy, so that a pool too large can shrink.
    #[default]
    Lifo,
    /// `fifo`: the one idle for longest. Spreads use evenly over all connections.
    Fifo,
}

impl Word for Reuse {
    const WORDS: &'static [(&'static str, Self)] = &[("lifo", Self::Lifo), ("fifo", Self::Fifo)];
}

/// Who gets a connection that comes back while callers wait; the word in the file is the name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fairness {
    /// `strict`: the one who waits longest.
    Strict,
    /// `adaptive`: the one who waits longest, unless the pool is so busy that waking another costs more than it is worth.
    #[default]
    Adaptive,
    /// `throughput`: whoever comes first.
    Throughput,
}

impl Word for Fairness {
    const WORDS: &'static [(&'static str, Self)] =
        &[("strict", Self::Strict), ("adaptive", Self::Adaptive), ("throughput", Self::Throughput)];
}

/// Whether a pool finds its own size; the word in the file is the name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sizing {
    /// `off`: the size is `max_connections`.
    #[default]
    Off,
    /// `observe`: the size is `max_connections`, and the pool recommends one.
    Observe,
    /// `on`: the pool moves its limit between `min_connections` and `max_connections`.
    On,
}

impl Word for Sizing {
    const WORDS: &'static [(&'static str, Self)] =
        &[("off", Self::Off), ("observe", Self::Observe), ("on", Self::On)];
}
