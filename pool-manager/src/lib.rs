//! From a configuration to a running system of pools: all pools of a service, by name, of any driver.
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use pool_manager::PoolManager;
//!
//! let manager = PoolManager::from_file("connection_pool.yaml").await?;
//! manager.warm_up().await?;
//!
//! let orders = manager.postgres("orders")?; // a `PgPool`
//! let mut connection = orders.acquire().await?;
//! connection.run("UPDATE item SET sold = true").await?;
//! drop(connection);
//!
//! manager.reload_from_file().await?; // or refuses, and changes nothing
//! let report = manager.close(Duration::from_secs(10)).await;
//! println!("{report}");
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "postgres"))]
//! # fn main() {}
//! ```
//!
//! # I want to …
//!
//! | … | use |
//! |---|---|
//! | start all pools of a file | [`PoolManager::from_file`] |
//! | have observers on all of them | [`PoolManager::builder`] |
//! | use a pool | [`PoolManager::postgres`] and its kin; [`PoolManager::pool`] and [`PoolManager::acquire`] where the driver does not matter |
//! | read from replicas and write to the primary | [`PoolManager::postgres_group`] and its kin |
//! | go on without one | [`PoolManager::acquire_or_else`] with another connection, [`acquire_or_degrade`] with anything |
//! | make one at run time | [`PoolManager::create`], [`PoolManager::remove`] |
//! | have one for each target that comes up | [`PoolManager::pool_for`], [`PoolManager::acquire_target`] |
//! | change the configuration of a running service | [`PoolManager::reload`], [`PoolManager::reload_from_file`], [`PoolManager::wait_applied`] |
//! | know how all of them are | [`PoolManager::snapshots`], [`PoolManager::readiness`], [`PoolManager::reload_stats`] |
//! | watch them, without knowing drivers | [`PoolManager::pools`] |
//! | be told what happens | [`ManagerObserver`]; `monitoring.audit_log` of the configuration writes it down |
//! | try a configuration out before a service starts with it | [`Examiner`] |
//! | shut down | [`PoolManager::close`] |
//!
//! # Features
//!
//! One for each driver, and `oauth2`; all are on by default. A configuration that needs one that is switched off is refused
//! with its name.

#![cfg_attr(not(feature = "_any"), doc = "\n[`Examiner`]: # \"needs a driver\"")]
#![cfg_attr(
    not(feature = "_any"),
    expect(
        clippy::drop_non_drop,
        clippy::needless_pass_by_value,
        dead_code,
        unreachable_code,
        unused_imports,
        unused_mut,
        unused_variables,
        reason = "without a driver there is no pool"
    )
)]

mod any;
mod audit;
mod blueprint;
mod compiled;
mod duty;
mod error;
mod event;
#[cfg(feature = "_any")]
mod examine;
mod groups;
mod health;
mod manager;
mod monitoring;
mod readiness;
mod registry;
mod regular_file;
mod reload;
mod routing;
mod shutdown;
mod watch;

pub use any::{AnyConnection, AnyPool};
pub use audit::{Audit, AuditError, AuditStats};
pub use blueprint::{BuildErrors, BuildProblem, pool_options};
pub use compiled::is_compiled_in;
pub use error::{AccessError, CreateError, LookupError, StartError, WarmUpErrors};
pub use event::{ManagerEvent, ManagerObserver};
#[cfg(feature = "_any")]
pub use examine::{
    Check, Examination, ExaminationProgress, Examiner, Finding, FindingStatus, PoolExamination,
};
pub use manager::{PoolManager, PoolManagerBuilder};
pub use monitoring::{
    MonitoringErrors, MonitoringProblem, alert_rules, alert_settings, for_a_while, monitor_settings,
};
pub use readiness::{PoolReadiness, Readiness, ReadyState};
pub use reload::{NeverApplied, ReloadError, ReloadReport, ReloadStats};
pub use routing::{
    Access, Acquired, Attempt, AttemptFailure, Group, Member, MemberStats, ReadError, RouteError, Session,
    SessionWrite, acquire_or_degrade,
};
pub use shutdown::ShutdownReport;
pub use watch::{ConfigWatcher, MissingFile, Noticed};
