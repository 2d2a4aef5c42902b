//! `monitoring.alerts.state_file`: what of the alerts outlives the process.
//!
//! It is written every few seconds and at the end, to a file beside it that then takes its name: whoever reads it finds the
//! whole of the one or the whole of the other. What happens between the last writing and a crash is not in it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pool_monitor::{AlertSnapshot, PoolMonitor};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use crate::regular_file;

/// How often it is written.
const ROUND: Duration = Duration::from_secs(15);

/// See the [module](self).
pub(super) struct StateFile {
    path: PathBuf,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for StateFile {
    fn drop(&mut self) {
        self.end_task();
    }
}

impl StateFile {
    pub(super) fn new(path: PathBuf) -> Self {
        StateFile { path, task: Mutex::default() }
    }

    /// Takes in what the file holds. One that is not there, or is of no use, is no reason not to start.
    pub(super) fn restore(&self, monitor: &PoolMonitor) {
        let file = self.path.display();
        let text = match regular_file::read(&self.path) {
            Ok(content) => String::from_utf8_lossy(&content).into_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => {
                return tracing::warn!("failed to read the state of the alerts from {file}: {error}");
            }
        };
        match AlertSnapshot::from_json(&text) {
            Ok(snapshot) => {
                let count = monitor.restore_alerts(snapshot);
                tracing::info!("{count} alerts go on from {file}");
            }
            Err(error) => tracing::warn!("alerts of before are not known: failed to {error} in {file}"),
        }
    }

    /// Writes it now and then, until this is dropped.
    pub(super) fn keep(&self, monitor: &PoolMonitor) {
        let (monitor, path) = (monitor.clone(), self.path.clone());
        let task = tokio::spawn(async move {
            loop {
                sleep(ROUND).await;
                save(&monitor, &path).await;
            }
        });
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Writes it once more.
    pub(super) async fn save_last(&self, monitor: &PoolMonitor) {
        self.end_task();
        save(monitor, &self.path).await;
    }

    fn end_task(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

/// Writes it, beside the runtime: a disk may be slow.
async fn save(monitor: &PoolMonitor, path: &Path) {
    let (text, file) = (monitor.alert_snapshot().to_json(), path.to_owned());
    let saving = spawn_blocking(move || {
        let beside = file.with_extension("tmp");
        std::fs::write(&beside, &text)?;
        std::fs::rename(&beside, &file)
    });
    if let Ok(Err(error)) = saving.await {
        tracing::warn!("failed to write the state of the alerts to {}: {error}", path.display());
    }
}
