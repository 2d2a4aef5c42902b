//! The result as a JSON document, and the file it goes to.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::result::LoadResult;

/// Writes the result as one line of JSON.
///
/// # Errors
///
/// Those of `out`.
pub fn write_json(mut out: impl Write, result: &LoadResult) -> io::Result<()> {
    serde_json::to_writer(&mut out, result)?;
    out.write_all(b"\n")
}

/// A file that will hold a result. Opened before the run: an hour of load is not to end in "permission denied".
///
/// Until [`commit`](OutputFile::commit), what is written stands beside it under `.tmp`, so that no reader ever sees
/// half a result and an older one stays until there is a newer. Dropped without that, it leaves nothing behind.
#[derive(Debug)]
pub struct OutputFile {
    path: PathBuf,
    /// `None` once it bears its final name.
    temporary: Option<PathBuf>,
    file: File,
}

impl OutputFile {
    /// Prepares to write to `path`.
    ///
    /// # Errors
    ///
    /// When the file could not be written to at the end either.
    pub fn create(path: &Path) -> io::Result<Self> {
        if path.is_dir() {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a directory"));
        }
        let mut temporary = OsString::from(path);
        temporary.push(".tmp");
        let temporary = PathBuf::from(temporary);
        let file = File::create(&temporary)?;
        Ok(OutputFile { path: path.to_owned(), temporary: Some(temporary), file })
    }

    /// Writes the result, and gives the file its name.
    ///
    /// # Errors
    ///
    /// When the disk is full or the directory has gone, among others.
    pub fn commit(mut self, result: &LoadResult) -> io::Result<()> {
        let mut buffer = BufWriter::new(&self.file);
        write_json(&mut buffer, result)?;
        buffer.flush()?;
        drop(buffer);
        self.file.sync_all()?;
        if let Some(temporary) = &self.temporary {
            fs::rename(temporary, &self.path)?;
            self.temporary = None;
        }
        Ok(())
    }
}

impl Drop for OutputFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            // Best effort: an empty file is left where it cannot be removed.
            drop(fs::remove_file(temporary));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_committed_leaves_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("results.json");
        fs::write(&path, "older").unwrap();
        drop(OutputFile::create(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "older");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_cannot_be_written_is_refused_beforehand() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(OutputFile::create(directory.path()).unwrap_err().to_string(), "it is a directory");
        let missing = directory.path().join("none").join("results.json");
        assert_eq!(OutputFile::create(&missing).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
