//! What PostgreSQL adds to a connection: how it is reset.

use std::time::Duration;

use pool_core::ErrorClass;
use sqlx::postgres::PgTransactionManager;
use sqlx::{Connection as _, Executor as _, Postgres};
use sqlx_core::transaction::TransactionManager as _;
use tokio::time::timeout;

use super::class;
use super::connector::{Extras, PgConnector};
use super::words::left_by;
use crate::server::{Keep, ServerError};
use crate::sql::{Dialect, Effect, Habits, SqlConnection, SqlPool, SqlTransaction, forward_to_sqlx};

/// A connection to a PostgreSQL server.
pub type PgConnection = SqlConnection<Postgres>;

/// A pool of PostgreSQL connections; `&PgPool` is a [`sqlx::Executor`]. Its methods are those of [`SqlPool`] and, by
/// way of `Deref`, of [`Pool`](pool_core::Pool): `acquire`, `stats`, `close` and so on.
pub type PgPool = SqlPool<Postgres>;

/// A transaction on a PostgreSQL connection.
pub type PgTransaction<'c> = SqlTransaction<'c, Postgres>;

/// How long the rest of a query is waited for that its holder gave up. A new connection takes some ten milliseconds.
const PATIENCE: Duration = Duration::from_millis(500);

/// Sets everything back that a session has, except for the prepared statements: sqlx goes on using its own.
const RESET: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
                     SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD SEQUENCES; DISCARD TEMP";

impl Dialect for Postgres {
    type Connector = PgConnector;
}

impl Habits for Postgres {
    type Keep = Keep<Extras>;

    forward_to_sqlx!();

    fn effect_of(sql: &str) -> Effect {
        left_by(sql)
    }

    fn classify(error: &sqlx::Error, keep: &Keep<Extras>, asked_read_only: bool) -> ErrorClass {
        class::classify(error, keep, asked_read_only)
    }

    fn is_retryable(error: &sqlx::Error) -> bool {
        class::is_retryable(error)
    }

    fn is_multiplexed(keep: &Keep<Extras>) -> bool {
        keep.extras.transaction_pooling
    }

    // sqlx counts the answers that are due, and reads on to the last of them.
    const SURVIVES_CANCELLATION: bool = true;
    const TAKES_BACK_BEGIN: bool = false;
    const MAY_END_ON_ERROR: bool = false;
    const ABORTS_ON_ERROR: bool = true;
    const LEAVES_ROWS: bool = false;
    const RESETS_SESSIONS: bool = true;
}

impl SqlConnection<Postgres> {
    /// Makes it as good as new, or fails.
    pub(super) async fn reset(&mut self) -> Result<(), ServerError> {
        if self.traces.is_behind() || self.traces.was_lent() {
            timeout(PATIENCE, drain(&mut self.raw)).await.map_err(|_| ServerError::StillBusy(PATIENCE))??;
        }
        let SqlConnection { raw, traces, keep } = self;
        while PgTransactionManager::get_transaction_depth(raw) > 0 {
            PgTransactionManager::rollback(raw).await?;
        }
        // Behind a pooler of transactions no session is ours to reset.
        let of_session = traces.of_session() && !keep.extras.transaction_pooling;
        let of_statements = of_session && traces.of_statements();
        let mut script = Vec::new();
        if traces.of_transaction() {
            script.push("ROLLBACK");
        }
        if of_session {
            script.push(RESET);
        }
        if of_statements {
            script.push("DEALLOCATE ALL");
        }
        if let (true, Some(statements)) = (of_session, &keep.init_sql) {
            script.push(statements);
        }
        if !script.is_empty() {
            raw.execute(sqlx::AssertSqlSafe(script.join("; "))).await?;
        }
        if of_statements {
            raw.clear_cached_statements().await?;
        }
        traces.wipe();
        Ok(())
    }
}

/// Sends what is queued, and reads until nothing is due. The errors of what was given up concern nobody.
async fn drain(raw: &mut sqlx::PgConnection) -> Result<(), sqlx::Error> {
    loop {
        match raw.flush().await {
            Err(sqlx::Error::Database(_)) => {}
            ended => return ended,
        }
    }
}
