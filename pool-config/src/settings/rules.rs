//! Rules between two keys of a pool, such as `min_connections` at most `max_connections`, and what is allowed but hardly
//! meant.

use crate::problem::Mistake;
use crate::section::{Origin, Section};
use crate::settings::PoolSettings;

/// Reports to `section` which rules `settings` break that were read from it.
pub(super) fn check(settings: &PoolSettings, section: &mut Section<'_>) {
    for rule in RULES {
        rule.check(settings, section);
    }
    for hint in HINTS {
        hint.check(settings, section);
    }
}

/// All rules between two keys.
const RULES: &[Rule] = &[
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
    Rule {
        key: "leak_detection_threshold_ms",
        relation: Relation::BelowIfWritten,
        other: "max_lifetime_ms",
        values: |s| (s.leak_detection_threshold.as_millis(), s.max_lifetime.as_millis()),
    },
];

/// A rule between two keys of the same pool.
struct Rule {
    key: &'static str,
    relation: Relation,
    other: &'static str,
    /// Both values, in the units of the file.
    values: fn(&PoolSettings) -> (u128, u128),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    /// At most the other. A default that nobody wrote gives way: see [`PoolSettings::settle`].
    AtMost,
    Below,
    /// Below, unless one of the two is off (0, which is below anything else) or nobody wrote it.
    ///
    /// A default must not turn a file into a wrong one: a pool whose `max_lifetime_ms` is a minute is allowed,
    /// although the built-in `keepalive_interval_ms` is two. Such a default is harmless: the longer time never comes.
    BelowIfWritten,
}

impl Rule {
    /// Reports to `section` if the settings read from it break this rule.
    ///
    /// Only if one of both keys stands in this section: otherwise it was reported where they stand.
    fn check(&self, settings: &PoolSettings, section: &mut Section<'_>) {
        let origins = [section.effective_origin(self.key), section.effective_origin(self.other)];
        if origins.contains(&Origin::Refused) || self.holds(settings, origins) {
            return;
        }
        let at = match (section.is_written(self.key), section.is_written(self.other)) {
            (true, _) => self.key,
            (false, true) => self.other,
            (false, false) => return,
        };
        let mistake = self.mistake(at, settings, section);
        section.report(at, mistake);
    }

    fn holds(&self, settings: &PoolSettings, [key, other]: [Origin; 2]) -> bool {
        let (value, limit) = (self.values)(settings);
        match self.relation {
            Relation::AtMost => value <= limit || key == Origin::Default,
            Relation::Below => value < limit,
            Relation::BelowIfWritten => {
                value < limit || limit == 0 || key == Origin::Default || other == Origin::Default
            }
        }
    }

    fn mistake(&self, at: &str, settings: &PoolSettings, section: &Section<'_>) -> Mistake {
        let Self { key, other, .. } = *self;
        let (value, other_value) = (self.values)(settings);
        let (found, opposite, opposite_value) =
            if at == key { (value, other, other_value) } else { (other_value, key, value) };
        let origin = match section.effective_origin(opposite) {
            Origin::Written(place) => section.whereabouts(place, at),
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

/// All that is allowed and hardly meant. Only what is written is judged: nobody is warned of a default.
const HINTS: &[Hint] = &[
    Hint {
        key: "max_lifetime_ms",
        applies: |s, _| s.max_lifetime.is_zero(),
        expected: "a limit: servers, load balancers and firewalls end connections too, and tell nobody",
        help: "write 1800000 for half an hour, below what ends connections on the way",
    },
    Hint {
        key: "idle_timeout_ms",
        applies: |s, _| below(s.idle_timeout.as_millis(), 10_000),
        expected: "10000 or more: connections are opened and closed all the time otherwise",
        help: "raise it, or write 0 to keep idle connections",
    },
    Hint {
        key: "idle_timeout_ms",
        applies: |s, _| !s.idle_timeout.is_zero() && s.min_connections == s.max_connections,
        expected: "nothing: with min_connections equal to max_connections no connection is closed for being idle",
        help: "remove it, or lower min_connections",
    },
    Hint {
        key: "keepalive_interval_ms",
        applies: |s, _| below(s.keepalive_interval.as_millis(), 30_000),
        expected: "30000 or more: a ping costs as much as a small query",
        help: "raise it, or write 0 to switch it off",
    },
    Hint {
        key: "connection_timeout_ms",
        applies: |s, _| s.acquire_timeout.as_millis() > 60_000,
        expected: "60000 or less: whoever asks has given up by then",
        help: "lower it, so that callers learn in time that there is no connection",
    },
    Hint {
        key: "connection_timeout_ms",
        applies: |s, _| s.acquire_timeout.as_millis() < 250,
        expected: "250 or more: opening a connection may take as long",
        help: "raise it, or keep enough connections open with min_connections",
    },
    Hint {
        key: "connect_timeout_ms",
        applies: |s, section| {
            s.connect_timeout > s.acquire_timeout
                && section.effective_origin("connection_timeout_ms") != Origin::Default
        },
        expected: "at most connection_timeout_ms: callers give up before the attempt does",
        help: "lower it, or raise connection_timeout_ms",
    },
    Hint {
        key: "leak_detection_threshold_ms",
        applies: |s, _| below(s.leak_detection_threshold.as_millis(), 2_000),
        expected: "2000 or more: ordinary work would be reported as a leak",
        help: "raise it above the longest use that is meant",
    },
    Hint {
        key: "lifetime_jitter",
        applies: |s, _| s.lifetime_jitter == 0.0 && s.max_connections > 4,
        expected: "above 0: connections opened together would also be replaced together",
        help: "write 0.2",
    },
    Hint {
        key: "max_retries",
        applies: |s, _| s.retry_delay.saturating_mul(s.max_retries) > s.acquire_timeout,
        expected: "a round of recovery, max_retries times retry_delay_ms, within connection_timeout_ms",
        help: "lower it: an outage is reported only after the callers have given up",
    },
    Hint {
        key: "retry_delay_ms",
        applies: |s, section| {
            s.retry_delay.saturating_mul(s.max_retries) > s.acquire_timeout
                && !section.is_written("max_retries")
        },
        expected: "a round of recovery, max_retries times retry_delay_ms, within connection_timeout_ms",
        help: "lower it: an outage is reported only after the callers have given up",
    },
];

fn below(value: u128, least: u128) -> bool {
    (1..least).contains(&value)
}

/// What is allowed and hardly meant.
struct Hint {
    key: &'static str,
    applies: fn(&PoolSettings, &Section<'_>) -> bool,
    expected: &'static str,
    help: &'static str,
}

impl Hint {
    fn check(&self, settings: &PoolSettings, section: &mut Section<'_>) {
        if section.is_written(self.key) && (self.applies)(settings, section) {
            let found = section.shown(self.key);
            section.warn(self.key, Mistake::new(found, self.expected, self.help));
        }
    }
}
