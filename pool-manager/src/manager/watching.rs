//! The task that reloads a manager when its files change or the process gets a SIGHUP. There is none for a manager that was
//! not made of a file, nor with `reload.watch: off` unless hangups are listened to.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::sleep;

use super::{PoolManager, Shared, Source};
use crate::audit::Audit;
use crate::watch::{ConfigWatcher, Noticed};

/// Ends the task when it is dropped.
#[derive(Default)]
pub(super) struct Watching(Mutex<Option<oneshot::Sender<()>>>);

impl Watching {
    pub(super) fn end(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// Starts the task.
pub(super) fn begin(shared: &Arc<Shared>, watcher: ConfigWatcher) {
    let (keep, end) = oneshot::channel();
    *shared.watching.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(keep);
    let work = work(Arc::downgrade(shared), watcher);
    tokio::spawn(async move {
        tokio::select! {
            () = work => {}
            // An error says that the other end is gone, which is all that it can say.
            _ = end => {}
        }
    });
}

async fn work(shared: Weak<Shared>, mut watcher: ConfigWatcher) {
    let manager = || shared.upgrade().map(|shared| PoolManager { shared });
    loop {
        let Some(files) = manager().map(|manager| manager.files()) else { return };
        if watcher.watch(files).await {
            let Some(debounce) = manager().map(|manager| manager.config().reload.debounce) else { return };
            if look_again(manager, debounce).await {
                continue;
            }
        }
        let noticed = watcher.changed().await;
        let Some(manager) = manager() else { return };
        tell(&noticed);
        if noticed.hangup
            && let Some(audit) = &manager.shared.audit
        {
            Audit::reopen(audit);
        }
        if noticed.is_reason_to_reload() {
            reload(&manager, &noticed).await;
        }
    }
}

/// What was loaded may be older than what the watcher has read first of a file, and then it would never see that. So the file is
/// loaded again, and reloaded if it says something else than before; if not, secrets and certificates are looked at in the
/// same way. Returns whether a reload was tried: then there may be further files to watch, also if it was refused.
///
/// It is compared with what was loaded from the file, not with what is in force: that may be the program's.
///
/// Two readings must agree: if they do not, it is being written, and the watcher will see the rest.
async fn look_again(manager: impl Fn() -> Option<PoolManager>, debounce: Duration) -> bool {
    let mut first = None;
    for pause in [Duration::ZERO, debounce] {
        sleep(pause).await;
        let Some(manager) = manager() else { return false };
        let Some(source) = &manager.shared.source else { return false };
        // What is wrong with it was told by whoever loaded it before, or is going to be.
        let Ok(loaded) = source.read().await else { return false };
        let is_news = source.loaded().is_none_or(|before| *before != loaded.config);
        match first.take() {
            None => first = Some(loaded.config),
            Some(first) if first != loaded.config => return false,
            Some(_) if is_news => {
                drop(manager.reload_from_file().await);
                return true;
            }
            Some(_) => return look_at_files_named(&manager, source).await,
        }
    }
    false
}

/// Reloads if secrets or certificates are other than they were when they were read. Returns whether it was tried.
async fn look_at_files_named(manager: &PoolManager, source: &Source) -> bool {
    if let Some(refused) = source.refused() {
        let tries = manager.can_have(refused).await;
        if tries {
            drop(manager.reload_from_file().await);
        }
        return tries;
    }
    let tries = manager.has_other_files().await;
    if tries {
        drop(manager.reload_what_is_in_force().await);
    }
    tries
}

/// Reads the file again if it is another one, or somebody asked, or it was refused and may be right now. If only a secret or a
/// certificate is another one, what is in force is brought up to date: that may be of the program, and is to stay then.
///
/// The outcome is told to observers and logged by the reload itself.
async fn reload(manager: &PoolManager, noticed: &Noticed) {
    let is_of_file = manager.shared.source.as_ref().is_some_and(|source| {
        let own = source.own_files();
        noticed.hangup || source.refused().is_some() || noticed.changed.iter().any(|file| own.contains(file))
    });
    drop(if is_of_file { manager.reload_from_file().await } else { manager.reload_what_is_in_force().await });
}

fn tell(noticed: &Noticed) {
    for file in &noticed.missing {
        tracing::warn!(
            file = %file.path.display(),
            "a file of the configuration cannot be read any more: {}; the configuration in force stays",
            file.reason
        );
    }
}
