//! What everything logs while the tests run, in files, so that the whole run can be searched for passwords.
//!
//! Every password of these tests contains the word `canary`. `scripts/test.sh` says in `POOL_TESTS_LOGS` where to
//! write; it fails if the word is found there, or if nothing was written. Without the variable nothing is written.

use std::fs::File;
use std::path::Path;
use std::sync::{Mutex, Once};

use tracing_subscriber::EnvFilter;

/// Where to write: a folder, in which each process has a file.
const FOLDER: &str = "POOL_TESTS_LOGS";

/// Everything, but for what tungstenite shows of requests and frames, headers and all.
const FILTER: &str = "trace,tungstenite=debug";

/// From now on everything that this process logs, at any level, is written down. Every server of the harness sees to
/// it when it is launched.
///
/// # Panics
///
/// If the file cannot be created.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let Some(folder) = std::env::var_os(FOLDER) else { return };
        let path = Path::new(&folder).join(format!("{}.log", std::process::id()));
        let file = File::create(&path).unwrap_or_else(|error| panic!("create {}: {error}", path.display()));
        tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(FILTER))
            .with_ansi(false)
            .with_writer(Mutex::new(file))
            .init();
    });
}
