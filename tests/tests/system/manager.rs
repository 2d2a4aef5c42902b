//! The manager on real servers: what a configuration says of them, they see.

mod health;
mod logins;
mod monitoring;
mod reloads;
mod storm;
mod targets;
mod typed;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pool_config::{Config, Loader};
use pool_core::{ConnectionId, ConnectionInfo, PoolControl};
use pool_drivers::postgres::PgPool;
use pool_manager::PoolManager;
use tokio::task::JoinSet;

/// What must happen is waited for this long; on an idle machine it takes much less.
const PATIENCE: Duration = Duration::from_secs(30);

/// A configuration: what stands below `connection_pool`, without the variables of this process.
fn config(sections: &str) -> Config {
    let text = format!("connection_pool: {{{sections}}}");
    let loaded = Loader::without_variables().load_text(&text, "connection_pool.yaml");
    loaded.unwrap_or_else(|error| panic!("failed to {error}")).config
}

async fn manager(sections: &str) -> PoolManager {
    PoolManager::from_config(config(sections)).await.unwrap()
}

async fn until(what: &str, reached: impl AsyncFn() -> bool) {
    let begun = tokio::time::Instant::now();
    while !reached().await {
        assert!(begun.elapsed() < PATIENCE, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How often each connection of a pool has been handed out.
fn uses(pool: &dyn PoolControl) -> HashMap<ConnectionId, u64> {
    pool.connections().iter().map(|connection| (connection.id, connection.uses)).collect()
}

/// Waits until the pool has a connection that a drain leaves alone, with the uses noted after that drain. Those that were
/// drained may all be gone the next moment and are not handed out again, but to one caller who was promised it before.
async fn until_one_stays(pool: &dyn PoolControl, noted: &HashMap<ConnectionId, u64>) {
    let stays = |connection: &ConnectionInfo| {
        connection.uses >= noted.get(&connection.id).copied().unwrap_or_default() + 2
    };
    until("it has a connection that stays", async || pool.connections().iter().any(stays)).await;
}

/// Tasks that ask a pool one thing after the other, and take no error.
struct Users {
    over: Arc<AtomicBool>,
    tasks: JoinSet<u64>,
}

impl Users {
    /// Six of them: more than the pools of these tests have connections.
    fn of(pool: &PgPool) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        for _ in 0..6 {
            let (pool, over) = (pool.clone(), Arc::clone(&over));
            tasks.spawn(async move {
                let mut asked = 0;
                while !over.load(Ordering::SeqCst) {
                    let answer: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&pool).await.unwrap();
                    assert_eq!(answer, 1);
                    asked += 1;
                }
                asked
            });
        }
        Users { over, tasks }
    }

    /// Lets them end. Returns how often they have asked.
    async fn stop(self) -> u64 {
        self.over.store(true, Ordering::SeqCst);
        self.tasks.join_all().await.into_iter().sum()
    }
}
