//! Watches pools, says what ails them, and heals what can be healed.
//!
//! # I want to …
//!
//! | … | use |
//! |---|---|
//! | stop calling what does not answer | [`CircuitBreaker`] |
//! | put that in front of a pool's connects | [`Guarded`] |
//! | try again, but not too often and not too long | [`Retry`] |
//! | keep all callers of a process from trying again at once | [`RetryBudget`] |
//! | refuse callers who would wait in vain | [`LoadShedder`] |
//! | leave out optional work while the database is slow | [`Brownout`] |

mod breaker;
mod brownout;
mod guarded;
mod monitor;
mod retry;
mod settings;
mod shedding;

pub use breaker::{
    BreakerOpen, BreakerSettings, BreakerSnapshot, BreakerState, BreakerWindow, Cause, CircuitBreaker,
    Permit, StateChange,
};
pub use brownout::{Brownout, BrownoutSettings};
pub use guarded::{Guarded, GuardedError};
pub use retry::{Backoff, BudgetSnapshot, GaveUp, Retry, RetryBudget, RetryError, RetrySettings};
pub use settings::{SettingProblem, SettingsError};
pub use shedding::{LoadShedder, SheddingSettings};
