//! Pools of MySQL and MariaDB.

use pool_config::{AuthenticationMethod, PoolConfig, SessionSettings};
use pool_drivers::mysql::MySqlConnector;

use super::Drawing;
use super::login::provider;
use super::place::{host, is_socket, port};
use super::problem::in_one_line;
use super::tls::tls;

pub(super) fn connector(config: &PoolConfig, drawing: &mut Drawing<'_>) -> Option<MySqlConnector> {
    let mut connector = match &config.url {
        Some(url) => match MySqlConnector::from_url(url.expose()) {
            Ok(connector) => connector,
            Err(error) => {
                drawing.object("url", &"***", in_one_line(&error), "write mysql://user@host:port/database");
                return None;
            }
        },
        None => {
            let database = config.database.as_deref().unwrap_or_default();
            MySqlConnector::new(host(config), port(config), database)
        }
    };
    if let Some(user) = &config.user {
        connector = connector.user(user);
    }
    if let Some(provider) = provider(config, drawing) {
        connector = connector.credentials(provider);
    }
    if config.authentication.method == AuthenticationMethod::Ldap {
        connector = connector.cleartext_password(true);
    }
    if !is_socket(config)
        && let Some(tls) = tls(&config.ssl, drawing)
    {
        connector = connector.tls(tls);
    }
    // What MySQL has no counterpart for, a pool may have inherited.
    let SessionSettings { statement_timeout, init_sql, dns_max_ttl, .. } = &config.settings.session;
    if !statement_timeout.is_zero() {
        connector = connector.statement_timeout(*statement_timeout);
    }
    if !init_sql.is_empty() {
        connector = connector.init_sql(init_sql.join(";\n"));
    }
    if !dns_max_ttl.is_zero() {
        connector = connector.dns_max_ttl(*dns_max_ttl);
    }
    Some(connector)
}
