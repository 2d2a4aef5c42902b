//! What a run is to do, decided before anything happens. Pure: reads no file, opens nothing.

use std::time::Duration;

use pool_config::{Config, Driver, Monitoring, PoolConfig};
use pool_core::{OptionsError, PoolOptions};
use pool_manager::{for_a_while, pool_options};

/// A load shorter than this has no warm-up: it would be most of the run.
const SHORTEST_WITH_WARM_UP: Duration = Duration::from_secs(3);

/// How long caches, the pool and the processor's clock get to settle.
const WARM_UP: Duration = Duration::from_secs(1);

/// The load that somebody asked for. The defaults are those of the flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The most connections; `None` = what the configuration says, else 20.
    pub pool_size: Option<usize>,
    /// Tasks that compete for connections. Default 10.
    pub threads: usize,
    /// How long the load lasts, warm-up included. Default 60 s.
    pub duration: Duration,
    /// Cycles that a thread makes before it pauses for a millisecond. Default 100.
    pub connections_per_thread: u64,
    /// Whether a monitor watches the pool and raises alerts. Default no.
    pub alerts: bool,
}

/// The pool's size when nobody says anything.
const POOL_SIZE: usize = 20;

impl Default for Request {
    fn default() -> Self {
        Request {
            pool_size: None,
            threads: 10,
            duration: Duration::from_secs(60),
            connections_per_thread: 100,
            alerts: false,
        }
    }
}

/// What the connections lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Backend {
    /// A SQLite database in a temporary file, removed after the run.
    TemporarySqlite,
    /// A SQLite database: a file, or `:memory:`.
    Sqlite {
        /// As the configuration names it.
        database: String,
    },
}

/// Everything that a run needs to know.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Plan {
    /// The pool's name.
    pub pool: String,
    /// The pool's options; they have been checked.
    pub options: PoolOptions,
    /// What the connections lead to.
    pub backend: Backend,
    /// Tasks that compete for connections.
    pub threads: usize,
    /// Cycles that a thread makes before it pauses for a millisecond.
    pub connections_per_thread: u64,
    /// How long the load lasts, warm-up included.
    pub duration: Duration,
    /// Chooses which cycles' times are kept where there are too many.
    pub seed: u64,
    /// The command line, for the record; secrets in it are masked.
    pub command: Vec<String>,
    /// Whether this process does nothing else meanwhile, so that a growing number of file descriptors or threads
    /// is the pool's doing.
    pub alone_in_process: bool,
    /// What raises alerts while the load is on; `None` = nothing does.
    pub monitoring: Option<Monitoring>,
    /// What was decided that nobody asked for in so many words.
    pub notes: Vec<String>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The file switches pools off.
    #[error("plan the run: the configuration says `enabled: false`, so there is no pool to test")]
    Disabled,
    /// The file has no pool.
    #[error("plan the run: the configuration describes no pool")]
    NoPool,
    /// The file has no pool of this name.
    #[error("plan the run: the configuration has no pool `{name}`; it has {}", listed(known))]
    UnknownPool {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
    /// This program cannot open connections of this driver.
    #[error("run pool `{pool}`: its driver is {driver}, and this program supports only sqlite")]
    UnsupportedDriver {
        /// The pool's name.
        pool: String,
        /// Its driver.
        driver: Driver,
    },
    /// The options contradict each other.
    #[error(transparent)]
    Options(#[from] OptionsError),
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Plan {
    /// A plan for an embedded SQLite database, with as many connections as asked for, all opened beforehand.
    ///
    /// # Errors
    ///
    /// If the pool would be too large or too small.
    #[expect(
        clippy::field_reassign_with_default,
        reason = "`PoolOptions` is non-exhaustive: no literal outside its crate"
    )]
    pub fn embedded(request: &Request) -> Result<Plan, PlanError> {
        let size = request.pool_size.unwrap_or(POOL_SIZE);
        let mut options = PoolOptions::default();
        options.max_connections = size;
        options.min_connections = size;
        let monitoring = Monitoring::default();
        let backend = Backend::TemporarySqlite;
        Plan::new(String::from("embedded"), options, backend, request, &monitoring, Vec::new())
    }

    /// A plan for one pool of a configuration: the first, unless it is named. What the request says wins over
    /// the file.
    ///
    /// # Errors
    ///
    /// If there is no such pool, or none that this program can open connections for.
    pub fn configured(config: &Config, pool: Option<&str>, request: &Request) -> Result<Plan, PlanError> {
        let pool = choose(config, pool)?;
        let (Driver::Sqlite, Some(database)) = (pool.driver, &pool.database) else {
            return Err(PlanError::UnsupportedDriver { pool: pool.name.clone(), driver: pool.driver });
        };
        let mut options = pool_options(&pool.settings);
        let mut notes = Vec::new();
        if let Some(size) = request.pool_size {
            resize(&mut options, size, &mut notes);
        }
        let backend = Backend::Sqlite { database: database.clone() };
        Plan::new(pool.name.clone(), options, backend, request, &config.monitoring, notes)
    }

    fn new(
        pool: String,
        options: PoolOptions,
        backend: Backend,
        request: &Request,
        monitoring: &Monitoring,
        notes: Vec<String>,
    ) -> Result<Plan, PlanError> {
        options.check()?;
        let monitoring = request.alerts.then(|| monitoring_of(monitoring, request.duration));
        Ok(Plan {
            pool,
            options,
            backend,
            threads: request.threads,
            connections_per_thread: request.connections_per_thread,
            duration: request.duration,
            seed: 42,
            command: Vec::new(),
            alone_in_process: false,
            monitoring,
            notes,
        })
    }

    /// How much of the load's beginning is not measured: a second, or nothing of a load under three.
    pub fn warm_up(&self) -> Duration {
        if self.duration < SHORTEST_WITH_WARM_UP { Duration::ZERO } else { WARM_UP }
    }
}

/// The monitoring of a configuration for a run of this length, whatever it says of whether there is any.
fn monitoring_of(monitoring: &Monitoring, duration: Duration) -> Monitoring {
    let mut monitoring = for_a_while(monitoring, duration);
    (monitoring.enabled, monitoring.enable_alerts) = (true, true);
    monitoring
}

fn choose<'a>(config: &'a Config, name: Option<&str>) -> Result<&'a PoolConfig, PlanError> {
    if !config.enabled {
        return Err(PlanError::Disabled);
    }
    let Some(name) = name else {
        return config.pools.first().ok_or(PlanError::NoPool);
    };
    config.pool(name).ok_or_else(|| PlanError::UnknownPool {
        name: name.to_owned(),
        known: config.pools.iter().map(|pool| pool.name.clone()).collect(),
    })
}

/// Sets the size, and lowers what must not exceed it.
fn resize(options: &mut PoolOptions, size: usize, notes: &mut Vec<String>) {
    options.max_connections = size;
    for (name, value, most) in [
        ("min_connections", &mut options.min_connections, size),
        ("min_idle", &mut options.min_idle, size),
        ("reserve_connections", &mut options.reserve_connections, size.saturating_sub(1)),
    ] {
        if *value > most {
            notes.push(format!("{name} lowered from {value} to {most} by --pool-size {size}"));
            *value = most;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pools: &str) -> Config {
        let text = format!("connection_pool:\n  default_pool: {{min_connections: 5}}\n  pools:\n{pools}");
        Config::from_yaml(&text, "test.yaml").unwrap()
    }

    fn two_pools() -> Config {
        config(
            "    - {name: first, driver: sqlite, database: a.db, max_connections: 12, reserve_connections: 3}\n\
             \u{20}   - {name: second, driver: postgres, database: b}\n",
        )
    }

    #[test]
    fn without_a_file_all_connections_lead_to_a_temporary_database() {
        let plan = Plan::embedded(&Request::default()).unwrap();
        assert_eq!((plan.options.max_connections, plan.options.min_connections), (20, 20));
        assert_eq!((plan.threads, plan.connections_per_thread), (10, 100));
        assert_eq!(plan.duration, Duration::from_secs(60));
        assert_eq!(plan.backend, Backend::TemporarySqlite);
        assert!(plan.notes.is_empty());
    }

    #[test]
    fn a_file_gives_its_first_pool_and_its_options() {
        let plan = Plan::configured(&two_pools(), None, &Request::default()).unwrap();
        assert_eq!(plan.pool, "first");
        assert_eq!((plan.options.max_connections, plan.options.min_connections), (12, 5));
        assert_eq!(plan.backend, Backend::Sqlite { database: String::from("a.db") });
    }

    #[test]
    fn a_given_size_wins_and_says_what_it_lowers() {
        let request = Request { pool_size: Some(2), ..Request::default() };
        let plan = Plan::configured(&two_pools(), None, &request).unwrap();
        let options = &plan.options;
        assert_eq!(
            (options.max_connections, options.min_connections, options.reserve_connections),
            (2, 2, 1)
        );
        assert_eq!(
            plan.notes,
            [
                "min_connections lowered from 5 to 2 by --pool-size 2",
                "reserve_connections lowered from 3 to 1 by --pool-size 2"
            ]
        );
    }

    #[test]
    fn a_pool_that_cannot_be_run_is_named() {
        let error = Plan::configured(&two_pools(), Some("second"), &Request::default()).unwrap_err();
        insta::assert_snapshot!(error, @"run pool `second`: its driver is postgres, and this program supports only sqlite");
        let error = Plan::configured(&two_pools(), Some("third"), &Request::default()).unwrap_err();
        insta::assert_snapshot!(error, @"plan the run: the configuration has no pool `third`; it has `first`, `second`");
    }

    #[test]
    fn a_file_without_a_pool_gives_no_plan() {
        let empty = Config::from_yaml("connection_pool: {}", "test.yaml").unwrap();
        assert_eq!(Plan::configured(&empty, None, &Request::default()).unwrap_err(), PlanError::NoPool);
        let off = Config::from_yaml("connection_pool: {enabled: false}", "test.yaml").unwrap();
        assert_eq!(Plan::configured(&off, None, &Request::default()).unwrap_err(), PlanError::Disabled);
    }

    #[test]
    fn an_impossible_size_is_refused() {
        let request = Request { pool_size: Some(2_000_000), ..Request::default() };
        assert!(matches!(Plan::embedded(&request), Err(PlanError::Options(_))));
    }

    #[test]
    fn a_short_load_has_no_warm_up() {
        let warm_up = |millis| {
            let request = Request { duration: Duration::from_millis(millis), ..Request::default() };
            Plan::embedded(&request).unwrap().warm_up()
        };
        assert_eq!(warm_up(2_999), Duration::ZERO);
        assert_eq!(warm_up(3_000), Duration::from_secs(1));
    }
}
