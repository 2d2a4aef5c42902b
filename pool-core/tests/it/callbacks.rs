//! Group J, code of others: observers, plain functions and wakers that panic, block or call back.

use std::collections::HashSet;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pool_core::fake::Act;
use pool_core::{Observer, PoolEvent};
use tokio::runtime::Builder;

use crate::support::{FakePool, Recorder, alone, check_at_rest, lazy, pass, secs, settle, start_acquire};

/// An observer that panics at the events it is told to.
struct Faint(fn(&PoolEvent) -> bool);

impl Observer for Faint {
    fn event(&self, _pool: &str, event: &PoolEvent) {
        assert!(!(self.0)(event), "the observer faints");
    }
}

/// Calls a function for every event.
struct Call<F>(F);

impl<F: Fn(&PoolEvent) + Send + Sync + 'static> Observer for Call<F> {
    fn event(&self, _pool: &str, event: &PoolEvent) {
        (self.0)(event);
    }
}

// J1: an observer that panics: counted, told to the others, who hear everything, before it and after it.
#[tokio::test(start_paused = true)]
async fn a_panicking_observer_keeps_nothing_from_the_others() {
    let (before, after) = (Recorder::default(), Recorder::default());
    let (builder, connector) = lazy(2);
    let pool = builder
        .observer(before.clone())
        .observer(Faint(|event| matches!(event, PoolEvent::Acquired { .. } | PoolEvent::Released { .. })))
        .observer(after.clone())
        .build()
        .unwrap();
    for _ in 0..5 {
        drop(pool.acquire().await.unwrap());
    }
    settle().await;
    assert_eq!(pool.counters().panics, 10);
    for recorder in [before, after] {
        assert_eq!(recorder.count(|event| matches!(event, PoolEvent::Acquired { .. })), 5);
        assert_eq!(recorder.count(|event| matches!(event, PoolEvent::Released { .. })), 5);
        let told = recorder.count(|event| {
            matches!(event, PoolEvent::Panicked { place: "observer", message } if message == "the observer faints")
        });
        assert_eq!(told, 10);
    }
    check_at_rest(&pool, &connector);
}

// J1: an observer that panics at everything, in callers and in the keeper, through a whole life.
#[tokio::test(start_paused = true)]
async fn an_observer_that_always_panics_does_not_disturb_the_pool() {
    let (builder, connector) = lazy(3);
    let pool = builder
        .min_connections(1)
        .leak_detection_threshold(secs(5))
        .observer(Faint(|_| true))
        .build()
        .unwrap();
    connector.connects().next(Act::Fail("refused"));
    let guard = pool.acquire().await.unwrap();
    pass(secs(10)).await;
    drop(guard);
    connector.kill_all();
    pass(secs(1)).await;
    assert_eq!(pool.acquire().await.unwrap().number(), 2);
    connector.go_down();
    pass(secs(1)).await;
    assert!(pool.acquire().await.unwrap_err().is_unavailable());
    connector.come_back();
    pass(secs(1)).await;
    assert_eq!(pool.stats().idle, 1);
    assert!(pool.counters().panics > 10, "{}", pool.counters().panics);
    assert!(pool.close(secs(1)).await.is_complete());
}

// J1: the same for plain functions.
#[tokio::test(start_paused = true)]
async fn panicking_closures_are_caught_and_the_others_called() {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let calls = Arc::clone(&calls);
        move || calls.lock().unwrap().push(what)
    };
    let (acquired, released, error) = (note("acquired"), note("released"), note("error"));
    let (builder, connector) = lazy(1);
    let pool = builder
        .on_acquired(|_, _| panic!("no"))
        .on_released(|_, _| panic!("no"))
        .on_error(|_, _| panic!("no"))
        .on_acquired(move |_, _| acquired())
        .on_released(move |_, _| released())
        .on_error(move |_, message| {
            if !message.contains("caught a panic") {
                error();
            }
        })
        .build()
        .unwrap();
    drop(pool.acquire().await.unwrap());
    assert!(pool.acquire_timeout(Duration::ZERO).await.is_err());
    assert_eq!(*calls.lock().unwrap(), ["acquired", "released", "error"]);
    assert_eq!(pool.counters().panics, 3);
    check_at_rest(&pool, &connector);
}

// J1: an observer that calls back, from an event of every kind, into everything a pool can do: no lock is held.
#[test]
fn an_observer_may_call_back_into_the_pool() {
    alone("callbacks::an_observer_may_call_back_into_the_pool", || {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let handle = Arc::new(OnceLock::<FakePool>::new());
            let kinds = Arc::new(Mutex::new(HashSet::new()));
            let observer = {
                let (handle, kinds) = (Arc::clone(&handle), Arc::clone(&kinds));
                Call(move |event: &PoolEvent| {
                    // Once for each kind, as what it does causes events too.
                    let first = kinds.lock().unwrap().insert(std::mem::discriminant(event));
                    if let Some(pool) = handle.get().filter(|_| first) {
                        do_everything(pool);
                    }
                })
            };
            let (builder, connector) = lazy(4);
            let pool =
                builder.min_connections(1).leak_detection_threshold(secs(5)).observer(observer).build();
            let pool = pool.unwrap();
            assert!(handle.set(pool.clone()).is_ok());
            connector.resets().next(Act::Fail("no"));
            for round in 0..20 {
                let (one, two) = tokio::join!(pool.acquire(), pool.acquire());
                if round % 4 == 0 {
                    pass(secs(7)).await;
                }
                one.unwrap().soil();
                drop(two);
                pass(secs(1)).await;
            }
            connector.go_down();
            drop(pool.acquire().await);
            pass(secs(10)).await;
            connector.come_back();
            pass(secs(10)).await;
            assert!(pool.close(secs(60)).await.is_complete());
            assert!(kinds.lock().unwrap().len() >= 20, "of 23 kinds");
        });
    });
}

fn do_everything(pool: &FakePool) {
    assert!(pool.snapshot().stats.total <= 4);
    assert!(pool.connections().len() <= 4 && pool.holders().len() <= 4);
    drop((pool.outage(), pool.target(), pool.clone()));
    pool.reconfigure(|options| options.max_waiting += 100).unwrap();
    pool.pause();
    pool.resume();
    let guard = pool.try_acquire();
    if let Ok(Some(guard)) = &guard {
        assert!(guard.info().is_some());
        pool.evict(guard.id());
    }
    drop(guard);
    pool.evict_invalid();
    pool.evict_expired();
    pool.reset_stats();
}

// J1: an observer that blocks, blocks its caller and nobody else.
#[test]
fn a_blocking_observer_blocks_its_caller_only() {
    alone("callbacks::a_blocking_observer_blocks_its_caller_only", || {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (entered, inside) = mpsc::sync_channel(1);
        let (let_go, gate) = mpsc::channel::<()>();
        let gate = Mutex::new(Some(gate));
        let observer = Call(move |event: &PoolEvent| {
            let PoolEvent::Acquired { .. } = event else { return };
            let gate = gate.lock().unwrap().take();
            if let Some(gate) = gate {
                entered.send(()).unwrap();
                gate.recv().unwrap();
            }
        });
        let (builder, _connector) = lazy(4);
        let pool = builder.runtime(runtime.handle().clone()).observer(observer).build().unwrap();
        let blocked = {
            let pool = pool.clone();
            runtime.spawn(async move { pool.acquire().await.unwrap().number() })
        };
        inside.recv_timeout(secs(10)).unwrap();
        // It is inside now. Everybody else goes on: the keeper opens connections too.
        let guards = runtime.block_on(async {
            let mut guards = Vec::new();
            for _ in 0..3 {
                guards.push(pool.acquire_timeout(secs(10)).await.unwrap());
            }
            guards
        });
        assert_eq!(pool.stats().active, 4);
        drop(guards);
        assert!(!blocked.is_finished());
        let_go.send(()).unwrap();
        assert!(runtime.block_on(blocked).is_ok());
    });
}

/// A waker that panics.
struct Alarm;

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        panic!("the waker panics");
    }
}

// J1: a waiter whose waker panics: whoever gives the connection back does not feel it, and the next is served.
#[tokio::test(start_paused = true)]
async fn a_panicking_waker_is_not_felt_by_the_one_who_returns() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    let guard = pool.acquire().await.unwrap();
    let alarm = Waker::from(Arc::new(Alarm));
    {
        let mut first = pin!(pool.acquire());
        assert!(first.as_mut().poll(&mut Context::from_waker(&alarm)).is_pending());
        let second = start_acquire(&pool).await;
        drop(guard);
        assert_eq!(pool.counters().panics, 1);
        let Poll::Ready(first) = first.as_mut().poll(&mut Context::from_waker(&alarm)) else {
            panic!("it was served")
        };
        drop(first.unwrap());
        second.await.unwrap().unwrap();
    }
    settle().await;
    check_at_rest(&pool, &connector);
}

// An observer that does not want to be told of each use leaves the pool its speed, and hears of everything else.
#[tokio::test(start_paused = true)]
async fn an_observer_may_do_without_the_uses() {
    #[derive(Clone, Default)]
    struct Rare(Recorder);

    impl Observer for Rare {
        fn wants_uses(&self) -> bool {
            false
        }
        fn event(&self, pool: &str, event: &PoolEvent) {
            self.0.event(pool, event);
        }
    }

    let rare = Rare::default();
    let (builder, _connector) = lazy(2);
    let pool = builder.observer(rare.clone()).build().unwrap();
    for _ in 0..10 {
        drop(pool.acquire().await.unwrap());
    }
    pass(secs(2)).await;
    assert_eq!(rare.0.count(|event| matches!(event, PoolEvent::Created { .. })), 1);
    assert!(rare.0.count(|event| matches!(event, PoolEvent::StatsUpdated { .. })) > 0);
    let uses = |event: &PoolEvent| matches!(event, PoolEvent::Acquired { .. } | PoolEvent::Released { .. });
    assert_eq!(rare.0.count(uses), 0);
    assert_eq!(pool.counters().acquired, 10);
}
