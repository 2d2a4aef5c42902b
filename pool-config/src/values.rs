//! What a key may hold: readers from a YAML value to a checked Rust value, each a plain function of the value.
//!
//! A reader knows nothing of keys and places; [`Section`](crate::section::Section) adds both to its [`Mistake`].

use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde::de::value::StrDeserializer;

use crate::problem::Mistake;
use crate::shown::shown;
use crate::suggest::nearest;
use crate::yaml::{Node, Value};

/// The longest duration: a year of milliseconds.
///
/// Far beyond any sensible value, and so small that adding it to a clock cannot overflow.
const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1000;

/// A whole number in `range`.
pub(crate) fn whole<T>(range: RangeInclusive<T>) -> impl FnOnce(&Node) -> Result<T, Mistake>
where
    T: Copy + PartialOrd + fmt::Display + TryFrom<i128>,
{
    move |node| {
        let (least, most) = (range.start(), range.end());
        let expected = format!("a whole number from {least} to {most}");
        let number = integer(node, &expected)?;
        let help = match T::try_from(number) {
            Ok(value) if range.contains(&value) => return Ok(value),
            Ok(value) if value < *least => format!("use {least} or more"),
            Err(_) if number < 0 => format!("use {least} or more"),
            _ => format!("use {most} or less"),
        };
        Err(Mistake::new(number.to_string(), expected, help))
    }
}

/// A duration of at least one millisecond.
pub(crate) fn millis(node: &Node) -> Result<Duration, Mistake> {
    whole(1..=YEAR_MS)(node).map(Duration::from_millis).map_err(in_millis)
}

/// A duration whose 0 has a meaning of its own, such as "never".
pub(crate) fn millis_or_zero(meaning: &str) -> impl FnOnce(&Node) -> Result<Duration, Mistake> {
    move |node| {
        whole(0..=YEAR_MS)(node).map(Duration::from_millis).map_err(|mistake| {
            let mistake = in_millis(mistake);
            Mistake { expected: format!("{} (0 = {meaning})", mistake.expected), ..mistake }
        })
    }
}

fn in_millis(mistake: Mistake) -> Mistake {
    Mistake { expected: mistake.expected.replace("a whole number", "whole milliseconds"), ..mistake }
}

/// A number in `range`, with or without a fraction.
pub(crate) fn number(range: RangeInclusive<f64>) -> impl FnOnce(&Node) -> Result<f64, Mistake> {
    move |node| {
        let expected = format!("a number from {} to {}", range.start(), range.end());
        let value = float(node, &expected)?;
        if range.contains(&value) {
            return Ok(value);
        }
        let help = if value > *range.end() {
            format!("use {} or less", range.end())
        } else {
            format!("use {} or more", range.start())
        };
        Err(Mistake::new(describe(node), expected, help))
    }
}

/// A part of a whole: above 0, at most 1.
pub(crate) fn share(node: &Node) -> Result<f64, Mistake> {
    let expected = "a number above 0 and at most 1";
    let value = float(node, expected)?;
    if value > 0.0 && value <= 1.0 {
        return Ok(value);
    }
    let help = if value > 1.0 && value <= 100.0 {
        format!("80 % is written 0.8, so {value} % is {}", value / 100.0)
    } else {
        "0.8 means 80 %".to_owned()
    };
    Err(Mistake::new(describe(node), expected, help))
}

/// `true` or `false`.
pub(crate) fn flag(node: &Node) -> Result<bool, Mistake> {
    match &node.value {
        Value::Flag(flag) => Ok(*flag),
        other => {
            let help = match other {
                Value::Text(text) => match text.to_ascii_lowercase().as_str() {
                    "true" | "yes" | "on" | "y" => "write true, without quotes",
                    "false" | "no" | "off" | "n" => "write false, without quotes",
                    _ => "write true or false",
                },
                _ => "write true or false",
            };
            Err(Mistake::new(describe(node), "true or false", help))
        }
    }
}

/// Text that says something: neither blank, nor with control characters in it.
pub(crate) fn text(node: &Node) -> Result<String, Mistake> {
    let expected = "text";
    match &node.value {
        Value::Text(text) if text.trim().is_empty() => {
            Err(Mistake::new("empty text", "text that is not empty", "write a value, or remove the key"))
        }
        Value::Text(text) if text.trim() != text || text.contains(char::is_control) => Err(Mistake::new(
            shown(text),
            "text on one line without spaces around it",
            "remove the spaces, line breaks and control characters",
        )),
        Value::Text(text) => Ok(text.clone()),
        Value::Null => Err(absent(expected)),
        Value::Flag(_) | Value::Integer(_) | Value::Float(_) => {
            Err(Mistake::new(describe(node), expected, "put the value in quotes"))
        }
        Value::List(_) | Value::Map(_) => Err(Mistake::new(describe(node), expected, "write a single value")),
    }
}

/// The path of a file, which need not exist.
pub(crate) fn path(node: &Node) -> Result<PathBuf, Mistake> {
    text(node).map(PathBuf::from)
}

/// One word of an enum that derives `Deserialize`; the derived names are the only list of them.
pub(crate) fn choice<T: for<'de> Deserialize<'de>>(node: &Node) -> Result<T, Mistake> {
    // The empty word is no name: asking for it brings the list of names into the mistakes about other types.
    let word = if let Value::Text(word) = &node.value { word.as_str() } else { "" };
    T::deserialize(StrDeserializer::<NotAName>::new(word)).map_err(|NotAName { names }| {
        let help = match nearest(word, names) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "use one of these words".to_owned(),
        };
        Mistake::new(describe(node), format!("one of {}", names.join(", ")), help)
    })
}

/// The error of [`choice`]: keeps the names that serde knows for the enum.
#[derive(Debug)]
struct NotAName {
    names: &'static [&'static str],
}

impl fmt::Display for NotAName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not one of {}", self.names.join(", "))
    }
}

impl std::error::Error for NotAName {}

impl serde::de::Error for NotAName {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self { names: &[] }
    }

    fn unknown_variant(_: &str, names: &'static [&'static str]) -> Self {
        Self { names }
    }
}

fn integer(node: &Node, expected: &str) -> Result<i128, Mistake> {
    let help = match &node.value {
        Value::Integer(number) => return Ok(*number),
        Value::Null => return Err(absent(expected)),
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

fn absent(expected: &str) -> Mistake {
    Mistake::new("nothing", expected, "write a value, or remove the key")
}

/// A value as a message names it. Lists and mappings are not shown: they may hold anything, a password too.
pub(crate) fn describe(node: &Node) -> String {
    match &node.value {
        Value::Null => "nothing".to_owned(),
        Value::Flag(flag) => flag.to_string(),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => format!("{number:?}"),
        Value::Text(text) => shown(text),
        Value::List(_) => "a list".to_owned(),
        Value::Map(_) => "a mapping".to_owned(),
    }
}

#[cfg(test)]
mod tests;
