//! Inheritance: settings key by key from the built-in defaults, `default_pool` and the pool itself.
//!
//! A layer is a whole set of settings plus the origin of each key, not a set of options with holes: reading a section
//! over a copy of the layer below *is* the inheritance, and no second struct mirrors [`PoolSettings`].

use std::collections::HashMap;

use crate::section::{Origin, Section};
use crate::settings::PoolSettings;
use crate::settings::rules::RULES;
use crate::values::{choice, flag, millis, millis_or_zero, number, whole};

/// The most connections one pool may have: more is a unit error, no server takes it.
const MAX_CONNECTIONS: usize = 10_000;

/// The most callers a queue may be bounded to; a longer one is written as 0, unbounded.
const MAX_WAITING: usize = 1_000_000;

/// Settings after some levels of inheritance, and where each key that was written was written.
#[derive(Debug, Clone)]
pub(crate) struct Layer {
    settings: PoolSettings,
    origins: HashMap<&'static str, Origin>,
}

impl Layer {
    /// The lowest layer: the built-in defaults, of which nothing is written.
    pub(crate) fn built_in() -> Self {
        Self { settings: PoolSettings::default(), origins: HashMap::new() }
    }

    /// The layer above this one: the keys of `section`, and this layer's value for every other key.
    pub(crate) fn extended_by(&self, section: &mut Section<'_>) -> Self {
        let Self { mut settings, mut origins } = self.clone();
        read(&mut settings, section);
        origins.extend(section.origins().filter(|(_, origin)| *origin != Origin::Default));
        Self { settings, origins }
    }

    /// The settings of this layer, after reporting to `section`, the last one read, which rules they break.
    ///
    /// The built-in `min_connections` follows a smaller `max_connections`: whoever writes only `max_connections: 1`
    /// has made no mistake.
    pub(crate) fn resolve(mut self, section: &mut Section<'_>) -> PoolSettings {
        if self.origin("min_connections") == Origin::Default {
            self.settings.min_connections = self.settings.min_connections.min(self.settings.max_connections);
        }
        for rule in RULES {
            rule.check(&self, section);
        }
        self.settings
    }

    pub(crate) fn settings(&self) -> &PoolSettings {
        &self.settings
    }

    pub(crate) fn origin(&self, key: &str) -> Origin {
        self.origins.get(key).copied().unwrap_or(Origin::Default)
    }
}

fn read(settings: &mut PoolSettings, section: &mut Section<'_>) {
    let s = settings;
    section.set("max_connections", &mut s.max_connections, whole(1..=MAX_CONNECTIONS));
    section.set("min_connections", &mut s.min_connections, whole(0..=MAX_CONNECTIONS));
    section.set("min_idle", &mut s.min_idle, whole(0..=MAX_CONNECTIONS));
    section.set("connection_timeout_ms", &mut s.acquire_timeout, millis);
    section.set("connect_timeout_ms", &mut s.connect_timeout, millis);
    section.set("validation_timeout_ms", &mut s.validation_timeout, millis);
    section.set("validate_after_idle_ms", &mut s.validate_after_idle, millis_or_zero("always"));
    section.set("validate_on_return", &mut s.validate_on_return, flag);
    section.set("idle_timeout_ms", &mut s.idle_timeout, millis_or_zero("never"));
    section.set("max_lifetime_ms", &mut s.max_lifetime, millis_or_zero("never"));
    section.set("lifetime_jitter", &mut s.lifetime_jitter, number(0.0..=0.5));
    section.set("max_uses", &mut s.max_uses, whole(0..=u64::MAX));
    section.set("keepalive_interval_ms", &mut s.keepalive_interval, millis_or_zero("off"));
    section.set("maintenance_interval_ms", &mut s.maintenance_interval, millis);
    section.set("leak_detection_threshold_ms", &mut s.leak_detection_threshold, millis_or_zero("off"));
    section.set("max_waiting", &mut s.max_waiting, whole(0..=MAX_WAITING));
    section.set("connect_concurrency", &mut s.connect_concurrency, whole(1..=MAX_CONNECTIONS));
    section.set("max_retries", &mut s.max_retries, whole(0..=u32::MAX));
    section.set("retry_delay_ms", &mut s.retry_delay, millis);
    section.set("fail_fast", &mut s.fail_fast, flag);
    section.set("reuse", &mut s.reuse, choice);
    section.set("reserve_connections", &mut s.reserve_connections, whole(0..=MAX_CONNECTIONS));
    section.set("reset_timeout_ms", &mut s.reset_timeout, millis);
    section.set("health_check_interval_ms", &mut s.health_check_interval, millis);
}
