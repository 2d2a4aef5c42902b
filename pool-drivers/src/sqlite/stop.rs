//! Makes SQLite give up a statement that nobody waits for any more.
//!
//! SQLite asks a *progress handler* every so many steps of its machine whether to go on. Ours looks at a
//! flag, which can be raised from any thread, without I/O and without a runtime: while a guard is dropped, or
//! with the connection itself. Without it, a query whose caller has gone would hold its thread, its file and
//! perhaps the write lock for as long as it takes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Steps between two looks at the flag: well under a millisecond for most statements, and a thousand times
/// more than a `ROLLBACK` takes, which therefore is never stopped by what it follows.
const STEPS: i32 = 10_000;

/// The flag of one connection. Dropping it raises it: a connection that is dropped stops what it does.
#[derive(Debug, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

// Ordering: the flag guards no other data, and a look that comes too early is followed by another.
impl Stop {
    /// Ends the running statement, and every longer one until `withdraw`.
    pub(super) fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Lets statements run again.
    pub(super) fn withdraw(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// Installs the handler, and removes all hooks that someone else has installed. Waits for what runs.
    pub(super) async fn install(&self, raw: &mut sqlx::SqliteConnection) -> Result<(), sqlx::Error> {
        let flag = Arc::clone(&self.0);
        let mut handle = raw.lock_handle().await?;
        handle.remove_update_hook();
        handle.remove_commit_hook();
        handle.remove_rollback_hook();
        handle.set_progress_handler(STEPS, move || !flag.load(Ordering::Relaxed));
        Ok(())
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.request();
    }
}
