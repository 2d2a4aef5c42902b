//! Watches pools, says what ails them, and heals what can be healed.

mod brownout;
mod breaker;
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

pub use event::{HealthEvent, HealthObserver};
pub use monitor::{HealthMonitor, UnknownPool};
pub use report::{ConnectionHealth, HealthReport};
pub use settings::{HealthSettings, SettingsError, SettingsProblem};
pub use status::{HealthStatus, Issue};
