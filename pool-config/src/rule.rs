//! A rule between two keys of one section, such as `min_connections` at most `max_connections`.

use crate::problem::Mistake;
use crate::section::{Origin, Section};

/// A rule between two keys of a section that is read into an `S`.
pub(crate) struct Rule<S> {
    pub(crate) key: &'static str,
    pub(crate) relation: Relation,
    pub(crate) other: &'static str,
    /// Both values, in the units of the file.
    pub(crate) values: fn(&S) -> (u128, u128),
}

/// What the first key of a [`Rule`] is to the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    /// At most the other. A default that nobody wrote gives way: whoever reads the section lowers it.
    AtMost,
    /// Below the other.
    Below,
    /// Below, unless one of the two is off (0, which is below anything else) or nobody wrote it.
    ///
    /// A default must not turn a file into a wrong one: a pool whose `max_lifetime_ms` is a minute is allowed,
    /// although the built-in `keepalive_interval_ms` is two. Such a default is harmless: the longer time never comes.
    BelowIfWritten,
}

impl<S> Rule<S> {
    /// Reports to `section` if the settings read from it break this rule.
    ///
    /// Only if one of both keys stands in this section: otherwise it was reported where they stand.
    pub(crate) fn check(&self, settings: &S, section: &mut Section<'_>) {
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

    fn holds(&self, settings: &S, [key, other]: [Origin; 2]) -> bool {
        let (value, limit) = (self.values)(settings);
        match self.relation {
            Relation::AtMost => value <= limit || key == Origin::Default,
            Relation::Below => value < limit,
            Relation::BelowIfWritten => {
                value < limit || limit == 0 || key == Origin::Default || other == Origin::Default
            }
        }
    }

    fn mistake(&self, at: &str, settings: &S, section: &Section<'_>) -> Mistake {
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
