//! Members that are down, hang, are busy, closed, and back again.

use pool_core::fake::Act;
use tokio::time::Instant;

use super::*;

/// The server dies, and the pool has noticed.
async fn kill(world: &World, index: usize) {
    world.servers[index].go_down();
    world.pools[index].evict_all();
    assert!(world.pools[index].acquire().await.unwrap_err().is_unavailable());
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_refuses_connects_costs_nobody_an_error() {
    let world = world();
    world.servers[FIRST].go_down();
    assert_eq!(world.readers(50).await, ["second"]);
    let first = world.stats(FIRST);
    assert_eq!((first.failures, first.ejections), (1, 1));
    assert!(first.ejected_for.is_some_and(|time| time <= secs(1)));
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_known_to_be_down_is_not_even_tried() {
    let world = world();
    kill(&world, FIRST).await;
    let begun = Instant::now();
    assert_eq!(world.readers(200).await, ["second"]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(world.stats(FIRST).failures, 0);
}

#[tokio::test(start_paused = true)]
async fn traffic_returns_as_soon_as_the_pool_has_reconnected() {
    let world = world();
    kill(&world, FIRST).await;
    kill(&world, SECOND).await;
    tokio::time::sleep(secs(300)).await;
    assert_eq!(world.readers(50).await, ["primary"], "reads go on there");
    world.servers[FIRST].come_back();
    // No user asks it: the pool's own probes find out, which are two seconds apart by now.
    tokio::time::sleep(ms(2_100)).await;
    assert_eq!(world.readers(50).await, ["first"]);
    world.servers[SECOND].come_back();
    tokio::time::sleep(ms(2_100)).await;
    assert_eq!(world.readers(50).await, ["first", "second"]);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_hangs_uses_up_its_share_of_the_deadline_and_no_more() {
    let world = world();
    world.servers[FIRST].connects().always(Act::Hang);
    world.servers[SECOND].connects().always(Act::Hang);
    let begun = Instant::now();
    let guard = world.group.read().await.unwrap();
    assert_eq!((guard.pool_name(), begun.elapsed()), ("primary", secs(6)), "two thirds of nine seconds");
    drop(guard);
    // By then both connects have timed out.
    tokio::time::sleep(secs(3)).await;
    let begun = Instant::now();
    assert_eq!(world.readers(20).await, ["primary"]);
    assert_eq!(begun.elapsed(), Duration::ZERO);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn three_callers_who_wait_in_vain_have_a_hung_replica_left_out() {
    let world = world();
    world.servers[FIRST].connects().always(Act::Hang);
    let mut waited = 0;
    for _ in 0..40 {
        let begun = Instant::now();
        drop(world.group.acquire_timeout(Access::Read, ms(300)).await.unwrap());
        waited += u32::from(!begun.elapsed().is_zero());
    }
    assert_eq!(waited, 3);
    assert_eq!(world.stats(FIRST).ejections, 1);
}

#[tokio::test(start_paused = true)]
async fn when_everything_hangs_the_deadline_holds_and_the_error_says_who_did_what() {
    let world = world();
    for server in &world.servers {
        server.connects().always(Act::Hang);
    }
    let begun = Instant::now();
    let error = world.group.acquire_timeout(Access::Read, ms(900)).await.unwrap_err();
    assert_eq!(begun.elapsed(), ms(900));
    assert!(error.is_timeout() && error.is_retryable() && !error.is_unavailable());
    let mut asked: Vec<_> = error.tried().iter().map(|attempt| (attempt.role, &*attempt.member)).collect();
    assert_eq!(asked.pop(), Some((Role::Primary, "primary")));
    asked.sort_by_key(|(_, name)| *name);
    assert_eq!(asked, [(Role::Replica, "first"), (Role::Replica, "second")]);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn an_error_names_every_member_that_was_asked_and_its_reason() {
    let world = world();
    let [primary, first, _] = world.members();
    world.group.set_members([primary, first]);
    world.servers[FIRST].connects().always(Act::Hang);
    world.pools[PRIMARY].close(Duration::ZERO).await;
    let error = world.group.acquire_timeout(Access::Read, ms(500)).await.unwrap_err();
    insta::assert_snapshot!(error, @"acquire a connection for reading from group `orders`: no member could serve it (asked 2, waited 250ms); replica `first`: none within 250ms (waited 250ms; total 1 of 4, active 0, idle 0, creating 1, waiting 0); primary `primary`: the pool is closed");
    assert!(error.is_retryable() && !error.is_unavailable() && !error.is_closed());
    world.pools[FIRST].close(Duration::ZERO).await;
    let error = world.group.read().await.unwrap_err();
    assert!(error.is_closed() && !error.is_retryable(), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_busy_replica_is_not_a_broken_one() {
    let world = world_with(|builder| builder.max_connections(1));
    let held = [world.pools[FIRST].acquire().await.unwrap(), world.pools[SECOND].acquire().await.unwrap()];
    for _ in 0..10 {
        drop(world.group.acquire_timeout(Access::Read, ms(90)).await.unwrap());
    }
    assert_eq!(world.stats(FIRST).failures, 10);
    assert_eq!((world.stats(FIRST).ejections, world.stats(SECOND).ejections), (0, 0));
    drop(held);
    assert_eq!(world.readers(50).await, ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn closed_and_paused_members_are_passed_over() {
    let world = world();
    world.pools[FIRST].close(Duration::ZERO).await;
    assert_eq!(world.readers(50).await, ["second"]);
    world.pools[SECOND].pause();
    assert_eq!(world.readers(50).await, ["primary"]);
    world.pools[SECOND].resume();
    assert_eq!(world.readers(50).await, ["second"]);
    assert!(world.group.stats().iter().all(|member| member.failures == 0));
}

#[tokio::test(start_paused = true)]
async fn an_ejection_survives_a_change_of_the_members() {
    let world = world();
    world.servers[FIRST].go_down();
    world.readers(20).await;
    world.servers[FIRST].come_back();
    // The pool reconnects within half a second, and the ejection lasts longer.
    while world.pools[FIRST].outage().is_some() {
        tokio::time::sleep(ms(10)).await;
    }
    assert!(world.stats(FIRST).ejected_for.is_some());
    let [primary, first, second] = world.members();
    world.group.set_members([second.weight(1), first.weight(1_000), primary]);
    assert_eq!(world.readers(20).await, ["second"]);
    tokio::time::sleep(secs(1)).await;
    assert!(world.readers(20).await.contains(&String::from("first")), "and then its weight counts");
}

#[tokio::test(start_paused = true)]
async fn repeated_failures_leave_a_member_out_for_longer_each_time() {
    let world = world();
    world.group.set_routing(Routing { max_ejection_time: secs(3), ..Routing::default() });
    let mut longest = Vec::new();
    for _ in 0..5 {
        // Between two ejections it recovers, but serves nobody before it dies again.
        world.servers[FIRST].come_back();
        let ejected =
            async || world.stats(FIRST).ejected_for.is_some() || world.pools[FIRST].outage().is_some();
        while ejected().await {
            tokio::time::sleep(ms(50)).await;
        }
        world.servers[FIRST].go_down();
        world.pools[FIRST].evict_all();
        world.readers(20).await;
        longest.push(world.stats(FIRST).ejected_for.unwrap());
    }
    for (time, most) in longest.iter().zip([1, 2, 3, 3, 3]) {
        assert!(*time <= secs(most) && *time >= ms(most * 800 - 700), "{longest:?}");
    }
}
