//! Reads files, without keeping anybody waiting.

use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::sighting::Sighting;
use crate::regular_file::{LARGEST, open};

const PIECE: usize = 64 << 10;

/// Looks at each of these, on a thread for blocking work. Sees nothing if the runtime is going down.
///
/// # Cancel safety
///
/// If the future is dropped, the files may be read to the end all the same.
pub(super) async fn read_all(paths: Vec<PathBuf>) -> Vec<(PathBuf, Sighting)> {
    let look = move || {
        paths
            .into_iter()
            .map(|path| {
                let sighting = match hash(&path) {
                    Ok(hash) => Sighting::Holds(hash),
                    Err(error) => Sighting::Unreadable(error.to_string()),
                };
                (path, sighting)
            })
            .collect()
    };
    tokio::task::spawn_blocking(look).await.unwrap_or_default()
}

/// A hash of what the file holds. Of what is larger than it should be, the first part and the length are hashed.
fn hash(path: &Path) -> io::Result<u64> {
    let file = open(path)?;
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(file.metadata()?.len());
    let (mut rest, mut piece) = (file.take(LARGEST), vec![0; PIECE]);
    loop {
        match rest.read(&mut piece) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(length) => hasher.write(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
