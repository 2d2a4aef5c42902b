//! PostgreSQL.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;

use pool_drivers::postgres::{PgConnection, PgConnector};
use pool_tests::postgres::Postgres;
use pool_tests::process::Server;
use sqlx::{Connection as _, Executor as _, PgConnection as Witness};

use super::backend::{Mess, Outcome, PASSWORD};
use super::wired::{Service, Wired};

impl Service for Server<Postgres> {
    type Connector = PgConnector;

    /// 57P01: somebody ended the session.
    const FLUSHES_OF_A_KILL: u64 = 1;

    /// sqlx does not offer it.
    const HAS_TCP_KEEPALIVE: bool = false;

    async fn launch(idle_cut: Option<Duration>) -> Self {
        let mut settings = Postgres::new();
        if let Some(limit) = idle_cut {
            settings = settings.setting("idle_session_timeout", limit.as_millis().to_string());
        }
        let server = settings.launch().await.unwrap();
        server.create_user("app", PASSWORD).await.unwrap();
        let url = server.url("app", PASSWORD, "app");
        let mut owner = Witness::connect(&url).await.unwrap();
        owner.execute("CREATE TABLE kept (id int)").await.unwrap();
        owner.close().await.unwrap();
        server
    }

    fn connector_by_way_of(&self, address: SocketAddr) -> PgConnector {
        PgConnector::from_url(&format!("postgres://app:{PASSWORD}@{address}/app?sslmode=disable")).unwrap()
    }

    async fn ask(connection: &mut PgConnection, question: &str) -> Outcome<String> {
        let answer = sqlx::query_scalar("SELECT $1::text").bind(question).fetch_one(connection).await;
        Ok(answer?)
    }

    async fn leave(connection: &mut PgConnection, mess: Mess) {
        match mess {
            Mess::Begun => drop(connection.execute("BEGIN; INSERT INTO kept VALUES (1)").await.unwrap()),
            Mess::Failed => {
                connection.execute("BEGIN; INSERT INTO kept VALUES (1)").await.unwrap();
                connection.execute("SELECT 1 / 0").await.unwrap_err();
            }
            Mess::Unread => {
                let mut rows = connection.fetch("SELECT generate_series(1, 100000)");
                poll_fn(|cx| rows.as_mut().poll_next(cx)).await.unwrap().unwrap();
            }
        }
    }

    /// A row of an open transaction would be seen, and a failed one refuses the question.
    async fn is_clean(connection: &mut PgConnection) -> bool {
        let kept: Result<i64, _> =
            sqlx::query_scalar("SELECT count(*) FROM kept").fetch_one(connection).await;
        kept.is_ok_and(|kept| kept == 0)
    }

    async fn sessions(&self) -> usize {
        count(self, "SELECT count(*) FROM pg_stat_activity WHERE usename = 'app'").await
    }

    async fn kill_sessions(&self) {
        // It waits for the end of each.
        let end =
            "SELECT count(pg_terminate_backend(pid, 20000)) FROM pg_stat_activity WHERE usename = 'app'";
        count(self, end).await;
    }
}

async fn count(server: &Server<Postgres>, sql: &'static str) -> usize {
    let mut witness = server.connect().await.unwrap();
    let count: i64 = sqlx::query_scalar(sql).fetch_one(&mut witness).await.unwrap();
    witness.close().await.unwrap();
    usize::try_from(count).unwrap()
}

super::every_case!(Wired<Server<Postgres>>);
super::every_case_over_a_wire!(Server<Postgres>);
