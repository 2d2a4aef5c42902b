//! Durations on the command line.

use std::time::Duration;

/// Reads `5s`, `500ms` or `2m`; a number alone counts seconds.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let milliseconds: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        _ => return Err("write a whole number with ms, s or m, such as 500ms".to_owned()),
    };
    let number: u64 =
        number.parse().map_err(|_| "write a whole number with ms, s or m, such as 5s".to_owned())?;
    match number.checked_mul(milliseconds) {
        Some(0) => Err("0 leaves no time for anything".to_owned()),
        Some(total) if total <= 3_600_000 => Ok(Duration::from_millis(total)),
        _ => Err("more than an hour".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_understood_or_refused() {
        for (text, ms) in [("5s", 5_000), ("5", 5_000), ("500ms", 500), ("2m", 120_000)] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "0", "0ms", "-1s", "1h", "1.5s", "61m", "99999999999999999999s", "5 s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
