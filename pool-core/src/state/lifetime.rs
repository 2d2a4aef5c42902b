//! When connections retire: by appointment, one after another.
//!
//! Each connection gets its date at birth: `max_lifetime` less a random part of `lifetime_jitter`, then
//! moved back until it is at least one *gap* (`max_lifetime / max_connections`) away from the date of every
//! other living connection. Jitter alone would still let a pool that was opened at once expire at once;
//! with dates kept apart at birth, expiry needs no bookkeeping later: a date that has come has come.
//! The idea of the gap is PgBouncer's, which enforces it at the moment of closing.
//!
//! With n connections born together the last date lies at most `n * gap`, one lifetime, later than it would.

use std::time::Duration;

use tokio::time::Instant;

use crate::options::PoolOptions;

/// The date for a connection born at `born` with its share `luck` of the jitter, given those of the others.
pub(crate) fn appoint(
    born: Instant,
    luck: f64,
    options: &PoolOptions,
    others: impl Iterator<Item = Instant>,
) -> Option<Instant> {
    let date = own_date(born, luck, options)?;
    let mut taken: Vec<_> = others.collect();
    taken.sort_unstable();
    Some(Dates::new(gap(options), taken).first_free(date))
}

/// The date that a connection would have if it were alone; `None` = none.
pub(crate) fn own_date(born: Instant, luck: f64, options: &PoolOptions) -> Option<Instant> {
    let lifetime = options.max_lifetime;
    (!lifetime.is_zero()).then(|| born + (lifetime - lifetime.mul_f64(options.lifetime_jitter * luck)))
}

/// The least time between two dates.
pub(crate) fn gap(options: &PoolOptions) -> Duration {
    options.max_lifetime.div_f64(options.max_connections as f64)
}

/// Finds free dates, for connections in the order of their own dates: one sweep over all of them.
pub(crate) struct Dates {
    gap: Duration,
    /// Dates that are taken, in order.
    taken: Vec<Instant>,
    next: usize,
    last: Option<Instant>,
}

impl Dates {
    pub(crate) fn new(gap: Duration, taken: Vec<Instant>) -> Self {
        Dates { gap, taken, next: 0, last: None }
    }

    /// The first date from `earliest` on that is a gap away from all others, and from the last one found.
    /// `earliest` must not go backwards from call to call.
    pub(crate) fn first_free(&mut self, earliest: Instant) -> Instant {
        let mut date = self.last.map_or(earliest, |last| earliest.max(last + self.gap));
        while let Some(other) = self.taken.get(self.next).copied() {
            if other >= date + self.gap {
                break;
            }
            date = date.max(other + self.gap);
            self.next += 1;
        }
        self.last = Some(date);
        date
    }
}

/// How long before its date a connection's successor is asked for: time enough to connect, and never more
/// than a tenth of a lifetime.
pub(crate) fn lead(options: &PoolOptions) -> Duration {
    options.connect_timeout.min(options.max_lifetime / 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(max_connections: usize, lifetime_jitter: f64) -> PoolOptions {
        PoolOptions {
            max_connections,
            lifetime_jitter,
            max_lifetime: Duration::from_secs(1_000),
            ..PoolOptions::default()
        }
    }

    #[test]
    fn dates_of_connections_born_together_keep_their_distance() {
        let (options, born) = (options(100, 0.2), Instant::now());
        let mut rng = fastrand::Rng::with_seed(7);
        let mut dates = Vec::new();
        for _ in 0..100 {
            let date = appoint(born, rng.f64(), &options, dates.iter().copied()).unwrap();
            dates.push(date);
        }
        dates.sort_unstable();
        let closest = dates.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap();
        assert!(closest >= gap(&options), "two dates are {closest:?} apart");
        assert!(dates[0] >= born + options.max_lifetime.mul_f64(0.8));
        assert!(dates[99] <= born + 2 * options.max_lifetime);
    }

    #[test]
    fn a_date_fits_between_two_others() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let gap = Duration::from_secs(10);
        let free = |earliest, others: &[u64]| {
            let mut taken: Vec<_> = others.iter().map(|seconds| at(*seconds)).collect();
            taken.sort_unstable();
            Dates::new(gap, taken).first_free(at(earliest))
        };
        assert_eq!(free(100, &[]), at(100));
        assert_eq!(free(100, &[90, 110]), at(100), "exactly one gap is enough");
        assert_eq!(free(100, &[95, 125]), at(105));
        assert_eq!(free(100, &[125, 95, 112]), at(135), "the order of the others does not matter");
        assert_eq!(free(100, &[20]), at(100));
    }

    #[test]
    fn zero_lifetime_has_no_date() {
        let options = PoolOptions { max_lifetime: Duration::ZERO, ..PoolOptions::default() };
        assert_eq!(appoint(Instant::now(), 0.5, &options, std::iter::empty()), None);
    }

    #[test]
    fn jitter_only_shortens_and_spreads() {
        let (options, born) = (options(1, 0.2), Instant::now());
        let mut rng = fastrand::Rng::with_seed(7);
        let ages: Vec<_> = (0..1_000)
            .map(|_| appoint(born, rng.f64(), &options, std::iter::empty()).unwrap() - born)
            .collect();
        let (shortest, longest) = (ages.iter().min().unwrap(), ages.iter().max().unwrap());
        assert!(*shortest >= Duration::from_secs(800) && *longest <= Duration::from_secs(1_000));
        assert!(*longest - *shortest > Duration::from_secs(180), "drawn from the whole range");
    }
}
