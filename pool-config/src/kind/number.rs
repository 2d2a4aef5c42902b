//! Numbers, durations and flags.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use schemars::{Schema, json_schema};
use serde_json::{Value as Json, json};

use super::{Kind, absent, describe};
use crate::problem::Mistake;
use crate::yaml::{Node, Value};

/// The longest duration: a year of milliseconds.
///
/// Far beyond any sensible value, and so small that adding it to a clock cannot overflow.
const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1000;

/// A whole number within a range.
#[derive(Debug, Clone)]
pub(crate) struct Whole<T> {
    range: RangeInclusive<T>,
    unit: &'static str,
    zero: &'static str,
}

impl<T> Whole<T> {
    pub(crate) const fn within(range: RangeInclusive<T>) -> Self {
        Whole { range, unit: "", zero: "" }
    }

    /// Says what is counted.
    pub(crate) const fn of(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    /// Says what 0 means.
    pub(crate) const fn zero(mut self, meaning: &'static str) -> Self {
        self.zero = meaning;
        self
    }
}

impl<T> Whole<T>
where
    T: Copy + PartialOrd + fmt::Display + TryFrom<i128>,
{
    fn number(&self, node: &Node, expected: &str) -> Result<T, Mistake> {
        let (least, most) = (self.range.start(), self.range.end());
        let number = integer(node, expected)?;
        let help = match T::try_from(number) {
            Ok(value) if self.range.contains(&value) => return Ok(value),
            Ok(value) if value < *least => format!("use {least} or more"),
            Err(_) if number < 0 => format!("use {least} or more"),
            _ => format!("use {most} or less"),
        };
        Err(Mistake::new(describe(node), expected, help))
    }

    fn range(&self, what: &str) -> String {
        if self.range.start() == self.range.end() {
            return self.range.start().to_string();
        }
        let range = format!("{what} from {} to {}", self.range.start(), self.range.end());
        if self.zero.is_empty() { range } else { format!("{range} (0 = {})", self.zero) }
    }
}

impl<T> Kind for Whole<T>
where
    T: Copy + PartialOrd + fmt::Display + TryFrom<i128> + serde::Serialize,
{
    type Value = T;

    fn read(&self, node: &Node) -> Result<T, Mistake> {
        self.number(node, &self.allowed())
    }

    fn write(&self, value: &T) -> Json {
        json!(value)
    }

    fn allowed(&self) -> String {
        self.range("a whole number")
    }

    fn unit(&self) -> &'static str {
        self.unit
    }

    fn schema(&self) -> Schema {
        json_schema!({ "type": "integer", "minimum": self.range.start(), "maximum": self.range.end() })
    }
}

/// A duration, written as whole milliseconds.
#[derive(Debug, Clone)]
pub(crate) struct Millis(Whole<u64>);

impl Millis {
    /// At least one millisecond.
    pub(crate) const POSITIVE: Self = Millis(Whole::within(1..=YEAR_MS).of("ms"));

    /// Within a range of milliseconds.
    pub(crate) const fn within(range: RangeInclusive<u64>) -> Self {
        Millis(Whole::within(range).of("ms"))
    }

    /// At least so many milliseconds.
    pub(crate) const fn at_least(least: u64) -> Self {
        Millis::within(least..=YEAR_MS)
    }

    /// A duration whose 0 has a meaning of its own, such as "never".
    pub(crate) const fn zero(meaning: &'static str) -> Self {
        Millis::zero_to(YEAR_MS, meaning)
    }

    /// The same, with another longest duration.
    pub(crate) const fn zero_to(most: u64, meaning: &'static str) -> Self {
        Millis(Whole::within(0..=most).of("ms").zero(meaning))
    }
}

impl Kind for Millis {
    type Value = Duration;

    fn read(&self, node: &Node) -> Result<Duration, Mistake> {
        self.0.number(node, &self.allowed()).map(Duration::from_millis)
    }

    fn write(&self, value: &Duration) -> Json {
        json!(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    fn allowed(&self) -> String {
        self.0.range("whole milliseconds")
    }

    fn unit(&self) -> &'static str {
        self.0.unit
    }

    fn schema(&self) -> Schema {
        self.0.schema()
    }
}

/// A number within a range, with or without a fraction.
#[derive(Debug, Clone)]
pub(crate) struct Number(pub(crate) RangeInclusive<f64>);

impl Kind for Number {
    type Value = f64;

    fn read(&self, node: &Node) -> Result<f64, Mistake> {
        let expected = self.allowed();
        let value = float(node, &expected)?;
        if self.0.contains(&value) {
            return Ok(value);
        }
        let help = if value > *self.0.end() {
            format!("use {} or less", self.0.end())
        } else {
            format!("use {} or more", self.0.start())
        };
        Err(Mistake::new(describe(node), expected, help))
    }

    fn write(&self, value: &f64) -> Json {
        json!(value)
    }

    fn allowed(&self) -> String {
        format!("a number from {} to {}", self.0.start(), self.0.end())
    }

    fn schema(&self) -> Schema {
        json_schema!({ "type": "number", "minimum": self.0.start(), "maximum": self.0.end() })
    }
}

/// A part of a whole: above 0, at most 1.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share;

impl Kind for Share {
    type Value = f64;

    fn read(&self, node: &Node) -> Result<f64, Mistake> {
        let expected = self.allowed();
        let value = float(node, &expected)?;
        if value > 0.0 && value <= 1.0 {
            return Ok(value);
        }
        let help = if value > 1.0 && value <= 100.0 && node.written.is_none() {
            format!("80 % is written 0.8, so {value} % is {}", value / 100.0)
        } else {
            "0.8 means 80 %".to_owned()
        };
        Err(Mistake::new(describe(node), expected, help))
    }

    fn write(&self, value: &f64) -> Json {
        json!(value)
    }

    fn allowed(&self) -> String {
        "a number above 0 and at most 1".to_owned()
    }

    fn schema(&self) -> Schema {
        json_schema!({ "type": "number", "exclusiveMinimum": 0, "maximum": 1 })
    }
}

/// `true` or `false`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn read(&self, node: &Node) -> Result<bool, Mistake> {
        let help = match &node.value {
            Value::Flag(flag) => return Ok(*flag),
            Value::Text(text) if node.written.is_some() => match text.as_str() {
                "true" => return Ok(true),
                "false" => return Ok(false),
                _ => "let the variable hold true or false",
            },
            Value::Text(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "y" => "write true, without quotes",
                "false" | "no" | "off" | "n" => "write false, without quotes",
                _ => "write true or false",
            },
            _ => "write true or false",
        };
        Err(Mistake::new(describe(node), self.allowed(), help))
    }

    fn write(&self, value: &bool) -> Json {
        json!(value)
    }

    fn allowed(&self) -> String {
        "true or false".to_owned()
    }

    fn schema(&self) -> Schema {
        json_schema!({ "type": "boolean" })
    }
}

fn integer(node: &Node, expected: &str) -> Result<i128, Mistake> {
    let help = match &node.value {
        Value::Integer(number) => return Ok(*number),
        Value::Null => return Err(absent(expected)),
        Value::Text(text) if node.written.is_some() => match text.trim().parse() {
            Ok(number) => return Ok(number),
            Err(_) => "let the variable hold a number",
        },
        Value::Text(text) if text.parse::<i128>().is_ok() => "remove the quotes",
        Value::Text(text) if text.starts_with(|c: char| c.is_ascii_digit()) => {
            "write digits only; durations are in milliseconds, so 30s is 30000"
        }
        Value::Float(_) => "write a number without a fraction",
        _ => "write a number",
    };
    Err(Mistake::new(describe(node), expected, help))
}

fn float(node: &Node, expected: &str) -> Result<f64, Mistake> {
    let help = match &node.value {
        Value::Float(number) => return Ok(*number),
        Value::Integer(_) => return integer_as_float(node, expected),
        Value::Null => return Err(absent(expected)),
        Value::Text(text) if node.written.is_some() => match text.trim().parse() {
            Ok(number) => return Ok(number),
            Err(_) => "let the variable hold a number",
        },
        Value::Text(text) if text.parse::<f64>().is_ok() => "remove the quotes",
        _ => "write a number",
    };
    Err(Mistake::new(describe(node), expected, help))
}

/// Integers outside 32 bits are outside every range there is, and not exact as a float.
fn integer_as_float(node: &Node, expected: &str) -> Result<f64, Mistake> {
    let number = integer(node, expected)?;
    i32::try_from(number)
        .map(f64::from)
        .map_err(|_| Mistake::new(describe(node), expected, "use a smaller number"))
}
