//! From one configuration to the next, while the pools are in use.
//!
//! First everything is checked and made ready, and nothing touched; then the pools that are new and gone are swapped in one
//! step, and those that differ are changed. Whatever is wrong with the new configuration, the one in force stays as it is.
//!
//! A connection that is older than the reload and still held after `reload.grace_ms` is written off: it no longer counts for
//! the limit of its pool, and is closed when it comes back.

mod apply;
mod drain;
mod error;
mod report;
mod stats;

use std::sync::{Arc, Mutex, PoisonError};

use pool_config::Config;
use tokio::sync::watch;
use tokio::task::spawn_blocking;

use self::drain::Progress;
use crate::event::ManagerEvent;
use crate::manager::{PoolManager, Shared};

pub use error::{NeverApplied, ReloadError};
pub use report::ReloadReport;
pub use stats::ReloadStats;
pub(crate) use stats::hash_of;

/// Whose configuration is reloaded.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    /// That of the file.
    File,
    /// One that the program has given.
    Program,
}

/// What a manager keeps of its reloads.
pub(crate) struct Reloads {
    /// Who holds it reloads. The others wait for their turn.
    turn: Arc<tokio::sync::Mutex<()>>,
    stats: Mutex<ReloadStats>,
    progress: watch::Sender<Progress>,
}

impl Reloads {
    pub(crate) fn new(config: &Config) -> Self {
        Reloads {
            turn: Arc::default(),
            stats: Mutex::new(ReloadStats::new(hash_of(config))),
            progress: watch::Sender::default(),
        }
    }

    /// No further one is going to be applied.
    pub(crate) fn end(&self) {
        self.progress.send_modify(|progress| progress.is_over = true);
    }

    fn note(&self, note: impl FnOnce(&mut ReloadStats)) {
        note(&mut self.stats.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl PoolManager {
    /// Makes a configuration the one in force, while the pools are in use.
    ///
    /// | what differs | what happens |
    /// |---|---|
    /// | nothing of a pool | nothing: it keeps its connections, its counters, its callers |
    /// | a key of class live | its options are replaced |
    /// | a key of class drain, or what a file holds that the configuration names | further connections are opened by a new connector; idle ones are closed, busy ones when they come back |
    /// | a pool is new, or was closed through a handle | it is made |
    /// | a pool is gone or disabled | it is closed: who waits is told so, busy connections may finish |
    /// | a key of class restart | the reload is refused |
    /// | a pool made on demand can no longer be had, such as when the file with its password is gone | it stays as it is, and the report tells why |
    ///
    /// Where the options of a pool are replaced, all are those of the configuration: what the program has changed of them
    /// at run time is gone. Pools that the program has made stay as they are.
    ///
    /// Returns when it is in force. Connections of before may still be in use then:
    /// [`wait_applied`](Self::wait_applied) waits for their end.
    ///
    /// # Errors
    ///
    /// Fails if something that it describes cannot be had, if it changes what cannot be changed in a running system, and
    /// if it names a pool as the program has named one. Nothing is changed then.
    ///
    /// # Cancel safety
    ///
    /// Once it is its turn, a reload goes on to its end; dropping the future only ends the wait.
    pub async fn reload(&self, config: Config) -> Result<ReloadReport, ReloadError> {
        let turn = Arc::clone(&self.shared.reloads.turn).lock_owned().await;
        self.in_turn(config, Wish::Program, turn).await
    }

    /// Reads the file again that the manager was made from, and [reloads](Self::reload) it.
    ///
    /// # Errors
    ///
    /// Fails if the manager was not made from a file, or that cannot be loaded; and as [`reload`](Self::reload).
    ///
    /// # Cancel safety
    ///
    /// As [`reload`](Self::reload).
    pub async fn reload_from_file(&self) -> Result<ReloadReport, ReloadError> {
        let turn = Arc::clone(&self.shared.reloads.turn).lock_owned().await;
        let Some(source) = &self.shared.source else { return self.shared.refused(ReloadError::NoFile) };
        match source.load().await {
            Ok(config) => self.in_turn(config, Wish::File, turn).await,
            Err(error) => self.shared.refused(error.into()),
        }
    }

    /// Reloads the configuration in force, whosoever it is: what the files hold that it names may be new.
    pub(crate) async fn reload_what_is_in_force(&self) -> Result<ReloadReport, ReloadError> {
        let turn = Arc::clone(&self.shared.reloads.turn).lock_owned().await;
        let config = Config::clone(&self.config());
        self.in_turn(config, Wish::Program, turn).await
    }

    /// Whether a reload of this configuration would not be refused.
    pub(crate) async fn can_have(&self, config: Arc<Config>) -> bool {
        let shared = Arc::clone(&self.shared);
        // Beside the runtime: files are read. If that is going down, nothing is to be had any more.
        spawn_blocking(move || shared.can_have(&config)).await.unwrap_or(false)
    }

    /// Whether a file that the configuration in force names holds something else than when it was read.
    pub(crate) async fn has_other_files(&self) -> bool {
        let shared = Arc::clone(&self.shared);
        spawn_blocking(move || shared.has_other_files()).await.unwrap_or(false)
    }

    async fn in_turn(
        &self,
        config: Config,
        wish: Wish,
        turn: tokio::sync::OwnedMutexGuard<()>,
    ) -> Result<ReloadReport, ReloadError> {
        let shared = Arc::clone(&self.shared);
        // Beside the runtime: files are read. With its turn, lest the next one begins before it has ended.
        let reload = spawn_blocking(move || {
            let outcome = shared.apply(config);
            if let Some(source) = &shared.source
                && (wish == Wish::File || outcome.is_ok())
            {
                source.set_refused(outcome.is_err());
            }
            drop(turn);
            // Whoever is called may wait for a reload, which could not begin before.
            shared.measuring.call_back();
            outcome
        });
        match reload.await {
            Ok(outcome) => outcome,
            Err(failed) => match failed.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime is going down.
                Err(_) => Err(ReloadError::Closed),
            },
        }
    }

    /// Waits until the reload that began this generation is in force, and no connection is left that is older, in the
    /// pools that it changed or removed.
    ///
    /// # Errors
    ///
    /// If the manager is closed, also while this waits, and the generation is not in force: it never will be.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future changes nothing.
    pub async fn wait_applied(&self, generation: u64) -> Result<(), NeverApplied> {
        let mut progress = self.shared.reloads.progress.subscribe();
        let is_settled = |progress: &Progress| {
            progress.has_reached(generation) || progress.is_over && progress.generation < generation
        };
        // Its other end is in the manager, which lives at least as long as this borrow.
        match progress.wait_for(is_settled).await {
            Ok(progress) if progress.has_reached(generation) => Ok(()),
            _ => Err(NeverApplied { generation }),
        }
    }

    /// What became of all reloads so far.
    pub fn reload_stats(&self) -> ReloadStats {
        self.shared.reloads.stats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Shared {
    /// Tells that a reload was refused.
    fn refused<T>(&self, error: ReloadError) -> Result<T, ReloadError> {
        let reason = error.to_string();
        self.reloads.note(|stats| stats.refused(&reason));
        self.tell(&ManagerEvent::ReloadRefused { reason });
        Err(error)
    }
}
