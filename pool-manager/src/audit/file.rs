//! The file: opened for appending, again after a rotation, and never left with half a line.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use super::line::Record;

/// Lines are handed to the system in pieces of about this size, so that a long queue takes little memory twice.
const PIECE: usize = 64 << 10;

/// See the module's first lines.
pub(super) struct LogFile {
    path: PathBuf,
    file: Option<File>,
    /// The last line in the file was cut off by a full disk.
    torn: bool,
    /// Why the last attempt failed, which was logged.
    failure: Option<String>,
}

/// What came of an attempt to write.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Appended {
    /// How many of the records are in the file: the first ones.
    pub(super) written: usize,
    /// What is wrong with the file.
    pub(super) failure: Option<String>,
}

impl LogFile {
    pub(super) fn open(path: PathBuf) -> io::Result<Self> {
        let file = open(&path)?;
        Ok(LogFile::of(path, file))
    }

    /// A file that is open already.
    pub(super) fn of(path: PathBuf, file: File) -> Self {
        LogFile { path, file: Some(file), torn: false, failure: None }
    }

    /// Adds a line for each record.
    pub(super) fn append(&mut self, records: &[&Record], reopen: bool) -> Appended {
        let reopened = self.reopen_if(reopen);
        let (written, wrote) = self.write(records);
        let failure = reopened.and(wrote).err().map(|error| error.to_string());
        if failure != self.failure {
            let path = self.path.display();
            match &failure {
                Some(failure) => tracing::error!("the audit log `{path}` cannot be written: {failure}"),
                None => tracing::info!("the audit log `{path}` is written again"),
            }
            self.failure.clone_from(&failure);
        }
        Appended { written, failure }
    }

    /// Opens the file again if that is wished, or the path leads elsewhere.
    fn reopen_if(&mut self, wished: bool) -> io::Result<()> {
        if !wished && self.file.as_ref().is_some_and(|file| self.is_current(file)) {
            return Ok(());
        }
        match open(&self.path) {
            Ok(file) => {
                (self.file, self.torn) = (Some(file), false);
                Ok(())
            }
            Err(error) => {
                // Better at the end of the old file than nowhere. One that was deleted is nowhere.
                if self.file.as_ref().is_some_and(is_deleted) {
                    self.file = None;
                }
                Err(error)
            }
        }
    }

    #[cfg(unix)]
    fn is_current(&self, file: &File) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let there = std::fs::metadata(&self.path).map(|there| (there.dev(), there.ino()));
        let here = file.metadata().map(|here| (here.dev(), here.ino()));
        matches!((here, there), (Ok(here), Ok(there)) if here == there)
    }

    #[cfg(not(unix))]
    fn is_current(&self, _file: &File) -> bool {
        true
    }

    /// Writes line after line. Returns how many there are now, each as a whole.
    fn write(&mut self, records: &[&Record]) -> (usize, io::Result<()>) {
        let Some(file) = &mut self.file else { return (0, Ok(())) };
        let (mut done, mut rest) = (0, records);
        let (mut lines, mut ends) = (Vec::new(), Vec::new());
        while !rest.is_empty() {
            lines.clear();
            ends.clear();
            if self.torn {
                lines.push(b'\n');
            }
            while let Some((record, others)) = rest.split_first()
                && lines.len() < PIECE
            {
                record.write(&mut lines);
                ends.push(lines.len());
                rest = others;
            }
            let (bytes, outcome) = write_some(file, &lines);
            done += ends.iter().filter(|end| **end <= bytes).count();
            if bytes > 0 {
                self.torn = lines[bytes - 1] != b'\n';
            }
            if let Err(error) = outcome {
                return (done, Err(error));
            }
        }
        (done, Ok(()))
    }
}

/// What there is at the path, if it is nothing that lines can be added to; `None` if it may be, or nothing is there.
///
/// A pipe would keep whoever opens it until somebody reads, and a socket or a disk is no log.
pub(super) fn unsuitable(path: &Path) -> Option<&'static str> {
    let kind = std::fs::metadata(path).ok()?.file_type();
    if kind.is_file() {
        return None;
    }
    if kind.is_dir() {
        return Some("a folder");
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt as _;
        if kind.is_char_device() {
            return None;
        }
        if kind.is_fifo() {
            return Some("a pipe");
        }
    }
    Some("no regular file")
}

fn open(path: &Path) -> io::Result<File> {
    if let Some(kind) = unsuitable(path) {
        return Err(io::Error::other(format!("it is {kind}")));
    }
    OpenOptions::new().append(true).create(true).open(path)
}

#[cfg(unix)]
fn is_deleted(file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    file.metadata().is_ok_and(|file| file.nlink() == 0)
}

#[cfg(not(unix))]
fn is_deleted(_file: &File) -> bool {
    false
}

/// Like `write_all`, but tells how far it came.
fn write_some(file: &mut File, bytes: &[u8]) -> (usize, io::Result<()>) {
    let mut written = 0;
    while written < bytes.len() {
        match file.write(&bytes[written..]) {
            Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
            Ok(length) => written += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use rustix::fs::{CWD, FileType, Mode, OFlags};

    use super::*;

    /// Everything that is in the pipe now.
    fn drain(pipe: &mut File) -> String {
        let mut text = Vec::new();
        let error = pipe.read_to_end(&mut text).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        String::from_utf8(text).unwrap()
    }

    // A pipe that takes 64 KiB stands for a disk that is full in the middle of a line.
    #[test]
    fn a_line_that_was_cut_off_is_ended_before_the_next_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(CWD, &path, FileType::Fifo, Mode::RWXU, 0).unwrap();
        let pipe = rustix::fs::open(&path, OFlags::RDWR | OFlags::NONBLOCK, Mode::empty()).unwrap();
        let mut reader = File::from(pipe.try_clone().unwrap());
        let mut file = LogFile::of(path, File::from(pipe));

        let records: Vec<_> = (1..=2_000).filter_map(Record::lost).collect();
        let records: Vec<_> = records.iter().collect();
        let first = file.append(&records, false);
        assert!(first.failure.is_some() && first.written < records.len(), "{first:?}");
        let before = drain(&mut reader);
        assert!(!before.ends_with('\n'), "it fits by chance: {}", before.len());
        let second = file.append(&records[..1], false);
        assert_eq!(second, Appended { written: 1, failure: None });

        let text = before + &drain(&mut reader);
        let is_whole = |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_ok();
        assert_eq!(text.lines().filter(is_whole).count(), first.written + 1);
        assert_eq!(text.lines().count(), first.written + 2, "and one that is not whole");
        assert!(text.ends_with("\"count\":1}\n"), "{text}");
    }
}
