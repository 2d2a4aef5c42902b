//! Watches pools, says what ails them, and heals what can be healed.
//!
//! ```
//! # use pool_core::{Pool, PoolSet, fake::FakeConnector};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use pool_health::{HealthMonitor, HealthSettings};
//!
//! let pools = PoolSet::new();
//! let health = HealthMonitor::new(pools.clone(), HealthSettings::default())?;
//! let orders = Pool::builder(FakeConnector::new()).name("orders").observer(health.observer()).build()?;
//! pools.insert(orders)?;
//! health.start(); // one task for all pools
//!
//! let report = health.check("orders").await?; // or wait for the next round
//! println!("{report}"); // orders: healthy for 0s
//! # Ok(())
//! # }
//! ```
//!
//! # What it is, and what it is not
//!
//! A pool by itself finds dead connections, reconnects with back-off, and fails fast while its target is down. This crate adds the
//! judgement: how each target is, since when, and why; who is told when that changes; and what to do when the target is
//! slow or keeps failing. It opens no connection of its own: all it does goes through [`PoolControl`](pool_core::PoolControl).
//!
//! # I want to …
//!
//! | … | use |
//! |---|---|
//! | know how each target is | [`HealthMonitor::report`], [`HealthMonitor::reports`] |
//! | ask now | [`HealthMonitor::check`], [`HealthMonitor::check_all`] |
//! | be told when that changes | [`HealthMonitor::on_lost`] and its kin, [`HealthObserver`] |
//! | know which connections are bad | [`HealthMonitor::connections`], [`HealthMonitor::unhealthy_connections`] |
//! | know whether the connection I hold works | [`Validator`] |
//! | stop calling what does not answer | [`CircuitBreaker`] |
//! | put that in front of a pool's connects | the breaker as its [`gate`](pool_core::PoolBuilder::gate), or [`Guarded`] |
//! | try again, but not too often and not too long | [`Retry`] |
//! | keep all callers of a process from trying again at once | [`RetryBudget`] |
//! | refuse callers who would wait in vain | [`LoadShedder`] |
//! | leave out optional work while the database is slow | [`Brownout`] |

mod breaker;
mod brownout;
mod course;
mod event;
mod guarded;
mod judge;
mod ledger;
mod monitor;
mod report;
mod retry;
mod settings;
mod shedding;
mod slowness;
mod status;
mod validator;

pub use breaker::{
    BreakerOpen, BreakerSettings, BreakerSnapshot, BreakerState, BreakerWindow, Cause, CircuitBreaker,
    Permit, StateChange,
};
pub use brownout::{Brownout, BrownoutSettings};
pub use event::{HealthEvent, HealthObserver};
pub use guarded::{Guarded, GuardedError};
pub use monitor::{HealthMonitor, UnknownPool};
pub use pool_core::{SettingProblem, SettingsError};
pub use report::{ConnectionHealth, HealthReport};
pub use retry::{Backoff, BudgetSnapshot, GaveUp, Retry, RetryBudget, RetryError, RetrySettings};
pub use settings::HealthSettings;
pub use shedding::{LoadShedder, SheddingSettings};
pub use status::{HealthStatus, Issue};
pub use validator::{Validation, ValidationError, Validator};
