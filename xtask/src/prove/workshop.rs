//! Builds and runs programs for the steps of a proof.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use cargo_metadata::{Message, MetadataCommand};

use super::{Run, Sanitizer, report};

/// Where the programs are built and what they print is kept.
pub(super) struct Workshop {
    root: PathBuf,
    folder: PathBuf,
}

/// A nightly toolchain.
pub(super) struct Nightly {
    host: String,
    /// Whether the standard library can be built anew.
    pub(super) has_source: bool,
}

/// The library's tests, built with some flags.
pub(super) struct Program {
    path: PathBuf,
    root: PathBuf,
    logs: PathBuf,
}

impl Workshop {
    pub(super) fn open() -> anyhow::Result<Self> {
        let metadata = MetadataCommand::new().no_deps().exec().context("`cargo metadata` did not work")?;
        let folder = metadata.target_directory.join("prove").into_std_path_buf();
        Ok(Workshop { root: metadata.workspace_root.into_std_path_buf(), folder })
    }

    /// Builds the tests of pool-core's library with `flags`.
    pub(super) fn build(&self, kind: &str, flags: &str) -> anyhow::Result<Program> {
        println!("RUSTFLAGS={flags:?} cargo test --profile prove --package pool-core --lib --no-run");
        let output = Command::new(cargo())
            .args(["test", "--locked", "--profile=prove", "--package=pool-core", "--lib", "--no-run"])
            .arg("--message-format=json-render-diagnostics")
            .arg("--target-dir")
            .arg(self.folder.join(kind))
            .env("RUSTFLAGS", flags)
            .current_dir(&self.root)
            .stderr(Stdio::inherit())
            .output()
            .context("`cargo test` did not start")?;
        ensure!(output.status.success(), "pool-core does not build with RUSTFLAGS={flags:?}");
        let mut program = None;
        for message in Message::parse_stream(output.stdout.as_slice()) {
            if let Message::CompilerArtifact(artifact) = message.context("cannot read what cargo says")?
                && artifact.profile.test
                && let Some(path) = artifact.executable
            {
                program = Some(path.into_std_path_buf());
            }
        }
        let path = program.context("cargo built no test program")?;
        Ok(Program { path, root: self.root.clone(), logs: self.logs(kind)? })
    }

    fn logs(&self, kind: &str) -> anyhow::Result<PathBuf> {
        let logs = self.folder.join("logs").join(kind);
        fs::create_dir_all(&logs).with_context(|| format!("cannot make {}", logs.display()))?;
        Ok(logs)
    }

    /// The nightly toolchain, if there is one.
    pub(super) fn nightly(&self) -> anyhow::Result<Option<Nightly>> {
        let ask = |question: &[&str]| {
            let output =
                Command::new("rustup").args(["run", "nightly", "rustc"]).args(question).output().ok()?;
            output.status.success().then_some(output.stdout)
        };
        let (Some(version), Some(sysroot)) = (ask(&["-vV"]), ask(&["--print", "sysroot"])) else {
            return Ok(None);
        };
        let (version, sysroot) = (String::from_utf8(version)?, String::from_utf8(sysroot)?);
        let host = version.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.context("rustc does not name its host")?.to_owned();
        let source = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library/Cargo.lock");
        Ok(Some(Nightly { host, has_source: source.exists() }))
    }

    /// Runs some tests of pool-core under a sanitizer.
    pub(super) fn sanitized(
        &self,
        nightly: &Nightly,
        sanitizer: &Sanitizer,
        targets: &[&str],
        tests: &[&str],
    ) -> anyhow::Result<Run> {
        let mut command = Command::new("rustup");
        command
            .args(["run", "nightly", "cargo", "test", "--locked", "--profile=prove", "--package=pool-core"])
            .args(sanitizer.with_std.then_some("-Zbuild-std"))
            .args(["--target", nightly.host.as_str()])
            .arg("--target-dir")
            .arg(self.folder.join(sanitizer.name))
            .args(targets)
            .args(tests)
            .env("RUSTFLAGS", sanitizer.flag)
            .current_dir(&self.root);
        println!("RUSTFLAGS={} cargo +nightly test {}", sanitizer.flag, [targets, tests].concat().join(" "));
        // With its build, which for the standard library takes minutes.
        let name = tests.last().map_or("all", |name| name);
        run(command, name, &self.logs(sanitizer.name)?, Duration::from_secs(3600))
    }

    /// Runs `cargo mutants`, if it is installed.
    pub(super) fn mutants(&self, what: &[&str], tests: &[&str]) -> anyhow::Result<Option<ExitStatus>> {
        let there = Command::new(cargo()).args(["mutants", "--version"]).output();
        if !there.is_ok_and(|output| output.status.success()) {
            return Ok(None);
        }
        fs::create_dir_all(&self.folder).context("cannot make a folder for the outcome")?;
        let status = Command::new(cargo())
            .args(["mutants", "--package=pool-core", "--exclude-re=fmt", "--timeout=120", "--output"])
            .arg(&self.folder)
            .args(what)
            .arg("--")
            .args(tests)
            .current_dir(&self.root)
            .status()
            .context("`cargo mutants` did not start")?;
        Ok(Some(status))
    }
}

impl Program {
    /// The paths of its tests in one module. There must be some: a proof of nothing is none.
    pub(super) fn tests(&self, module: &str) -> anyhow::Result<Vec<String>> {
        let output =
            Command::new(&self.path).arg("--list").output().context("the test program did not start")?;
        let text = String::from_utf8(output.stdout)?;
        let tests: Vec<_> = report::listed(&text, module).into_iter().map(str::to_owned).collect();
        if tests.is_empty() {
            bail!("pool-core has no tests in {module}");
        }
        Ok(tests)
    }

    /// Runs each test in a process of its own, on all cores.
    pub(super) fn run_each(
        &self,
        tests: &[String],
        variables: &[(&str, &str)],
        limit: Duration,
    ) -> anyhow::Result<Vec<Run>> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let queue = Mutex::new(tests.iter());
        let next = || queue.lock().expect("no worker panics while it holds the queue").next();
        let work = || -> anyhow::Result<Vec<Run>> {
            let mut runs = Vec::new();
            while let Some(test) = next() {
                let mut command = Command::new(&self.path);
                command
                    .args(["--exact", test, "--nocapture", "--test-threads=1"])
                    .envs(variables.iter().copied())
                    .env("RUST_BACKTRACE", "0")
                    .current_dir(&self.root);
                runs.push(run(command, test, &self.logs, limit)?);
            }
            Ok(runs)
        };
        std::thread::scope(|scope| {
            let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
            let mut runs = Vec::new();
            for worker in workers {
                runs.extend(worker.join().expect("a worker does not panic")?);
            }
            Ok(runs)
        })
    }
}

/// Runs a program, no longer than `limit`. What it prints goes to a file, so that it never waits for its reader.
fn run(mut command: Command, test: &str, logs: &Path, limit: Duration) -> anyhow::Result<Run> {
    let log = logs.join(format!("{}.txt", test.replace("::", "-")));
    let file = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
    let also = file.try_clone().context("cannot share the log")?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(file)
        .stderr(also)
        .spawn()
        .with_context(|| format!("{} did not start", command.get_program().display()))?;
    let (outcome, took) = stopwatch(|| -> anyhow::Result<_> {
        let begun = now();
        loop {
            if let Some(status) = child.try_wait().context("cannot wait for a test")? {
                return Ok((status.success(), false));
            }
            if begun.elapsed() > limit {
                child.kill().context("cannot end a test")?;
                child.wait().context("cannot wait for a test")?;
                return Ok((false, true));
            }
            std::thread::park_timeout(Duration::from_millis(10));
        }
    });
    let (passed, timed_out) = outcome?;
    let output = String::from_utf8_lossy(&fs::read(&log).context("cannot read a log")?).into_owned();
    Ok(Run { test: test.to_owned(), passed, timed_out, output, log, took })
}

/// How long something took.
pub(super) fn stopwatch<R>(something: impl FnOnce() -> R) -> (R, Duration) {
    let begun = now();
    let result = something();
    (result, begun.elapsed())
}

#[expect(clippy::disallowed_methods, reason = "a program that times others has no paused clock")]
fn now() -> Instant {
    Instant::now()
}

fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
