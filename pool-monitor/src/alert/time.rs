//! Points in time as RFC 3339 has them, to the millisecond.

use std::time::SystemTime;

/// Such as `2026-01-31T12:00:00.000Z`. What no year of four digits holds is shown as the beginning of 1970.
pub(crate) fn show(time: SystemTime) -> String {
    let is_early = time < SystemTime::UNIX_EPOCH;
    let is_late =
        time.duration_since(SystemTime::UNIX_EPOCH).is_ok_and(|age| age.as_secs() >= 253_402_300_800);
    let time = if is_early || is_late { SystemTime::UNIX_EPOCH } else { time };
    humantime::format_rfc3339_millis(time).to_string()
}

/// For fields of type [`SystemTime`].
pub(crate) mod rfc3339 {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&super::show(*time))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SystemTime, D::Error> {
        let text = String::deserialize(deserializer)?;
        humantime::parse_rfc3339(&text).map_err(serde::de::Error::custom)
    }
}

/// For fields of type `Option<SystemTime>`.
pub(crate) mod rfc3339_option {
    use std::time::SystemTime;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        time: &Option<SystemTime>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(super::show).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SystemTime>, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        text.map(|text| humantime::parse_rfc3339(&text).map_err(serde::de::Error::custom)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn times_beyond_the_calendar_are_shown_without_a_panic() {
        assert_eq!(show(SystemTime::UNIX_EPOCH + Duration::from_millis(1_500)), "1970-01-01T00:00:01.500Z");
        assert_eq!(show(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000Z");
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(253_402_300_800);
        assert_eq!(show(far), "1970-01-01T00:00:00.000Z");
        assert_eq!(show(far - Duration::from_millis(1)), "9999-12-31T23:59:59.999Z");
    }
}
