//! Trying again: later each time, not for ever, and never so often that trying again is what keeps the target down.
//!
//! `backoff` is the time between attempts, `budget` the share of all work that may be repeated, `error` what is said when it
//! was of no use. This file runs an operation under all three.

mod backoff;
mod budget;
mod error;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pool_core::{SettingChecks, SettingsError, Span};
use tokio::time::{Instant, sleep, timeout_at};

pub use self::backoff::Backoff;
pub use self::budget::{BudgetSnapshot, RetryBudget};
pub use self::error::{GaveUp, RetryError};

/// How a [`Retry`] tries again.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrySettings {
    /// How often an operation is tried in all. At least 1. Default 3; 1 = never again.
    pub max_attempts: u32,
    /// The shortest time between two attempts. At least 1 ms. Default 50 ms.
    pub base: Duration,
    /// The longest time between two attempts. At least `base`. Default 2 s.
    pub cap: Duration,
}

impl Default for RetrySettings {
    fn default() -> Self {
        RetrySettings { max_attempts: 3, base: Duration::from_millis(50), cap: Duration::from_secs(2) }
    }
}

impl RetrySettings {
    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Names every setting that is out of its range, not just the first.
    pub fn check(&self) -> Result<(), SettingsError> {
        let mut checks = SettingChecks::default();
        checks.require(self.max_attempts >= 1, "max_attempts", &self.max_attempts, "must be at least 1");
        checks.require(
            self.base >= Duration::from_millis(1),
            "base",
            &Span(self.base),
            "must be at least 1 ms",
        );
        checks.require(self.cap >= self.base, "cap", &Span(self.cap), "must not be shorter than base");
        let day = Duration::from_secs(24 * 3_600);
        checks.require(self.cap <= day, "cap", &Span(self.cap), "must not exceed one day");
        checks.finish("retry")
    }
}

/// Tries an operation again while that may help. Clones share the budget.
///
/// # Examples
///
/// ```
/// # use pool_core::{Pool, fake::FakeConnector};
/// use std::time::Duration;
/// use pool_core::AcquireError;
/// use pool_health::{Retry, RetryBudget, RetrySettings};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let pool = Pool::builder(FakeConnector::new()).build()?;
/// let retry = Retry::new(RetrySettings::default(), RetryBudget::of_process())?;
/// let connection = retry
///     .run(Duration::from_secs(5), AcquireError::is_retryable, || pool.acquire())
///     .await?;
/// # drop(connection);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Retry {
    settings: RetrySettings,
    budget: RetryBudget,
    /// Where the generators of single runs come from.
    seeds: Arc<Mutex<fastrand::Rng>>,
}

impl Retry {
    /// Retries by these settings, as often as `budget` allows.
    ///
    /// # Errors
    ///
    /// Names every setting that is out of its range.
    pub fn new(settings: RetrySettings, budget: RetryBudget) -> Result<Self, SettingsError> {
        Retry::with_seed(settings, budget, fastrand::u64(..))
    }

    /// The same with the seed of its jitter, for tests and simulations that must repeat themselves.
    ///
    /// # Errors
    ///
    /// As [`new`](Retry::new).
    pub fn with_seed(settings: RetrySettings, budget: RetryBudget, seed: u64) -> Result<Self, SettingsError> {
        settings.check()?;
        Ok(Retry { settings, budget, seeds: Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))) })
    }

    /// Its settings.
    pub fn settings(&self) -> &RetrySettings {
        &self.settings
    }

    /// Its budget.
    pub fn budget(&self) -> &RetryBudget {
        &self.budget
    }

    /// Runs `operation` until it succeeds, fails in a way that `is_retryable` denies, or there is no more leave to try:
    /// attempts, budget, or time. All of it, waiting included, ends within `deadline`; an attempt that would go beyond it
    /// is dropped, and a wait that would is not begun.
    ///
    /// An attempt that failed may have had its effect all the same: only call an error retryable if the operation was not
    /// sent, or may be done twice.
    ///
    /// # Errors
    ///
    /// [`RetryError`] has the last error, and tells how often and how long it was tried and why no more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future drops the attempt under way and gives its share of the budget back.
    pub async fn run<T, E, F, O, R>(
        &self,
        deadline: Duration,
        is_retryable: R,
        mut operation: O,
    ) -> Result<T, RetryError<E>>
    where
        O: FnMut() -> F,
        F: Future<Output = Result<T, E>>,
        R: Fn(&E) -> bool,
    {
        let begun = Instant::now();
        // A deadline beyond the end of the clock is none.
        let until = begun.checked_add(deadline.min(FOREVER)).unwrap_or(begun);
        let _in_flight = self.budget.enter();
        let (mut attempts, mut last) = (0, None);
        let mut schedule: Option<(Backoff, fastrand::Rng)> = None;
        let mut spent = None;
        let reason = loop {
            attempts += 1;
            match timeout_at(until, operation()).await {
                Ok(Ok(value)) => return Ok(value),
                Ok(Err(error)) => {
                    let retryable = is_retryable(&error);
                    last = Some(error);
                    if !retryable {
                        break GaveUp::NotRetryable;
                    }
                }
                Err(_) => break GaveUp::Deadline,
            }
            drop(spent.take());
            if attempts >= self.settings.max_attempts {
                break GaveUp::Attempts;
            }
            let (backoff, rng) = schedule.get_or_insert_with(|| (Backoff::of(&self.settings), self.seed()));
            let delay = backoff.next_delay(rng);
            if Instant::now() + delay >= until {
                break GaveUp::Deadline;
            }
            // Held while it waits as well: those who wait to repeat are the load that is to come.
            spent = self.budget.try_spend();
            if spent.is_none() {
                break GaveUp::Budget;
            }
            sleep(delay).await;
        };
        Err(RetryError { last, attempts, took: begun.elapsed(), reason })
    }

    fn seed(&self) -> fastrand::Rng {
        self.seeds.lock().unwrap_or_else(PoisonError::into_inner).fork()
    }
}

/// Some thirty years, the longest time a tokio timer is made for.
const FOREVER: Duration = Duration::from_secs(86_400 * 365 * 30);
