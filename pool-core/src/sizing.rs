//! Adaptive sizing: how many connections are worth having, measured on the database itself.
//!
//! Callers that wait do not mean that the pool is too small: beyond some number of uses at once a database
//! serves fewer of them per second, and a larger pool only moves the queue into it. So there are two
//! questions, and each is asked when it matters:
//!
//! - *Demand below the limit*: how many connections do the callers need? Little's law and head-room
//!   ([`demand`]). The limit follows it, quickly up and slowly down, and never beyond the known peak.
//! - *Demand at the limit* (callers wait while all connections are in use): where is the throughput highest?
//!   A search ([`search`]) tries sizes, each double or half the last, fits the Universal Scalability Law to
//!   what they gave ([`curve`]), then measures the sizes that narrow the peak most, none further than a factor
//!   of 2.5 from where it seems to be. When the peak is known well enough, or after 44 measurements, the limit
//!   goes there and stays, until uses there take another time than they did ([`watch`]): then the curve has
//!   changed, and the search starts anew from where it is.
//!
//! Windows without a use, of an outage, or that the keeper calls disturbed change nothing.
//!
//! # Sources, and what was rejected
//!
//! N. Gunther, *Guerrilla Capacity Planning*, 2007 (the law); J. Little, *A Proof for the Queuing Formula
//! L = λW*, 1961; E. Page, *Continuous Inspection Schemes*, 1954 (CUSUM). What was rejected ran in the same
//! simulation, 1,200 times each, under demand that saturates and with 5 % noise; good means what the next
//! section asks for.
//!
//! - *Gradient2* of Netflix concurrency-limits: it compares the use time with its own long mean, which follows
//!   it, so a queue that never ends lets it grow: to the upper bound of 100 with each peak. Good: 0 of 1,200.
//! - *TCP Vegas*: it holds the use time at a chosen ratio to that of an idle system. At the peak that ratio is
//!   2 (1 − σ) + (σ − κ) n*, 2 for one database and 8 for another. Good: 56 of 1,200.
//! - *Hill climbing* on the throughput: within a fifth of the peak it differs by 2.4 % or less, which 5 %
//!   of noise hides. From a peak of 25 the climber wandered between 8 and 63. Good: 0 of 1,200.
//! - *Forgetting* instead of noticing a change: a limit that stays at one size measures nothing about others,
//!   so old measurements either outlive the truth or leave nothing to fit.
//!
//! Of Netflix's guards one is kept: nothing is learnt about the peak from demand that does not fill the limit.
//!
//! # Measured
//!
//! On 2026-11-21, on a simulated database with σ of 0, 0.02, 0.05 and 0.1, bounds of 1 to 100 and 1 to 200,
//! starts at 1, 5, the middle and the upper bound, 25 seeds; throughput and use time each with 5 % noise. The
//! worst of all runs per peak, watched for 300 windows (the tests assert a fifth, 60 and 2):
//!
//! | peak | settled at | after windows | moved later by |
//! |---|---|---|---|
//! | 4 | 4 | 17 | 0 |
//! | 10 | 9 to 11 | 16 | 0 |
//! | 25 | 22 to 28 | 20 | 0 |
//! | 60 | 51 to 69 | 46 | 0 |
//! | any, without noise | exactly there | 20 | 0 |
//! | 4, 10, 25, 60 with κ changed (to 2, 1/2 or 1/4) after window 60 or 200, σ to 0.05 | at most 10 % off | 22 | 0 |
//!
//! The constants were chosen with seeds 0 to 49. On 150 others, 2 of 19,200 runs missed the fifth: both went to
//! within 22 %, of a peak of 60 with a σ of 0.1 under a bound of 100.
//!
//! With 7 % of noise 6 runs of 6,400 miss that, with 10 % 30 do. Most of them are of a peak of 60 with a σ of 0.1
//! under a bound of 100, where all throughputs from 40 on are within 3 %.
//!
//! # Limits of the method
//!
//! - The peak is only sought where callers wait for the pool. A hundred callers that a limit of a hundred lets
//!   through to a database of ten are not noticed; `max_connections` is what bounds that.
//! - A change of the curve while a search is under way (it takes 8 to 46 windows) can leave a wrong size, until
//!   the use time at that size changes. One that leaves the use time at the held size as it was, or changes it
//!   by less than about 1.5 times the noise, goes unnoticed.
//! - Where throughput is flat over a wide range (as many cores as the load needs and no contention at all), any
//!   size within it may be chosen; it need not be the smallest.
//! - While it searches, the pool gives up throughput, about 30 % at the farthest sizes measured on purpose, and
//!   opens and closes connections.
//! - A measurement needs fifty uses. A database that serves fewer per window takes as many more windows.

mod controller;
mod curve;
mod demand;
mod load;
mod search;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
mod watch;

use std::fmt;
use std::time::Duration;

use crate::connection::Span;

pub(crate) use controller::Controller;

/// Whether the pool finds its own size between `min_connections` (at least 1) and `max_connections`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Sizing {
    /// The limit is `max_connections`.
    #[default]
    Off,
    /// The limit is `max_connections`; the pool only recommends one, with its reasons.
    ///
    /// It learns from the sizes that the load happens to visit, so it may never see the database's peak.
    Observe,
    /// The pool moves its limit.
    ///
    /// While callers wait it tries several sizes for a while, to see which serves most of them.
    On,
}

/// What a pool knows about the time since the last window. All counts and sums are those of the window.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Window {
    /// How long it was.
    pub(crate) length: Duration,
    /// The limit that was in force.
    pub(crate) limit: usize,
    /// Mean number of connections in holders' hands; zero = not known.
    pub(crate) busy: f64,
    /// Uses that ended.
    pub(crate) released: u64,
    /// Sum of the time of those uses.
    pub(crate) use_time: Duration,
    /// Acquires that got a connection.
    pub(crate) acquired: u64,
    /// How many of those had to wait.
    pub(crate) waited: u64,
    /// Sum of the time of all these acquires.
    pub(crate) wait_time: Duration,
    /// Callers that wait at its end.
    pub(crate) waiting: usize,
    /// Something else than load was at work: an outage, a pause, a starved process, failing connects.
    pub(crate) disturbed: bool,
}

/// What a pool should do about its limit, with the numbers that say so.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SizingAdvice {
    /// The recommended limit, from `min_connections` (at least 1) to `max_connections`.
    pub limit: usize,
    /// The limit in force when that was computed.
    pub current: usize,
    /// Why.
    pub reason: SizingReason,
    /// Mean number of connections in use in the last window; by Little's law throughput times mean use time.
    pub offered: f64,
    /// That number as a share of the limit in force.
    pub utilization: f64,
    /// The share of acquires that had to wait, from 0 to 1.
    pub waited: f64,
    /// How long an acquire waited on average.
    pub mean_wait: Duration,
    /// Uses per second.
    pub throughput: f64,
    /// How long a use took on average.
    pub mean_use: Duration,
    /// By how many percent the throughput would change with one percent more connections in use, from what
    /// several sizes gave: 1 = in proportion, 0 = the peak, negative = beyond it. `None` = not known yet.
    pub gradient: Option<f64>,
    /// The size at which the throughput is highest, as far as known.
    pub peak: Option<usize>,
}

/// Why a [`SizingAdvice`] is as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SizingReason {
    /// There was nothing to learn from: no use ended.
    Idle,
    /// There was nothing to learn from: an outage, a pause, or the process did not run.
    Disturbed,
    /// Callers need so many: the mean in use, and head-room.
    Demand,
    /// Callers wait, and it is not known yet which size serves most of them.
    Searching,
    /// Callers wait, and this size serves most of them.
    Peak,
    /// Callers wait, and as far as known more connections than `max_connections` would serve more of them; the
    /// advice is the smallest size that serves about as many as `max_connections` does.
    Ceiling,
}

impl fmt::Display for SizingReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SizingReason::Idle => "nothing was used",
            SizingReason::Disturbed => "no measurement while disturbed",
            SizingReason::Demand => "mean use and head-room",
            SizingReason::Searching => "callers wait, looking for the size that serves most",
            SizingReason::Peak => "callers wait, and no other size serves more of them",
            SizingReason::Ceiling => "callers wait, and more than max_connections may serve more of them",
        })
    }
}

impl fmt::Display for SizingAdvice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = match self.limit.cmp(&self.current) {
            std::cmp::Ordering::Less => "shrink to",
            std::cmp::Ordering::Equal => "hold",
            std::cmp::Ordering::Greater => "grow to",
        };
        write!(f, "{verb} {}: {}", self.limit, self.reason)?;
        if !matches!(self.reason, SizingReason::Idle | SizingReason::Disturbed) {
            write!(
                f,
                "; {:.1} of {} in use ({:.0} %), {:.1} uses/s of {}, {:.0} % of acquires waited ({} on average)",
                self.offered,
                self.current,
                100.0 * self.utilization,
                self.throughput,
                Span(self.mean_use),
                100.0 * self.waited,
                Span(self.mean_wait),
            )?;
            if let Some(gradient) = self.gradient {
                // Rounded first, and never a negative zero.
                let gradient = (100.0 * gradient).round() / 100.0 + 0.0;
                write!(f, ", 1 % more in use changes throughput by {gradient:+.2} %")?;
            }
        }
        if let Some(peak) = self.peak {
            write!(f, ", peak at {peak}")?;
        }
        Ok(())
    }
}
