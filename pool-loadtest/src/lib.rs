//! Puts load on a connection pool, measures it honestly, and tells what the figures mean.
//!
//! ```
//! use std::time::Duration;
//! use pool_loadtest::{Charset, Controls, Plan, Request, run, write_text};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let request = Request { pool_size: Some(4), threads: 8, duration: Duration::from_millis(300), ..Request::default() };
//! let result = run(&Plan::embedded(&request)?, Controls::none()).await?;
//! write_text(std::io::stdout(), &result, Charset::Unicode)?;
//! assert_eq!(result.run.exit_code, 0);
//! # Ok(())
//! # }
//! ```
//!
//! # What it is, and what it is not
//!
//! A closed loop: each of some threads (tasks of a runtime) makes bursts of cycles: it acquires a connection, runs one
//! query, and gives the connection back. Whatever happens in a cycle that began after the warm-up is counted and
//! timed; what is still under way at the end is told as such. Then the pool is searched for leaks.
//!
//! It tests the pool of this workspace, or any other behind [`Subject`]. Without a configuration it works on an
//! embedded SQLite database, for which no server is needed.
//!
//! # I want to …
//!
//! | … | use |
//! |---|---|
//! | put load on an embedded database | [`Plan::embedded`] and [`run`] |
//! | put load on a pool of a configuration file | [`Plan::configured`] and [`run`] |
//! | put load on a pool that I have built | [`PoolSubject`] and [`run_on`] |
//! | put load on another kind of pool | [`Subject`] and [`run_on`] |
//! | end a run early | [`Interruptions`] |
//! | see how it goes | [`Controls::watcher`], [`ProgressLine`] |
//! | read a result | [`result`] |
//! | show or keep it | [`write_text`], [`write_json`], [`OutputFile`] |
//! | know which alerts a load raises | [`Request::alerts`] |
//! | know what an exit code means | [`exit`] |
//! | make the network fail, or count round trips | [`proxy`] |
//!
//! # How a run goes
//!
//! 1. The pool opens its `min_connections`, and one cycle shows that the work works. If not, there is no result.
//! 2. For a second, unless the load is shorter than three, the threads work and nothing counts.
//! 3. For the rest of the duration everything counts. The gauges of the pool are looked at a hundred times a second.
//! 4. No cycle begins any more; those under way may finish, for the acquire timeout or five seconds at most.
//! 5. The leak check, and the pool is closed.
//!
//! # What the four oldest keys mean
//!
//! `totalConnections`, `successfulConnections`, `failedConnections` and `connectionTimes` are about the cycles that began
//! after the warm-up and have ended: successful are those whose query succeeded, and their times are from the call
//! to the release. A cycle that was refused, timed out or whose query failed is a failed one. Every other figure about
//! cycles is about the same ones; `connect` and the pool's own counters also tell of what was before.
//!
//! One that began in the warm-up counts only if it lasted longer than all of the measured time: who waits from
//! beginning to end must not vanish. One that has not ended at all is in `attempts` and `censored`, and nowhere else.
//!
//! # What is left out
//!
//! No load at a fixed rate, no faults of a run's own and no comparison of pools.

mod alerts;
mod assemble;
mod clock;
mod collector;
mod duration;
mod durations;
mod environment;
mod failure;
mod fairness;
mod histogram;
mod leak;
mod load;
mod plan;
pub mod proxy;
mod record;
mod redact;
mod report;
mod reservoir;
pub mod result;
mod run;
mod sampler;
mod signals;
mod sqlite;
mod stats;
mod subject;
mod tally;
mod timeline;
mod turnstile;
mod verdict;
mod witness;
mod worker;

pub use alerts::WatchError;
pub use collector::{Progress, Watcher};
pub use duration::{DurationError, parse_duration};
pub use failure::{ErrorKind, Failure, Phase};
pub use plan::{Backend, Plan, PlanError, Request};
pub use report::json::{OutputFile, write_json};
pub use report::progress::ProgressLine;
pub use report::text::{Charset, write_text};
pub use run::{Controls, RunError, run, run_on};
pub use signals::{Interruption, Interruptions, Signal};
pub use subject::{Description, PoolSubject, Subject, Workload};
pub use verdict::exit;
pub use witness::Witness;
