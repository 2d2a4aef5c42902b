//! The knobs of a pool: what each bounds, in which unit, and the value that switches it off.
//!
//! [`PoolOptions`] is plain data that anyone may fill in; the pool itself takes only [`CheckedOptions`],
//! which cannot hold a value the pool could not work with.

use std::fmt;
use std::ops::Deref;
use std::time::Duration;

use crate::sizing::Sizing;

/// Which idle connection is handed out next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reuse {
    /// Always the first of those that are free, so that few connections stay busy, and the others can grow idle and be
    /// closed.
    #[default]
    Lifo,
    /// The one unused for longest. All connections get the same share of work. Every acquire takes the pool's lock then.
    Fifo,
}

/// Who gets a connection that comes back while callers wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Fairness {
    /// The caller who has waited longest, whatever happens. If his task does not run, the connection waits for it.
    Strict,
    /// The caller who has waited longest. If his task has not run 100 us after others could see that, somebody else who
    /// asks may take the connection, once; he is then the first in line again, what he is granted next is his, and nobody
    /// overtakes anybody until he has it.
    #[default]
    Adaptive,
    /// Whoever comes first: the caller who has waited longest is woken, and others who ask meanwhile may go before him,
    /// for at most 1 ms; after that the next connection is his. More throughput where tasks release and acquire in
    /// turn, and longer tails.
    Throughput,
}

/// All options of a pool.
///
/// Every duration is exact to about a millisecond, except those that housekeeping looks after
/// (`idle_timeout`, `max_lifetime`, `keepalive_interval`, `leak_detection_threshold`): these may be late by
/// one `maintenance_interval`. `validate_after_idle` may come up to 10 ms early.
///
/// # Examples
///
/// ```
/// use pool_core::PoolOptions;
///
/// let options = PoolOptions { max_connections: 20, min_connections: 5, ..PoolOptions::default() };
/// assert!(options.check().is_ok());
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PoolOptions {
    /// The most connections there may be, in whatever state. At least 1. Default 10.
    pub max_connections: usize,
    /// As many connections as the pool keeps open, busy or idle. Default 2; 0 = none.
    ///
    /// Idle expiry stops here, and the keeper refills to it. At most `max_connections`.
    pub min_connections: usize,
    /// As many connections as the pool keeps idle on top of the busy ones, while `max_connections`
    /// allows. Default 0 = none.
    pub min_idle: usize,
    /// How long an acquire may take in all: waiting, validating, everything. Default 30 s.
    pub acquire_timeout: Duration,
    /// How long one connect may take. Default 5 s.
    ///
    /// While connects fail, one at a time has all of it. Another beside it, where `connect_concurrency` allows one, looks
    /// whether the target is back and is given up sooner: after 500 ms in the first minute of an outage, after 2 s later.
    pub connect_timeout: Duration,
    /// How long one validation may take; within an acquire never longer than its deadline. Default 5 s.
    pub validation_timeout: Duration,
    /// A connection idle for at least this long is validated before it is handed out. Default 500 ms;
    /// 0 = always validate.
    ///
    /// Those who take a free connection go by the kernel's coarse clock (unless `precise_timing` is on), so this may be 10
    /// ms early, and is never late. Under 20 ms every acquire takes the pool's lock.
    pub validate_after_idle: Duration,
    /// Whether each connection is validated when it comes back. Default off. Every acquire takes the pool's lock then.
    pub validate_on_return: bool,
    /// Connections that were not needed for this long are closed, down to `min_connections`.
    /// Default 5 min; 0 = never.
    ///
    /// With [`Reuse::Lifo`] that is the time a connection was idle. With [`Reuse::Fifo`] every connection
    /// is used now and then, so the median of the idle count over this time tells how many are not needed.
    pub idle_timeout: Duration,
    /// How old a connection may become. Default 30 min; 0 = any age.
    ///
    /// At most one connection per `max_lifetime / max_connections` is retired; those born together
    /// therefore retire one after another, the last at most one more `max_lifetime` later. A busy one is
    /// retired when it comes back, so several that were held past their dates may go together. A successor is
    /// opened first where there is room.
    pub max_lifetime: Duration,
    /// The part of `max_lifetime` by which a connection may retire early, drawn once at its birth.
    /// 0 to 0.5. Default 0.2.
    pub lifetime_jitter: f64,
    /// How often a connection may be handed out. Default 0 = as often as it lasts; else every acquire takes the pool's
    /// lock.
    pub max_uses: u64,
    /// Idle connections are validated this often. Default 2 min; 0 = off.
    pub keepalive_interval: Duration,
    /// How often the keeper looks after expiry, keepalive, shrinking and leaks. At least 1 ms. Default 1 s.
    ///
    /// A pool without a connection has no keeper and costs nothing.
    pub maintenance_interval: Duration,
    /// A connection held for longer is reported as leaked, once, at the next round of housekeeping: up to one
    /// `maintenance_interval` later. Default 0 = off.
    ///
    /// A change applies to connections acquired after it.
    pub leak_detection_threshold: Duration,
    /// The most callers of normal priority that may wait; one more is refused at once. Default 0 =
    /// unbounded. Callers of high priority are few, and are not refused.
    pub max_waiting: usize,
    /// The most connects that may be under way at once. At least 1. Default 2; with 1, a connect that hangs when its target
    /// comes back delays the next by up to `connect_timeout`.
    pub connect_concurrency: usize,
    /// How many `retry_delay`s make a recovery round. When an outage outlasts its round, it is reported
    /// once; reconnecting goes on. Default 3; 0 = not reported.
    pub max_retries: u32,
    /// See `max_retries`. Default 1 s.
    pub retry_delay: Duration,
    /// Whether acquires, and `warm_up`, fail at once, with the cause, while the target is known to be down and no
    /// connection lives. Default on; off = callers wait to their deadline.
    pub fail_fast: bool,
    /// Which idle connection is handed out next. Default [`Reuse::Lifo`].
    pub reuse: Reuse,
    /// As many connections as only callers of [`Priority::High`](crate::Priority) may take. Fewer than
    /// `max_connections`. Default 0.
    pub reserve_connections: usize,
    /// How long resetting a connection after use may take. Default 5 s.
    pub reset_timeout: Duration,
    /// Who gets a connection that comes back while callers wait. Default [`Fairness::Adaptive`].
    pub fairness: Fairness,
    /// Whether the pool finds its own limit between `min_connections` and `max_connections`, or recommends one. Default
    /// [`Sizing::Off`].
    ///
    /// Times are measured exactly then, as with `precise_timing`.
    pub sizing: Sizing,
    /// Whether the times for which connections are held and idle are measured exactly, at the price of two looks at
    /// the exact clock for each acquire. Default off: they come in steps of the kernel's coarse clock, 4 ms as a rule, and
    /// are right on average.
    ///
    /// Connects and all else that takes the lock are measured exactly anyway; waits as well, but in a saturated pool a
    /// few share one look at the clock when they begin, and of those that end one in eight is looked at and stands for the next. On a paused tokio clock everything is exact; one that is paused after the pool was
    /// built is noticed by the keeper.
    pub precise_timing: bool,
}

impl Default for PoolOptions {
    fn default() -> Self {
        PoolOptions {
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
            fairness: Fairness::Adaptive,
            sizing: Sizing::Off,
            precise_timing: false,
        }
    }
}

impl PoolOptions {
    /// Checks all options.
    ///
    /// Only what cannot work is refused. Values that merely have no effect, such as a
    /// `keepalive_interval` beyond `max_lifetime`, are accepted.
    ///
    /// # Errors
    ///
    /// Names every option that is out of its range, not just the first.
    pub fn check(&self) -> Result<(), OptionsError> {
        let mut problems = Vec::new();
        let mut require =
            |holds: bool, option: &'static str, value: &dyn fmt::Display, rule: &'static str| {
                if !holds {
                    problems.push(OptionProblem { option, value: value.to_string(), rule });
                }
            };
        let max = self.max_connections;
        require(
            (1..=Self::MAX_CONNECTIONS_LIMIT).contains(&max),
            "max_connections",
            &max,
            "must be from 1 to 1000000",
        );
        require(
            self.min_connections <= max,
            "min_connections",
            &self.min_connections,
            "must not exceed max_connections",
        );
        require(self.min_idle <= max, "min_idle", &self.min_idle, "must not exceed max_connections");
        require(
            self.reserve_connections < max.max(1),
            "reserve_connections",
            &self.reserve_connections,
            "must be less than max_connections",
        );
        require(
            self.connect_concurrency >= 1,
            "connect_concurrency",
            &self.connect_concurrency,
            "must be at least 1",
        );
        require(
            (0.0..=0.5).contains(&self.lifetime_jitter),
            "lifetime_jitter",
            &self.lifetime_jitter,
            "must be from 0 to 0.5",
        );
        for (option, duration) in [
            ("acquire_timeout", self.acquire_timeout),
            ("connect_timeout", self.connect_timeout),
            ("validation_timeout", self.validation_timeout),
            ("reset_timeout", self.reset_timeout),
        ] {
            require(
                !duration.is_zero(),
                option,
                &crate::connection::Span(duration),
                "must be longer than zero: nothing may wait for ever, and nothing finishes in no time",
            );
        }
        require(
            self.maintenance_interval >= Duration::from_millis(1),
            "maintenance_interval",
            &crate::connection::Span(self.maintenance_interval),
            "must be at least 1 ms",
        );
        for (option, duration) in [
            ("acquire_timeout", self.acquire_timeout),
            ("connect_timeout", self.connect_timeout),
            ("validation_timeout", self.validation_timeout),
            ("validate_after_idle", self.validate_after_idle),
            ("idle_timeout", self.idle_timeout),
            ("max_lifetime", self.max_lifetime),
            ("keepalive_interval", self.keepalive_interval),
            ("maintenance_interval", self.maintenance_interval),
            ("leak_detection_threshold", self.leak_detection_threshold),
            ("retry_delay", self.retry_delay),
            ("reset_timeout", self.reset_timeout),
        ] {
            require(
                duration <= Self::LONGEST,
                option,
                &crate::connection::Span(duration),
                "must not exceed 10 years",
            );
        }
        if problems.is_empty() { Ok(()) } else { Err(OptionsError { problems }) }
    }

    /// Slots are numbered in 32 bits; a pool this large is a mistake long before.
    const MAX_CONNECTIONS_LIMIT: usize = 1_000_000;

    /// Keeps every sum of an instant and a few durations far from the end of the clock.
    const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

    pub(crate) fn checked(self) -> Result<CheckedOptions, OptionsError> {
        self.check()?;
        Ok(CheckedOptions(self))
    }
}

/// Options that passed [`PoolOptions::check`].
#[derive(Debug, Clone)]
pub(crate) struct CheckedOptions(PoolOptions);

impl CheckedOptions {
    /// Whether those who take and give back read the exact clock.
    pub(crate) fn times_exactly(&self) -> bool {
        self.precise_timing || self.sizing != Sizing::Off
    }
}

impl Deref for CheckedOptions {
    type Target = PoolOptions;

    fn deref(&self) -> &PoolOptions {
        &self.0
    }
}

/// One option that is out of its range.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct OptionProblem {
    /// The option's name, as in [`PoolOptions`].
    pub option: &'static str,
    /// The value that was given.
    pub value: String,
    /// What is allowed.
    pub rule: &'static str,
}

/// Says which options are out of their range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct OptionsError {
    /// Every problem found; never empty.
    pub problems: Vec<OptionProblem>,
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("accept the pool options: ")?;
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{} = {} {}", problem.option, problem.value, problem.rule)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(PoolOptions::default().check(), Ok(()));
    }

    #[test]
    fn every_bad_option_is_named_at_once() {
        let options = PoolOptions {
            max_connections: 4,
            min_connections: 5,
            connect_concurrency: 0,
            lifetime_jitter: f64::NAN,
            acquire_timeout: Duration::ZERO,
            ..PoolOptions::default()
        };
        insta::assert_snapshot!(
            options.check().unwrap_err(),
            @"accept the pool options: min_connections = 5 must not exceed max_connections; connect_concurrency = 0 must be at least 1; lifetime_jitter = NaN must be from 0 to 0.5; acquire_timeout = 0s must be longer than zero: nothing may wait for ever, and nothing finishes in no time"
        );
    }

    #[test]
    fn a_pool_of_none_is_refused_and_blames_no_other_option() {
        let options = PoolOptions { max_connections: 0, min_connections: 0, ..PoolOptions::default() };
        let problems = options.check().unwrap_err().problems;
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].option, "max_connections");
    }

    #[test]
    fn durations_that_would_overflow_the_clock_are_refused() {
        let options = PoolOptions { idle_timeout: Duration::MAX, ..PoolOptions::default() };
        assert_eq!(options.check().unwrap_err().problems[0].option, "idle_timeout");
    }
}
