//! Groups of pools that lead nowhere, on a paused clock.

mod cancelled;
mod failing;
mod retried;
mod served;

use std::time::Duration;

use pool_config::{Role, Routing};
use pool_core::fake::{FakeConnection, FakeConnector, FakeError};
use pool_core::{ErrorClass, Pool, PoolBuilder};

use super::*;

/// A group with its pools, and the servers these lead to.
struct World {
    group: Group<FakeConnector>,
    pools: Vec<Pool<FakeConnector>>,
    servers: Vec<FakeConnector>,
}

const PRIMARY: usize = 0;
const FIRST: usize = 1;
const SECOND: usize = 2;

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A primary and two replicas with pools of four connections, which are opened when they are wanted.
fn world() -> World {
    world_with(|builder| builder)
}

fn world_with(change: impl Fn(PoolBuilder<FakeConnector>) -> PoolBuilder<FakeConnector>) -> World {
    let servers = vec![FakeConnector::new(), FakeConnector::new(), FakeConnector::new()];
    let pools: Vec<_> = servers
        .iter()
        .zip(["primary", "first", "second"])
        .map(|(server, name)| {
            let builder = Pool::builder(server.clone()).name(name).max_connections(4).min_connections(0);
            change(builder.acquire_timeout(secs(9))).build().unwrap()
        })
        .collect();
    let group = Group::new("orders");
    let world = World { group, pools, servers };
    world.group.set_members(world.members());
    world
}

impl World {
    fn members(&self) -> [Member<FakeConnector>; 3] {
        let pool = |index: usize| self.pools[index].clone();
        [Member::primary(pool(PRIMARY)), Member::replica(pool(FIRST)), Member::replica(pool(SECOND))]
    }

    /// The names of the members that serve so many reads, one after the other; each name once.
    async fn readers(&self, reads: usize) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..reads {
            names.push(self.group.read().await.unwrap().pool_name().to_owned());
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    fn stats(&self, index: usize) -> MemberStats {
        self.group.stats().swap_remove(index)
    }

    /// Nothing is held, nobody waits, and every connection that was opened is accounted for.
    async fn assert_at_rest(&self) {
        tokio::time::sleep(secs(20)).await;
        for (pool, server) in self.pools.iter().zip(&self.servers) {
            let stats = pool.stats();
            assert_eq!((stats.active, stats.waiting, stats.pending), (0, 0, 0), "{}", pool.name());
            assert_eq!(stats.open(), server.open_now(), "{}", pool.name());
        }
    }
}

/// A query of two milliseconds. On a dead server it breaks the connection.
async fn query(connection: &mut FakeConnection) -> Result<u64, FakeError> {
    tokio::time::sleep(ms(2)).await;
    if connection.is_killed() {
        connection.break_it();
        return Err(FakeError::new(ErrorClass::FatalThis, "connection reset by peer"));
    }
    Ok(connection.number())
}
