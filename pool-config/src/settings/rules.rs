//! Rules between two keys of a pool, such as `min_connections` at most `max_connections`.

use crate::problem::Mistake;
use crate::section::{Origin, Section};
use crate::settings::PoolSettings;
use crate::settings::layer::Layer;

/// All rules between two keys.
pub(crate) const RULES: &[Rule] = &[
    Rule {
        key: "min_connections",
        relation: Relation::AtMost,
        other: "max_connections",
        values: |s| (s.min_connections as u128, s.max_connections as u128),
    },
    Rule {
        key: "min_idle",
        relation: Relation::AtMost,
        other: "max_connections",
        values: |s| (s.min_idle as u128, s.max_connections as u128),
    },
    Rule {
        key: "reserve_connections",
        relation: Relation::Below,
        other: "max_connections",
        values: |s| (s.reserve_connections as u128, s.max_connections as u128),
    },
    Rule {
        key: "validation_timeout_ms",
        relation: Relation::BelowIfWritten,
        other: "connection_timeout_ms",
        values: |s| (s.validation_timeout.as_millis(), s.acquire_timeout.as_millis()),
    },
    Rule {
        key: "keepalive_interval_ms",
        relation: Relation::BelowIfWritten,
        other: "max_lifetime_ms",
        values: |s| (s.keepalive_interval.as_millis(), s.max_lifetime.as_millis()),
    },
    Rule {
        key: "idle_timeout_ms",
        relation: Relation::BelowIfWritten,
        other: "max_lifetime_ms",
        values: |s| (s.idle_timeout.as_millis(), s.max_lifetime.as_millis()),
    },
];

/// A rule between two keys of the same pool.
pub(crate) struct Rule {
    key: &'static str,
    relation: Relation,
    other: &'static str,
    /// Both values, in the units of the file.
    values: fn(&PoolSettings) -> (u128, u128),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    AtMost,
    Below,
    /// Below, unless one of the two is off (0, which is below anything else) or nobody wrote it.
    ///
    /// A default must not turn a file into a wrong one: a pool whose `max_lifetime_ms` is a minute is allowed,
    /// although the built-in `keepalive_interval_ms` is two. Such a default is harmless: the longer time never comes.
    BelowIfWritten,
}

impl Rule {
    /// Reports to `section` if `layer`, to which it contributed the topmost keys, breaks this rule.
    ///
    /// Only if one of both keys stands in this section: otherwise it was reported where they stand.
    pub(crate) fn check(&self, layer: &Layer, section: &mut Section<'_>) {
        let (key, other) = (layer.origin(self.key), layer.origin(self.other));
        if key == Origin::Refused || other == Origin::Refused || self.holds(layer) {
            return;
        }
        let is_here = |key| matches!(section.origin(key), Origin::Written(_));
        let at = match (is_here(self.key), is_here(self.other)) {
            (true, _) => self.key,
            (false, true) => self.other,
            (false, false) => return,
        };
        section.report(at, self.mistake(at, layer));
    }

    fn holds(&self, layer: &Layer) -> bool {
        let (value, other) = (self.values)(layer.settings());
        let written = |key| layer.origin(key) != Origin::Default;
        match self.relation {
            Relation::AtMost => value <= other,
            Relation::Below => value < other,
            Relation::BelowIfWritten => {
                value < other || other == 0 || !written(self.key) || !written(self.other)
            }
        }
    }

    fn mistake(&self, at: &str, layer: &Layer) -> Mistake {
        let Self { key, other, .. } = *self;
        let (value, other_value) = (self.values)(layer.settings());
        let (found, opposite, opposite_value) =
            if at == key { (value, other, other_value) } else { (other_value, key, value) };
        let origin = match layer.origin(opposite) {
            Origin::Written(place) => format!("line {}", place.line),
            Origin::Default | Origin::Refused => "built in".to_owned(),
        };
        let relation = match self.relation {
            Relation::AtMost => "at most",
            Relation::Below | Relation::BelowIfWritten => "below",
        };
        Mistake::new(
            format!("{found} while {opposite} is {opposite_value} ({origin})"),
            format!("{key} {relation} {other}"),
            format!("lower {key} or raise {other}"),
        )
    }
}
