//! Redis.

use std::net::SocketAddr;
use std::time::Duration;

use pool_drivers::redis::redis::{AsyncCommands as _, cmd};
use pool_drivers::redis::{RedisConnection, RedisConnector};
use pool_tests::process::Server;
use pool_tests::redis::Redis;

use super::backend::{Mess, Outcome};
use super::until;
use super::wired::{Service, Wired};
use crate::given_up::give_up_after;

impl Service for Server<Redis> {
    type Connector = RedisConnector;

    async fn launch(idle_cut: Option<Duration>) -> Self {
        let mut settings = Redis::new();
        if let Some(limit) = idle_cut {
            settings = settings.setting("timeout", limit.as_secs().to_string());
        }
        settings.launch().await.unwrap()
    }

    fn connector_by_way_of(&self, address: SocketAddr) -> RedisConnector {
        RedisConnector::new(&format!("redis://{address}")).unwrap()
    }

    async fn ask(connection: &mut RedisConnection, question: &str) -> Outcome<String> {
        Ok(cmd("ECHO").arg(question).query_async(connection).await?)
    }

    async fn leave(connection: &mut RedisConnection, mess: Mess) {
        match mess {
            Mess::Begun => {
                cmd("MULTI").exec_async(connection).await.unwrap();
                cmd("SET").arg("kept").arg(1).exec_async(connection).await.unwrap();
            }
            Mess::Failed => {
                cmd("MULTI").exec_async(connection).await.unwrap();
                cmd("SET").arg("kept").arg(1).exec_async(connection).await.unwrap();
                cmd("NOSUCHCOMMAND").exec_async(connection).await.unwrap_err();
            }
            // An answer is read by the connection's own task; what can be left is one that never comes.
            Mess::Unread => {
                give_up_after(5, cmd("BLPOP").arg("nothing").arg(0).exec_async(connection)).await;
            }
        }
    }

    /// Inside a `MULTI` the answer is not a number.
    async fn is_clean(connection: &mut RedisConnection) -> bool {
        connection.exists::<_, i64>("kept").await.is_ok_and(|kept| kept == 0)
    }

    async fn sessions(&self) -> usize {
        list(self).await.len()
    }

    async fn kill_sessions(&self) {
        let killed = list(self).await;
        let mut witness = self.connect().await.unwrap();
        for id in &killed {
            // It may be gone already.
            drop(cmd("CLIENT").arg("KILL").arg("ID").arg(id).exec_async(&mut witness).await);
        }
        until("they are gone", async || !list(self).await.iter().any(|id| killed.contains(id))).await;
    }
}

/// The ids of the clients that come over TCP.
async fn list(server: &Server<Redis>) -> Vec<String> {
    let mut witness = server.connect().await.unwrap();
    let all: String = cmd("CLIENT").arg("LIST").query_async(&mut witness).await.unwrap();
    let over_tcp = all.lines().filter(|line| line.contains(" addr=127.0.0.1:"));
    over_tcp
        .map(|line| line.trim_start_matches("id=").split(' ').next().unwrap_or_default().to_owned())
        .collect()
}

super::every_case!(Wired<Server<Redis>>);
super::every_case_over_a_wire!(Server<Redis>);
