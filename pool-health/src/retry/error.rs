//! What is said when trying again was of no use.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use pool_core::Span;

/// Why an operation was not tried once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GaveUp {
    /// The last error is not of a kind that may pass.
    NotRetryable,
    /// It was tried `max_attempts` times.
    Attempts,
    /// Too many others try again already; see [`RetryBudget`](crate::RetryBudget).
    Budget,
    /// The deadline passed, or would have before the next attempt.
    Deadline,
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            GaveUp::NotRetryable => "the error is none that passes",
            GaveUp::Attempts => "no attempt is left",
            GaveUp::Budget => "too many others try again already",
            GaveUp::Deadline => "no time is left",
        })
    }
}

/// An operation failed, however often it was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryError<E> {
    /// What the last attempt that ended died of; `None` if the deadline cut short the only one.
    pub last: Option<E>,
    /// How often it was tried; the one that the deadline cut short counts.
    pub attempts: u32,
    /// How long all of that took.
    pub took: Duration,
    /// Why it was not tried once more.
    pub reason: GaveUp,
}

impl<E> RetryError<E> {
    /// Whether time ran out.
    pub fn is_timeout(&self) -> bool {
        self.reason == GaveUp::Deadline
    }
}

impl<E> fmt::Display for RetryError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RetryError { attempts, took, reason, .. } = self;
        let plural = if *attempts == 1 { "" } else { "s" };
        write!(f, "complete the operation: {attempts} attempt{plural} in {}, {reason}", Span(*took))
    }
}

impl<E: Error + 'static> Error for RetryError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.last.as_ref().map(|error| error as _)
    }
}
