//! What MySQL and MariaDB add to a connection: how it is reset.

use std::time::Duration;

use pool_core::ErrorClass;
use sqlx::mysql::MySqlTransactionManager;
use sqlx::{Connection as _, Executor as _, MySql};
use sqlx_core::transaction::TransactionManager as _;
use tokio::time::timeout;

use super::class;
use super::connector::Extras;
use super::connector::MySqlConnector;
use super::words::left_by;
use crate::server::{Keep, ServerError};
use crate::sql::{Dialect, Effect, Habits, SqlConnection, SqlPool, SqlTransaction, forward_to_sqlx};

/// A connection to a MySQL or MariaDB server.
pub type MySqlConnection = SqlConnection<MySql>;

/// A pool of MySQL or MariaDB connections; `&MySqlPool` is a [`sqlx::Executor`]. Its methods are those of [`SqlPool`] and,
/// by way of `Deref`, of [`Pool`](pool_core::Pool): `acquire`, `stats`, `close` and so on.
pub type MySqlPool = SqlPool<MySql>;

/// A transaction on a MySQL or MariaDB connection.
pub type MySqlTransaction<'c> = SqlTransaction<'c, MySql>;

/// How long the rest of a query is waited for that its holder gave up. A new connection takes some ten milliseconds.
const PATIENCE: Duration = Duration::from_millis(500);

impl Dialect for MySql {
    type Connector = MySqlConnector;
}

impl Habits for MySql {
    type Keep = Keep<Extras>;

    forward_to_sqlx!();

    fn effect_of(sql: &str) -> Effect {
        left_by(sql)
    }

    fn classify(error: &sqlx::Error, keep: &Keep<Extras>, _asked_read_only: bool) -> ErrorClass {
        class::classify(error, keep)
    }

    fn is_retryable(error: &sqlx::Error) -> bool {
        class::is_retryable(error)
    }

    fn ends_transaction(error: &sqlx::Error) -> bool {
        class::is_deadlock(error)
    }

    // Given up while a statement is prepared, sqlx takes the rest of that answer for another.
    const SURVIVES_CANCELLATION: bool = false;
    const TAKES_BACK_BEGIN: bool = false;
    const MAY_END_ON_ERROR: bool = false;
    const ABORTS_ON_ERROR: bool = false;
    const LEAVES_ROWS: bool = true;
    // sqlx does not offer `COM_RESET_CONNECTION`.
    const RESETS_SESSIONS: bool = false;
}

impl SqlConnection<MySql> {
    /// Makes it as good as new, or fails.
    pub(super) async fn reset(&mut self) -> Result<(), ServerError> {
        let SqlConnection { raw, traces, .. } = self;
        if traces.is_behind() {
            timeout(PATIENCE, raw.flush()).await.map_err(|_| ServerError::StillBusy(PATIENCE))??;
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
