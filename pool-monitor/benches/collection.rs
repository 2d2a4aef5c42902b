//! What a collection costs, and what a history answers: `cargo bench -p pool-monitor`.

#[path = "../../pool-core/benches/nothing/mod.rs"]
mod nothing;

use std::sync::OnceLock;
use std::time::Duration;

use divan::Bencher;
use nothing::Nothing;
use pool_core::{Pool, PoolSet};
use pool_monitor::{Exposition, Metric, MonitorSettings, PoolMonitor};
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads")
    })
}

/// A monitor of so many pools of ten open connections each, all of which were used.
fn monitor(pools: usize) -> (PoolSet, PoolMonitor) {
    let set = PoolSet::new();
    runtime().block_on(async {
        for number in 0..pools {
            let builder = Pool::builder(Nothing).name(format!("pool-{number}"));
            let pool = builder.max_connections(10).min_connections(10).build().expect("good options");
            pool.warm_up().await.expect("nothing can fail");
            set.insert(pool).expect("another name");
        }
    });
    let settings = MonitorSettings { max_memory_bytes: 1 << 30, ..MonitorSettings::default() };
    let monitor = PoolMonitor::new(set.clone(), settings).expect("good settings");
    use_all(&set);
    monitor.collect();
    (set, monitor)
}

/// Uses every pool a little, so that there is something to collect.
fn use_all(set: &PoolSet) {
    for name in set.names() {
        let pool = set.get_as::<Pool<Nothing>>(&name).expect("it was inserted");
        runtime().block_on(async {
            for _ in 0..3 {
                drop(pool.acquire().await.expect("one is free"));
            }
        });
    }
}

/// One collection of all pools.
#[divan::bench(args = [1, 100, 1_000])]
fn collect(bencher: Bencher<'_, '_>, pools: usize) {
    let (set, monitor) = monitor(pools);
    bencher.with_inputs(|| use_all(&set)).bench_local_values(|()| monitor.collect());
}

/// What a rule reads of a window of one interval, all that there is.
#[divan::bench(args = [Metric::Utilization, Metric::ErrorRate, Metric::WaitP99])]
fn read(bencher: Bencher<'_, '_>, metric: Metric) {
    let (_set, monitor) = monitor(1);
    bencher.bench_local(|| monitor.read("pool-0", metric, Some(Duration::from_secs(10))));
}

/// The same without a rule to judge by.
#[divan::bench(args = [1_000])]
fn collect_without_rules(bencher: Bencher<'_, '_>, pools: usize) {
    let (set, monitor) = monitor(pools);
    monitor.set_alert_rules(Vec::new()).expect("none is valid");
    bencher.with_inputs(|| use_all(&set)).bench_local_values(|()| monitor.collect());
}

/// The same with rules whose windows are full: of 360 slots, as many as the default history has.
#[divan::bench(args = [1_000], sample_count = 50)]
fn collect_with_full_windows(bencher: Bencher<'_, '_>, pools: usize) {
    let (set, monitor) = monitor(pools);
    let interval = Duration::from_millis(50);
    let settings = MonitorSettings {
        collection_interval: interval,
        retention_period: 360 * interval,
        ..monitor.settings()
    };
    monitor.set_settings(settings).expect("good settings");
    let begun = std::time::SystemTime::now();
    while begun.elapsed().is_ok_and(|elapsed| elapsed < 361 * interval) {
        monitor.collect();
    }
    bencher.with_inputs(|| use_all(&set)).bench_local_values(|()| monitor.collect());
}

/// What a scrape costs.
#[divan::bench(args = [1, 100, 1_000])]
fn prometheus_text(bencher: Bencher<'_, '_>, pools: usize) {
    let (_set, monitor) = monitor(pools);
    let samples = monitor.samples();
    bencher.bench_local(|| Exposition::of(&samples).prometheus_text());
}
