//! A monitor that has run for a while allocates nothing any more, and holds no more than its settings say. In a binary of its
//! own, for the allocator is of the whole process.

#![expect(unsafe_code, reason = "an allocator cannot be written without; this one passes everything on")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use pool_core::fake::FakeConnector;
use pool_core::{Pool, PoolSet};
use pool_monitor::{Metric, MonitorSettings, PoolMonitor, TierSettings};

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static HELD: Cell<i64> = const { Cell::new(0) };
}

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn count(bytes: i64) {
    // Gone at the end of its thread, when nobody asks any more.
    HELD.try_with(|held| held.set(held.get() + bytes)).unwrap_or_default();
    if bytes > 0 {
        ALLOCATIONS.try_with(|count| count.set(count.get() + 1)).unwrap_or_default();
    }
}

// SAFETY: everything is passed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promises are the system's allocator's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

fn pool(name: &str) -> Pool<FakeConnector> {
    Pool::builder(FakeConnector::new())
        .name(name)
        .max_connections(4)
        .min_connections(1)
        .build()
        .expect("good options")
}

fn settings() -> MonitorSettings {
    let tier = TierSettings { step: Duration::from_secs(60), retention: Duration::from_secs(600) };
    MonitorSettings {
        retention_period: Duration::from_secs(100),
        tiers: vec![tier],
        ..MonitorSettings::default()
    }
}

#[tokio::test(start_paused = true)]
async fn the_steady_state_allocates_nothing() {
    let (set, pools) = (PoolSet::new(), [pool("a"), pool("b"), pool("c")]);
    for pool in &pools {
        set.insert(pool.clone()).unwrap();
    }
    let monitor = PoolMonitor::new(set, settings()).unwrap();
    let updated = std::sync::Arc::new(std::sync::atomic::AtomicU64::new(0));
    let count = std::sync::Arc::clone(&updated);
    monitor.on_metrics_updated(move |_| {
        count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    });
    let mut allocated = Vec::with_capacity(200);
    for round in 0..200_u64 {
        for pool in &pools {
            let guard = pool.acquire().await.unwrap();
            tokio::time::sleep(Duration::from_millis(1 + round)).await;
            drop(guard);
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
        let before = ALLOCATIONS.get();
        monitor.collect();
        allocated.push(ALLOCATIONS.get() - before);
    }
    // Both rings have gone round by then: the fine one after eleven rounds, the coarse one after seventy.
    assert!(allocated[0] > 0, "the allocator counts");
    assert_eq!(allocated[2..], [0; 198], "nothing from the third collection on");
    assert_eq!(updated.load(std::sync::atomic::Ordering::Relaxed), 600);
    assert!(monitor.read("b", Metric::UseP99, Some(Duration::from_secs(60))).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_pool_takes_no_more_than_the_settings_say() {
    let (set, names) = (PoolSet::new(), ["a", "b", "c", "d", "e"]);
    let pools: Vec<_> = names.iter().map(|name| pool(name)).collect();
    for pool in &pools {
        set.insert(pool.clone()).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let empty = HELD.get();
    let monitor = PoolMonitor::new(set, settings()).unwrap();
    monitor.collect();
    let once = HELD.get();
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_secs(10)).await;
        monitor.collect();
    }
    let held = HELD.get() - empty;
    // The monitor's own things, for all pools together, are some histograms to calculate with.
    let bound = settings().memory_per_pool() * pools.len() + (64 << 10);
    assert!(held <= bound as i64, "{held} bytes are held, {bound} allowed");
    assert!(held >= bound as i64 / 2, "the bound is no more than twice what is needed: {held} of {bound}");
    let second_sample = 16_384 * pools.len() as i64;
    assert!(HELD.get() - once <= second_sample, "flat after the second collection: {}", HELD.get() - once);
}
