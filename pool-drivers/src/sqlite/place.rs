//! Where a database lives: in a file, or in memory for as long as somebody may come for it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::ConnectOptions as _;
use sqlx::sqlite::SqliteConnectOptions;
use tokio::sync::OnceCell;

use super::class::{code, primary_code};
use super::error::OpenProblem;

/// How users of SQLite write a database in memory.
pub(super) const MEMORY: &str = ":memory:";

/// Tells files apart, whatever their paths: device and inode.
pub(super) type FileId = (u64, u64);

/// See the [module](self).
#[derive(Clone)]
pub(super) enum Place {
    File(PathBuf),
    Memory(Arc<Memory>),
}

impl Place {
    /// Made absolute, so that later connects find the same file if the process changes its directory, and
    /// SQLite takes neither `file:` nor `:memory:` for anything but a name. An empty path stays empty.
    pub(super) fn file(path: &Path) -> Self {
        Place::File(std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf()))
    }

    /// Adds to the options where the database is.
    pub(super) fn locate(&self, options: SqliteConnectOptions) -> SqliteConnectOptions {
        match self {
            Place::File(path) => options.filename(path),
            Place::Memory(memory) => options.filename(&memory.name).vfs("memdb"),
        }
    }

    /// Which file the path leads to now. Looked at without opening it: closing any descriptor of a file drops all
    /// POSIX locks that the process has on it.
    #[cfg(unix)]
    pub(super) async fn file_id(&self) -> Option<FileId> {
        use std::os::unix::fs::MetadataExt as _;

        let Place::File(path) = self else { return None };
        let metadata = tokio::fs::metadata(path).await.ok()?;
        Some((metadata.dev(), metadata.ino()))
    }

    #[cfg(not(unix))]
    pub(super) async fn file_id(&self) -> Option<FileId> {
        None
    }

    /// Tells why it cannot be opened. Only for the message, so it may look at the file system.
    ///
    /// Why not: opening the file to see whether it can be written. Closing any descriptor of a file drops
    /// all POSIX locks that the process has on it, those of SQLite included.
    pub(super) fn problem(&self, error: &sqlx::Error, create_if_missing: bool) -> OpenProblem {
        let Place::File(path) = self else { return OpenProblem::Other };
        match primary_code(error) {
            Some(code::NOTADB) => OpenProblem::NotADatabase,
            Some(code::READONLY) => OpenProblem::ReadOnly,
            Some(code::CANTOPEN) if path.is_dir() => OpenProblem::IsDirectory,
            Some(code::CANTOPEN) => match path.parent() {
                Some(parent) if !parent.is_dir() => OpenProblem::NoDirectory(parent.to_path_buf()),
                _ if !create_if_missing && !path.exists() => OpenProblem::NoFile,
                _ => OpenProblem::Other,
            },
            _ => OpenProblem::Other,
        }
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Place({self})")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(path) => path.display().fmt(f),
            Place::Memory(_) => f.write_str(MEMORY),
        }
    }
}

/// A database in memory that all its connections share.
///
/// It is one of SQLite's `memdb` file system, known by a name of this process, and lives while a connection to
/// it is open. The anchor is such a connection, of no other use.
///
/// Why not a shared cache: SQLite discourages it. Its table locks ignore `busy_timeout`, fail at once or, with
/// sqlx's `unlock-notify`, wait for ever; a `memdb` is locked like a file. The price: it holds 1 GiB at most.
pub(super) struct Memory {
    name: String,
    anchor: OnceCell<sqlx::SqliteConnection>,
}

impl Memory {
    pub(super) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        // Ordering: only the number itself matters. The slash makes it known to other connections.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Memory { name: format!("/pool-drivers-{number}"), anchor: OnceCell::new() }
    }

    /// Opens the anchor, unless that has been done. Cancel: the next caller opens it then.
    pub(super) async fn hold(&self, options: &SqliteConnectOptions) -> Result<(), sqlx::Error> {
        self.anchor.get_or_try_init(|| options.connect()).await.map(drop)
    }
}

#[cfg(test)]
mod tests;
