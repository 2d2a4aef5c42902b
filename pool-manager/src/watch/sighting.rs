//! What is known of each file, and what a look at it adds. Pure: reading is elsewhere.

use std::path::{Path, PathBuf};

use super::{MissingFile, Noticed};

/// What a look at a file has shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Sighting {
    /// It can be read; a hash of what it holds.
    Holds(u64),
    /// It cannot, and why.
    Unreadable(String),
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    /// A hash of what it held when it was last known to hold something.
    known: Option<u64>,
    /// Whether it was told to be missing, and is still.
    missing: bool,
}

impl File {
    /// Whether this would be news.
    fn is_news(&self, sighting: &Sighting) -> bool {
        match sighting {
            Sighting::Holds(hash) => self.known != Some(*hash),
            Sighting::Unreadable(_) => self.known.is_some() && !self.missing,
        }
    }
}

/// All files that are watched.
#[derive(Debug, Default)]
pub(super) struct Files(Vec<File>);

impl Files {
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.0.iter().map(|file| file.path.clone()).collect()
    }

    /// Those of these that are not watched, each once.
    pub(super) fn unknown(&self, paths: &[PathBuf]) -> Vec<PathBuf> {
        let mut unknown: Vec<_> = paths.iter().filter(|path| self.find(path).is_none()).cloned().collect();
        unknown.sort();
        unknown.dedup();
        unknown
    }

    /// Watches these and no others. `seen` is what the new ones hold.
    pub(super) fn keep(&mut self, paths: &[PathBuf], seen: Vec<(PathBuf, Sighting)>) {
        self.0.retain(|file| paths.contains(&file.path));
        self.0.extend(seen.into_iter().map(|(path, sighting)| {
            let known = match sighting {
                Sighting::Holds(hash) => Some(hash),
                Sighting::Unreadable(_) => None,
            };
            File { path, known, missing: false }
        }));
    }

    /// What of this would be news.
    pub(super) fn news(&self, seen: &[(PathBuf, Sighting)]) -> Vec<(PathBuf, Sighting)> {
        let is_news = |(path, sighting): &&(PathBuf, Sighting)| {
            self.find(path).is_some_and(|file| file.is_news(sighting))
        };
        seen.iter().filter(is_news).cloned().collect()
    }

    /// Takes it for known from now on. Returns what of it was news.
    pub(super) fn accept(&mut self, seen: Vec<(PathBuf, Sighting)>) -> Noticed {
        let mut noticed = Noticed::default();
        for (path, sighting) in seen {
            let Some(file) = self.0.iter_mut().find(|file| file.path == path) else { continue };
            let news = file.is_news(&sighting);
            match sighting {
                Sighting::Holds(hash) => {
                    (file.known, file.missing) = (Some(hash), false);
                    if news {
                        noticed.changed.push(path);
                    }
                }
                Sighting::Unreadable(reason) if news => {
                    file.missing = true;
                    noticed.missing.push(MissingFile { path, reason });
                }
                Sighting::Unreadable(_) => {}
            }
        }
        noticed
    }

    fn find(&self, path: &Path) -> Option<&File> {
        self.0.iter().find(|file| file.path == path)
    }
}
