//! What MySQL and MariaDB add to a connection: how it is reset.

use std::time::Duration;

use pool_core::{Condition, ErrorClass};
use sqlx::mysql::MySqlTransactionManager;
use sqlx::{Connection as _, Executor as _, MySql};
use sqlx_core::transaction::TransactionManager as _;
use tokio::time::timeout;

use super::class;
use super::connector::{MySqlConnector, Role};
use super::error::MySqlError;
use super::words::left_by;
use crate::sql::{Dialect, Effect, Habits, SqlConnection, forward_to_sqlx};

/// A connection to a MySQL or MariaDB server.
pub type MySqlConnection = SqlConnection<MySql>;

/// How long the rest of a query is waited for that its holder gave up. A new connection takes some ten milliseconds.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is kept beside the connection of sqlx.
#[derive(Debug)]
pub struct Keep {
    pub(super) role: Role,
}

impl Dialect for MySql {
    type Connector = MySqlConnector;
}

impl Habits for MySql {
    type Keep = Keep;

    forward_to_sqlx!();

    fn effect_of(sql: &str) -> Effect {
        left_by(sql)
    }

    fn classify(error: &sqlx::Error, keep: &Keep, _asked_read_only: bool) -> ErrorClass {
        class::classify(error, keep)
    }

    fn is_retryable(error: &sqlx::Error) -> bool {
        class::is_retryable(error)
    }

    // Given up while a statement is prepared, sqlx takes the rest of that answer for another.
    const SURVIVES_CANCELLATION: bool = false;
    const TAKES_BACK_BEGIN: bool = false;
    const ABORTS_ON_ERROR: bool = false;
    const LEAVES_ROWS: bool = true;
}

impl SqlConnection<MySql> {
    /// What it is like. What a session has beside its transaction cannot be reset: sqlx does not offer
    /// `COM_RESET_CONNECTION`.
    pub(super) fn look(&mut self) -> Condition {
        match self.condition() {
            Condition::Dirty if self.traces.of_session() => Condition::Broken,
            condition => condition,
        }
    }

    /// Makes it as good as new, or fails.
    pub(super) async fn reset(&mut self) -> Result<(), MySqlError> {
        let SqlConnection { raw, traces, .. } = self;
        if traces.is_behind() {
            timeout(PATIENCE, raw.flush()).await.map_err(|_| MySqlError::StillBusy(PATIENCE))??;
        }
        while MySqlTransactionManager::get_transaction_depth(raw) > 0 {
            MySqlTransactionManager::rollback(raw).await?;
        }
        if traces.of_transaction() {
            raw.execute("ROLLBACK").await?;
        }
        traces.wipe();
        Ok(())
    }
}
