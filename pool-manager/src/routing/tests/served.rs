//! Who serves whom while everybody is well.

use super::*;

#[tokio::test(start_paused = true)]
async fn writes_go_to_the_primary_and_reads_to_the_replicas() {
    let world = world();
    for _ in 0..20 {
        assert_eq!(world.group.write().await.unwrap().pool_name(), "primary");
    }
    assert_eq!(world.readers(100).await, ["first", "second"]);
    assert_ne!(world.group.analytics().await.unwrap().pool_name(), "primary");
    assert_eq!(world.group.stats().iter().map(|member| member.analytics).sum::<u64>(), 1);
    let counts =
        world.group.stats().iter().map(|member| (member.writes, member.reads > 20)).collect::<Vec<_>>();
    assert_eq!(counts, [(20, false), (0, true), (0, true)]);
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn the_members_with_emptier_pools_are_asked() {
    let world = world();
    let held = [world.pools[FIRST].acquire().await.unwrap(), world.pools[FIRST].acquire().await.unwrap()];
    assert_eq!(world.readers(50).await, ["second"]);
    drop(held);
    assert_eq!(world.readers(50).await, ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn shares_follow_weights_that_may_change_at_any_time() {
    let world = world();
    for (weight, due) in [(100, 0.5), (300, 0.75), (33, 0.25)] {
        let [primary, first, second] = world.members();
        world.group.set_members([primary, first, second.weight(weight)]);
        assert_eq!(world.group.members()[SECOND].weight, weight);
        let before = world.stats(SECOND).reads;
        world.readers(4_000).await;
        let share = (world.stats(SECOND).reads - before) as f64 / 4_000.0;
        assert!((share - due).abs() < 0.06, "weight {weight}: {share}");
    }
    let shares: f64 = world.group.stats().iter().map(|member| member.share).sum();
    assert!((shares - 1.0).abs() < 1e-9);
}

#[tokio::test(start_paused = true)]
async fn a_group_without_replicas_reads_from_its_primary() {
    let world = world();
    let [primary, ..] = world.members();
    world.group.set_members([primary]);
    assert_eq!(world.readers(10).await, ["primary"]);
    assert_eq!(world.group.analytics().await.unwrap().pool_name(), "primary");
}

#[tokio::test(start_paused = true)]
async fn a_group_that_has_nobody_for_it_says_so() {
    let world = world();
    let [_, first, _] = world.members();
    world.group.set_members([first]);
    let error = world.group.write().await.unwrap_err();
    insta::assert_snapshot!(error, @"acquire a connection for writing from group `orders`: it has no member in the role primary");
    assert!(!error.is_retryable() && !error.is_timeout());
    world.group.set_members([]);
    let error = world.group.analytics().await.unwrap_err();
    insta::assert_snapshot!(error, @"acquire a connection for analytics from group `orders`: it has no member in the role analytics or replica or primary");
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_put_down_to_the_line_that_asked_the_group() {
    let world = world();
    let holder = |guard: &pool_core::Pooled<FakeConnector>| guard.info().unwrap().holder.unwrap().site;
    let (guard, line) = (world.group.read().await.unwrap(), line!());
    assert_eq!((holder(&guard).file(), holder(&guard).line()), (file!(), line));
    let session = world.group.session();
    let (guard, line) = (session.read().await.unwrap(), line!());
    assert_eq!((holder(&guard).file(), holder(&guard).line()), (file!(), line));
    let (guard, line) = (session.write().await.unwrap().into_pooled(), line!());
    assert_eq!((holder(&guard).file(), holder(&guard).line()), (file!(), line));

    let work = async |_: &mut FakeConnection| {
        let holders = [world.pools[FIRST].holders(), world.pools[SECOND].holders()].concat();
        Ok::<_, FakeError>(holders.into_iter().map(|holder| holder.site.line()).collect::<Vec<_>>())
    };
    let (lines, line) = (world.group.read_with(work).await.unwrap(), line!());
    assert!(lines.contains(&line), "{lines:?}, not {line}");
}

#[tokio::test(start_paused = true)]
async fn a_session_reads_what_it_has_written() {
    let world = world();
    let rules = Routing { read_your_writes: secs(2), ..Routing::default() };
    world.group.set_routing(rules.clone());
    let (session, other) = (world.group.session(), world.group.session());
    let reader =
        async |session: &Session<FakeConnector>| session.read().await.unwrap().pool_name().to_owned();
    assert_ne!(reader(&session).await, "primary");

    let write = session.write().await.unwrap();
    tokio::time::sleep(secs(10)).await;
    assert_eq!(reader(&session.clone()).await, "primary", "while it writes");
    drop(write);
    tokio::time::sleep(ms(1_990)).await;
    assert_eq!(reader(&session).await, "primary", "and for two seconds afterwards");
    assert_ne!(reader(&other).await, "primary", "other sessions are not concerned");
    tokio::time::sleep(ms(20)).await;
    assert_ne!(reader(&session).await, "primary");
    let primary = world.stats(PRIMARY);
    assert_eq!((primary.reads, primary.writes), (2, 1));

    drop(session.write().await.unwrap());
    world.servers[PRIMARY].go_down();
    world.pools[PRIMARY].evict_all();
    let error = session.read().await.unwrap_err();
    assert_eq!(error.tried().len(), 1, "a replica might not have it: {error}");
    world.servers[PRIMARY].come_back();

    world.group.set_routing(Routing { read_your_writes: Duration::ZERO, ..rules });
    assert!(!session.reads_from_primary(), "off");
    world.assert_at_rest().await;
}

#[tokio::test(start_paused = true)]
async fn a_fallback_takes_over_when_there_is_no_connection() {
    let world = world();
    let fallback = async |error: RouteError| error.tried().len();
    let acquired = acquire_or_degrade(world.group.read(), fallback).await;
    assert!(acquired.connection().is_some());
    world.servers.iter().for_each(FakeConnector::go_down);
    for pool in &world.pools {
        pool.evict_all();
    }
    match acquire_or_degrade(world.group.acquire_timeout(Access::Read, ms(90)), fallback).await {
        Acquired::Fallback(tried) => assert_eq!(tried, 3),
        Acquired::Connection(guard) => panic!("{guard:?}"),
    }
}
