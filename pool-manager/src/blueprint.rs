//! A pool as it is going to be: everything that a configuration says of it, checked and made ready, and nothing opened.
//!
//! A system of pools is built in two steps. First each pool is drawn, and whatever is wrong with any of them is put down;
//! then, if nothing is, all are opened. So a mistake in one pool leaves no half of a system behind, and a reload that is
//! refused has changed nothing.

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

use std::sync::Arc;

use pool_config::{Driver, PoolConfig};
use pool_core::{BuildError, Observer, PoolOptions};

use crate::any::{AnyConnector, AnyPool, Setup};

pub(crate) use fingerprint::Fingerprint;
pub use options::pool_options;
#[cfg(feature = "sqlite")]
pub(crate) use sqlite::is_in_memory;
pub use problem::{BuildErrors, BuildProblem};
use problem::Objections;

/// A pool as it is going to be.
#[derive(Debug, Clone)]
pub(crate) struct Blueprint {
    pub(crate) name: String,
    pub(crate) connector: AnyConnector,
    pub(crate) options: PoolOptions,
    /// What the files hold that the configuration names.
    pub(crate) fingerprint: Fingerprint,
}

/// What blueprints have in common and keep for each other: what was read for TLS, and tokens.
#[derive(Default)]
pub(crate) struct Kit {
    #[cfg(feature = "_net")]
    tls: tls::Shelf,
    #[cfg(all(feature = "_login", feature = "oauth2"))]
    tokens: login::Tokens,
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
        let mut problems = Vec::new();
        let drawn: Vec<_> =
            pools.into_iter().filter_map(|pool| Blueprint::draw(pool, kit, &mut problems)).collect();
        if problems.is_empty() { Ok(drawn) } else { Err(BuildErrors { problems }) }
    }

    /// Draws one pool. `None` if something is wrong with it, which is then put down.
    fn draw(config: &PoolConfig, kit: &Kit, problems: &mut Vec<BuildProblem>) -> Option<Blueprint> {
        let mut objections = Objections::new(&config.name, problems);
        let options = pool_options(&config.settings);
        if let Err(error) = options.check() {
            for problem in error.problems {
                objections.raise(problem.option, &problem.value, problem.rule, "change the value");
            }
        }
        let mut fingerprint = Fingerprint::default();
        let connector = connector(config, kit, &mut fingerprint, &mut objections);
        let connector = connector.filter(|_| !objections.any())?;
        Some(Blueprint { name: config.name.clone(), connector, options, fingerprint })
    }

    /// Opens the pool, which connects in its own time.
    ///
    /// # Errors
    ///
    /// Fails outside a runtime, and with an empty name.
    pub(crate) fn open(self, observers: &[Arc<dyn Observer>]) -> Result<AnyPool, BuildError> {
        let Blueprint { name, connector, options, .. } = self;
        connector.open(Setup { name: &name, options, observers })
    }
}

/// The connector of a pool; `None` with an objection.
#[cfg_attr(
    not(feature = "_any"),
    expect(unused_variables, clippy::ptr_arg, reason = "no driver is compiled in")
)]
fn connector(
    config: &PoolConfig,
    kit: &Kit,
    fingerprint: &mut Fingerprint,
    objections: &mut Objections<'_>,
) -> Option<AnyConnector> {
    match config.driver {
        #[cfg(feature = "postgres")]
        Driver::Postgres => {
            postgres::connector(config, kit, fingerprint, objections).map(AnyConnector::Postgres)
        }
        #[cfg(feature = "mysql")]
        Driver::Mysql => mysql::connector(config, kit, fingerprint, objections).map(AnyConnector::MySql),
        #[cfg(feature = "sqlite")]
        Driver::Sqlite => sqlite::connector(config, objections).map(AnyConnector::Sqlite),
        #[cfg(feature = "redis")]
        Driver::Redis => redis::connector(config, kit, fingerprint, objections).map(AnyConnector::Redis),
        #[cfg(feature = "http")]
        Driver::Http => http::connector(config, kit, fingerprint, objections).map(AnyConnector::Http),
        #[cfg(feature = "websocket")]
        Driver::Websocket => {
            websocket::connector(config, kit, fingerprint, objections).map(AnyConnector::WebSocket)
        }
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
            objections.raise("driver", &driver, "this program was built without that driver", help);
            None
        }
    }
}
