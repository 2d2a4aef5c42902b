//! `monitoring.tiers`: how long measurements are kept, the older the coarser.

use std::time::Duration;

use crate::class::ReloadClass::Live;
use crate::keys::keys;
use crate::kind::Millis;
use crate::problem::Mistake;
use crate::section::{Origin, Section};

keys! {
    /// An entry of `monitoring.tiers`: measurements put together, and kept for longer than the single ones.
    pub struct HistoryTier {
        /// how much time is put together into one measurement. A multiple of the tier before, and the first one of
        /// `collection_interval_ms`
        step: Duration = Duration::ZERO, required("step_ms", Millis::POSITIVE, Live);

        /// how long they are kept. A multiple of `step_ms`, and longer than the tier before
        retention: Duration = Duration::ZERO, required("retention_ms", Millis::POSITIVE, Live);
    }
}

/// Whether each tier follows from the one before. `first` is what is collected, and how long that is kept.
pub(super) fn check_tiers(first: (Duration, Duration), tiers: &[HistoryTier], section: &mut Section<'_>) {
    let mut before = (first, "collection_interval_ms".to_owned(), "retention_period_ms".to_owned());
    for (index, tier) in tiers.iter().enumerate() {
        let keys = ["step_ms", "retention_ms"].map(|key| format!("tiers[{index}].{key}"));
        let refused = keys.iter().any(|key| !matches!(section.origin_below(key), Origin::Written(_)));
        let ((step_before, retention_before), step_key, retention_key) = before;
        let [step, retention] = [tier.step, tier.retention].map(|time| time.as_millis());
        if refused || step_before.is_zero() {
            // What follows is judged by what can be.
            before = ((Duration::ZERO, Duration::ZERO), keys[0].clone(), keys[1].clone());
            continue;
        }
        let (step_ms, retention_ms) = (step_before.as_millis(), retention_before.as_millis());
        if step <= step_ms || step % step_ms != 0 {
            let found = format!("{step} while {step_key} is {step_ms}");
            let expected = format!("a multiple of {step_key}, and more");
            let help = format!("write {}, for instance", step_ms * (step / step_ms).max(2));
            section.report_below(&keys[0], Mistake::new(found, expected, help));
        } else if !retention.is_multiple_of(step) || retention / step < 2 {
            let found = format!("{retention} while {} is {step}", keys[0]);
            let expected =
                "a multiple of step_ms, and at least twice as much: one measurement alone is no history";
            let help = format!("write {}, for instance", step * (retention / step).max(2));
            section.report_below(&keys[1], Mistake::new(found, expected, help));
        } else if retention <= retention_ms {
            let found = format!("{retention} while {retention_key} is {retention_ms}");
            let expected = format!("more than {retention_key}: what is kept there for as long is finer");
            section.report_below(
                &keys[1],
                Mistake::new(found, expected, "keep it for longer, or remove the tier"),
            );
        }
        let [step_key, retention_key] = keys;
        before = ((tier.step, tier.retention), step_key, retention_key);
    }
}

/// As far back as the rules look that are built in: the slow burn of the error budget.
const LONGEST_RULE: Duration = Duration::from_secs(6 * 3600);

/// How much time the tier puts together that is there when none was written. Long rules look at the last window more than the
/// step takes.
const COARSE: Duration = Duration::from_secs(15 * 60);

/// The tier that is there when none was written, so that all rules that are built in see their whole window. None if what is
/// collected is kept for as long, or for less than one of its steps.
pub(super) fn tier_by_default((interval, kept): (Duration, Duration)) -> Option<HistoryTier> {
    let round_up = |time: Duration, step: Duration| {
        let steps = time.as_millis().div_ceil(step.as_millis().max(1));
        u32::try_from(steps).ok().and_then(|steps| step.checked_mul(steps))
    };
    let step = round_up(COARSE, interval)?;
    let reaches = kept >= LONGEST_RULE || kept < step || step == interval;
    (!reaches).then_some(HistoryTier { step, retention: round_up(LONGEST_RULE, step)? })
}

/// What one pool's history takes, in bytes, apart from its slots.
const ROOM_OF_POOL: u64 = 64 * 1024;

/// What one measurement takes, rounded up.
const ROOM_OF_MEASUREMENT: u64 = 768;

/// What several take that were put together: of each number the mean, the least, the most and the last.
const ROOM_OF_SEVERAL: u64 = 1312;

/// The most that the history of one pool takes, in bytes: a little more than what the crate that keeps it says, to which a test
/// of `pool-manager` holds it.
pub(super) fn bytes_per_pool(first: (Duration, Duration), tiers: &[HistoryTier]) -> u64 {
    // One more than fit: that which is being filled.
    let slots = |step: Duration, retention: Duration| {
        let slots = retention.as_millis().div_ceil(step.as_millis().max(1)).saturating_add(1);
        u64::try_from(slots).unwrap_or(u64::MAX)
    };
    let coarse = tiers.iter().map(|tier| slots(tier.step, tier.retention).saturating_mul(ROOM_OF_SEVERAL));
    let fine = slots(first.0, first.1).saturating_mul(ROOM_OF_MEASUREMENT);
    coarse.fold(fine.saturating_add(ROOM_OF_POOL), u64::saturating_add)
}
