//! The task that moves a connection's bytes, and why it ended.

use std::sync::{Arc, OnceLock};

use tokio::task::JoinHandle;

/// Drives a connection until it is closed, or until nobody has this any more.
pub(super) struct Driver {
    task: JoinHandle<()>,
    /// Set when the connection has ended: with its error, if it was one.
    end: Arc<OnceLock<Option<Arc<hyper::Error>>>>,
}

impl Driver {
    /// Must be called on a tokio runtime, as connects are.
    pub(super) fn spawn(
        connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static,
    ) -> Arc<Driver> {
        let end = Arc::new(OnceLock::new());
        let told = Arc::clone(&end);
        let task = tokio::spawn(async move {
            let mut connection = Box::pin(connection);
            let error = connection.as_mut().await.err().map(Arc::new);
            // Before the connection is dropped: who is told by that, asks for the reason.
            told.get_or_init(|| error);
        });
        Arc::new(Driver { task, end })
    }

    /// Why the connection ended, if it did, by an error.
    pub(super) fn error(&self) -> Option<Arc<hyper::Error>> {
        self.end.get().cloned().flatten()
    }

    /// Waits until the connection is closed, which it will be when nobody can send on it.
    pub(super) async fn ended(mut self) {
        // An error is of no interest on the way out, and a panic was reported where it happened.
        drop((&mut self.task).await);
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.task.abort();
    }
}
