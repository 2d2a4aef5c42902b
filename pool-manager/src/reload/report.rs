//! What a reload has changed.

use std::fmt;

use pool_config::Changes;

use crate::blueprint::BuildProblem;

/// What a reload has changed.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ReloadReport {
    /// Counts the configurations that were in force: 0 is the first one. A reload that changes nothing begins no new one.
    pub generation: u64,
    /// Key by key, what differs from the configuration before.
    pub changes: Changes,
    /// The pools that are new.
    pub added: Vec<String>,
    /// The pools that are closed.
    pub removed: Vec<String>,
    /// The pools whose options were replaced.
    pub changed: Vec<String>,
    /// The pools whose connections are replaced, with or without their options; for pools made on demand, the keys of their
    /// targets.
    pub drained: Vec<String>,
    /// Why pools made on demand stay as they were although they should be otherwise; logged as well. A tenant whose secret is
    /// gone is no reason to refuse everybody a new configuration.
    pub left_alone: Vec<BuildProblem>,
    /// How many pools are as they were.
    pub unchanged: usize,
}

impl ReloadReport {
    /// Whether the configuration was the one in force, and nothing was done.
    pub fn is_unchanged(&self) -> bool {
        let Self { changes, added, changed, drained, .. } = self;
        changes.is_empty() && added.is_empty() && changed.is_empty() && drained.is_empty()
    }
}

/// One line; [`changes`](ReloadReport::changes) shows each key.
impl fmt::Display for ReloadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generation, added, removed, changed, drained, unchanged, .. } = self;
        write!(f, "configuration {generation} is in force; pools")?;
        for (what, pools) in
            [("added", added), ("removed", removed), ("changed", changed), ("drained", drained)]
        {
            if !pools.is_empty() {
                write!(f, " {what}: {},", pools.join(" "))?;
            }
        }
        write!(f, " as before: {unchanged}")
    }
}
