//! How long it takes to start, to change and to close a thousand pools.
//!
//! `cargo bench -p pool-manager`

use std::time::Duration;

use divan::{Bencher, black_box};
use pool_config::Config;
use pool_manager::PoolManager;
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

const POOLS: &[usize] = &[10, 1_000];

fn config(pools: usize, host: &str) -> Config {
    let pool = |number| format!("{{name: p{number}, database: d{number}}}");
    let pools: Vec<_> = (1..pools).map(pool).collect();
    let text = format!(
        "connection_pool: {{default_pool: {{min_connections: 0}}, pools: [{{name: p0, database: d0, host: {host}}}, {}]}}",
        pools.join(", ")
    );
    Config::from_yaml(&text, "connection_pool.yaml").unwrap_or_else(|error| panic!("{error}"))
}

fn runtime() -> Runtime {
    Runtime::new().unwrap_or_else(|error| panic!("{error}"))
}

async fn manager(config: Config) -> PoolManager {
    PoolManager::from_config(config).await.unwrap_or_else(|error| panic!("{error}"))
}

#[divan::bench(args = POOLS)]
fn start(bencher: Bencher<'_, '_>, pools: usize) {
    let runtime = runtime();
    bencher.with_inputs(|| config(pools, "db")).bench_values(|config| runtime.block_on(manager(config)));
}

/// Of which one pool is at another host.
#[divan::bench(args = POOLS)]
fn reload(bencher: Bencher<'_, '_>, pools: usize) {
    let runtime = runtime();
    let running = runtime.block_on(manager(config(pools, "db")));
    let mut number = 0;
    bencher
        .with_inputs(|| {
            number += 1;
            config(pools, &format!("db-{number}"))
        })
        .bench_local_values(|config| runtime.block_on(running.reload(config)));
}

#[divan::bench(args = POOLS)]
fn reload_of_the_same(bencher: Bencher<'_, '_>, pools: usize) {
    let runtime = runtime();
    let running = runtime.block_on(manager(config(pools, "db")));
    bencher
        .with_inputs(|| config(pools, "db"))
        .bench_values(|config| runtime.block_on(running.reload(config)));
}

#[divan::bench(args = POOLS)]
fn close(bencher: Bencher<'_, '_>, pools: usize) {
    let runtime = runtime();
    bencher
        .with_inputs(|| runtime.block_on(manager(config(pools, "db"))))
        .bench_values(|manager| runtime.block_on(black_box(manager).close(Duration::from_secs(1))));
}
