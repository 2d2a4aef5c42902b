//! What PostgreSQL adds to a connection: how it is reset.

use std::time::Duration;

use pool_core::ErrorClass;
use sqlx::postgres::PgTransactionManager;
use sqlx::{Connection as _, Executor as _, Postgres};
use sqlx_core::transaction::TransactionManager as _;
use tokio::time::timeout;

use super::class;
use super::connector::{PgConnector, Role};
use super::error::PgError;
use super::words::left_by;
use crate::sql::{Dialect, Effect, Habits, SqlConnection, forward_to_sqlx};

/// A connection to a PostgreSQL server.
pub type PgConnection = SqlConnection<Postgres>;

/// How long the rest of a query is waited for that its holder gave up. A new connection takes some ten milliseconds.
const PATIENCE: Duration = Duration::from_millis(500);

/// Sets everything back that a session has, except for the prepared statements: sqlx goes on using its own.
const RESET: &str = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; \
                     SELECT pg_advisory_unlock_all(); DISCARD PLANS; DISCARD SEQUENCES; DISCARD TEMP";

/// What is kept beside the connection of sqlx.
#[derive(Debug)]
pub struct Keep {
    pub(super) role: Role,
    pub(super) transaction_pooling: bool,
}

impl Dialect for Postgres {
    type Connector = PgConnector;
}

impl Habits for Postgres {
    type Keep = Keep;

    forward_to_sqlx!();

    fn effect_of(sql: &str) -> Effect {
        left_by(sql)
    }

    fn classify(error: &sqlx::Error, keep: &Keep, asked_read_only: bool) -> ErrorClass {
        class::classify(error, keep, asked_read_only)
    }

    fn is_retryable(error: &sqlx::Error) -> bool {
        class::is_retryable(error)
    }

    fn is_multiplexed(keep: &Keep) -> bool {
        keep.transaction_pooling
    }

    // sqlx counts the answers that are due, and reads on to the last of them.
    const SURVIVES_CANCELLATION: bool = true;
    const TAKES_BACK_BEGIN: bool = false;
    const ABORTS_ON_ERROR: bool = true;
    const LEAVES_ROWS: bool = false;
}

impl SqlConnection<Postgres> {
    /// Makes it as good as new, or fails.
    pub(super) async fn reset(&mut self) -> Result<(), PgError> {
        if self.traces.is_behind() || self.traces.was_lent() {
            timeout(PATIENCE, drain(&mut self.raw)).await.map_err(|_| PgError::StillBusy(PATIENCE))??;
        }
        let SqlConnection { raw, traces, keep } = self;
        while PgTransactionManager::get_transaction_depth(raw) > 0 {
            PgTransactionManager::rollback(raw).await?;
        }
        // Behind a pooler of transactions no session is ours to reset.
        let of_session = traces.of_session() && !keep.transaction_pooling;
        let script = match (traces.of_transaction(), of_session) {
            (false, false) => None,
            (true, false) => Some(String::from("ROLLBACK")),
            (false, true) => Some(String::from(RESET)),
            (true, true) => Some(format!("ROLLBACK; {RESET}")),
        };
        let of_statements = of_session && traces.of_statements();
        if let Some(script) = script {
            let script = if of_statements { script + "; DEALLOCATE ALL" } else { script };
            raw.execute(sqlx::AssertSqlSafe(script)).await?;
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
