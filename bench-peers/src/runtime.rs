//! The two runtimes everything is measured on.

use clap::ValueEnum;
use serde::Serialize;
use tokio::runtime::{Builder, Runtime};

/// Kind of runtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Flavor {
    /// Multi-thread, 2 workers
    Multi,
    /// One thread, which runs all tasks
    Current,
}

impl Flavor {
    /// Both, in the order of the tables.
    pub(crate) const ALL: [Flavor; 2] = [Flavor::Multi, Flavor::Current];

    /// Its name in tables and JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Flavor::Multi => "multi",
            Flavor::Current => "current",
        }
    }

    /// What it is, in words.
    #[cfg(feature = "sql")]
    pub(crate) fn about(self) -> &'static str {
        match self {
            Flavor::Multi => "multi-thread, 2 workers",
            Flavor::Current => "one thread",
        }
    }

    /// A fresh runtime; each sample has its own, so that none inherits another's timers or queues.
    pub(crate) fn start(self) -> Runtime {
        let mut builder = match self {
            Flavor::Multi => Builder::new_multi_thread(),
            Flavor::Current => Builder::new_current_thread(),
        };
        if self == Flavor::Multi {
            builder.worker_threads(2);
        }
        builder.enable_all().build().expect("the machine has threads and descriptors to spare")
    }
}
