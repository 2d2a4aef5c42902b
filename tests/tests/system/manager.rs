//! The manager on real servers: what a configuration says of them, they see.

mod health;
mod logins;
mod monitoring;
mod reloads;
mod storm;
mod targets;
mod typed;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pool_config::{Config, Loader};
use pool_core::{ConnectionId, ConnectionInfo, ConnectionState, PoolControl};
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

/// Waits until the pool has an open connection that was begun after this one. Those up to it were drained: they may all be
/// gone the next moment.
async fn until_it_has_one_after(pool: &dyn PoolControl, drained: Option<ConnectionId>) {
    let stays = |connection: &ConnectionInfo| {
        let is_open = matches!(
            connection.state,
            ConnectionState::Idle | ConnectionState::Active | ConnectionState::Validating
        );
        is_open && Some(connection.id) > drained
    };
    until("it has a connection that stays", async || pool.connections().iter().any(stays)).await;
}

/// The last connection that a pool has begun.
fn newest(pool: &dyn PoolControl) -> Option<ConnectionId> {
    pool.connections().iter().map(|connection| connection.id).max()
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
