//! Silences: alerts of which nobody wants to be told for a while, such as during maintenance; also those that do not exist yet.

use std::fmt;
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use super::labels::Labels;
use super::matcher::Matcher;
use super::time;

/// Names a silence. Shown as `silence-1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SilenceId(pub u64);

impl fmt::Display for SilenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("silence-{}", self.0))
    }
}

impl std::str::FromStr for SilenceId {
    type Err = SilenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = text.strip_prefix("silence-").and_then(|number| number.parse().ok());
        number.map(SilenceId).ok_or(SilenceError::Id)
    }
}

impl Serialize for SilenceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SilenceId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// Whether a silence is to come, is now, or is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SilenceState {
    /// It is to come.
    Pending,
    /// It is now.
    Active,
    /// It is over.
    Expired,
}

impl SilenceState {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            SilenceState::Pending => "pending",
            SilenceState::Active => "active",
            SilenceState::Expired => "expired",
        }
    }
}

/// Mutes the alerts that match, for a while. Its JSON is that of Alertmanager's API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Silence {
    /// Names it. Given by the manager.
    pub id: SilenceId,
    /// All of these match what is muted. At least one, and one of them matches no alert without its label: nothing mutes
    /// everything by accident.
    pub matchers: Vec<Matcher>,
    /// When it begins.
    #[serde(with = "time::rfc3339")]
    pub starts_at: SystemTime,
    /// When it ends.
    #[serde(with = "time::rfc3339")]
    pub ends_at: SystemTime,
    /// Who wants it.
    pub created_by: String,
    /// Why.
    pub comment: String,
    /// When it was made, or ended before its time.
    #[serde(with = "time::rfc3339")]
    pub updated_at: SystemTime,
}

/// Says why there is no such silence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SilenceError {
    /// It would mute everything.
    #[error("silence alerts: no matcher needs a label, so everything would be muted")]
    MatchesEverything,
    /// It ends before it begins, or has ended already.
    #[error("silence alerts: it would be over before it begins")]
    OverAlready,
    /// As many as may be are to come or active. One that is over gives way.
    #[error("silence alerts: there are {0} silences already")]
    TooMany(usize),
    /// There is none of this id.
    #[error("find the silence: there is none of this id")]
    NotFound,
    /// The text names none.
    #[error("read the id of a silence: it is not silence-, and a number")]
    Id,
}

impl Silence {
    /// Whether it is to come, is now, or is over at `time`.
    pub fn state(&self, time: SystemTime) -> SilenceState {
        if time >= self.ends_at {
            SilenceState::Expired
        } else if time >= self.starts_at {
            SilenceState::Active
        } else {
            SilenceState::Pending
        }
    }

    /// Whether it mutes what has these labels, while it is active.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.matches(labels))
    }

    /// Whether it mutes no alert without a certain label, and therefore not everything.
    fn needs_label(&self) -> bool {
        self.matchers.iter().any(Matcher::needs_label)
    }

    fn check(&self, time: SystemTime) -> Result<(), SilenceError> {
        if !self.needs_label() {
            return Err(SilenceError::MatchesEverything);
        }
        if self.ends_at <= self.starts_at || self.ends_at <= time {
            return Err(SilenceError::OverAlready);
        }
        Ok(())
    }
}

/// All silences that are not forgotten.
#[derive(Debug, Default)]
pub(super) struct Silences {
    /// In the order of their ids.
    all: Vec<Silence>,
    last: u64,
}

/// Which silences match certain labels, whenever they begin and end. Neither labels nor matchers change, and a pattern takes a while.
#[derive(Debug, Default)]
pub(super) struct Compared {
    matching: Vec<SilenceId>,
    /// The last silence that was looked at.
    last: u64,
}

impl Silences {
    /// Far more than people make, and little enough to hold against every alert.
    const MAX: usize = 1_000;
    /// The largest number of a silence that is taken in: others must be able to follow.
    const MAX_ID: u64 = u64::MAX / 2;

    pub(super) fn add(&mut self, mut silence: Silence, time: SystemTime) -> Result<SilenceId, SilenceError> {
        silence.check(time)?;
        if self.all.len() >= Self::MAX {
            self.forget_one(time)?;
        }
        self.last += 1;
        silence.id = SilenceId(self.last);
        silence.updated_at = time;
        self.all.push(silence);
        Ok(SilenceId(self.last))
    }

    /// Forgets that which has been over for longest.
    fn forget_one(&mut self, time: SystemTime) -> Result<(), SilenceError> {
        let over = self.all.iter().enumerate().filter(|(_, silence)| silence.ends_at <= time);
        let oldest = over.min_by_key(|(_, silence)| silence.ends_at).map(|(place, _)| place);
        self.all.remove(oldest.ok_or(SilenceError::TooMany(self.all.len()))?);
        Ok(())
    }

    /// Ends one now. One that is over stays as it is.
    pub(super) fn expire(&mut self, id: SilenceId, time: SystemTime) -> Result<(), SilenceError> {
        let found = self.all.iter_mut().find(|silence| silence.id == id).ok_or(SilenceError::NotFound)?;
        if found.state(time) != SilenceState::Expired {
            found.starts_at = found.starts_at.min(time);
            (found.ends_at, found.updated_at) = (time, time);
        }
        Ok(())
    }

    pub(super) fn all(&self) -> &[Silence] {
        &self.all
    }

    /// Of those that are over, forgets those that were so before `time`.
    pub(super) fn forget_before(&mut self, time: SystemTime) {
        self.all.retain(|silence| silence.ends_at > time);
    }

    /// Takes in which of the silences that are new since the last time match these labels.
    pub(super) fn compare(&self, labels: &Labels, known: &mut Compared) {
        if known.last == self.last {
            return;
        }
        known.matching.retain(|id| self.find(*id).is_some());
        let new = self.all.partition_point(|silence| silence.id.0 <= known.last);
        let matching = self.all[new..].iter().filter(|silence| silence.matches(labels));
        known.matching.extend(matching.map(|silence| silence.id));
        known.last = self.last;
    }

    /// Those that mute now what was [compared](Silences::compare) with them.
    pub(super) fn muting(&self, known: &Compared, time: SystemTime) -> Vec<SilenceId> {
        let matching = known.matching.iter().filter_map(|id| self.find(*id));
        let active = matching.filter(|silence| silence.state(time) == SilenceState::Active);
        active.map(|silence| silence.id).collect()
    }

    fn find(&self, id: SilenceId) -> Option<&Silence> {
        self.all.binary_search_by_key(&id, |silence| silence.id).ok().map(|place| &self.all[place])
    }

    /// Whether one of them mutes what has these labels now.
    pub(super) fn mute(&self, labels: &Labels, time: SystemTime) -> bool {
        let mut active = self.all.iter().filter(|silence| silence.state(time) == SilenceState::Active);
        active.any(|silence| silence.matches(labels))
    }

    /// As they were written down; what is over by now is left to [`forget_before`](Silences::forget_before). One that could not
    /// have been made is left out.
    pub(super) fn restore(&mut self, silences: Vec<Silence>) {
        self.all = silences;
        self.all.retain(|silence| silence.needs_label() && silence.id.0 <= Self::MAX_ID);
        self.all.sort_by_key(|silence| silence.id);
        self.all.dedup_by_key(|silence| silence.id);
        self.all.truncate(Self::MAX);
        self.last = self.all.last().map_or(0, |silence| silence.id.0).max(self.last);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn silence(matcher: &str, starts: u64, ends: u64) -> Silence {
        Silence {
            id: SilenceId(0),
            matchers: vec![matcher.parse().unwrap()],
            starts_at: at(starts),
            ends_at: at(ends),
            created_by: "ada".to_owned(),
            comment: "new disks".to_owned(),
            updated_at: at(0),
        }
    }

    #[test]
    fn it_mutes_from_its_beginning_until_its_end() {
        let mut silences = Silences::default();
        let (orders, mut known) = (Labels::new().with("pool", "orders"), Compared::default());
        silences.compare(&orders, &mut known);
        let id = silences.add(silence("pool=orders", 10, 20), at(0)).unwrap();
        silences.compare(&orders, &mut known);
        let muted = |time| {
            let muting = silences.muting(&known, at(time));
            assert_eq!(silences.mute(&orders, at(time)), !muting.is_empty());
            muting
        };
        assert_eq!(muted(9), []);
        assert_eq!(muted(10), [id]);
        assert_eq!(muted(19), [id]);
        assert_eq!(muted(20), []);
        assert!(!silences.mute(&Labels::new().with("pool", "users"), at(15)));
    }

    #[test]
    fn one_that_would_mute_everything_or_nothing_is_refused() {
        let mut silences = Silences::default();
        let mut add = |silence| silences.add(silence, at(5));
        assert_eq!(add(silence("pool!=orders", 0, 10)), Err(SilenceError::MatchesEverything));
        assert_eq!(
            add(Silence { matchers: vec![], ..silence("a=1", 0, 10) }),
            Err(SilenceError::MatchesEverything)
        );
        assert_eq!(add(silence("pool=orders", 7, 7)), Err(SilenceError::OverAlready));
        assert_eq!(add(silence("pool=orders", 0, 5)), Err(SilenceError::OverAlready));
        assert_eq!(add(silence("pool=orders", 0, 6)), Ok(SilenceId(1)));
    }

    #[test]
    fn one_can_be_ended_before_its_time_and_before_it_began() {
        let mut silences = Silences::default();
        let now = silences.add(silence("a=1", 0, 100), at(0)).unwrap();
        let later = silences.add(silence("a=1", 50, 100), at(0)).unwrap();
        assert_eq!(silences.expire(now, at(10)), Ok(()));
        assert_eq!(silences.expire(now, at(20)), Ok(()), "once more is the same");
        assert_eq!(silences.expire(later, at(10)), Ok(()));
        assert_eq!(silences.expire(SilenceId(9), at(10)), Err(SilenceError::NotFound));
        for silence in silences.all() {
            assert_eq!((silence.ends_at, silence.state(at(10))), (at(10), SilenceState::Expired));
        }
    }

    #[test]
    fn those_that_are_over_are_forgotten_and_no_id_comes_twice() {
        let mut silences = Silences::default();
        silences.add(silence("a=1", 0, 10), at(0)).unwrap();
        silences.forget_before(at(9));
        assert_eq!(silences.all().len(), 1);
        silences.forget_before(at(10));
        assert_eq!(silences.all(), []);
        assert_eq!(silences.add(silence("a=1", 0, 20), at(10)), Ok(SilenceId(2)));
    }

    #[test]
    fn one_that_is_over_makes_room_for_another_one() {
        let mut silences = Silences::default();
        for ends in 0..Silences::MAX as u64 {
            silences.add(silence("a=1", 0, 2_000 - ends), at(0)).unwrap();
        }
        let mut known = Compared::default();
        let labels = Labels::new().with("a", "1");
        silences.compare(&labels, &mut known);
        let last = 2_000 - (Silences::MAX as u64 - 1);
        let full = Err(SilenceError::TooMany(Silences::MAX));
        assert_eq!(silences.add(silence("a=1", 0, 3_000), at(last - 1)), full);
        assert!(silences.add(silence("a=1", 0, 3_000), at(last)).is_ok());
        assert_eq!(silences.add(silence("a=1", 0, 3_000), at(last)), full, "but for one all are active");
        assert_eq!(silences.expire(SilenceId(Silences::MAX as u64), at(last)), Err(SilenceError::NotFound));
        silences.compare(&labels, &mut known);
        assert_eq!(silences.muting(&known, at(last)).len(), Silences::MAX);
    }

    #[test]
    fn there_are_never_more_than_may_be() {
        let mut silences = Silences::default();
        for _ in 0..Silences::MAX {
            silences.add(silence("a=1", 0, 10), at(0)).unwrap();
        }
        assert_eq!(silences.add(silence("a=1", 0, 10), at(0)), Err(SilenceError::TooMany(Silences::MAX)));
    }
}
