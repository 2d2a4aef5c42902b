//! Defects planted on purpose: a model that never fails proves nothing, so each of these must make one fail.
//!
//! Only a model checker can have one, the one that the environment variable `POOL_PLANTED` names. Everywhere else
//! [`planted`] is a constant that the compiler takes away.

/// A defect of the gated bitmap, of a hatch, or of what the engine does with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    /// Giving back does not look at the gate.
    NoGateCheck,
    /// The gate is opened before the operation has seen who waits.
    OpenTooEarly,
    /// The lock holder looks at the shelf, and shuts the gate after that.
    LookThenShut,
    /// Only the first word of several is shut.
    HalfShut,
    /// Giving back does not publish what was done with the connection.
    RelaxedPut,
    /// Taking does not see what was published.
    RelaxedTake,
    /// Taking from a hatch is two steps.
    TornHatch,
    /// Taking from a hatch does not see what was published.
    RelaxedHatch,
}

/// Whether the code is to have this defect.
#[cfg(not(any(pool_loom, pool_shuttle)))]
#[inline(always)]
pub(crate) const fn planted(_: Defect) -> bool {
    false
}

#[cfg(any(pool_loom, pool_shuttle))]
pub(crate) fn planted(defect: Defect) -> bool {
    use Defect::{
        HalfShut, LookThenShut, NoGateCheck, OpenTooEarly, RelaxedHatch, RelaxedPut, RelaxedTake, TornHatch,
    };

    static PLANTED: std::sync::OnceLock<Option<Defect>> = std::sync::OnceLock::new();
    let chosen = PLANTED.get_or_init(|| {
        let name = std::env::var("POOL_PLANTED").ok()?;
        let all = [
            NoGateCheck,
            OpenTooEarly,
            LookThenShut,
            HalfShut,
            RelaxedPut,
            RelaxedTake,
            TornHatch,
            RelaxedHatch,
        ];
        let found = all.into_iter().find(|defect| format!("{defect:?}") == name);
        Some(found.expect("POOL_PLANTED names a defect"))
    });
    *chosen == Some(defect)
}
