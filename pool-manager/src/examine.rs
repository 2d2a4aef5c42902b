//! Tries out what a configuration describes: one connection for each pool, and what is to be said of it.
//!
//! A configuration can be flawless and still not work: a host that nobody resolves, a password that was changed, a replica
//! where a primary should be, pools that together want more connections than their server has. That is found here before a
//! service is started with it. The result is plain data, for a command line, a page or a test.
//!
//! Each pool is drawn as a manager would draw it, but not opened: its connector opens one connection, asks the server, and
//! closes it. Pools are examined at the same time, some at once, each within a deadline of its own.

mod failure;
mod group;
mod judge;
mod limit;
mod probe;
mod report;
mod silence;

#[cfg(all(test, feature = "all"))]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pool_config::{Config, PoolConfig};
use pool_core::Target;
use pool_drivers::facts::ServerFacts;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::any::AnyConnector;
use crate::blueprint::{Blueprint, Kit};
use crate::manager::described;

pub use report::{Check, Examination, Finding, FindingStatus, PoolExamination};

/// How long a pool may take unless said otherwise.
const TIMEOUT: Duration = Duration::from_secs(5);

/// How many pools are examined at once: enough that a few servers that do not answer keep nobody waiting, and few enough
/// that no server feels it.
const AT_ONCE: usize = 8;

/// Tries out what a configuration describes.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "sqlite")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use pool_config::Config;
/// use pool_manager::{Examiner, FindingStatus};
///
/// let text = "connection_pool: {pools: [{name: orders, driver: sqlite, database: \":memory:\"}]}";
/// let config = Config::from_yaml(text, "connection_pool.yaml")?;
/// let examination = Examiner::new().timeout(Duration::from_secs(2)).examine(&config).await;
/// assert_eq!(examination.status(), FindingStatus::Ok);
/// println!("{examination}");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "sqlite"))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Examiner {
    timeout: Duration,
    at_once: usize,
    watcher: Option<Watcher>,
}

/// Is told of each pool that is done.
type Watcher = Arc<dyn Fn(&ExaminationProgress<'_>) + Send + Sync>;

/// How far an examination is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct ExaminationProgress<'a> {
    /// The pool that is done.
    pub pool: &'a str,
    /// How many are.
    pub done: usize,
    /// How many there are.
    pub total: usize,
}

impl Default for Examiner {
    fn default() -> Self {
        Examiner { timeout: TIMEOUT, at_once: AT_ONCE, watcher: None }
    }
}

impl Examiner {
    /// One that gives each pool 5 seconds, and looks at 8 at once.
    #[must_use]
    pub fn new() -> Self {
        Examiner::default()
    }

    /// How long a pool may take: to connect, to tell of itself and to answer a few pings. Default 5 s. To find out why a server
    /// is silent takes up to a second more.
    #[must_use]
    pub fn timeout(self, timeout: Duration) -> Self {
        Examiner { timeout, ..self }
    }

    /// How many pools are examined at once. Default 8; 0 counts as 1.
    #[must_use]
    pub fn at_once(self, pools: usize) -> Self {
        Examiner { at_once: pools.max(1), ..self }
    }

    /// Calls `watcher` for each pool that is done. It must not block.
    #[must_use]
    pub fn on_progress(self, watcher: impl Fn(&ExaminationProgress<'_>) + Send + Sync + 'static) -> Self {
        Examiner { watcher: Some(Arc::new(watcher)), ..self }
    }

    /// Examines each pool that is enabled. What cannot be had is in the result: this never fails.
    ///
    /// A file of SQLite that does not exist yet is not created.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with I/O and time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes what is open.
    pub async fn examine(&self, config: &Config) -> Examination {
        let begun = Instant::now();
        let kit = Kit::default();
        let turns = Arc::new(Semaphore::new(self.at_once));
        let mut work = JoinSet::new();
        for (index, pool) in described(config).enumerate() {
            let drawn = Blueprint::draw_all([pool], &kit);
            let (pool, turns, timeout) = (pool.clone(), Arc::clone(&turns), self.timeout);
            work.spawn(async move {
                let _turn = turns.acquire_owned().await.expect("nobody closes it");
                let examined = match drawn {
                    Ok(mut drawn) => {
                        let Blueprint { connector, .. } = drawn.pop().expect("one for each configuration");
                        examine(pool, connector, timeout).await
                    }
                    Err(errors) => Examined::misdrawn(pool, errors.problems),
                };
                (index, examined)
            });
        }
        let total = work.len();
        let mut all = Vec::with_capacity(total);
        while let Some(joined) = work.join_next().await {
            // Nobody aborts one; a panic in it is one here.
            let (index, examined) =
                joined.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
            if let Some(watcher) = &self.watcher {
                let pool = &examined.pool.name;
                watcher(&ExaminationProgress { pool, done: all.len() + 1, total });
            }
            all.push((index, examined));
        }
        all.sort_by_key(|(index, _)| *index);
        let mut all: Vec<_> = all.into_iter().map(|(_, examined)| examined).collect();
        limit::judge(&mut all);
        group::judge(&mut all);
        Examination { pools: all.into_iter().map(Examined::report).collect(), took: begun.elapsed() }
    }
}

/// A pool that was examined, with what is needed to judge it together with others.
struct Examined {
    pool: PoolConfig,
    target: Option<Target>,
    facts: Option<ServerFacts>,
    round_trip: Option<Duration>,
    took: Duration,
    findings: Vec<Finding>,
}

impl Examined {
    fn new(pool: PoolConfig, target: Option<Target>) -> Self {
        Examined { pool, target, facts: None, round_trip: None, took: Duration::ZERO, findings: Vec::new() }
    }

    /// One that could not be made ready.
    fn misdrawn(pool: PoolConfig, problems: Vec<crate::blueprint::BuildProblem>) -> Self {
        let mut examined = Examined::new(pool, None);
        for problem in problems {
            let text = format!("{} is {}: {}", problem.key, problem.value, problem.problem);
            examined.findings.push(Finding::failed(Check::Configuration, text, problem.help));
        }
        examined
    }

    /// Whether a connection of it can be used. That there may be too many of them one day is another matter.
    fn works(&self) -> bool {
        let mut failed = self.findings.iter().filter(|finding| finding.status == FindingStatus::Failed);
        failed.all(|finding| finding.check == Check::Limit)
    }

    fn report(self) -> PoolExamination {
        let Examined { pool, target, facts, round_trip, took, findings } = self;
        PoolExamination {
            pool: pool.name,
            driver: pool.driver,
            target: target.map(|target| target.to_string()),
            server: facts.as_ref().and_then(judge::server),
            round_trip,
            took,
            findings,
        }
    }
}

async fn examine(pool: PoolConfig, connector: AnyConnector, timeout: Duration) -> Examined {
    let begun = Instant::now();
    let mut examined = Examined::new(pool, connector.target());
    match probe::probe(harmless(connector, &examined.pool), &examined.pool, timeout).await {
        Ok(probed) => judge::connected(&mut examined, probed),
        Err(failure) => judge::not_connected(&mut examined, failure),
    }
    examined.took = begun.elapsed();
    examined
}

/// The same connector, but for one that would create a database.
#[cfg(feature = "sqlite")]
fn harmless(connector: AnyConnector, pool: &PoolConfig) -> AnyConnector {
    match connector {
        AnyConnector::Sqlite(sqlite) if crate::blueprint::creates_file(pool) => {
            AnyConnector::Sqlite(sqlite.create_if_missing(false))
        }
        other => other,
    }
}

#[cfg(not(feature = "sqlite"))]
fn harmless(connector: AnyConnector, _pool: &PoolConfig) -> AnyConnector {
    connector
}

impl fmt::Debug for Examiner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examiner")
            .field("timeout", &self.timeout)
            .field("at_once", &self.at_once)
            .finish_non_exhaustive()
    }
}
