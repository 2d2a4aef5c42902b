//! What a running monitor costs those who use its pools: `cargo bench -p pool-monitor --bench overhead`.
//!
//! Three pools alike, in turn and in short rounds: one without a monitor, one whose monitor collects a hundred times as often as by
//! default, and one more without, as a control. What is told is the quotient of the medians, and that of the control.

#![expect(clippy::print_stdout, reason = "a benchmark tells what it found")]

#[path = "../../pool-core/benches/nothing/mod.rs"]
mod nothing;

use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use nothing::Nothing;
use pool_core::{Pool, PoolSet};
use pool_monitor::{MonitorSettings, PoolMonitor};

const ROUNDS: usize = 301;
const USES: u32 = 400_000;
const INTERVAL: Duration = Duration::from_millis(100);

#[expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]
fn round(pool: &Pool<Nothing>) -> f64 {
    let context = &mut Context::from_waker(Waker::noop());
    let begun = Instant::now();
    for _ in 0..USES {
        match pin!(pool.acquire()).poll(context) {
            Poll::Ready(Ok(guard)) => drop(divan::black_box(guard)),
            _ => panic!("a connection is free"),
        }
    }
    begun.elapsed().as_secs_f64() * 1e9 / f64::from(USES)
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    sorted[((sorted.len() - 1) as f64 * share) as usize]
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.expect("threads");
    let _entered = runtime.enter();
    let pool = |name: &str| {
        let builder = Pool::builder(Nothing).name(name).max_connections(10).min_connections(10);
        let pool = builder.build().expect("good options");
        runtime.block_on(pool.warm_up()).expect("nothing can fail");
        pool
    };
    let pools = [pool("without"), pool("with"), pool("control")];
    let watched = PoolSet::new();
    watched.insert(pools[1].clone()).expect("the first of its name");
    let settings = MonitorSettings {
        collection_interval: INTERVAL,
        retention_period: INTERVAL * 360,
        ..MonitorSettings::default()
    };
    let monitor = PoolMonitor::new(watched, settings).expect("good settings");
    monitor.start();

    let mut ratios = [Vec::new(), Vec::new()];
    let mut without = Vec::new();
    for number in 0..ROUNDS {
        let mut nanos = [0.0; 3];
        for turn in 0..3 {
            let which = (number + turn) % 3;
            nanos[which] = round(&pools[which]);
        }
        without.push(nanos[0]);
        ratios[0].push(nanos[1] / nanos[0]);
        ratios[1].push(nanos[2] / nanos[0]);
    }
    let collected = monitor.metrics("with").map_or(0, |metrics| metrics.successful_requests);
    without.sort_unstable_by(f64::total_cmp);
    println!(
        "without a monitor: {:.1} ns for each use; {collected} uses were collected",
        quantile(&without, 0.5)
    );
    for (name, ratios) in ["with a monitor", "control"].into_iter().zip(&mut ratios) {
        ratios.sort_unstable_by(f64::total_cmp);
        let [low, median, high] = [0.25, 0.5, 0.75].map(|share| quantile(ratios, share));
        println!("{name}: {median:.3} times that (half of the rounds between {low:.3} and {high:.3})");
    }
}
