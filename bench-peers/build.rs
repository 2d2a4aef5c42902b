//! Tells the program what built it, and which versions of the peers: a figure without them cannot be compared.

use std::fs;
use std::process::Command;

/// The packages whose versions belong to every table over real databases.
const SQL_PEERS: [&str; 5] = ["bb8-postgres", "deadpool-postgres", "sqlx", "tokio", "tokio-postgres"];

/// The packages whose versions belong to every other table.
const PEERS: [&str; 8] =
    ["asyncband", "bb8", "deadpool", "mobc", "parking_lot", "r2d2", "sqlx-core", "tokio"];

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| String::from("rustc"));
    println!(
        "cargo::rustc-env=BENCH_RUSTC={}",
        version_of(&rustc).unwrap_or_else(|| String::from("unknown"))
    );
    let profile = std::env::var("PROFILE").unwrap_or_else(|_| String::from("unknown"));
    println!("cargo::rustc-env=BENCH_PROFILE={profile}");

    let lock = fs::read_to_string("../Cargo.lock").unwrap_or_default();
    let versions = |peers: &[&str]| {
        let versions: Vec<_> = peers.iter().map(|peer| format!("{peer} {}", newest(&lock, peer))).collect();
        versions.join(",")
    };
    println!("cargo::rustc-env=BENCH_VERSIONS={}", versions(&PEERS));
    println!("cargo::rustc-env=BENCH_SQL_VERSIONS={}", versions(&SQL_PEERS));
    println!("cargo::rerun-if-changed=../Cargo.lock");
    println!("cargo::rerun-if-changed=build.rs");
}

fn version_of(rustc: &str) -> Option<String> {
    let output = Command::new(rustc).arg("--version").output().ok()?;
    // `rustc 1.95.0 (…)`: the number is what people compare.
    String::from_utf8(output.stdout).ok()?.split_whitespace().nth(1).map(str::to_owned)
}

/// The version of a package in the lock file; the last one where there are several, which is the newest.
fn newest<'a>(lock: &'a str, package: &str) -> &'a str {
    let name = format!("name = \"{package}\"");
    let mut lines = lock.lines();
    let mut version = "unknown";
    while lines.any(|line| line == name) {
        version = lines.next().and_then(|line| line.split('"').nth(1)).unwrap_or("unknown");
    }
    version
}
