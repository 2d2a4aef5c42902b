//! Names with values: what an alert is the alert of, and what is said about it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::fingerprint::Fingerprint;

/// Names with values, sorted by name. A name that is not there has the empty value, as in Prometheus.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Labels(BTreeMap<String, String>);

impl Labels {
    /// None.
    pub fn new() -> Self {
        Labels::default()
    }

    /// The value of this name; empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Sets a value. An empty one is the same as none.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        if value.is_empty() {
            self.0.remove(&name);
        } else {
            self.0.insert(name, value);
        }
    }

    /// The same with one more.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.set(name, value);
        self
    }

    /// All of them, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The number that stands for them.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.iter())
    }

    /// Those of all of `labels` that have the same value everywhere.
    pub(crate) fn common<'a>(mut labels: impl Iterator<Item = &'a Labels>) -> Labels {
        let mut common = labels.next().cloned().unwrap_or_default();
        for others in labels {
            common.0.retain(|name, value| others.get(name) == value.as_str());
        }
        common
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(labels: I) -> Self {
        labels.into_iter().fold(Labels::new(), |all, (name, value)| all.with(name, value))
    }
}

/// As Prometheus writes them, such as `{alertname="PoolExhausted", pool="orders"}`.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, value)) in self.iter().enumerate() {
            let value = serde_json::Value::from(value);
            write!(f, "{}{name}={value}", if index == 0 { "" } else { ", " })?;
        }
        f.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_value_is_none() {
        let labels = Labels::new().with("a", "1").with("b", "").with("a", "");
        assert!(labels.is_empty());
        assert_eq!(labels.get("a"), "");
    }

    #[test]
    fn the_order_they_come_in_is_of_no_matter() {
        let one: Labels = [("a", "1"), ("b", "2")].into_iter().collect();
        let other: Labels = [("b", "2"), ("a", "1")].into_iter().collect();
        assert_eq!(one.fingerprint(), other.fingerprint());
        assert_eq!(one.to_string(), r#"{a="1", b="2"}"#);
    }

    #[test]
    fn what_all_have_in_common_is_found() {
        let all: Vec<Labels> = ["1", "2"].map(|value| Labels::new().with("a", "x").with("b", value)).into();
        assert_eq!(Labels::common(all.iter()), Labels::new().with("a", "x"));
        assert_eq!(Labels::common([].into_iter()), Labels::new());
    }
}
