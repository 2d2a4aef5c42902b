//! Watching and steering a pool at run time, with its type and without.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pool_core::fake::{Act, FakeConnection};
use pool_core::{
    AcquireError, CloseReason, ConnectionPool, ConnectionState, Owner, PoolControl, PoolCounters, PoolEvent,
    PoolOptions, Reuse, WarmUpError,
};
use tokio::time::Instant;

use crate::support::{
    FakePool, Guard, Recorder, Timeline, check_at_rest, check_snapshot, hold, lazy, ms, pass, secs, settle,
    start, start_acquire,
};

fn closed(pool: &FakePool, reason: CloseReason) -> u64 {
    pool.counters().closed[reason]
}

// Requirement A1: everything about a pool but its connections can be done through an object.
#[tokio::test(start_paused = true)]
async fn a_pool_is_watched_and_steered_without_its_type() {
    let (builder, connector) = lazy(4);
    let pool = builder.name("orders").min_connections(2).build().unwrap();
    let object: Arc<dyn PoolControl> = Arc::new(pool.clone());
    object.warm_up().await.unwrap();
    assert_eq!((object.name(), object.target().unwrap().to_string().as_str()), ("orders", "fake:///memory"));
    let report = object.check().await.unwrap();
    assert_eq!((report.connection, report.took), (object.connections()[0].id, Duration::ZERO));
    let (line, guard) = (line!(), pool.acquire().await.unwrap());
    assert_eq!(
        (object.snapshot(), object.stats(), object.counters()),
        (pool.snapshot(), pool.stats(), pool.counters())
    );
    assert_eq!((object.holders().len(), object.holders()[0].site.line()), (1, line));
    assert!(object.outage().is_none() && object.last_connect_failure().is_none());
    assert!(!object.is_closed() && !object.is_paused());

    object.resize(3).unwrap();
    assert!(object.resize(1).is_err());
    let options = PoolOptions { max_uses: 7, ..object.options() };
    object.set_options(options.clone()).unwrap();
    assert_eq!((object.options(), pool.options().max_connections, pool.options().max_uses), (options, 3, 7));
    object.pause();
    assert!(object.is_paused() && pool.is_paused());
    object.resume();
    assert!(!object.is_paused());
    object.reset_stats();
    assert_eq!(object.counters(), PoolCounters::default());

    assert_eq!(object.evict_expired(), 0);
    assert_eq!(object.evict_invalid(), 1);
    settle().await;
    assert_eq!(object.counters().validations, 1);
    assert!(object.evict(guard.id()) && object.abandon(guard.id()));
    assert_eq!(object.evict_idle(), 1);
    object.evict_all();
    drop(guard);
    settle().await;
    assert_eq!((object.stats().idle, connector.opened()), (2, 4), "refilled");
    assert!(object.close(secs(1)).await.is_complete());
    assert!(object.is_closed() && pool.is_closed());
}

/// Code that knows nothing of the pool but the type of its connections.
async fn use_twice<P>(pool: &P) -> Result<(u64, P::Guard, u32), AcquireError>
where
    P: ConnectionPool<Connection = FakeConnection>,
{
    let first = pool.acquire().await?;
    let number = first.number();
    drop(first);
    assert!(pool.try_acquire()?.is_some_and(|guard| guard.number() == number));
    let (line, second) = (line!(), pool.acquire_timeout(secs(1)).await?);
    Ok((number, second, line))
}

// Requirement A1: code can be generic over pools; the holder it names is the line in that code.
#[tokio::test(start_paused = true)]
async fn generic_code_acquires_and_is_named_as_the_holder() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    let (number, guard, line) = use_twice(&pool).await.unwrap();
    assert_eq!((number, guard.number()), (1, 1));
    let holder = &pool.holders()[0];
    assert_eq!((holder.site.file(), holder.site.line()), (file!(), line));
    drop(guard);
    pool.close(secs(1)).await;
    assert!(use_twice(&pool).await.err().unwrap().is_closed());
    check_at_rest(&pool, &connector);
}

// Requirement A11: any options can be replaced at once, and they apply at once.
#[tokio::test(start_paused = true)]
async fn new_options_apply_at_once() {
    let (builder, connector) = lazy(10);
    let pool = builder.build().unwrap();
    assert_eq!(pool.stats().total, 0);
    pool.reconfigure(|options| options.min_connections = 4).unwrap();
    settle().await;
    assert_eq!((pool.stats().idle, pool.stats().min), (4, 4), "a higher floor is reached unasked");
    pool.reconfigure(|options| {
        options.min_idle = 2;
        options.max_waiting = 1;
        options.acquire_timeout = secs(2);
    })
    .unwrap();
    let guards = hold(&pool, 4).await;
    settle().await;
    assert_eq!(pool.stats().idle, 2, "two on top of the busy ones");
    pool.resize(4).unwrap();
    settle().await;
    assert_eq!((pool.stats().total, pool.stats().max), (4, 4), "idle ones over the limit go now");
    let begun = Instant::now();
    let waiter = start_acquire(&pool).await;
    assert!(pool.acquire().await.unwrap_err().is_queue_full());
    // Who waits keeps the deadline he came with.
    pool.reconfigure(|options| options.acquire_timeout = secs(60)).unwrap();
    assert!(waiter.await.unwrap().unwrap_err().is_timeout());
    assert_eq!(begun.elapsed(), secs(2));
    pool.reconfigure(|options| options.reuse = Reuse::Fifo).unwrap();
    let ids: Vec<_> = guards.iter().map(Guard::id).collect();
    for guard in guards {
        drop(guard);
        pass(ms(1)).await;
    }
    assert_eq!(pool.acquire().await.unwrap().id(), ids[0], "the one unused for longest");
    check_at_rest(&pool, &connector);
}

// F11: an invalid change changes nothing, however much of it is valid, and names all that is not.
#[tokio::test(start_paused = true)]
async fn an_invalid_change_changes_nothing() {
    let recorder = Recorder::default();
    let (builder, _connector) = lazy(4);
    let pool = builder.observer(recorder.clone()).build().unwrap();
    let before = pool.options();
    let error = pool
        .reconfigure(|options| {
            options.max_uses = 9;
            options.min_connections = 5;
            options.connect_timeout = Duration::ZERO;
            options.lifetime_jitter = 0.9;
        })
        .unwrap_err();
    let named: Vec<_> = error.problems.iter().map(|problem| problem.option).collect();
    assert_eq!(named, ["min_connections", "lifetime_jitter", "connect_timeout"]);
    assert_eq!(pool.options(), before);
    assert_eq!(recorder.count(|event| matches!(event, PoolEvent::Reconfigured)), 0);
    pool.reconfigure(|options| options.max_uses = 9).unwrap();
    assert_eq!(recorder.count(|event| matches!(event, PoolEvent::Reconfigured)), 1);
}

// Promise 13: changes by several threads at once are all kept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_several_threads_are_all_kept() {
    let (builder, _connector) = lazy(10);
    let pool = builder.build().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                for _ in 0..500 {
                    pool.resize(pool.options().max_connections.max(1)).unwrap();
                    pool.reconfigure(|options| options.max_uses += 1).unwrap();
                }
            });
            scope.spawn(|| {
                for _ in 0..500 {
                    pool.reconfigure(|options| {
                        options.max_waiting += 1;
                        options.max_retries += 1;
                    })
                    .unwrap();
                }
            });
        }
    });
    let options = pool.options();
    assert_eq!((options.max_uses, options.max_waiting, options.max_retries), (1_000, 1_000, 1_003));
}

// F14, promise 13: a shorter maintenance_interval applies at once, and is not taken for starvation.
#[tokio::test(start_paused = true)]
async fn a_shorter_maintenance_interval_applies_at_once_and_accuses_nobody() {
    let timeline = Timeline::new();
    let (builder, _connector) = lazy(4);
    let pool = builder
        .min_connections(2)
        .maintenance_interval(secs(600))
        .observer(timeline.clone())
        .build()
        .unwrap();
    pool.warm_up().await.unwrap();
    pass(secs(60)).await;
    pool.reconfigure(|options| options.maintenance_interval = secs(1)).unwrap();
    pass(secs(5)).await;
    let rounds = timeline.times(|event| matches!(event, PoolEvent::StatsUpdated { .. })).len();
    assert!((4..=6).contains(&rounds), "{rounds} rounds in five seconds");
    assert!(timeline.times(|event| matches!(event, PoolEvent::Starved { .. })).is_empty());
}

// F1, promise 8: a new max_lifetime applies to the connections there are, to zero and back.
#[tokio::test(start_paused = true)]
async fn a_new_lifetime_applies_to_the_living() {
    let (builder, connector) = lazy(4);
    let pool = builder
        .min_connections(4)
        .max_lifetime(secs(60))
        .lifetime_jitter(0.0)
        .keepalive_interval(Duration::ZERO)
        .build()
        .unwrap();
    pool.warm_up().await.unwrap();
    pool.reconfigure(|options| options.max_lifetime = Duration::ZERO).unwrap();
    pass(secs(600)).await;
    assert_eq!(connector.opened(), 4, "any age");
    pool.reconfigure(|options| options.max_lifetime = secs(400)).unwrap();
    pass(secs(2)).await;
    assert_eq!(closed(&pool, CloseReason::MaxLifetime), 1, "overdue, but one after another");
    pass(secs(310)).await;
    assert_eq!(closed(&pool, CloseReason::MaxLifetime), 4);
    check_at_rest(&pool, &connector);
}

// Promise 13: one connection is evicted: an idle one now, a busy one on its return, one being opened on its
// arrival, one that is leaving or gone not at all.
#[tokio::test(start_paused = true)]
async fn one_connection_can_be_evicted_whatever_it_does() {
    let (builder, connector) = lazy(4);
    let pool = builder.build().unwrap();
    let mut guards = hold(&pool, 2).await;
    let (busy, idle) = (guards[0].id(), guards[1].id());
    drop(guards.pop());
    connector.closes().next(Act::Slow(secs(1)));
    assert!(pool.evict(idle));
    settle().await;
    assert_eq!(pool.stats().destroying, 1);
    assert!(!pool.evict(idle), "it is leaving");
    assert!(pool.evict(busy));
    assert_eq!(pool.stats().active, 1, "its holder may finish");
    drop(guards);
    pass(secs(1)).await;
    assert_eq!((closed(&pool, CloseReason::Evicted), connector.open_now()), (2, 0));
    assert!(!pool.evict(busy), "it is gone");

    connector.connects().next(Act::Slow(ms(10)));
    let waiter = start_acquire(&pool).await;
    let infos = pool.connections();
    assert_eq!((infos.len(), infos[0].state), (1, ConnectionState::Creating));
    assert!(pool.evict(infos[0].id));
    let guard = waiter.await.unwrap().unwrap();
    assert_ne!(guard.id(), infos[0].id);
    settle().await;
    assert_eq!(closed(&pool, CloseReason::Evicted), 3);
    drop(guard);
    check_at_rest(&pool, &connector);
}

// Promise 13: all idle ones, and only these; the floor is refilled.
#[tokio::test(start_paused = true)]
async fn all_idle_connections_can_be_evicted() {
    let (builder, connector) = lazy(5);
    let pool = builder.min_connections(3).build().unwrap();
    let mut guards = hold(&pool, 5).await;
    let kept = guards.pop().unwrap();
    drop(guards);
    assert_eq!(pool.evict_idle(), 4);
    settle().await;
    assert_eq!((pool.stats().active, pool.stats().idle, connector.opened()), (1, 2, 7));
    assert_eq!(connector.closes().calls(), 4, "each with a goodbye");
    let id = kept.id();
    drop(kept);
    assert!(pool.connections().iter().any(|info| info.id == id), "the busy one was not meant");
    check_at_rest(&pool, &connector);
}

// Promise 13: those that are too old, before housekeeping comes round.
#[tokio::test(start_paused = true)]
async fn expired_connections_can_be_evicted() {
    let (builder, _connector) = lazy(4);
    let pool =
        builder.max_lifetime(secs(100)).lifetime_jitter(0.0).idle_timeout(Duration::ZERO).build().unwrap();
    drop(hold(&pool, 4).await);
    pass(secs(1)).await;
    assert_eq!(pool.evict_expired(), 0);
    // Their dates are 25 s apart. The clock jumps, so that the keeper has not run since.
    tokio::time::advance(secs(129)).await;
    assert_eq!(pool.evict_expired(), 2);
    settle().await;
    assert_eq!((closed(&pool, CloseReason::MaxLifetime), pool.stats().idle), (2, 2));
}

// Promise 13: those that do not answer; the others stay.
#[tokio::test(start_paused = true)]
async fn invalid_connections_can_be_evicted() {
    let (builder, connector) = lazy(4);
    let pool = builder.build().unwrap();
    drop(hold(&pool, 4).await);
    let no = Act::FailAs(pool_core::ErrorClass::FatalThis, "no");
    connector.validations().next(Act::Succeed).next(no).next(Act::Slow(secs(1)));
    assert_eq!(pool.evict_invalid(), 4);
    assert_eq!((pool.stats().validating, pool.stats().idle), (4, 0));
    pass(secs(2)).await;
    assert_eq!((pool.stats().idle, closed(&pool, CloseReason::ValidationFailed)), (3, 1));
    assert_eq!(connector.closes().calls(), 0, "a dead one is dropped without a goodbye");
    check_at_rest(&pool, &connector);
}

// Requirement A1: warm_up returns when the minimum is open, at once if it is already, and with an error at its deadline.
#[tokio::test(start_paused = true)]
async fn warm_up_waits_for_the_minimum() {
    let (builder, connector) = lazy(6);
    connector.connects().always(Act::Slow(ms(100)));
    let pool = builder.min_connections(5).acquire_timeout(secs(3)).build().unwrap();
    let begun = Instant::now();
    let (one, two) = tokio::join!(pool.warm_up(), pool.warm_up());
    one.and(two).unwrap();
    assert_eq!((begun.elapsed(), pool.stats().idle), (ms(300), 5), "two at a time");
    pool.warm_up().await.unwrap();
    assert_eq!(begun.elapsed(), ms(300));
    // Busy ones count.
    let guards = hold(&pool, 5).await;
    pool.warm_up().await.unwrap();
    assert_eq!(begun.elapsed(), ms(300));
    drop(guards);

    connector.connects().always(Act::Slow(secs(3_600)));
    pool.reconfigure(|options| options.min_connections = 6).unwrap();
    let error = pool.warm_up().await.unwrap_err();
    assert!(matches!(error, WarmUpError::Timeout(_)), "{error}");
    assert_eq!((begun.elapsed(), error.diagnosis().waited), (ms(3_300), secs(3)));
    let waiting = {
        let pool = pool.clone();
        start(async move { pool.warm_up().await }).await
    };
    pool.close(secs(1)).await;
    assert!(matches!(waiting.await.unwrap().unwrap_err(), WarmUpError::Closed(_)));
    let (builder, _connector) = lazy(6);
    builder.build().unwrap().warm_up().await.unwrap();
}

// Requirement A1: check validates even what was used a moment ago, goes before callers in line, and says what is wrong.
#[tokio::test(start_paused = true)]
async fn a_check_validates_and_goes_first() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    let guard = pool.acquire().await.unwrap();
    let id = guard.id();
    let waiter = start_acquire(&pool).await;
    let check = {
        let pool = pool.clone();
        start(async move { pool.check().await }).await
    };
    connector.validations().next(Act::Slow(ms(30)));
    pass(ms(100)).await;
    drop(guard);
    let report = check.await.unwrap().unwrap();
    assert_eq!((report.connection, report.took), (id, ms(130)));
    assert_eq!(connector.validations().calls(), 1);
    drop(waiter.await.unwrap().unwrap());
    connector.go_down();
    let error = pool.check().await.unwrap_err();
    assert!(error.is_unavailable(), "{error}");
    assert!(error.to_string().contains("connection refused"), "{error}");
}

// Requirements A3, A4, B5: gauges, counters, connections and holders tell the same story.
#[tokio::test(start_paused = true)]
async fn a_snapshot_tells_what_happened() {
    let (builder, connector) = lazy(4);
    connector.connects().always(Act::Slow(ms(100)));
    let pool = builder.connect_concurrency(1).build().unwrap();
    let (line, first) = (line!(), pool.acquire().await.unwrap());
    pass(secs(1)).await;
    let second = pool.acquire().await.unwrap();
    pass(secs(2)).await;
    let id = second.id();
    drop(second);
    pass(secs(4)).await;
    let snapshot = pool.snapshot();
    check_snapshot(&snapshot);
    let (stats, counters) = (snapshot.stats, snapshot.counters);
    assert_eq!((stats.total, stats.idle, stats.active, stats.open(), stats.healthy()), (2, 1, 1, 2, 2));
    assert_eq!((stats.max, stats.min, stats.utilization()), (4, 0, 0.25));
    assert_eq!((counters.requests, counters.acquired, counters.released, counters.created), (2, 2, 1, 2));
    assert_eq!((counters.wait_time, counters.average_wait_time()), (ms(200), ms(100)));
    assert_eq!((counters.connect_time, counters.average_connect_time()), (ms(200), ms(100)));
    assert_eq!((counters.use_time, counters.average_use_time()), (secs(2), secs(2)));
    assert_eq!((counters.last_created, counters.last_acquired), (Some(secs(6)), Some(secs(6))));
    assert_eq!((counters.last_released, counters.last_destroyed), (Some(secs(4)), None));
    assert_eq!(counters.connect_failure_rate(), 0.0);

    let infos = pool.connections();
    assert_eq!((infos[0].id, infos[1].id), (first.id(), id));
    let held = &infos[0];
    assert_eq!(
        (held.state, held.age, held.idle, held.uses),
        (ConnectionState::Active, ms(7_100), Duration::ZERO, 1)
    );
    assert_eq!(held.holder, Some(pool.holders()[0].clone()));
    let free = &infos[1];
    assert_eq!((free.state, free.age, free.idle), (ConnectionState::Idle, secs(6), secs(4)));
    assert_eq!((free.uses, free.used, &free.holder), (1, secs(2), &None));
    assert!(free.is_expired(secs(3)) && !free.is_expired(secs(4)));
    let holder = &pool.holders()[0];
    assert_eq!((holder.connection, holder.held, holder.leaked), (first.id(), ms(7_100), false));
    assert_eq!((holder.site.file(), holder.site.line()), (file!(), line));
    assert_eq!(holder.owner, Owner::from(std::thread::current().id()), "the test's body is no task");

    pool.evict(id);
    settle().await;
    let counters = pool.counters();
    assert_eq!((counters.lifetime, counters.average_lifetime()), (secs(6), secs(6)));
    // Granted as soon as they were opened, so that only the last spell had a length.
    assert_eq!((counters.idle_time, counters.idle_spells), (secs(4), 3));
    assert_eq!(counters.last_destroyed, Some(Duration::ZERO));
}

// Requirement A4: holders are listed oldest first, those that were granted a connection and have not run included.
#[tokio::test(start_paused = true)]
async fn holders_are_listed_oldest_first() {
    let (builder, _connector) = lazy(3);
    let pool = builder.build().unwrap();
    let mut guards = Vec::new();
    for _ in 0..3 {
        guards.push(pool.acquire().await.unwrap());
        pass(secs(1)).await;
    }
    // The oldest returns and takes again: now it is the youngest.
    drop(guards.remove(0));
    guards.push(pool.acquire().await.unwrap());
    let listed: Vec<_> = pool.holders().iter().map(|holder| holder.connection).collect();
    assert_eq!(listed, guards.iter().map(Guard::id).collect::<Vec<_>>());
}

// A12: counters are zeroed at once; callers inside an acquire count as requests of the
// new period; gauges stay.
#[tokio::test(start_paused = true)]
async fn a_reset_zeroes_every_counter_and_no_gauge() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    let guard = pool.acquire().await.unwrap();
    assert!(pool.try_acquire().unwrap().is_none());
    let waiters = [start_acquire(&pool).await, start_acquire(&pool).await];
    let gauges = pool.stats();
    pool.reset_stats();
    let mut expected = PoolCounters::default();
    expected.requests = 2;
    assert_eq!(pool.counters(), expected, "two are waiting");
    assert_eq!(pool.stats(), gauges);
    drop(guard);
    for waiter in waiters {
        drop(waiter.await.unwrap().unwrap());
    }
    let counters = pool.counters();
    assert_eq!((counters.requests, counters.acquired, counters.released), (2, 2, 3));
    pass(secs(1)).await;
    // One in the middle of a validation.
    connector.validations().next(Act::Slow(secs(1)));
    let validating = start_acquire(&pool).await;
    pool.reset_stats();
    assert_eq!(pool.counters().requests, 1);
    validating.await.unwrap().unwrap();
    assert_eq!((pool.counters().acquired, pool.counters().validations), (1, 1));
}

// A12: resets in the middle of heavy use: every snapshot adds up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_under_load_lose_no_count() {
    let (builder, _connector) = lazy(2);
    let pool = builder.build().unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for _ in 0..6 {
        let (pool, over) = (pool.clone(), Arc::clone(&over));
        tasks.push(tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let guard = pool.acquire().await.unwrap();
                tokio::task::yield_now().await;
                drop(guard);
            }
        }));
    }
    for round in 0..5_000 {
        if round % 3 == 0 {
            pool.reset_stats();
        }
        let snapshot = pool.snapshot();
        let (stats, counters) = (&snapshot.stats, &snapshot.counters);
        assert_eq!(counters.requests, counters.finished() + stats.pending as u64, "{snapshot:?}");
        if round % 10 == 0 {
            tokio::task::yield_now().await;
        }
    }
    over.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    pool.reset_stats();
    let mut counters = pool.counters();
    // The time that they count in has begun.
    counters.elapsed = Duration::ZERO;
    assert_eq!(counters, PoolCounters::default());
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_the_queue_is_changed_alone() {
    let (builder, _connector) = lazy(2);
    let pool = builder.build().unwrap();
    let control: &dyn PoolControl = &pool;
    let before = control.options();
    control.set_max_waiting(7).unwrap();
    assert_eq!(control.options(), PoolOptions { max_waiting: 7, ..before.clone() });
    control.set_max_waiting(0).unwrap();
    assert_eq!(control.options(), before);
}
