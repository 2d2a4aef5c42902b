//! Files to read, and places to write.

use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::path::Path;

use rustix::fs::{Access, access};

use super::Look;

/// More than any secret or bundle of certificates has; a larger file is something else.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

impl Look<'_> {
    /// A file that is to be read. Returns what is in it; `None` after an objection, and for what is no plain file, such as a
    /// pipe, which can be read only once.
    pub(super) fn at_file(&mut self, path: &str, file: &Path, expected: &str) -> Option<Vec<u8>> {
        let help = "put it there and let this user read it, or correct the path; a relative one begins at the working directory";
        let read = || -> io::Result<(Metadata, Vec<u8>)> {
            let metadata = fs::metadata(file)?;
            let is_plain = metadata.is_file() && metadata.len() <= MAX_BYTES;
            Ok((metadata, if is_plain { fs::read(file)? } else { Vec::new() }))
        };
        match read() {
            Ok((metadata, content)) if metadata.is_file() => {
                if metadata.len() > MAX_BYTES {
                    self.error(path, format!("`{}`, which is too large", file.display()), expected, help);
                    return None;
                }
                Some(content)
            }
            Ok((metadata, _)) if metadata.is_dir() => {
                self.error(path, format!("`{}`, which is a folder", file.display()), expected, help);
                None
            }
            Ok(_) => None,
            Err(error) => {
                self.error(path, format!("`{}`, {}", file.display(), in_words(&error)), expected, help);
                None
            }
        }
    }

    /// A file that is to be written, and created if it does not exist.
    pub(super) fn at_place_to_write(&mut self, path: &str, file: &Path, what: &str) {
        let folder = match file.parent() {
            Some(folder) if !folder.as_os_str().is_empty() => folder,
            _ => Path::new("."),
        };
        let expected = format!("a place where this user can write {what}");
        let help = "create the folder and let this user write to it, or correct the path; a relative one begins at the working directory";
        let found = if file.is_dir() {
            format!("`{}`, which is a folder", file.display())
        } else if let Err(error) = fs::metadata(folder) {
            format!("`{}`, whose folder {}", file.display(), in_words(&error).trim_start_matches("which "))
        } else if !folder.is_dir() {
            format!("`{}`, whose folder is a file", file.display())
        } else if access(folder, Access::WRITE_OK | Access::EXEC_OK).is_err() {
            format!("`{}`, whose folder this user may not write to", file.display())
        } else if file.exists() && access(file, Access::READ_OK | Access::WRITE_OK).is_err() {
            format!("`{}`, which this user may not write", file.display())
        } else {
            return;
        };
        self.error(path, found, &expected, help);
    }
}

/// What the system says, as the end of a sentence about a file.
fn in_words(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "which does not exist".to_owned(),
        ErrorKind::PermissionDenied => "which this user may not read".to_owned(),
        ErrorKind::NotADirectory => "which leads through a file".to_owned(),
        _ => format!("which cannot be read ({error})"),
    }
}
