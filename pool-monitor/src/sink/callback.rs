//! Alerts handed to a function.

use std::fmt;
use std::sync::Arc;

use super::{AlertSink, SinkFuture};
use crate::alert::Notification;

/// Calls a function with each notification. It must not block; if it panics, the notification counts as failed.
pub struct CallbackSink {
    name: String,
    call: Box<dyn Fn(&Notification) + Send + Sync>,
}

impl CallbackSink {
    /// Calls `call`, and is named `name`.
    pub fn new(name: impl Into<String>, call: impl Fn(&Notification) + Send + Sync + 'static) -> Self {
        CallbackSink { name: name.into(), call: Box::new(call) }
    }
}

impl AlertSink for CallbackSink {
    fn name(&self) -> &str {
        &self.name
    }

    fn notify(&self, notification: Arc<Notification>) -> SinkFuture<'_> {
        (self.call)(&notification);
        Box::pin(std::future::ready(Ok(())))
    }
}

impl fmt::Debug for CallbackSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallbackSink").field("name", &self.name).finish_non_exhaustive()
    }
}
