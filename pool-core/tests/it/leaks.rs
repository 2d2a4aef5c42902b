//! Group G: connections that are held for too long.

use std::time::Duration;

use pool_core::{CloseReason, Holder, Owner, PoolEvent};

use crate::support::{FakePool, Guard, Recorder, check_at_rest, lazy, ms, pass, secs, settle, start_acquire};

/// Everyone who was reported, in order.
fn leaked(recorder: &Recorder) -> Vec<Holder> {
    pick(recorder, |event| match event {
        PoolEvent::Leaked { holder } => Some(holder),
        _ => None,
    })
}

/// Everyone who was reported and came back, in order.
fn unleaked(recorder: &Recorder) -> Vec<Holder> {
    pick(recorder, |event| match event {
        PoolEvent::Unleaked { holder } => Some(holder),
        _ => None,
    })
}

fn pick(recorder: &Recorder, pick: impl Fn(PoolEvent) -> Option<Holder>) -> Vec<Holder> {
    recorder.events().into_iter().filter_map(pick).collect()
}

/// A pool that reports who holds a connection for more than ten seconds.
fn watched(max: usize, min: usize) -> (FakePool, pool_core::fake::FakeConnector, Recorder) {
    let recorder = Recorder::default();
    let (builder, connector) = lazy(max);
    let pool = builder
        .min_connections(min)
        .leak_detection_threshold(secs(10))
        .observer(recorder.clone())
        .build()
        .unwrap();
    (pool, connector, recorder)
}

// G1: held for longer than the threshold: exactly one report, with call site, task and age.
#[tokio::test(start_paused = true)]
async fn a_connection_held_too_long_is_reported_once_with_its_holder() {
    let (pool, connector, recorder) = watched(2, 0);
    let holder = {
        let pool = pool.clone();
        tokio::spawn(async move {
            let (line, guard) = (line!(), pool.acquire().await.unwrap());
            let id = guard.id();
            tokio::time::sleep(secs(3600)).await;
            drop(guard);
            (line, id, tokio::task::id())
        })
    };
    pass(secs(10) - ms(1)).await;
    assert!(leaked(&recorder).is_empty(), "not yet");
    pass(secs(1) + ms(1)).await;
    let reported = leaked(&recorder);
    assert_eq!(reported.len(), 1, "within one round of housekeeping");
    assert!((secs(10)..=secs(11)).contains(&reported[0].held), "{:?}", reported[0].held);
    assert!(pool.holders()[0].leaked);
    assert_eq!((pool.stats().leaked, pool.counters().leaks), (1, 1));
    let (line, id, task) = holder.await.unwrap();
    assert_eq!(leaked(&recorder).len(), 1, "once, however long it is held");
    let holder = &reported[0];
    assert_eq!((holder.site.file(), holder.site.line()), (file!(), line));
    assert_eq!((holder.connection, holder.owner), (id, Owner::from(task)));
    settle().await;
    check_at_rest(&pool, &connector);
}

// G1: who gives back in time is not reported, however often he comes.
#[tokio::test(start_paused = true)]
async fn who_gives_back_in_time_is_never_reported() {
    let (pool, _connector, recorder) = watched(1, 0);
    for _ in 0..20 {
        let guard = pool.acquire().await.unwrap();
        pass(secs(9)).await;
        drop(guard);
    }
    assert_eq!((leaked(&recorder).len(), unleaked(&recorder).len()), (0, 0));
}

// G2: reported, then returned: told so, the gauge is back at zero, and the connection is used again.
#[tokio::test(start_paused = true)]
async fn a_reported_connection_that_comes_back_is_cleared() {
    let (pool, connector, recorder) = watched(2, 0);
    let guard = pool.acquire().await.unwrap();
    let id = guard.id();
    pass(secs(20)).await;
    assert_eq!((pool.stats().leaked, leaked(&recorder).len()), (1, 1));
    assert!(unleaked(&recorder).is_empty());
    drop(guard);
    let cleared = unleaked(&recorder);
    assert_eq!(cleared.len(), 1);
    assert_eq!((cleared[0].connection, cleared[0].held), (id, secs(20)));
    assert_eq!((pool.stats().leaked, pool.counters().leaks), (0, 1));
    assert_eq!(pool.acquire().await.unwrap().id(), id);
    check_at_rest(&pool, &connector);
}

// G2: the next holder starts afresh, and may be reported again.
#[tokio::test(start_paused = true)]
async fn every_hold_is_judged_by_itself() {
    let (pool, _connector, recorder) = watched(1, 0);
    for round in 1..=3 {
        let guard = pool.acquire().await.unwrap();
        pass(secs(8)).await;
        assert_eq!(leaked(&recorder).len(), round - 1);
        pass(secs(4)).await;
        assert_eq!(leaked(&recorder).len(), round);
        drop(guard);
        assert_eq!((unleaked(&recorder).len(), pool.stats().leaked), (round, 0));
    }
}

// G3: a guard that was forgotten is reported; writing its connection off frees the slot for the next caller.
#[tokio::test(start_paused = true)]
async fn a_forgotten_guard_is_reported_and_its_slot_can_be_freed() {
    let (pool, connector, recorder) = watched(1, 0);
    std::mem::forget(pool.acquire().await.unwrap());
    pass(secs(12)).await;
    let reported = leaked(&recorder);
    assert_eq!(reported.len(), 1);
    let waiter = start_acquire(&pool).await;
    assert!(!waiter.is_finished());
    assert!(pool.abandon(reported[0].connection));
    settle().await;
    let guard = waiter.await.unwrap().unwrap();
    assert_ne!(guard.id(), reported[0].connection);
    assert_eq!((pool.stats().leaked, pool.stats().total, connector.opened()), (0, 1, 2));
    assert_eq!(pool.counters().closed[CloseReason::Abandoned], 1);
    assert!(!pool.abandon(reported[0].connection), "it is gone");
}

// G3: the old handle of a connection that was written off still works, and every way to end it is safe.
#[tokio::test(start_paused = true)]
async fn the_guard_of_a_connection_written_off_ends_safely() {
    type End = fn(Guard);
    let ends: [(&str, End); 4] = [
        ("drop", drop),
        ("discard", Guard::discard),
        ("detach", |guard| drop(guard.detach())),
        ("report", |guard| {
            let error = pool_core::fake::FakeError::new(pool_core::ErrorClass::FatalAll, "gone");
            guard.report(&error);
            drop(guard);
        }),
    ];
    for (way, end) in ends {
        let (pool, connector, _recorder) = watched(1, 1);
        let guard = pool.acquire().await.unwrap();
        let old = guard.id();
        assert!(pool.abandon(old));
        pass(ms(10)).await;
        // Its slot has a new tenant already.
        let tenant = pool.acquire().await.unwrap();
        assert_ne!(tenant.id(), old, "{way}");
        assert_eq!((guard.number(), guard.info().is_none()), (1, true), "{way}");
        end(guard);
        settle().await;
        assert_eq!((pool.stats().active, connector.open_now()), (1, 1), "{way}");
        assert_eq!(pool.counters().flushes, 0, "{way}: an old guard says nothing of the present");
        drop(tenant);
        settle().await;
        check_at_rest(&pool, &connector);
        assert_eq!(pool.acquire().await.unwrap().number(), 2, "{way}");
    }
}

// G3: written off is not come back.
#[tokio::test(start_paused = true)]
async fn writing_a_leak_off_is_not_reported_as_its_return() {
    let (pool, _connector, recorder) = watched(1, 0);
    let guard = pool.acquire().await.unwrap();
    pass(secs(12)).await;
    assert_eq!(leaked(&recorder).len(), 1);
    pool.abandon(guard.id());
    settle().await;
    assert_eq!(pool.stats().leaked, 0);
    assert!(unleaked(&recorder).is_empty(), "nobody gave it back");
}

// G4: an acquire that times out lists who holds connections: the ten oldest, oldest first.
#[tokio::test(start_paused = true)]
async fn a_timeout_lists_the_ten_oldest_holders() {
    let (builder, _connector) = lazy(12);
    let pool = builder.build().unwrap();
    let (mut guards, mut ids) = (Vec::new(), Vec::new());
    for _ in 0..12 {
        let guard = pool.acquire().await.unwrap();
        ids.push(guard.id());
        guards.push(guard);
        pass(secs(1)).await;
    }
    let error = pool.acquire_timeout(secs(1)).await.unwrap_err();
    let holders = &error.diagnosis().holders;
    let listed: Vec<_> = holders.iter().map(|holder| holder.connection).collect();
    assert_eq!(listed, ids[..10]);
    assert_eq!(holders[0].held, secs(13));
    let text = error.to_string();
    for id in &ids[..10] {
        assert!(text.contains(&format!("{id} held ")), "{id} in {text}");
    }
    assert!(!text.contains(&format!("{} held ", ids[10])), "{text}");
}

// G5: a new threshold applies to connections acquired after it.
#[tokio::test(start_paused = true)]
async fn a_new_threshold_applies_to_new_holds() {
    let recorder = Recorder::default();
    let (builder, _connector) = lazy(4);
    let pool = builder.observer(recorder.clone()).build().unwrap();
    let unwatched = pool.acquire().await.unwrap();
    pool.reconfigure(|options| options.leak_detection_threshold = secs(5)).unwrap();
    let (short_line, short) = (line!(), pool.acquire().await.unwrap());
    pool.reconfigure(|options| options.leak_detection_threshold = secs(60)).unwrap();
    let (long_line, long) = (line!(), pool.acquire().await.unwrap());
    pool.reconfigure(|options| options.leak_detection_threshold = Duration::ZERO).unwrap();
    let unwatched_too = pool.acquire().await.unwrap();
    let lines = || leaked(&recorder).iter().map(|holder| holder.site.line()).collect::<Vec<_>>();
    pass(secs(7)).await;
    assert_eq!(lines(), [short_line]);
    pass(secs(50)).await;
    assert_eq!(lines(), [short_line]);
    pass(secs(600)).await;
    assert_eq!(lines(), [short_line, long_line]);
    drop((unwatched, short, long, unwatched_too));
    assert_eq!((unleaked(&recorder).len(), pool.stats().leaked), (2, 0));
}
