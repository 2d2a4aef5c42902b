//! A pool of any connection: fair, cancel-safe, and able to say why it failed.
//!
//! ```
//! # use pool_core::fake::FakeConnector;
//! use std::time::Duration;
//! use pool_core::Pool;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let connector = FakeConnector::new();
//! let pool = Pool::builder(connector) // any `Connector`; `pool-drivers` has them for real databases
//!     .name("orders")
//!     .max_connections(20)
//!     .min_connections(5)
//!     .build()?;
//! pool.warm_up().await?;
//!
//! let connection = pool.acquire().await?; // `Pooled`: goes back when dropped
//! drop(connection);
//!
//! println!("{} idle of {}", pool.stats().idle, pool.stats().total);
//! pool.close(Duration::from_secs(10)).await;
//! # Ok(())
//! # }
//! ```
//!
//! # What it is, and what it is not
//!
//! It is the mechanism: when to open, validate, reset, hand out and close a connection, and what to say when
//! that fails. It knows no database, configuration file, metrics format or alert; other crates of the
//! workspace do, and reach a pool through [`PoolControl`] and [`Observer`].
//!
//! # I want to …
//!
//! | … | use |
//! |---|---|
//! | make a pool | [`Pool::builder`] |
//! | pool something new | [`Connector`] |
//! | get a connection | [`Pool::acquire`], [`Pool::acquire_timeout`], [`Pool::acquire_with`], [`Pool::try_acquire`] |
//! | get one on a plain thread | [`Pool::acquire_blocking`] |
//! | know how the pool is | [`Pool::snapshot`], [`Pool::histograms`], [`Pool::connections`], [`Pool::holders`] |
//! | be told what happens | [`Observer`], [`PoolBuilder::on_error`] |
//! | put a circuit breaker before its connects | [`PoolBuilder::gate`] |
//! | let it find its own size | [`PoolBuilder::sizing`], [`Pool::sizing_advice`] |
//! | change it at run time | [`Pool::reconfigure`], [`Pool::resize`], [`Pool::pause`], [`Pool::evict_all`] |
//! | shut it down | [`Pool::close`] |
//! | keep several pools | [`PoolSet`] |
//! | write code for any pool | [`ConnectionPool`], [`PoolControl`] |
//! | test without a database | `fake::FakeConnector` (feature `test-util`) |

mod acquire;
mod builder;
mod clock;
mod connection;
mod connector;
mod control;
mod engine;
mod error;
mod event;
mod gate;
mod histogram;
mod keeper;
mod options;
mod panic;
mod pool;
mod pool_id;
mod pooled;
mod set;
mod settings;
mod shared;
mod shelf;
mod sizing;
mod state;
mod stats;
mod sync;
mod target;
mod timekeeper;
mod timer;

#[cfg(any(test, feature = "test-util"))]
pub mod fake;

pub use acquire::{Acquire, AcquireOptions, Priority};
pub use builder::PoolBuilder;
pub use connection::{CloseReason, ConnectionId, ConnectionInfo, ConnectionState, Holder, Owner, Span};
pub use connector::{Condition, Connector, ErrorClass};
pub use control::{ConnectionPool, ControlFuture, PoolControl};
pub use error::{
    AcquireError, BuildError, Chain, ConnectError, ConnectFailure, Diagnosis, Outage, WarmUpError,
};
pub use event::{Observer, Occasion, PoolEvent};
pub use gate::{ConnectGate, ConnectPass, ConnectRefused};
pub use histogram::{Histogram, PoolHistograms};
pub use options::{Fairness, OptionProblem, OptionsError, PoolOptions, Reuse};
pub use pool::{CheckReport, CloseReport, Pool};
pub use pool_id::PoolId;
pub use pooled::Pooled;
pub use set::{DuplicateName, PoolSet};
pub use settings::{SettingChecks, SettingProblem, SettingsError};
pub use sizing::{Sizing, SizingAdvice, SizingReason};
pub use stats::{ClosedByReason, PoolCounters, PoolSnapshot, PoolStats};
pub use target::Target;
