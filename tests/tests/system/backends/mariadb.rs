//! MariaDB.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;

use pool_drivers::mysql::{MySqlConnection, MySqlConnector};
use pool_tests::mariadb::MariaDb;
use pool_tests::process::Server;
use sqlx::{Connection as _, Executor as _};

use super::backend::{Mess, Outcome, PASSWORD};
use super::until;
use super::wired::{Service, Wired};

impl Service for Server<MariaDb> {
    type Connector = MySqlConnector;

    /// sqlx does not offer it.
    const HAS_TCP_KEEPALIVE: bool = false;

    async fn launch(idle_cut: Option<Duration>) -> Self {
        let mut settings = MariaDb::new();
        if let Some(limit) = idle_cut {
            settings = settings.setting("wait-timeout", limit.as_secs().to_string());
        }
        let server = settings.launch().await.unwrap();
        server.create_user("app", PASSWORD).await.unwrap();
        server.execute("CREATE TABLE app.kept (id INT) ENGINE = InnoDB").await.unwrap();
        server
    }

    fn connector_by_way_of(&self, address: SocketAddr) -> MySqlConnector {
        MySqlConnector::from_url(&format!("mysql://app:{PASSWORD}@{address}/app?ssl-mode=disabled")).unwrap()
    }

    async fn ask(connection: &mut MySqlConnection, question: &str) -> Outcome<String> {
        let answer = sqlx::query_scalar("SELECT ?").bind(question).fetch_one(connection).await;
        Ok(answer?)
    }

    /// A statement that fails does not end a transaction here.
    async fn leave(connection: &mut MySqlConnection, mess: Mess) {
        match mess {
            Mess::Begun => drop(connection.execute("BEGIN; INSERT INTO kept VALUES (1)").await.unwrap()),
            Mess::Failed => {
                connection.execute("BEGIN; INSERT INTO kept VALUES (1)").await.unwrap();
                connection.execute("SELECT * FROM nowhere").await.unwrap_err();
            }
            Mess::Unread => {
                let mut rows = connection.fetch("SELECT seq FROM seq_1_to_100000");
                poll_fn(|cx| rows.as_mut().poll_next(cx)).await.unwrap().unwrap();
            }
        }
    }

    /// A row of an open transaction would be seen.
    async fn is_clean(connection: &mut MySqlConnection) -> bool {
        let sql = "SELECT CAST(@@in_transaction + (SELECT count(*) FROM kept) AS SIGNED)";
        let open: Result<i64, _> = sqlx::query_scalar(sql).fetch_one(connection).await;
        open.is_ok_and(|open| open == 0)
    }

    async fn sessions(&self) -> usize {
        list(self).await.len()
    }

    async fn kill_sessions(&self) {
        let killed = list(self).await;
        for id in &killed {
            // It may be gone already.
            drop(self.execute(&format!("KILL {id}")).await);
        }
        until("they are gone", async || !list(self).await.iter().any(|id| killed.contains(id))).await;
    }
}

/// The numbers of the sessions, also of those that have not logged in yet.
async fn list(server: &Server<MariaDb>) -> Vec<i64> {
    let mut witness = server.connect().await.unwrap();
    let sql = "SELECT id FROM information_schema.processlist \
               WHERE user = 'app' OR user = 'unauthenticated user'";
    let ids = sqlx::query_scalar(sql).fetch_all(&mut witness).await.unwrap();
    witness.close().await.unwrap();
    ids
}

super::every_case!(Wired<Server<MariaDb>>);
super::every_case_over_a_wire!(Server<MariaDb>);
