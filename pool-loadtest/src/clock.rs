//! The clock of a run: nanoseconds since its load began, and dates for people.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// A duration in nanoseconds; 584 years fit.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A duration in milliseconds, for a result.
pub(crate) fn millis(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1e6
}

/// When the load begins, when it begins to be measured, and when it ends.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Schedule {
    begun: Instant,
    warm_up: Duration,
    load: Duration,
}

impl Schedule {
    pub(crate) fn new(begun: Instant, warm_up: Duration, load: Duration) -> Self {
        Schedule { begun, warm_up, load }
    }

    /// Nanoseconds since the load began.
    pub(crate) fn at(&self, instant: Instant) -> u64 {
        nanos(instant.saturating_duration_since(self.begun))
    }

    pub(crate) fn now(&self) -> u64 {
        self.at(Instant::now())
    }

    /// When measuring begins, on this clock.
    pub(crate) fn measured_from(&self) -> u64 {
        nanos(self.warm_up)
    }

    /// When the load ends, on this clock.
    pub(crate) fn ends(&self) -> u64 {
        nanos(self.load)
    }

    pub(crate) fn measuring_begins(&self) -> Instant {
        self.begun + self.warm_up
    }

    pub(crate) fn load_ends(&self) -> Instant {
        self.begun + self.load
    }
}

/// A date in UTC, as RFC 3339 has it: `2026-11-21T01:35:00Z`.
pub(crate) fn utc(time: SystemTime) -> String {
    let Date { year, month, day, hour, minute, second } = Date::of(time);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// The same without punctuation, for names: `20261121T013500Z`.
pub(crate) fn utc_compact(time: SystemTime) -> String {
    utc(time).replace(['-', ':'], "")
}

struct Date {
    year: i64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Date {
    /// Source: H. Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`. A year begins in
    /// March there, so that the leap day is its last.
    fn of(time: SystemTime) -> Self {
        let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
        let (era, day_of_era) = (days / 146_097, days % 146_097);
        let year_of_era =
            (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let march_month = (5 * day_of_year + 2) / 153;
        let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
        Date {
            year: (era * 400 + year_of_era) as i64 + i64::from(month <= 2),
            month,
            day: day_of_year - (153 * march_month + 2) / 5 + 1,
            hour: rest / 3_600,
            minute: rest / 60 % 60,
            second: rest % 60,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_795_224_900, "2026-11-21T01:35:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(utc(UNIX_EPOCH + Duration::from_secs(seconds)), date);
        }
        assert_eq!(utc_compact(UNIX_EPOCH + Duration::from_secs(1_795_224_900)), "20261121T013500Z");
    }
}
