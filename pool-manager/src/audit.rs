//! The audit log: operations of pools as lines of JSON in a file.
//!
//! ```text
//! {"time":"2026-11-21T01:35:00.250Z","event":"acquire","pool":"orders","connection":7,"wait_ms":0.012,"site":"src/main.rs:40"}
//! {"time":"2026-11-21T01:35:00.262Z","event":"release","pool":"orders","connection":7,"usage_ms":12.31}
//! ```
//!
//! A pool never waits for the disk: an event becomes a record in a queue of limited length, under a lock that is held for
//! a moment, and a thread of the log's own writes. What does not fit is counted, and a line `{"event":"lost","count":…}`
//! stands where it would have stood.

mod date;
mod file;
mod line;
mod queue;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use pool_config::{AuditEvent, AuditLog};
use pool_core::{Observer, PoolEvent};
use tokio::sync::oneshot;
use tokio::time::timeout;

use self::file::{LogFile, unsuitable};
use self::line::{Operation, Record};
use self::queue::{Queue, write_all_of};

/// How many records wait for the disk at most: one to two megabytes.
const CAPACITY: usize = 8_192;

/// An audit log that is being written. Clones write to the same one; give one to each pool, as an [`Observer`].
///
/// The file is opened for appending, and opened again when its path leads elsewhere, as after a rotation. It ends with
/// the last clone or with [`close`](Audit::close); only the latter waits until everything is written.
///
/// # Examples
///
/// ```
/// use pool_config::AuditLog;
/// # use pool_core::{Pool, fake::FakeConnector};
/// use pool_manager::Audit;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let (connector, path) = (FakeConnector::new(), folder.path().join("audit.jsonl"));
/// let audit = Audit::open(&AuditLog { path: Some(path.clone()), ..AuditLog::default() })?.expect("it has a path");
/// let pool = Pool::builder(connector).name("orders").observer(audit.clone()).build()?;
/// drop(pool.acquire().await?);
///
/// audit.close().await;
/// assert!(std::fs::read_to_string(path)?.contains(r#""event":"acquire","pool":"orders""#));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Audit(Arc<Handle>);

/// Ends the log when the last clone is dropped.
struct Handle {
    queue: Arc<Queue>,
    path: PathBuf,
    events: Vec<AuditEvent>,
}

/// Why an audit log could not be begun.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The file cannot be opened.
    #[error("open the audit log `{}`: see that its folder exists and may be written to", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is there cannot hold a log.
    #[error("open the audit log `{}`: it is {kind}; name a regular file", path.display())]
    NoFile {
        /// The path.
        path: PathBuf,
        /// What is there, such as `a folder`.
        kind: &'static str,
    },
    /// The system gives no thread to write with.
    #[error("start the thread that writes the audit log")]
    Thread(#[source] io::Error),
}

/// What an [`Audit`] has written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct AuditStats {
    /// Lines in the file, since it was opened first.
    pub written: u64,
    /// Operations that are not in the file, for want of room in the queue or on the disk, since then.
    pub lost: u64,
    /// Operations that wait to be written or are being written, now.
    pub waiting: usize,
    /// Why the last attempt to write or to reopen failed; `None` = it did not.
    pub failure: Option<String>,
}

impl Audit {
    /// Opens the file that the configuration names, and starts the thread that writes; `None` if it names none.
    ///
    /// # Errors
    ///
    /// When the file cannot be opened, it is neither a regular file nor a character device, or no thread can be started.
    pub fn open(log: &AuditLog) -> Result<Option<Audit>, AuditError> {
        let Some(path) = &log.path else { return Ok(None) };
        if let Some(kind) = unsuitable(path) {
            return Err(AuditError::NoFile { path: path.clone(), kind });
        }
        let open = |source| AuditError::Open { path: path.clone(), source };
        let file = LogFile::open(path.clone()).map_err(open)?;
        Audit::write_to(file, path.clone(), log.events.clone()).map(Some)
    }

    /// Starts the thread that writes.
    fn write_to(file: LogFile, path: PathBuf, events: Vec<AuditEvent>) -> Result<Audit, AuditError> {
        let queue = Arc::new(Queue::new(CAPACITY));
        let writes = Arc::clone(&queue);
        std::thread::Builder::new()
            .name(String::from("pool-audit"))
            .spawn(move || write_all_of(&writes, file))
            .map_err(AuditError::Thread)?;
        Ok(Audit(Arc::new(Handle { queue, path, events })))
    }

    /// Writes that the configuration was loaded again: `applied`, or refused; `message` says what changed, or why it was
    /// refused, without secrets.
    pub fn reload(&self, applied: bool, message: impl Into<String>) {
        if self.writes(AuditEvent::Reload) {
            self.push(None, Operation::Reload { applied, message: message.into() });
        }
    }

    /// Opens the file again, before the next line is written. It does so by itself when the path leads to another file;
    /// this is for systems where that cannot be seen, and to let go of a file at once.
    pub fn reopen(&self) {
        self.0.queue.reopen();
    }

    /// Waits until everything that has happened so far is written, or cannot be: then
    /// [`failure`](AuditStats::failure) says why. It takes as long as the disk does.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future only ends the wait.
    pub async fn flush(&self) {
        let (done, wait) = oneshot::channel();
        self.0.queue.flush(done);
        // An error says that the thread is gone, and so is everything it had to write.
        wait.await.unwrap_or(());
    }

    /// Writes what is waiting, and nothing that happens later.
    ///
    /// # Cancel safety
    ///
    /// The log is closing from the first poll on; dropping the future only ends the wait.
    pub async fn close(&self) {
        self.0.queue.close();
        self.flush().await;
    }

    /// [`close`](Self::close), but waits for the disk no longer than this. What is not written by then is logged as such;
    /// it still will be, if the disk goes on before the process ends.
    pub(crate) async fn close_within(&self, limit: Duration) {
        if timeout(limit, self.close()).await.is_err() {
            let (path, waiting) = (self.0.path.display(), self.stats().waiting);
            tracing::warn!(waiting, "the audit log `{path}` was not written to its end within {limit:?}");
        }
    }

    /// What it has written, and whether it can.
    pub fn stats(&self) -> AuditStats {
        self.0.queue.stats()
    }

    fn writes(&self, event: AuditEvent) -> bool {
        self.0.events.contains(&event)
    }

    fn push(&self, pool: Option<&str>, operation: Operation) {
        self.0.queue.push(Record { time: SystemTime::now(), pool: pool.map(Box::from), operation });
    }
}

impl Observer for Audit {
    fn wants_uses(&self) -> bool {
        self.writes(AuditEvent::Acquire) || self.writes(AuditEvent::Release)
    }

    fn event(&self, pool: &str, event: &PoolEvent) {
        if let Some(operation) = Operation::of(event, |kind| self.writes(kind)) {
            self.push(Some(pool), operation);
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl fmt::Debug for Audit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Audit")
            .field("path", &self.0.path)
            .field("events", &self.0.events)
            .field("stats", &self.stats())
            .finish()
    }
}
