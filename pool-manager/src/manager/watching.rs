//! The task that reloads a manager when its files change or the process gets a SIGHUP. There is none for a manager that was
//! not made of a file, nor with `reload.watch: off` unless hangups are listened to.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::oneshot;

use super::{PoolManager, Shared};
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
            // What was loaded may be older than what the watcher has read just now.
            let Some(manager) = manager() else { return };
            reload(&manager).await;
            continue;
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
            reload(&manager).await;
        }
    }
}

/// The outcome is told to observers and logged by the reload itself.
async fn reload(manager: &PoolManager) {
    drop(manager.reload_from_file().await);
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
