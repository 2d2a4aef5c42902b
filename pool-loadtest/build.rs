//! Tells the program what built it: a figure without its compiler and profile cannot be compared.

use std::path::Path;
use std::process::Command;

fn main() {
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| String::from("rustc"));
    let version = output(&rustc, &["--version"]);
    // `rustc 1.95.0 (…)`: the number is what people compare.
    let number = version.as_deref().and_then(|line| line.split_whitespace().nth(1)).unwrap_or("unknown");
    println!("cargo::rustc-env=LOADTEST_RUSTC={number}");

    let profile = std::env::var("PROFILE").unwrap_or_else(|_| String::from("unknown"));
    println!("cargo::rustc-env=LOADTEST_PROFILE={profile}");

    println!("cargo::rerun-if-changed=build.rs");
    // Every commit and checkout appends to this log, so the build notices both.
    let log = output("git", &["rev-parse", "--git-path", "logs/HEAD"]).filter(|log| Path::new(log).exists());
    if let (Some(log), Some(commit)) = (log, output("git", &["rev-parse", "--short=12", "HEAD"])) {
        println!("cargo::rerun-if-changed={log}");
        println!("cargo::rustc-env=LOADTEST_COMMIT={commit}");
    }
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
