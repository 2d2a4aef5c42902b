//! What one measurement of one pool yields.

use crate::wait::Waits;

/// One measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Nanoseconds per operation of all callers together.
    pub(crate) ns_per_op: f64,
    /// Of loads under which callers wait.
    pub(crate) waits: Option<Waits>,
}

impl Sample {
    /// Without waits.
    pub(crate) fn plain(ns_per_op: f64) -> Self {
        Sample { ns_per_op, waits: None }
    }
}
