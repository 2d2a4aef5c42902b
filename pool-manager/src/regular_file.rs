//! Reading the files that a configuration names: regular ones, and no more of them than such files ever hold.
//!
//! A pipe would keep its reader until somebody writes, and a device such as `/dev/zero` has no end. Whoever reads them would
//! keep all reloads waiting.

use std::fs::File;
use std::io;
use std::io::Read as _;
use std::path::Path;

/// Nothing that a configuration names is larger, and nobody wants to read a disk by mistake.
pub(crate) const LARGEST: u64 = 64 << 20;

const TOO_LARGE: &str = "it is larger than any file of its kind";
const NO_FILE: &str = "it is no regular file";

/// Opens it by its path, so that links are followed to where they lead now.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Before it is opened: opening a pipe waits, too.
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other(NO_FILE));
    }
    File::open(path)
}

/// All that it holds.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    open(path)?.take(LARGEST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST {
        return Err(io::Error::other(TOO_LARGE));
    }
    Ok(content)
}

/// Why nobody should begin to read it; `None` if it can be read, or is not there, which whoever reads it will tell.
#[cfg(feature = "_net")]
pub(crate) fn unreadable(path: &Path) -> Option<&'static str> {
    let found = std::fs::metadata(path).ok()?;
    if !found.is_file() {
        return Some(NO_FILE);
    }
    (found.len() > LARGEST).then_some(TOO_LARGE)
}
