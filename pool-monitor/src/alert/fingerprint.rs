//! A number for a set of labels: the one that Prometheus and Alertmanager compute, so that an alert has the same here and there.
//!
//! FNV-1a over names and values in order, a byte 255 after each (`model/signature.go` of prometheus/common).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Stands for a set of labels. Shown as sixteen hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;

    /// Of these names and values, which must come sorted by name.
    pub(crate) fn of<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> Self {
        let mut hash = Self::OFFSET;
        for text in labels.flat_map(|(name, value)| [name, value]) {
            for byte in text.bytes().chain([255]) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(Self::PRIME);
            }
        }
        Fingerprint(hash)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Says that a text is no fingerprint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("read a fingerprint: it is not sixteen hexadecimal digits")]
pub struct FingerprintError;

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = if is_hex { u64::from_str_radix(text, 16).ok() } else { None };
        number.map(Fingerprint).ok_or(FingerprintError)
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_comes_back_from_its_text() {
        let fingerprint = Fingerprint(0x9f2c);
        assert_eq!(fingerprint.to_string(), "0000000000009f2c");
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        for bad in ["", "9f2c", "+000000000009f2c", "zzzzzzzzzzzzzzzz", "00000000000009f2c"] {
            assert_eq!(bad.parse::<Fingerprint>(), Err(FingerprintError), "{bad:?}");
        }
    }

    #[test]
    fn names_and_values_cannot_run_into_each_other() {
        let of = |labels: &[(&'static str, &'static str)]| Fingerprint::of(labels.iter().copied());
        assert_ne!(of(&[("ab", "c")]), of(&[("a", "bc")]));
        assert_ne!(of(&[("a", "b"), ("c", "d")]), of(&[("a", "bcd")]));
        assert_eq!(of(&[]), Fingerprint(0xcbf2_9ce4_8422_2325));
    }
}
