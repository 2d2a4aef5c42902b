//! What a configuration names beyond itself: secrets, certificates, programs, the URLs of receivers, folders. All of it is
//! looked at, and none of it is used: nothing is run, connected to or written.
//!
//! What is found here depends on the machine and on the user: a configuration that is right may be wrong in another place.

mod certificates;
mod files;
mod receivers;
mod secrets;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::Path;
use std::time::SystemTime;

use pool_config::{AuthenticationMethod, Driver, Loaded, PoolConfig, Problem, Severity};
use pool_drivers::sqlite::SqliteConnector;
use pool_manager::is_compiled_in;

/// What is wrong with what a configuration names, in the order of the file.
pub(crate) fn surroundings(loaded: &Loaded, now: SystemTime) -> Vec<Problem> {
    let mut look = Look { loaded, now, problems: Vec::new(), seen: HashSet::new() };
    let config = &loaded.config;
    for pool in config.pools.iter().filter(|pool| pool.enabled) {
        look.at_pool(pool);
    }
    certificates::look(&mut look);
    if let Some(path) = &config.monitoring.audit_log.path {
        look.at_place_to_write("monitoring.audit_log.path", path, "the audit log");
    }
    look.at_receivers();
    if let Some(path) = &config.monitoring.alerts.state_file {
        look.at_place_to_write("monitoring.alerts.state_file", path, "the state of the alerts");
    }
    look.problems.sort_by(|a, b| (&a.source_name, a.line, a.column).cmp(&(&b.source_name, b.line, b.column)));
    look.problems
}

/// One look around.
struct Look<'a> {
    loaded: &'a Loaded,
    now: SystemTime,
    problems: Vec<Problem>,
    /// What several pools inherit is told once: where, and what.
    seen: HashSet<(String, u32, u32, String)>,
}

impl Look<'_> {
    fn problem(&mut self, severity: Severity, path: &str, found: String, expected: &str, help: &str) {
        let Some(problem) = self.loaded.problem(severity, path, found, expected, help) else { return };
        let place = (problem.source_name.clone(), problem.line, problem.column, problem.found.clone());
        if self.seen.insert(place) {
            self.problems.push(problem);
        }
    }

    fn error(&mut self, path: &str, found: impl Into<String>, expected: &str, help: &str) {
        self.problem(Severity::Error, path, found.into(), expected, help);
    }

    fn warn(&mut self, path: &str, found: impl Into<String>, expected: &str, help: &str) {
        self.problem(Severity::Warning, path, found.into(), expected, help);
    }

    fn at_pool(&mut self, pool: &PoolConfig) {
        let key = |key: &str| format!("{}.{key}", path_of(pool));
        if !is_compiled_in(pool.driver) {
            let help = "build it with the feature of that name";
            self.error(
                &key("driver"),
                format!("`{}`", pool.driver),
                "a driver that this program was built with",
                help,
            );
        }
        let oauth2 = pool.authentication.oauth2.as_ref();
        match (pool.authentication.method, oauth2) {
            (AuthenticationMethod::Oauth2, Some(oauth2)) => {
                if let Some(source) = &oauth2.client_secret {
                    self.at_secret(&key("authentication.oauth2.client_secret"), source);
                }
            }
            _ => {
                if let Some(source) = &pool.password {
                    self.at_secret(&key("password"), source);
                }
            }
        }
        if pool.driver == Driver::Sqlite {
            self.at_database(pool);
        }
    }

    /// The file of a SQLite database, and the folder that it and its journal are in.
    fn at_database(&mut self, pool: &PoolConfig) {
        let (key, connector) = match (&pool.url, &pool.database) {
            (Some(url), _) => ("url", SqliteConnector::from_url(url.expose()).ok()),
            (None, Some(database)) => ("database", Some(SqliteConnector::from_database(database))),
            (None, None) => return,
        };
        let target = connector.and_then(|connector| pool_core::Connector::target(&connector));
        let Some(file) = target.map(|target| target.database).filter(|file| file != ":memory:") else {
            return;
        };
        let path = format!("{}.{key}", path_of(pool));
        let is_read_only = pool
            .url
            .as_ref()
            .is_some_and(|url| url.expose().contains("mode=ro") || url.expose().contains("immutable=1"));
        if is_read_only {
            self.at_file(&path, Path::new(&file), "a database that this user can read");
        } else {
            self.at_place_to_write(&path, Path::new(&file), "the database");
        }
    }
}

/// As the paths of problems name it.
fn path_of(pool: &PoolConfig) -> String {
    format!("pools[{:?}]", pool.name)
}
