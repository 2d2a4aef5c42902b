//! Pools of SQLite.

use pool_config::PoolConfig;
use pool_drivers::sqlite::SqliteConnector;

use super::Drawing;
use super::problem::in_one_line;

pub(super) fn connector(config: &PoolConfig, drawing: &mut Drawing<'_>) -> Option<SqliteConnector> {
    let Some(url) = &config.url else {
        let database = config.database.as_deref().unwrap_or_default();
        if database.is_empty() {
            let help = "write the path of a file, or \":memory:\"";
            drawing.object("database", &"empty", "SQLite needs a file", help);
            return None;
        }
        return Some(SqliteConnector::from_database(database));
    };
    match SqliteConnector::from_url(url.expose()) {
        Ok(connector) => Some(connector),
        Err(error) => {
            drawing.object("url", &"***", in_one_line(&error), "write sqlite://path, or sqlite::memory:");
            None
        }
    }
}

/// Whether the database lives in memory, and ends with its connector.
pub(crate) fn is_in_memory(config: &PoolConfig) -> bool {
    let url = config.url.as_ref().map(|url| url.expose());
    config.database.as_deref() == Some(":memory:")
        || url.is_some_and(|url| url.contains(":memory:") || url.contains("mode=memory"))
}

/// What a database in memory is called: those of one name are one, as far as the configuration goes.
pub(crate) fn memory_name(config: &PoolConfig) -> Option<&str> {
    let url = config.url.as_ref().map(|url| url.expose());
    let name = url.map(|url| {
        let url = url.strip_prefix("sqlite:").unwrap_or(url);
        let url = url.strip_prefix("//").unwrap_or(url);
        url.split_once('?').map_or(url, |(name, _)| name)
    });
    name.or(config.database.as_deref()).filter(|_| is_in_memory(config))
}

/// Whether a connect creates the file if there is none.
pub(crate) fn creates_file(config: &PoolConfig) -> bool {
    let by_url = config.url.as_ref().is_none_or(|url| url.expose().contains("mode=rwc"));
    by_url && !is_in_memory(config)
}
