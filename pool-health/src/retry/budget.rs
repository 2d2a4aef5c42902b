//! How much of the work may be repetition.
//!
//! Callers that all try three times make a target that fails under its load fail under three times that. So what may be
//! repeated at once is a share of what is in flight: a few errors are ridden out, an outage is not multiplied. The model is
//! Envoy's retry budget; its figures, a fifth and never less than three, are the defaults.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// Bounds how many operations are being repeated at once. Clones share the budget.
///
/// An operation is in flight from the first attempt of [`Retry::run`](crate::Retry::run) to its end, and a repetition from
/// the wait before it to its end.
///
/// # Examples
///
/// ```
/// use pool_health::RetryBudget;
///
/// let budget = RetryBudget::new(0.2, 3);
/// assert_eq!(budget.snapshot().limit, 3);
/// ```
#[derive(Debug, Clone)]
pub struct RetryBudget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    share: f64,
    minimum: usize,
    // Ordering: relaxed throughout; these are counts, nobody reads other memory because of them.
    in_flight: AtomicUsize,
    repeating: AtomicUsize,
    granted: AtomicU64,
    refused: AtomicU64,
}

/// How a budget is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetSnapshot {
    /// Operations in flight now.
    pub in_flight: usize,
    /// Those that are being repeated now.
    pub repeating: usize,
    /// How many may be, by what is in flight now.
    pub limit: usize,
    /// Repetitions allowed since start.
    pub granted: u64,
    /// Repetitions refused since start.
    pub refused: u64,
}

impl Default for RetryBudget {
    fn default() -> Self {
        RetryBudget::new(0.2, 3)
    }
}

impl RetryBudget {
    /// Lets `share` of the operations in flight be repeated at once, and `minimum` of them however few are in flight.
    ///
    /// A share of 1 or more is no bound; one of 0 with a minimum of 0 forbids repetition. What is not a number is 0.
    pub fn new(share: f64, minimum: usize) -> Self {
        RetryBudget(Arc::new(Shared {
            share: share.max(0.0),
            minimum,
            in_flight: AtomicUsize::new(0),
            repeating: AtomicUsize::new(0),
            granted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }))
    }

    /// The one budget of this process, a fifth and at least 3. All that call one database through one process share its
    /// fate, so they should share this too.
    pub fn of_process() -> Self {
        static PROCESS: OnceLock<RetryBudget> = OnceLock::new();
        PROCESS.get_or_init(RetryBudget::default).clone()
    }

    /// How it is used.
    pub fn snapshot(&self) -> BudgetSnapshot {
        BudgetSnapshot {
            in_flight: self.0.in_flight.load(Ordering::Relaxed),
            repeating: self.0.repeating.load(Ordering::Relaxed),
            limit: self.limit(),
            granted: self.0.granted.load(Ordering::Relaxed),
            refused: self.0.refused.load(Ordering::Relaxed),
        }
    }

    fn limit(&self) -> usize {
        let in_flight = self.0.in_flight.load(Ordering::Relaxed);
        // Saturates where it does not fit, which is no bound either.
        let share = (in_flight as f64 * self.0.share) as usize;
        share.max(self.0.minimum)
    }

    /// Counts an operation until the value is dropped.
    pub(super) fn enter(&self) -> InFlight {
        self.0.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlight(self.clone())
    }

    /// Leave to repeat, until the value is dropped.
    pub(super) fn try_spend(&self) -> Option<Spent> {
        let limit = self.limit();
        let more = |repeating| (repeating < limit).then_some(repeating + 1);
        let granted = self.0.repeating.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        let count = if granted { &self.0.granted } else { &self.0.refused };
        count.fetch_add(1, Ordering::Relaxed);
        granted.then(|| Spent(self.clone()))
    }
}

/// An operation in flight.
#[derive(Debug)]
pub(super) struct InFlight(RetryBudget);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A repetition.
#[derive(Debug)]
pub(super) struct Spent(RetryBudget);

impl Drop for Spent {
    fn drop(&mut self) {
        self.0.0.repeating.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fifth_of_what_is_in_flight_may_be_repeated_and_never_less_than_three() {
        let budget = RetryBudget::default();
        let mut in_flight: Vec<_> = (0..10).map(|_| budget.enter()).collect();
        let mut spent: Vec<_> = std::iter::from_fn(|| budget.try_spend()).collect();
        assert_eq!(spent.len(), 3);
        in_flight.extend((0..40).map(|_| budget.enter()));
        spent.extend(std::iter::from_fn(|| budget.try_spend()));
        assert_eq!(spent.len(), 10);
        in_flight.clear();
        assert!(budget.try_spend().is_none(), "what was given stays out until it ends");
        drop(spent);
        let BudgetSnapshot { in_flight, repeating, limit, granted, refused } = budget.snapshot();
        assert_eq!((in_flight, repeating, limit, granted, refused), (0, 0, 3, 10, 3));
    }

    #[test]
    fn no_number_is_too_odd_for_a_share() {
        for (share, expected) in [(f64::NAN, 0), (-1.0, 0), (0.0, 0), (f64::INFINITY, usize::MAX)] {
            let budget = RetryBudget::new(share, 0);
            let _in_flight = budget.enter();
            assert_eq!(budget.snapshot().limit, expected, "{share}");
        }
    }
}
