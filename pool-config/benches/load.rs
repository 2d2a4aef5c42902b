//! How long it takes to load, compare and write a large configuration.
//!
//! `cargo bench -p pool-config`

use std::fmt::Write as _;

use divan::{Bencher, black_box};
use pool_config::{Config, diff};

fn main() {
    divan::main();
}

const POOLS: &[usize] = &[1, 100, 1_000, 5_000];

/// A file of pools with a dozen keys each, in the style that people write.
fn file(pools: usize) -> String {
    let mut text = String::from("connection_pool:\n  default_pool:\n    max_connections: 20\n  pools:\n");
    for pool in 0..pools {
        let written = write!(
            text,
            "    - name: tenant_{pool}
      driver: postgres
      host: db-{}.example
      port: 5432
      database: tenant_{pool}
      user: app
      password_file: /run/secrets/tenant_{pool}
      max_connections: 15
      min_connections: 0
      connection_timeout_ms: 5000
      idle_timeout_ms: 300000
      tags: {{team: core, tier: \"{}\"}}
",
            pool % 7,
            pool % 3
        );
        assert!(written.is_ok());
    }
    text
}

fn config(text: &str) -> Config {
    Config::from_yaml(text, "connection_pool.yaml").unwrap_or_else(|error| panic!("{error}"))
}

#[divan::bench(args = POOLS)]
fn load(bencher: Bencher<'_, '_>, pools: usize) {
    let text = file(pools);
    bencher.bench(|| config(black_box(&text)));
}

/// A mistake in each pool: every one is reported with its line.
#[divan::bench(args = POOLS)]
fn refuse(bencher: Bencher<'_, '_>, pools: usize) {
    let text = file(pools).replace("max_connections: 15", "max_conections: 15");
    bencher.bench(|| {
        Config::from_yaml(black_box(&text), "connection_pool.yaml").map_err(|error| error.to_string())
    });
}

#[divan::bench(args = POOLS)]
fn compare(bencher: Bencher<'_, '_>, pools: usize) {
    let text = file(pools);
    let (old, new) = (config(&text), config(&text.replacen("port: 5432", "port: 5433", 1)));
    bencher.bench(|| diff(black_box(&old), black_box(&new)));
}

#[divan::bench(args = POOLS)]
fn write(bencher: Bencher<'_, '_>, pools: usize) {
    let config = config(&file(pools));
    bencher.bench(|| black_box(&config).to_yaml());
}

/// Texts that are meant to keep the loader busy, of as many bytes as are read at all.
#[divan::bench(args = ["x", "[", "a: b\n", "password: x\n", "- &a [*a]\n", "  ? "], sample_count = 5)]
fn hostile(bencher: Bencher<'_, '_>, piece: &str) {
    let text = format!("connection_pool: {{enabled: {}", piece.repeat(10 * 1024 * 1024 / piece.len() - 10));
    bencher.bench(|| {
        Config::from_yaml(black_box(&text), "connection_pool.yaml").map_err(|error| error.to_string())
    });
}
