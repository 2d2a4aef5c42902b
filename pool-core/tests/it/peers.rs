//! What went wrong in other pools, and does not here. One test for each known defect, D1 to D17 of the
//! list in `docs/acceptance.md`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use pool_core::fake::Act;
use pool_core::{CloseReason, Pool};
use tokio::time::Instant;

use crate::support::{check_at_rest, check_snapshot, lazy, ms, pass, secs, settle, start_acquire};

// Defect D1 (sqlx#3645): a count of idle connections beside the queue underflows when a return races an
// acquire, and the reaper spins. Here the count is derived, and every snapshot of a busy pool adds up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d1_no_snapshot_of_a_busy_pool_is_inconsistent() {
    let (builder, connector) = lazy(4);
    let pool = builder.maintenance_interval(ms(1)).build().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (pool, stop) = (pool.clone(), Arc::clone(&stop));
        tasks.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                drop(pool.acquire().await.unwrap());
            }
        }));
    }
    let mut last = pool.snapshot();
    for _ in 0..20_000 {
        let now = pool.snapshot();
        check_snapshot(&now);
        assert!(now.counters.acquired >= last.counters.acquired, "counters only grow");
        last = now;
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.unwrap();
    }
    check_at_rest(&pool, &connector);
}

// Defect D2 (sqlx#4349): returns have no timeout, so a silently dead connection keeps its permit for ever.
#[tokio::test(start_paused = true)]
async fn d2_dead_connections_on_return_do_not_use_up_the_pool() {
    let (builder, connector) = lazy(3);
    let pool =
        builder.reset_timeout(secs(1)).validate_on_return(true).validation_timeout(secs(1)).build().unwrap();
    connector.resets().always(Act::Hang);
    connector.validations().always(Act::Hang);
    for round in 0..10 {
        let guard = pool.acquire().await.unwrap();
        if round % 2 == 0 {
            guard.soil();
        }
    }
    pass(secs(5)).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(pool.acquire().await.unwrap());
    }
}

// Defect D3 (sqlx, tokio#3963): the drop of a guard spawns, and panics outside a runtime.
#[test]
fn d3_the_drop_of_a_guard_needs_no_runtime() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (builder, _) = lazy(1);
    let (pool, guard) = runtime.block_on(async {
        let pool = builder.build().unwrap();
        let guard = pool.acquire().await.unwrap();
        (pool, guard)
    });
    drop(guard);
    assert_eq!(pool.stats().idle, 1, "there at once, without a task in between");
}

// Defect D4 (sqlx#3132): callers near their deadline begin connects and throw them away, thousands a second.
#[tokio::test(start_paused = true)]
async fn d4_impatient_callers_do_not_waste_connects() {
    let (builder, connector) = lazy(10);
    connector.connects().always(Act::Slow(ms(100)));
    let pool = builder.build().unwrap();
    for _ in 0..100 {
        assert!(pool.acquire_timeout(ms(5)).await.is_err() || pool.stats().total > 0);
    }
    pass(secs(1)).await;
    assert_eq!(connector.opened(), connector.open_now() as u64, "no connection was thrown away");
    assert!(connector.opened() <= 4, "{} opened", connector.opened());
}

// Defects D5 and D14 (bb8#122, qp#2): two returns between a miss and its first poll wake only one of two.
#[tokio::test(start_paused = true)]
async fn d5_two_returns_at_once_wake_two_waiters() {
    let (builder, connector) = lazy(2);
    let pool = builder.build().unwrap();
    for _ in 0..1_000 {
        let held = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
        let waiters = [start_acquire(&pool).await, start_acquire(&pool).await];
        drop(held);
        for waiter in waiters {
            drop(waiter.await.unwrap().unwrap());
        }
    }
    check_at_rest(&pool, &connector);
}

// Defect D6 (bb8#243): a woken caller finds its connection stolen and goes to the end of the line.
#[tokio::test(start_paused = true)]
async fn d6_a_waiter_is_never_robbed() {
    let (builder, _) = lazy(1);
    let pool = builder.build().unwrap();
    let held = pool.acquire().await.unwrap();
    let waiter = start_acquire(&pool).await;
    drop(held);
    for _ in 0..100 {
        assert!(pool.try_acquire().unwrap().is_none(), "the waiter has not run, but it is its turn");
    }
    drop(waiter.await.unwrap().unwrap());
}

// Defects D7 and D9 (bb8, deadpool#380): user code under the lock; a panic in it poisons the pool for good.
#[tokio::test(start_paused = true)]
async fn d7_d9_a_panicking_drop_of_a_connection_harms_nobody() {
    let (builder, connector) = lazy(2);
    let pool = builder.build().unwrap();
    let both = (pool.acquire().await.unwrap(), pool.acquire().await.unwrap());
    connector.drops_panic(true);
    both.0.discard();
    drop(both.1);
    pool.evict_idle();
    settle().await;
    connector.drops_panic(false);
    assert_eq!(pool.counters().panics, 2);
    drop(pool.acquire().await.unwrap());
    check_at_rest(&pool, &connector);
}

// Defects D8 and D10 (deadpool, mobc): permits and sizes disagree after a resize.
#[tokio::test(start_paused = true)]
async fn d8_d10_a_resized_pool_has_exactly_its_new_size() {
    let (builder, connector) = lazy(16);
    let pool = builder.build().unwrap();
    pool.resize(4).unwrap();
    let mut held = Vec::new();
    for _ in 0..4 {
        held.push(pool.acquire().await.unwrap());
    }
    assert!(pool.acquire_timeout(secs(1)).await.unwrap_err().is_timeout());
    pool.resize(2).unwrap();
    pool.resize(5).unwrap();
    held.push(pool.acquire().await.unwrap());
    assert!(pool.acquire_timeout(secs(1)).await.unwrap_err().is_timeout());
    assert_eq!(connector.open_peak(), 5);
    drop(held);
    check_at_rest(&pool, &connector);
}

// Defect D11 (mobc#98): the builder's max_lifetime starts no cleaner.
#[tokio::test(start_paused = true)]
async fn d11_a_lifetime_given_to_the_builder_is_kept() {
    let (builder, _) = lazy(1);
    let pool = builder.max_lifetime(secs(10)).idle_timeout(Duration::ZERO).build().unwrap();
    drop(pool.acquire().await.unwrap());
    pass(secs(12)).await;
    assert_eq!(pool.counters().closed[CloseReason::MaxLifetime], 1);
}

// Defect D12 (mobc): each cancelled acquire leaves the count of waiters one too high.
#[tokio::test(start_paused = true)]
async fn d12_cancelled_waiters_are_not_counted_on() {
    let (builder, _) = lazy(1);
    let pool = builder.build().unwrap();
    let _held = pool.acquire().await.unwrap();
    for _ in 0..100 {
        start_acquire(&pool).await.abort();
    }
    settle().await;
    assert_eq!((pool.stats().waiting, pool.stats().pending), (0, 0));
}

// Defect D13 (mobc, prisma#21221): two pools add into one gauge.
#[tokio::test(start_paused = true)]
async fn d13_two_pools_have_two_sets_of_books() {
    let (one, _) = lazy(1);
    let (two, _) = lazy(1);
    let (one, two) = (one.name("one").build().unwrap(), two.name("two").build().unwrap());
    let _held = one.acquire().await.unwrap();
    assert_eq!((one.stats().active, two.stats().active), (1, 0));
    assert_eq!(two.counters().requests, 0);
}

// Defect D15 (fast_pool): `size + connecting < max` is two loads, and the limit is passed under load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn d15_the_limit_holds_while_many_ask_at_once() {
    for _ in 0..50 {
        let (builder, connector) = lazy(3);
        let pool = builder.connect_concurrency(3).build().unwrap();
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let pool = pool.clone();
                tokio::spawn(async move {
                    let guard = pool.acquire().await.unwrap();
                    tokio::task::yield_now().await;
                    guard.discard();
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(connector.open_peak() <= 3, "{} open at once", connector.open_peak());
    }
}

// Defect D16 (hyper-util): a connection sent to a waiter that is dropped right then is closed.
#[tokio::test(start_paused = true)]
async fn d16_a_connection_given_to_a_dropped_waiter_is_kept() {
    let (builder, connector) = lazy(1);
    let pool = builder.build().unwrap();
    for _ in 0..100 {
        let held = pool.acquire().await.unwrap();
        let waiter = start_acquire(&pool).await;
        drop(held);
        waiter.abort();
        settle().await;
    }
    assert_eq!((connector.opened(), connector.closed()), (1, 0));
}

// Defect D17 (Vitess#17662, #20310): a waiter is lost in a race, and hand-over to expired waiters freezes
// the pool. Here a thousand waiters expire at the same instant at which a connection comes back.
#[tokio::test(start_paused = true)]
async fn d17_expired_waiters_do_not_freeze_the_pool() {
    let (builder, connector) = lazy(1);
    let pool: Pool<_> = builder.build().unwrap();
    let held = pool.acquire().await.unwrap();
    let mut doomed = Vec::new();
    for _ in 0..1_000 {
        let pool = pool.clone();
        doomed.push(tokio::spawn(async move { pool.acquire_timeout(ms(100)).await.map(drop) }));
    }
    settle().await;
    let live = start_acquire(&pool).await;
    let begun = Instant::now();
    tokio::spawn(async move {
        tokio::time::sleep(ms(100)).await;
        drop(held);
    });
    drop(live.await.unwrap().unwrap());
    assert_eq!(begun.elapsed(), ms(100));
    for task in doomed {
        drop(task.await.unwrap());
    }
    check_at_rest(&pool, &connector);
}
