//! Tells when the files of a configuration have changed, or somebody asks to read them again.
//!
//! Files are read again and again, and compared by what they hold. That notices every way in which a file is changed
//! (written, renamed over, a link swapped as Kubernetes does it), on every file system, and nothing else: not a
//! new date, not the same text written again. What is seen to have changed is read once more after a pause, until two
//! readings agree, so that a file which is half written is not reported.
// Why not inotify and its kin: they watch inodes, not paths, so each kind of replacement needs care of its own; they are
// silent on network file systems; and a missed event is missed for good. Reading a few small files every 15 s costs nothing.

mod files;
mod sighting;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use pool_config::{Reload, Watch};
use tokio::time::{Instant, sleep_until};

use self::files::read_all;
use self::sighting::{Files, Sighting};

/// What a [`ConfigWatcher`] has noticed. At least one of the fields says something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Noticed {
    /// Files that hold something else than before, and did so at two readings.
    pub changed: Vec<PathBuf>,
    /// Files that could be read before and cannot be any more, each with the reason. Told once; what they held last
    /// is remembered, so their return is a change only if they come back different.
    pub missing: Vec<MissingFile>,
    /// Whether the process was sent a SIGHUP.
    pub hangup: bool,
}

impl Noticed {
    /// Whether there is a reason to load the configuration again: a change, or the wish of somebody.
    pub fn is_reason_to_reload(&self) -> bool {
        self.hangup || !self.changed.is_empty()
    }
}

/// A file that cannot be read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MissingFile {
    /// Which one.
    pub path: PathBuf,
    /// Why, such as `No such file or directory (os error 2)`.
    pub reason: String,
}

/// Watches the files that a configuration was loaded from. See the module's first lines.
///
/// Nothing runs in the background: whoever wants to know awaits [`changed`](ConfigWatcher::changed). Files are read on a
/// thread for blocking work, in pieces; of their content only a hash is kept.
///
/// # Examples
///
/// A file that changes between being loaded and being watched must not be missed. So files are watched first, and
/// loaded again if the loading brought up further ones:
///
/// ```no_run
/// use pool_config::{Loader, Reload};
/// use pool_manager::ConfigWatcher;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut watcher = ConfigWatcher::new(&Reload::default());
/// watcher.listen_to_hangups()?;
/// watcher.watch(["connection_pool.yaml".into()]).await;
/// let mut loaded = Loader::new().load("connection_pool.yaml")?;
/// while watcher.watch(loaded.files.clone()).await {
///     loaded = Loader::new().load("connection_pool.yaml")?;
/// }
/// loop {
///     let noticed = watcher.changed().await;
///     if noticed.is_reason_to_reload() {
///         println!("{:?} changed", noticed.changed);
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
pub struct ConfigWatcher {
    polls: bool,
    interval: Duration,
    debounce: Duration,
    files: Files,
    /// When files are looked at next; `None` = an interval after the next call of `changed`.
    next: Option<Instant>,
    /// What the last look saw that was not known, until another one confirms it.
    suspicion: Option<Vec<(PathBuf, Sighting)>>,
    /// A SIGHUP came, and was not told yet.
    wanted: bool,
    #[cfg(unix)]
    hangups: Option<tokio::signal::unix::Signal>,
}

impl ConfigWatcher {
    /// Watches no file yet. `grace` of the section is for others.
    pub fn new(reload: &Reload) -> Self {
        ConfigWatcher {
            polls: reload.watch == Watch::Poll,
            interval: reload.interval.max(Duration::from_millis(1)),
            debounce: reload.debounce,
            files: Files::default(),
            next: None,
            suspicion: None,
            wanted: false,
            #[cfg(unix)]
            hangups: None,
        }
    }

    /// Reports SIGHUPs from now on, which then no longer end the process. Does nothing where there is no such signal.
    ///
    /// # Errors
    ///
    /// When the process cannot listen to signals.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime with its I/O driver.
    pub fn listen_to_hangups(&mut self) -> io::Result<()> {
        #[cfg(unix)]
        if self.hangups.is_none() {
            use tokio::signal::unix::{SignalKind, signal};
            self.hangups = Some(signal(SignalKind::hangup())?);
        }
        Ok(())
    }

    /// Watches these files and no others. New ones are read now, and compared with that from then on; of those that were
    /// watched before it remembers what they held. A file that does not exist may be watched: it changes when it
    /// appears.
    ///
    /// Returns whether one of them is new: then what was loaded from it before may be older than what was read now.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the files are those of before.
    pub async fn watch(&mut self, paths: impl IntoIterator<Item = PathBuf>) -> bool {
        let paths: Vec<_> = paths.into_iter().collect();
        let unknown = self.files.unknown(&paths);
        let any = !unknown.is_empty();
        let seen = read_all(unknown).await;
        self.files.keep(&paths, seen);
        self.suspicion = None;
        any
    }

    /// Waits until there is something to tell.
    ///
    /// A change is told when two readings `debounce` apart agree, so at most `interval` and two `debounce` after it was
    /// made, if nothing is written in between. A SIGHUP is told at once, and what the files hold then counts as known. If
    /// the files are not polled, SIGHUPs are all there is to tell; without them, too, it waits for ever.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing: what was not told is told by the next call.
    pub async fn changed(&mut self) -> Noticed {
        loop {
            if self.wanted {
                let seen = read_all(self.files.paths()).await;
                return self.answer(seen);
            }
            let next = *self.next.get_or_insert_with(|| Instant::now() + self.interval);
            #[cfg(unix)]
            let hangup = hangup(&mut self.hangups);
            #[cfg(not(unix))]
            let hangup = std::future::pending::<()>();
            tokio::select! {
                // A wish goes first: whatever changed is loaded with it.
                biased;
                () = hangup => self.wanted = true,
                () = sleep_until(next), if self.polls => {
                    let seen = read_all(self.files.paths()).await;
                    if let Some(noticed) = self.look(seen) {
                        return noticed;
                    }
                }
            }
        }
    }

    /// Somebody asked: what the files hold now is what will be loaded.
    fn answer(&mut self, seen: Vec<(PathBuf, Sighting)>) -> Noticed {
        (self.wanted, self.suspicion) = (false, None);
        self.next = Some(Instant::now() + self.interval);
        Noticed { hangup: true, ..self.files.accept(seen) }
    }

    /// Tells what this reading and the one before it agree on.
    fn look(&mut self, seen: Vec<(PathBuf, Sighting)>) -> Option<Noticed> {
        let (now, news) = (Instant::now(), self.files.news(&seen));
        if news.is_empty() || self.suspicion.as_ref() == Some(&news) {
            (self.next, self.suspicion) = (Some(now + self.interval), None);
            let noticed = self.files.accept(seen);
            return (!news.is_empty()).then_some(noticed);
        }
        (self.next, self.suspicion) = (Some(now + self.debounce), Some(news));
        None
    }
}

/// Waits for a SIGHUP; for ever, if nobody listens.
#[cfg(unix)]
async fn hangup(hangups: &mut Option<tokio::signal::unix::Signal>) {
    if let Some(hangups) = hangups
        && hangups.recv().await.is_some()
    {
        return;
    }
    std::future::pending::<()>().await;
}
