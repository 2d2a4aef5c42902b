//! Work that is run again elsewhere when its connection breaks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use pool_core::fake::Act;
use tokio::time::Instant;

use super::*;

#[tokio::test(start_paused = true)]
async fn twenty_readers_notice_nothing_of_a_replica_that_is_killed_and_comes_back() {
    let world = Arc::new(world());
    let stop = Instant::now() + secs(60);
    let mut readers = Vec::new();
    for _ in 0..20 {
        let world = Arc::clone(&world);
        readers.push(tokio::spawn(async move {
            let mut reads = 0_u64;
            while Instant::now() < stop {
                let begun = Instant::now();
                world.group.read_with(query).await.unwrap();
                assert!(begun.elapsed() <= secs(9) + ms(50));
                reads += 1;
            }
            reads
        }));
    }
    let mut others = Vec::new();
    for (index, down) in [(FIRST, true), (SECOND, true), (FIRST, false), (SECOND, false)] {
        tokio::time::sleep(secs(10)).await;
        let server = &world.servers[index];
        if down {
            server.go_down();
        } else {
            server.come_back();
        }
        // Those who meet the change now are part of the time before.
        tokio::time::sleep(secs(2)).await;
        let before = world.group.stats();
        tokio::time::sleep(secs(3)).await;
        let reads = |index: usize| world.stats(index).reads - before[index].reads;
        others.push([reads(PRIMARY) > 0, reads(FIRST) > 0, reads(SECOND) > 0]);
    }
    assert_eq!(
        others,
        [[false, false, true], [true, false, false], [false, true, false], [false, true, true]],
        "on the other replica; on the primary; back; and back"
    );
    let mut all = 0;
    for reader in readers {
        all += reader.await.unwrap();
    }
    // The connections of two replicas serve eight readers at a time.
    assert!(all > 60 * 400, "{all}");
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn an_error_on_a_connection_that_works_is_the_callers() {
    let world = world();
    let runs = AtomicU32::new(0);
    let outcome = world
        .group
        .read_with(async |_: &mut FakeConnection| {
            runs.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>(FakeError::new(ErrorClass::Transient, "no such table"))
        })
        .await;
    let error = outcome.unwrap_err();
    assert_eq!((error.to_string().as_str(), runs.into_inner()), ("no such table", 1));
    assert!(error.into_work().is_some());
    assert!(world.group.stats().iter().all(|member| member.failures == 0));
}

#[tokio::test(start_paused = true)]
async fn work_that_always_breaks_is_run_once_on_each_member() {
    let world = world();
    let runs = AtomicU32::new(0);
    let outcome = world
        .group
        .read_with(async |connection: &mut FakeConnection| {
            connection.break_it();
            let run = runs.fetch_add(1, Ordering::SeqCst);
            Err::<(), _>(["reset by peer", "broken pipe", "end of file"][run as usize])
        })
        .await;
    let error = outcome.unwrap_err();
    assert_eq!(runs.into_inner(), 3);
    let text = error.to_string().replace("`first`", "`…`").replace("`second`", "`…`");
    insta::assert_snapshot!(text, @"acquire a connection for reading from group `orders`: no member could serve it (asked 3, waited 0ms); replica `…`: the connection broke: reset by peer; replica `…`: the connection broke: broken pipe; primary `primary`: the connection broke: end of file");
    assert!(matches!(error, ReadError::Route(error) if error.is_retryable() && !error.is_unavailable()));
    // One broken connection each is a doubt, and no more.
    assert!(world.group.stats().iter().all(|member| (member.failures, member.ejections) == (1, 0)));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_ends_all_its_connections_is_left_out_at_once() {
    let world = world();
    let broken = AtomicU32::new(0);
    world
        .group
        .read_with(async |connection: &mut FakeConnection| {
            if broken.fetch_add(1, Ordering::SeqCst) == 0 {
                connection.break_all();
                return Err("terminating connection due to administrator command");
            }
            Ok(())
        })
        .await
        .unwrap();
    let ejections: u64 = world.group.stats().iter().map(|member| member.ejections).sum();
    assert_eq!(ejections, 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_does_not_answer_is_left_for_another_if_the_caller_can_tell() {
    let world = world();
    let hung = AtomicU32::new(0);
    let outcome = world
        .group
        .read_with_lost_if(
            |error: &tokio::time::error::Elapsed| error.to_string().contains("deadline"),
            async |connection: &mut FakeConnection| {
                let answer = async {
                    if hung.fetch_add(1, Ordering::SeqCst) == 0 {
                        std::future::pending::<()>().await;
                    }
                    connection.number()
                };
                tokio::time::timeout(secs(1), answer).await
            },
        )
        .await;
    assert_eq!(outcome.unwrap(), 1);
    let closed: u64 = world.servers.iter().map(FakeConnector::closed).sum();
    assert_eq!(closed, 1, "the one that hung is not used again");
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn no_attempt_is_begun_after_the_deadline() {
    let world = world();
    let runs = AtomicU32::new(0);
    let outcome = world
        .group
        .read_with(async |connection: &mut FakeConnection| {
            runs.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(secs(10)).await;
            connection.break_it();
            Err::<(), _>("reset by peer")
        })
        .await;
    assert!(matches!(outcome, Err(ReadError::Route(error)) if error.tried().len() == 1));
    assert_eq!(runs.into_inner(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_panics_when_asked_has_broken_connections() {
    let world = world();
    let [primary, first, _] = world.members();
    world.group.set_members([primary, first]);
    world.servers[FIRST].inspections_panic(true);
    let mut first = true;
    let outcome = world
        .group
        .read_with(
            async |_: &mut FakeConnection| {
                if std::mem::take(&mut first) { Err("no such table") } else { Ok(()) }
            },
        )
        .await;
    outcome.unwrap();
    assert_eq!(world.stats(PRIMARY).reads, 1);
}

#[tokio::test(start_paused = true)]
async fn stale_connections_of_a_dead_replica_do_not_each_cost_a_retry() {
    let world = world_with(|builder| builder.max_connections(50));
    let held = open_all(&world, 50).await;
    drop(held);
    world.servers[FIRST].kill_all();
    world.servers[FIRST].connects().always(Act::Hang);
    for _ in 0..60 {
        world.group.read_with(query).await.unwrap();
    }
    assert_eq!(world.stats(FIRST).failures, 3, "the third in a row is as good as a certainty");
    assert_eq!(world.stats(FIRST).ejections, 1);
}

/// Opens this many connections to each replica.
async fn open_all(world: &World, count: usize) -> Vec<pool_core::Pooled<FakeConnector>> {
    let mut guards = Vec::new();
    for index in [FIRST, SECOND] {
        for _ in 0..count {
            guards.push(world.pools[index].acquire().await.unwrap());
        }
    }
    guards
}
