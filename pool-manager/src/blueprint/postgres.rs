//! Pools of PostgreSQL.

use pool_config::{PoolConfig, SessionSettings};
use pool_drivers::postgres::PgConnector;

use super::Drawing;
use super::login::provider;
use super::place::{host, is_socket, port};
use super::problem::in_one_line;
use super::tls::tls;

pub(super) fn connector(config: &PoolConfig, drawing: &mut Drawing<'_>) -> Option<PgConnector> {
    let mut connector = match &config.url {
        Some(url) => match PgConnector::from_url(url.expose()) {
            Ok(connector) => connector,
            Err(error) => {
                drawing.object(
                    "url",
                    &"***",
                    in_one_line(&error),
                    "write postgres://user@host:port/database",
                );
                return None;
            }
        },
        None => {
            let database = config.database.as_deref().unwrap_or_default();
            PgConnector::new(host(config), port(config), database)
        }
    };
    if let Some(user) = &config.user {
        connector = connector.user(user);
    }
    if let Some(provider) = provider(config, drawing) {
        connector = connector.credentials(provider);
    }
    if !is_socket(config)
        && let Some(tls) = tls(&config.ssl, drawing)
    {
        connector = connector.tls(tls);
    }
    let SessionSettings {
        application_name,
        statement_timeout,
        idle_in_transaction_timeout,
        init_sql,
        dns_max_ttl,
        transaction_pooling,
        // For whoever adds the pools of a server up.
        server_max_connections: _,
    } = &config.settings.session;
    connector = connector.application_name(application_name.as_ref().unwrap_or(&config.name));
    if *transaction_pooling {
        connector = connector.transaction_pooling(true);
        for (key, is_set) in [
            ("statement_timeout_ms", !statement_timeout.is_zero()),
            ("idle_in_transaction_timeout_ms", !idle_in_transaction_timeout.is_zero()),
            ("init_sql", !init_sql.is_empty()),
        ] {
            if is_set {
                let problem = "with transaction_pooling each transaction may have another session";
                let help = "set it for the role on the server: ALTER ROLE … SET";
                drawing.object(key, &"set", problem, help);
            }
        }
    }
    if !statement_timeout.is_zero() {
        connector = connector.statement_timeout(*statement_timeout);
    }
    if !idle_in_transaction_timeout.is_zero() {
        connector = connector.idle_in_transaction_timeout(*idle_in_transaction_timeout);
    }
    if !init_sql.is_empty() {
        connector = connector.init_sql(init_sql.join(";\n"));
    }
    if !dns_max_ttl.is_zero() {
        connector = connector.dns_max_ttl(*dns_max_ttl);
    }
    Some(connector)
}
