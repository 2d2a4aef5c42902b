//! A pool as it is going to be: everything that a configuration says of it, checked and made ready, and nothing opened.
//!
//! A system of pools is built in two steps. First each pool is drawn, and whatever is wrong with any of them is put down;
//! then, if nothing is, all are opened. So a mistake in one pool leaves no half of a system behind, and a reload that is
//! refused has changed nothing.

mod breaker;
mod fingerprint;
#[cfg(feature = "_login")]
mod login;
mod options;
#[cfg(feature = "_net")]
mod place;
mod problem;
#[cfg(feature = "_net")]
mod tls;

#[cfg(feature = "http")]
mod http;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "websocket")]
mod websocket;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use pool_config::{Driver, PoolConfig, PoolSettings};
use pool_core::{BuildError, Observer, PoolOptions};

use crate::any::{AnyConnector, AnyPool, Setup};
use crate::health::Health;

pub(crate) use breaker::Gate;
pub(crate) use fingerprint::Fingerprint;
pub use options::pool_options;
#[cfg(feature = "_net")]
pub(crate) use place::is_host;
use problem::Objections;
#[cfg(feature = "_any")]
pub(crate) use problem::in_one_line;
pub use problem::{BuildErrors, BuildProblem};
#[cfg(feature = "sqlite")]
pub(crate) use sqlite::{creates_file, is_in_memory, memory_name};

/// A pool as it is going to be.
#[derive(Debug, Clone)]
pub(crate) struct Blueprint {
    pub(crate) name: String,
    pub(crate) connector: AnyConnector,
    pub(crate) options: PoolOptions,
    /// What decides whether it connects.
    pub(crate) gate: Arc<Gate>,
    /// What the files hold that the configuration names.
    pub(crate) fingerprint: Fingerprint,
}

/// What blueprints have in common and keep for each other: circuit breakers, what was read for TLS, and tokens.
#[derive(Default)]
pub(crate) struct Kit {
    breakers: breaker::Breakers,
    #[cfg(feature = "_net")]
    tls: tls::Shelf,
    #[cfg(all(feature = "_login", feature = "oauth2"))]
    tokens: login::Tokens,
}

/// How many things of one kind a kit keeps. More than differ in any configuration; without a bound it would grow with each
/// reload that has another password.
#[cfg(feature = "_net")]
const KEPT: usize = 64;

/// A pool while it is drawn.
struct Drawing<'a> {
    #[cfg(feature = "_net")]
    kit: &'a Kit,
    fingerprint: Fingerprint,
    objections: Objections<'a>,
}

impl Drawing<'_> {
    /// Puts down something that is wrong with the pool: the key, its value, what is wrong with it, and what to do.
    fn object(
        &mut self,
        key: &str,
        value: &dyn fmt::Display,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.objections.raise(key, value, problem, help);
    }
}

impl Blueprint {
    /// Draws one pool for each configuration.
    ///
    /// # Errors
    ///
    /// Names everything that is wrong with any of them.
    pub(crate) fn draw_all<'a>(
        pools: impl IntoIterator<Item = &'a PoolConfig>,
        kit: &Kit,
    ) -> Result<Vec<Blueprint>, BuildErrors> {
        let (mut problems, mut names, mut drawn) = (Vec::new(), BTreeSet::new(), Vec::new());
        for pool in pools {
            // A file with such names is refused; this is for configurations made in code.
            let mut objections = Objections::new(&pool.name, &mut problems);
            if pool.name.is_empty() {
                objections.raise("name", &"empty", "a pool needs a name", "give it one");
            } else if !names.insert(&pool.name) {
                objections.raise("name", &pool.name, "another pool has the same name", "choose another one");
            }
            drawn.extend(Blueprint::draw(pool, kit, &mut problems));
        }
        if problems.is_empty() { Ok(drawn) } else { Err(BuildErrors { problems }) }
    }

    /// Draws one pool. `None` if something is wrong with it, which is then put down.
    fn draw(config: &PoolConfig, kit: &Kit, problems: &mut Vec<BuildProblem>) -> Option<Blueprint> {
        let mut drawing = Drawing {
            #[cfg(feature = "_net")]
            kit,
            fingerprint: Fingerprint::default(),
            objections: Objections::new(&config.name, problems),
        };
        let options = pool_options(&config.settings);
        if let Err(error) = options.check() {
            for problem in error.problems {
                let key = PoolSettings::key_of(problem.option).unwrap_or(problem.option);
                drawing.object(key, &problem.value, problem.rule, "change the value");
            }
        }
        if let Some(interval) = config.settings.health_check_interval
            && let Err(error) = Health::check_interval(interval)
        {
            for problem in error.problems {
                drawing.object("health_check_interval_ms", &problem.value, problem.rule, "change the value");
            }
        }
        #[cfg(feature = "_net")]
        if let Some(host) = &config.host
            && !is_host(host, config.driver)
        {
            let problem = "it holds what no host has, such as `@`, `:`, `/` or a space";
            let help =
                "write a name or an address; the port, the user and the password have keys of their own";
            drawing.object("host", &"***", problem, help);
            return None;
        }
        let connector = connector(config, &mut drawing);
        let connector = connector?;
        let gate = Arc::new(Gate::of(config, connector.target(), &kit.breakers, &mut drawing));
        let (name, fingerprint) = (config.name.clone(), drawing.fingerprint);
        (!drawing.objections.any()).then_some(Blueprint { name, connector, options, gate, fingerprint })
    }

    /// Opens the pool, which connects in its own time.
    ///
    /// # Errors
    ///
    /// Fails outside a runtime, and with an empty name.
    pub(crate) fn open(self, observers: &[Arc<dyn Observer>]) -> Result<AnyPool, BuildError> {
        let Blueprint { name, connector, options, gate, .. } = self;
        connector.open(Setup { name: &name, options, gate, observers })
    }
}

/// The connector of a pool; `None` with an objection.
fn connector(config: &PoolConfig, drawing: &mut Drawing<'_>) -> Option<AnyConnector> {
    match config.driver {
        #[cfg(feature = "postgres")]
        Driver::Postgres => postgres::connector(config, drawing).map(AnyConnector::Postgres),
        #[cfg(feature = "mysql")]
        Driver::Mysql => mysql::connector(config, drawing).map(AnyConnector::MySql),
        #[cfg(feature = "sqlite")]
        Driver::Sqlite => sqlite::connector(config, drawing).map(AnyConnector::Sqlite),
        #[cfg(feature = "redis")]
        Driver::Redis => redis::connector(config, drawing).map(AnyConnector::Redis),
        #[cfg(feature = "http")]
        Driver::Http => http::connector(config, drawing).map(AnyConnector::Http),
        #[cfg(feature = "websocket")]
        Driver::Websocket => websocket::connector(config, drawing).map(AnyConnector::WebSocket),
        #[cfg(not(all(
            feature = "postgres",
            feature = "mysql",
            feature = "sqlite",
            feature = "redis",
            feature = "http",
            feature = "websocket"
        )))]
        driver => {
            let help = format!("build the program with the feature `{driver}` of pool-manager");
            drawing.object("driver", &driver, "this program was built without that driver", help);
            None
        }
    }
}
