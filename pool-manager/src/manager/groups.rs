//! Groups of pools: reads and writes split among them.

use std::collections::BTreeMap;

#[cfg(feature = "_any")]
use pool_config::Driver;

use super::PoolManager;
#[cfg(feature = "_any")]
use crate::error::LookupError;
#[cfg(feature = "_any")]
use crate::routing::Group;
use crate::routing::MemberStats;

impl PoolManager {
    /// The group of pools of PostgreSQL of this name: those whose configuration says `group:` so.
    ///
    /// The handle stays good over reloads: pools that join or leave, other roles and weights show at the next call.
    ///
    /// # Errors
    ///
    /// If no pool names it, or its pools are of another driver.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let manager = pool_manager::PoolManager::from_file("connection_pool.yaml").await?;
    /// let orders = manager.postgres_group("orders")?;
    /// orders.write().await?.run("INSERT INTO item VALUES ('pen')").await?;
    /// let connection = orders.read().await?; // of a replica, or else of the primary
    /// # drop(connection);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "postgres")]
    pub fn postgres_group(
        &self,
        name: &str,
    ) -> Result<Group<pool_drivers::postgres::PgConnector>, LookupError> {
        self.shared.read().groups.typed(name, Driver::Postgres)
    }

    /// The group of pools of MySQL or MariaDB of this name. See [`postgres_group`](Self::postgres_group).
    ///
    /// # Errors
    ///
    /// If no pool names it, or its pools are of another driver.
    #[cfg(feature = "mysql")]
    pub fn mysql_group(&self, name: &str) -> Result<Group<pool_drivers::mysql::MySqlConnector>, LookupError> {
        self.shared.read().groups.typed(name, Driver::Mysql)
    }

    /// The group of pools of SQLite of this name. See [`postgres_group`](Self::postgres_group).
    ///
    /// # Errors
    ///
    /// If no pool names it, or its pools are of another driver.
    #[cfg(feature = "sqlite")]
    pub fn sqlite_group(
        &self,
        name: &str,
    ) -> Result<Group<pool_drivers::sqlite::SqliteConnector>, LookupError> {
        self.shared.read().groups.typed(name, Driver::Sqlite)
    }

    /// The group of pools of Redis of this name. See [`postgres_group`](Self::postgres_group).
    ///
    /// # Errors
    ///
    /// If no pool names it, or its pools are of another driver.
    #[cfg(feature = "redis")]
    pub fn redis_group(&self, name: &str) -> Result<Group<pool_drivers::redis::RedisConnector>, LookupError> {
        self.shared.read().groups.typed(name, Driver::Redis)
    }

    /// The group of pools of HTTP services of this name. See [`postgres_group`](Self::postgres_group).
    ///
    /// # Errors
    ///
    /// If no pool names it, or its pools are of another driver.
    #[cfg(feature = "http")]
    pub fn http_group(&self, name: &str) -> Result<Group<pool_drivers::http::HttpConnector>, LookupError> {
        self.shared.read().groups.typed(name, Driver::Http)
    }

    /// The group of pools of WebSocket services of this name. See [`postgres_group`](Self::postgres_group).
    ///
    /// # Errors
    ///
    /// If no pool names it, or its pools are of another driver.
    #[cfg(feature = "websocket")]
    pub fn websocket_group(
        &self,
        name: &str,
    ) -> Result<Group<pool_drivers::websocket::WebSocketConnector>, LookupError> {
        self.shared.read().groups.typed(name, Driver::Websocket)
    }

    /// What each pool of each group was given to do, by the group's name.
    pub fn group_stats(&self) -> BTreeMap<String, Vec<MemberStats>> {
        self.shared.read().groups.stats()
    }
}
