//! A standby that follows a primary and can take its place.

use std::path::Path;
use std::time::Duration;

use sqlx::AssertSqlSafe;
use tokio::time::{Instant, sleep};

use super::{DATA, PASSWORD, Postgres, SUPERUSER};
use crate::process::{Place, Server, ServerError};

const DEADLINE: Duration = Duration::from_secs(30);
const LOOK: Duration = Duration::from_millis(10);

impl Postgres {
    /// Starts a standby with the settings of `primary`, which follows it from now on. It is read only until it is
    /// [promoted](Server::promote).
    ///
    /// # Errors
    ///
    /// The primary does not answer, or the standby does not start.
    ///
    /// # Cancel safety
    ///
    /// Nothing stays behind.
    pub async fn standby_of(primary: &Server<Postgres>) -> Result<Server<Postgres>, ServerError> {
        let mut settings = primary.kind().clone();
        settings.primary = Some((primary.socket_dir().to_path_buf(), primary.port()));
        Server::launch(settings).await
    }
}

impl Server<Postgres> {
    /// Makes a standby a primary and waits until it is one.
    ///
    /// # Errors
    ///
    /// It is none, or does not answer.
    pub async fn promote(&self) -> Result<(), ServerError> {
        self.execute("do $$ begin if not pg_promote() then raise 'it was not promoted'; end if; end $$").await
    }

    /// Waits until this standby has applied all that `primary` has written until now.
    ///
    /// # Errors
    ///
    /// One of them does not answer, or 30 s have passed.
    pub async fn catch_up_with(&self, primary: &Server<Postgres>) -> Result<(), ServerError> {
        let written: String = primary.read("select pg_current_wal_lsn()::text").await?;
        let applied = format!("select coalesce(pg_last_wal_replay_lsn() >= '{written}', false)");
        let deadline = Instant::now() + DEADLINE;
        while !self.read::<bool>(&applied).await? {
            if Instant::now() > deadline {
                return Err(ServerError::Behind);
            }
            sleep(LOOK).await;
        }
        Ok(())
    }

    async fn read<T>(&self, query: &str) -> Result<T, ServerError>
    where
        T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
    {
        let mut connection = self.connect().await?;
        let fail = ServerError::sql("read how far it is");
        sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut connection).await.map_err(fail)
    }
}

/// Copies the running primary, with a note how to follow it.
pub(super) async fn copy_primary(place: &Place, socket: &Path, port: u16) -> Result<(), ServerError> {
    let arguments = [
        format!("--host={}", socket.display()),
        format!("--port={port}"),
        format!("--username={SUPERUSER}"),
        format!("--pgdata={DATA}"),
        "--write-recovery-conf".to_owned(),
        "--wal-method=stream".to_owned(),
        "--checkpoint=fast".to_owned(),
        "--no-sync".to_owned(),
    ];
    place.run("pg_basebackup", &arguments, &[("PGPASSWORD", PASSWORD)]).await
}
