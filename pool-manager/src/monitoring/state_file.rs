//! `monitoring.alerts.state_file`: what of the alerts outlives the process.
//!
//! It is written every few seconds and at the end, to a file beside it that then takes its name: whoever reads it finds the
//! whole of the one or the whole of the other. What happens between the last writing and a crash is not in it. Of two processes with
//! one file the last to write wins.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pool_monitor::{AlertSnapshot, PoolMonitor};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::sleep;

use crate::regular_file;

/// How often it is written.
const ROUND: Duration = Duration::from_secs(15);

/// See the [module](self).
pub(super) struct StateFile {
    path: Arc<Path>,
    /// Held while it is written, and while what is written is found out: what is older does not come later.
    turn: Arc<Mutex<()>>,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Drop for StateFile {
    fn drop(&mut self) {
        self.end_task();
    }
}

impl StateFile {
    pub(super) fn new(path: PathBuf) -> Self {
        StateFile { path: path.into(), turn: Arc::default(), task: Mutex::default() }
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
        let (monitor, path, turn) = (monitor.clone(), Arc::clone(&self.path), Arc::clone(&self.turn));
        let task = tokio::spawn(async move {
            loop {
                sleep(ROUND).await;
                save(&monitor, &path, &turn).await;
            }
        });
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Writes it once more.
    pub(super) async fn save_last(&self, monitor: &PoolMonitor) {
        self.end_task();
        save(monitor, &self.path, &self.turn).await;
    }

    fn end_task(&self) {
        if let Some(task) = self.task.lock().unwrap_or_else(PoisonError::into_inner).take() {
            task.abort();
        }
    }
}

/// Why a state cannot be kept in this file, and what to do about it; `None` if it can, as far as that is to be seen.
pub(super) fn unwritable(path: &Path) -> Option<(String, &'static str)> {
    if path.is_dir() {
        return Some(("it is a folder".to_owned(), "name a file in it"));
    }
    let folder = folder_of(path);
    if folder.is_dir() {
        return None;
    }
    let problem = match fs::metadata(folder) {
        Ok(_) => format!("{} is no folder", folder.display()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            format!("the folder {} is not there", folder.display())
        }
        Err(error) => format!("the folder {} cannot be used: {error}", folder.display()),
    };
    Some((problem, "make the folder, or name a file in another one; without the key nothing is kept"))
}

/// Writes it, beside the runtime: a disk may be slow.
async fn save(monitor: &PoolMonitor, path: &Arc<Path>, turn: &Arc<Mutex<()>>) {
    let (monitor, file, turn) = (monitor.clone(), Arc::clone(path), Arc::clone(turn));
    let saving = spawn_blocking(move || {
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        write(&file, &monitor.alert_snapshot().to_json())
    });
    if let Ok(Err(error)) = saving.await {
        tracing::warn!("failed to write the state of the alerts to {}: {error}", path.display());
    }
}

/// Has the file hold this text and nothing else, whatever happens meanwhile.
fn write(path: &Path, text: &str) -> io::Result<()> {
    let (beside, file) = create_beside(path)?;
    let written = fill(file, text).and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        // What is wrong is told already.
        drop(fs::remove_file(&beside));
        return written;
    }
    sync_folder(folder_of(path))
}

/// A new file in the same folder, of a name that no other has: somebody else may write the same file, or have left something.
fn create_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    loop {
        let mut name = OsString::from(path);
        name.push(format!(".{:016x}.tmp", fastrand::u64(..)));
        match File::create_new(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            created => return created.map(|file| (name.into(), file)),
        }
    }
}

/// On the disk, lest the name outlives the content when the machine loses its power.
fn fill(mut file: File, text: &str) -> io::Result<()> {
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// So that the new name is on the disk.
#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Elsewhere folders cannot be opened.
#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests;
