//! What PostgreSQL tells.

use sqlx::{Executor as _, Row as _};

use super::{Encryption, Facts, Room, ServerFacts};
use crate::postgres::PgConnection;

/// All of it may be asked by everybody. Backends are counted by database, as `pg_stat_activity` hides from an ordinary user
/// which of its rows are connections of clients.
///
/// `reserved_connections` came with PostgreSQL 16.
const QUESTION: &str = "SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS is_replica, \
    current_setting('default_transaction_read_only')::bool AS is_read_only, \
    session.ssl AS is_encrypted, session.version AS protocol, session.cipher, \
    current_setting('ssl')::bool AS offers_tls, \
    current_setting('max_connections')::int8 - current_setting('superuser_reserved_connections')::int8 \
        - coalesce(current_setting('reserved_connections', true), '0')::int8 AS room, \
    (SELECT rolconnlimit::int8 FROM pg_roles WHERE rolname = session_user) AS room_of_user, \
    (SELECT sum(numbackends)::int8 FROM pg_stat_database) AS in_use \
    FROM (SELECT 1) AS one LEFT JOIN pg_stat_ssl AS session ON session.pid = pg_backend_pid()";

impl Facts for PgConnection {
    type Error = sqlx::Error;

    async fn facts(&mut self) -> Result<ServerFacts, sqlx::Error> {
        let is_pooled = self.keep.extras.transaction_pooling;
        // As plain text: the statement cache, and a pooler, have nothing to do with it.
        let row = self.fetch_one(QUESTION).await?;
        let is_replica: bool = row.try_get("is_replica")?;
        let is_read_only: bool = row.try_get("is_read_only")?;
        let facts = ServerFacts {
            product: Some("PostgreSQL"),
            version: Some(row.try_get("version")?),
            is_replica: Some(is_replica),
            is_read_only: Some(is_replica || is_read_only),
            ..ServerFacts::default()
        };
        // What is asked for below is between the pooler and the server.
        if is_pooled {
            return Ok(facts);
        }
        let tls = match row.try_get::<Option<bool>, _>("is_encrypted")? {
            Some(true) => Some(Encryption::of(row.try_get("protocol")?, row.try_get("cipher")?)),
            Some(false) => Some(Encryption::None),
            None => None,
        };
        let count = |column| row.try_get::<Option<i64>, _>(column).map(|count| u64::try_from(count?).ok());
        Ok(ServerFacts {
            tls,
            offers_tls: row.try_get("offers_tls")?,
            // -1 stands for no limit of its own.
            room: Room {
                limit: count("room")?,
                limit_of_user: count("room_of_user")?,
                in_use: count("in_use")?,
            },
            ..facts
        })
    }
}
