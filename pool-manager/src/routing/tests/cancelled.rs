//! Every future of a group, dropped at every await.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use pool_core::fake::Act;

use super::*;

/// Polls the future that `make` makes 0, 1, 2 … times, drops it, and checks that nothing was lost.
async fn drop_at_every_await<T>(prepare: impl Fn(&World), make: impl AsyncFn(&World) -> T) {
    for polls in 0.. {
        assert!(polls < 2_000, "the future never finishes");
        let world = world();
        for server in &world.servers {
            server.connects().always(Act::Slow(ms(30)));
        }
        prepare(&world);
        let finished = {
            let mut future = pin!(make(&world));
            let mut finished = false;
            for _ in 0..polls {
                let polled = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                finished = matches!(polled, Poll::Ready(_));
                if finished {
                    break;
                }
                tokio::time::sleep(ms(25)).await;
            }
            finished
        };
        world.assert_at_rest().await;
        for (pool, server) in world.pools.iter().zip(&world.servers) {
            server.come_back();
            server.connects().always(Act::Succeed);
            tokio::time::sleep(secs(5)).await;
            let mut all = Vec::new();
            for _ in 0..4 {
                all.push(pool.acquire().await.unwrap());
            }
        }
        if finished {
            assert!(polls > 0);
            return;
        }
    }
}

fn replicas_down(world: &World) {
    world.servers[FIRST].go_down();
    world.servers[SECOND].connects().always(Act::Hang);
}

#[tokio::test(start_paused = true)]
async fn a_read_may_be_dropped_while_it_goes_from_member_to_member() {
    drop_at_every_await(|_| {}, async |world| drop(world.group.read().await.unwrap())).await;
    drop_at_every_await(replicas_down, async |world| drop(world.group.read().await.unwrap())).await;
}

#[tokio::test(start_paused = true)]
async fn work_may_be_dropped_while_it_is_run_again() {
    let work = async |world: &World| {
        let mut runs = 0;
        let outcome = world.group.read_with(async |connection: &mut FakeConnection| {
            runs += 1;
            tokio::time::sleep(ms(60)).await;
            if runs < 3 {
                connection.break_it();
                return Err("reset by peer");
            }
            Ok(())
        });
        outcome.await.unwrap();
    };
    drop_at_every_await(|_| {}, work).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_may_be_dropped_while_it_writes_or_reads() {
    drop_at_every_await(
        |world| world.group.set_routing(Routing { read_your_writes: secs(9), ..Routing::default() }),
        async |world| {
            let session = world.group.session();
            let write = session.write().await.unwrap();
            drop((session.read().await.unwrap(), write));
        },
    )
    .await;
}
