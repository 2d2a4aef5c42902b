//! How often pools are measured, and how much of that is kept.

use std::time::Duration;

use pool_core::{SettingChecks, SettingsError, Span};

use crate::{collector, history};

/// How often pools are measured, and how much of that is kept.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool_monitor::{MonitorSettings, TierSettings};
///
/// let hour = Duration::from_secs(3600);
/// let settings = MonitorSettings {
///     tiers: vec![
///         TierSettings { step: Duration::from_secs(60), retention: 24 * hour },
///         TierSettings { step: hour / 4, retention: 7 * 24 * hour },
///     ],
///     ..MonitorSettings::default()
/// };
/// assert!(settings.check().is_ok());
/// println!("{} bytes for each pool", settings.memory_per_pool());
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MonitorSettings {
    /// The time between two collections. They are made at multiples of it. From 1 ms. Default 10 s.
    pub collection_interval: Duration,
    /// For how long each collection is kept by itself. At least one interval. Default 1 h.
    pub retention_period: Duration,
    /// Coarser histories that reach further back, from fine to coarse; the step of each is a multiple of the step before.
    /// Default none.
    pub tiers: Vec<TierSettings>,
    /// How much memory histories and all else that the monitor knows of pools may take, in bytes. A pool for which there is
    /// no room is measured and has no history. Default 64 MiB, which is enough for 200 pools with the other defaults.
    pub max_memory_bytes: usize,
}

/// One of the coarser histories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TierSettings {
    /// How long a time each of its points stands for.
    pub step: Duration,
    /// How far it reaches back. At least one step.
    pub retention: Duration,
}

impl Default for MonitorSettings {
    fn default() -> Self {
        MonitorSettings {
            collection_interval: Duration::from_secs(10),
            retention_period: Duration::from_secs(3600),
            tiers: Vec::new(),
            max_memory_bytes: 64 << 20,
        }
    }
}

impl MonitorSettings {
    /// Keeps every sum of an instant and an interval far from the end of the clock.
    const LONGEST: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

    /// Checks all settings.
    ///
    /// # Errors
    ///
    /// Names every setting that is out of its range, not just the first.
    pub fn check(&self) -> Result<(), SettingsError> {
        let mut checks = SettingChecks::default();
        let interval = self.collection_interval;
        let holds = interval >= Duration::from_millis(1) && interval <= Self::LONGEST;
        checks.require(holds, "collection_interval", &Span(interval), "must be from 1 ms to 10 years");
        let mut before = ("collection_interval", interval);
        for tier in self.all_tiers() {
            let TierSettings { step, retention } = tier;
            let (of_step, of_retention) = match before.0 {
                "collection_interval" => ("collection_interval", "retention_period"),
                _ => ("tiers.step", "tiers.retention"),
            };
            if of_step == "tiers.step" {
                let multiple = !before.1.is_zero() && step.as_nanos().is_multiple_of(before.1.as_nanos());
                let holds = multiple && step > before.1 && step <= Self::LONGEST;
                checks.require(
                    holds,
                    of_step,
                    &Span(step),
                    format!("must be a larger multiple of {}", Span(before.1)),
                );
            }
            let holds = retention >= step && retention <= Self::LONGEST;
            checks.require(holds, of_retention, &Span(retention), "must be from one step to 10 years");
            before = ("tiers.step", step);
        }
        if checks.is_fine() {
            let needed = self.memory_per_pool();
            let rule = format!("must be at least {needed}, which the history of one pool takes");
            checks.require(needed <= self.max_memory_bytes, "max_memory_bytes", &self.max_memory_bytes, rule);
        }
        checks.finish("pool monitor")
    }

    /// How many bytes all that is known of one pool may take at most, its history above all.
    pub fn memory_per_pool(&self) -> usize {
        let tiers = self.all_tiers().enumerate();
        let bytes = tiers.map(|(position, tier)| history::memory(&tier, position == 0));
        bytes.fold(collector::MEMORY, usize::saturating_add)
    }

    /// For how many pools `max_memory_bytes` has room.
    pub fn pools_with_history(&self) -> usize {
        self.max_memory_bytes / self.memory_per_pool()
    }

    /// What is collected, and then the coarser ones.
    pub(crate) fn all_tiers(&self) -> impl Iterator<Item = TierSettings> + '_ {
        let finest = TierSettings { step: self.collection_interval, retention: self.retention_period };
        std::iter::once(finest).chain(self.tiers.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_have_room_for_two_hundred_pools() {
        let settings = MonitorSettings::default();
        assert_eq!(settings.check(), Ok(()));
        assert!(settings.pools_with_history() >= 200, "{}", settings.memory_per_pool());
    }

    #[test]
    fn every_bad_setting_is_named_at_once() {
        let second = Duration::from_secs(1);
        let settings = MonitorSettings {
            collection_interval: 10 * second,
            retention_period: second,
            tiers: vec![
                TierSettings { step: 15 * second, retention: 60 * second },
                TierSettings { step: 15 * second, retention: second },
            ],
            max_memory_bytes: 1,
        };
        insta::assert_snapshot!(settings.check().unwrap_err(), @"accept the pool monitor settings: retention_period = 1s must be from one step to 10 years; tiers.step = 15s must be a larger multiple of 10s; tiers.step = 15s must be a larger multiple of 15s; tiers.retention = 1s must be from one step to 10 years");
    }

    #[test]
    fn a_history_that_one_pool_is_too_much_for_is_refused_with_the_figure() {
        let settings = MonitorSettings { max_memory_bytes: 1 << 10, ..MonitorSettings::default() };
        let refused = settings.check().unwrap_err().to_string();
        // It is the sum of the sizes of some structs.
        let refused = refused.replace(&settings.memory_per_pool().to_string(), "N");
        insta::assert_snapshot!(refused, @"accept the pool monitor settings: max_memory_bytes = 1024 must be at least N, which the history of one pool takes");
    }
}
