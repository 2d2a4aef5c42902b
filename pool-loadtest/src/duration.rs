//! Durations as people write and read them.

use std::time::Duration;

/// Why a text is no duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    /// It does not have the form of one.
    #[error("`{0}` is not a duration: write seconds as a bare number, or 500ms, 10s, 1m30s, 2h")]
    Malformed(String),
    /// It is zero, or longer than a year.
    #[error("`{0}` is out of range: from 1ms to a year (8760h)")]
    OutOfRange(String),
}

const LONGEST: Duration = Duration::from_secs(365 * 24 * 3600);

/// Reads a duration: a bare number is seconds; otherwise numbers with `h`, `m`, `s` or `ms`, largest first.
///
/// # Errors
///
/// Refuses what is malformed, zero, or longer than a year.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use pool_loadtest::parse_duration;
///
/// assert_eq!(parse_duration("60"), Ok(Duration::from_secs(60)));
/// assert_eq!(parse_duration("1m30s"), Ok(Duration::from_secs(90)));
/// assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let millis = millis(text.trim()).ok_or_else(|| DurationError::Malformed(text.to_owned()))?;
    let duration = Duration::from_millis(millis);
    if duration.is_zero() || duration > LONGEST {
        return Err(DurationError::OutOfRange(text.to_owned()));
    }
    Ok(duration)
}

/// Unit and its milliseconds, largest first.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

fn millis(text: &str) -> Option<u64> {
    if let Some(seconds) = number(text) {
        return scaled(seconds, 1_000);
    }
    let mut rest = text;
    let mut total: u64 = 0;
    let mut smallest = u64::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let (_, size) = *UNITS.iter().find(|(name, _)| *name == unit)?;
        if size >= smallest {
            return None;
        }
        smallest = size;
        total = total.checked_add(scaled(number(amount)?, size)?)?;
        rest = tail;
    }
    (smallest != u64::MAX).then_some(total)
}

/// A plain decimal: `f64` alone would also take `1e9`, `inf` and a sign.
fn number(text: &str) -> Option<f64> {
    let plain = text.chars().all(|c| c.is_ascii_digit() || c == '.');
    if plain && text.chars().any(|c| c.is_ascii_digit()) { text.parse().ok() } else { None }
}

fn scaled(amount: f64, size: u64) -> Option<u64> {
    let millis = (amount * size as f64).round();
    // Far beyond what is allowed, and still exact.
    (millis < 1e15).then_some(millis as u64)
}

/// Shows a duration for people: three significant digits and one unit, such as `1.50s` or `320ms`.
pub(crate) fn shown(duration: Duration) -> String {
    shown_us(duration.as_nanos() as f64 / 1e3)
}

/// As [`shown`], from microseconds.
pub(crate) fn shown_us(micros: f64) -> String {
    let (value, unit) = match micros {
        0.0 => return String::from("0s"),
        _ if micros < 1.0 => (micros * 1e3, "ns"),
        _ if micros < 1e3 => (micros, "µs"),
        _ if micros < 1e6 => (micros / 1e3, "ms"),
        _ => (micros / 1e6, "s"),
    };
    let decimals = match value {
        _ if (value - value.round()).abs() < 1e-9 => 0,
        _ if value < 9.995 => 2,
        _ if value < 99.95 => 1,
        _ => 0,
    };
    format!("{value:.decimals$}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_number_is_seconds() {
        assert_eq!(parse_duration("60"), Ok(Duration::from_secs(60)));
        assert_eq!(parse_duration("0.5"), Ok(Duration::from_millis(500)));
    }

    #[test]
    fn units_may_be_combined_from_large_to_small() {
        let parsed = |text| parse_duration(text).unwrap();
        assert_eq!(parsed("10s"), Duration::from_secs(10));
        assert_eq!(parsed("1m30s"), Duration::from_secs(90));
        assert_eq!(parsed("500ms"), Duration::from_millis(500));
        assert_eq!(parsed("1h2m3s4ms"), Duration::from_millis(3_723_004));
        assert_eq!(parsed("1.5m"), Duration::from_secs(90));
        assert_eq!(parsed(" 2s "), Duration::from_secs(2));
    }

    #[test]
    fn what_is_no_duration_is_refused() {
        for text in ["", "s", "-1", "+1", "1e3", "inf", "10x", "30s1m", "1s1s", "1m30", "1..5s", ".", "10 s"]
        {
            assert_eq!(parse_duration(text), Err(DurationError::Malformed(text.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn no_time_at_all_and_more_than_a_year_are_refused() {
        for text in ["0", "0s", "0.0001s", "9000h", "99999999999"] {
            assert_eq!(parse_duration(text), Err(DurationError::OutOfRange(text.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn shown_durations_have_three_digits() {
        let texts = [0.0, 0.412, 9.8, 12.345, 999.4, 31_000.0, 1_500_000.0, 61_234_000.0].map(shown_us);
        assert_eq!(texts, ["0s", "412ns", "9.80µs", "12.3µs", "999µs", "31ms", "1.50s", "61.2s"]);
    }
}
