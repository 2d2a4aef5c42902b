//! The pools under comparison.

mod bb8;
mod deadpool;
mod ours;
mod sqlx;
mod tokio_postgres;

use super::contender::{Contender, Settings};
use super::experiment::{self, Conditions, Trace};
use super::stage::Stage;

/// A pool as the rounds see it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Entrant {
    pub(crate) name: &'static str,
    pub(crate) driver: &'static str,
    equal: &'static str,
    default: &'static str,
    run: fn(&Stage, &Conditions) -> anyhow::Result<Trace>,
}

/// Our pool, which is measured twice.
pub(crate) const OURS: &str = <ours::OverSqlx as Contender>::NAME;
/// Our pool a second time, as if it were another: what differs between the two is noise.
pub(crate) const CONTROL: &str = "ours(A/A)";

/// All of them, in the order of the tables.
pub(crate) fn all() -> [Entrant; 6] {
    [
        Entrant::of::<ours::OverSqlx>(),
        Entrant::of::<ours::OverTokioPostgres>(),
        Entrant::of::<sqlx::Sqlx>(),
        Entrant::of::<deadpool::Deadpool>(),
        Entrant::of::<bb8::Bb8>(),
        Entrant { name: CONTROL, ..Entrant::of::<ours::OverSqlx>() },
    ]
}

/// Those of a quick run: one of each.
pub(crate) const QUICK: [&str; 4] = [
    OURS,
    <sqlx::Sqlx as Contender>::NAME,
    <deadpool::Deadpool as Contender>::NAME,
    <bb8::Bb8 as Contender>::NAME,
];

impl Entrant {
    fn of<C: Contender>() -> Self {
        Entrant {
            name: C::NAME,
            driver: C::DRIVER,
            equal: C::EQUAL,
            default: C::DEFAULT,
            run: experiment::run::<C>,
        }
    }

    /// How it is configured.
    pub(crate) fn settings(&self, settings: Settings) -> &'static str {
        match settings {
            Settings::Equal => self.equal,
            Settings::Default => self.default,
        }
    }

    /// One run, on a fresh runtime and a fresh pool.
    ///
    /// # Errors
    ///
    /// The stage does not do as it is told, or the pool could not be opened.
    pub(crate) fn run(&self, stage: &Stage, conditions: &Conditions) -> anyhow::Result<Trace> {
        (self.run)(stage, conditions)
    }
}
