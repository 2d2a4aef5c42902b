//! Which alerts are meant: a label, compared with a value. Alertmanager's matchers.

use std::fmt;
use std::str::FromStr;

use regex_lite::Regex;
use serde::de::Error as _;
use serde::{Deserialize, Serialize};

use super::labels::Labels;

/// How a label is compared with a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchOperator {
    /// `=`: it is the value.
    Equal,
    /// `!=`: it is not.
    NotEqual,
    /// `=~`: the whole of it matches the pattern.
    Matches,
    /// `!~`: it does not.
    NotMatches,
}

impl MatchOperator {
    /// The sign for it.
    pub fn as_str(self) -> &'static str {
        match self {
            MatchOperator::Equal => "=",
            MatchOperator::NotEqual => "!=",
            MatchOperator::Matches => "=~",
            MatchOperator::NotMatches => "!~",
        }
    }

    fn is_pattern(self) -> bool {
        matches!(self, MatchOperator::Matches | MatchOperator::NotMatches)
    }

    fn is_negative(self) -> bool {
        matches!(self, MatchOperator::NotEqual | MatchOperator::NotMatches)
    }
}

/// Compares a label with a value. A label that is not there has the empty value.
///
/// # Examples
///
/// ```
/// use pool_monitor::{Labels, Matcher};
///
/// let matcher: Matcher = r#"pool=~"orders|users""#.parse()?;
/// assert!(matcher.matches(&Labels::new().with("pool", "orders")));
/// assert!(!matcher.matches(&Labels::new().with("pool", "old orders")));
/// # Ok::<(), pool_monitor::MatcherError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Matcher {
    name: String,
    operator: MatchOperator,
    value: String,
    /// Of the whole value; only for patterns.
    pattern: Option<Regex>,
}

/// Says why there is no such matcher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MatcherError {
    /// The label's name is none.
    #[error("accept the matcher: {0:?} is no name of a label")]
    Name(String),
    /// The pattern is none.
    #[error("accept the matcher: {pattern:?} is no pattern: {problem}")]
    Pattern {
        /// What was given.
        pattern: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The text has no operator, or its quotes do not match.
    #[error("accept the matcher: {0:?} is not a name, one of = != =~ !~, and a value")]
    Syntax(String),
}

impl Matcher {
    /// Compares the label `name` with `value`.
    ///
    /// # Errors
    ///
    /// `name` is not made of letters, digits and underscores, or `value` is no pattern where one is needed.
    pub fn new(
        name: impl Into<String>,
        operator: MatchOperator,
        value: impl Into<String>,
    ) -> Result<Self, MatcherError> {
        let (name, value) = (name.into(), value.into());
        if !is_label_name(&name) {
            return Err(MatcherError::Name(name));
        }
        let pattern = if operator.is_pattern() {
            let whole = format!("^(?s:{value})$");
            // First by itself: what is no pattern alone could be one between the parentheses.
            let compiled = Regex::new(&value).and_then(|_| Regex::new(&whole));
            Some(compiled.map_err(|error| MatcherError::Pattern {
                pattern: value.clone(),
                problem: error.to_string(),
            })?)
        } else {
            None
        };
        Ok(Matcher { name, operator, value, pattern })
    }

    /// Whether the labels are among those that are meant.
    pub fn matches(&self, labels: &Labels) -> bool {
        let found = labels.get(&self.name);
        let is_same =
            self.pattern.as_ref().map_or_else(|| found == self.value, |pattern| pattern.is_match(found));
        is_same != self.operator.is_negative()
    }

    /// Whether no alert without the label is meant.
    pub(crate) fn needs_label(&self) -> bool {
        !self.matches(&Labels::new())
    }

    /// Which label.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How it is compared.
    pub fn operator(&self) -> MatchOperator {
        self.operator
    }

    /// With what.
    pub fn value(&self) -> &str {
        &self.value
    }
}

/// Whether Prometheus takes it as the name of a label.
pub(crate) fn is_label_name(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.operator, &self.value) == (&other.name, other.operator, &other.value)
    }
}

impl Eq for Matcher {}

impl fmt::Display for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{}", self.name, self.operator.as_str(), serde_json::Value::from(self.value.as_str()))
    }
}

/// As it is shown; the quotes may be left out, and then nothing is escaped.
impl FromStr for Matcher {
    type Err = MatcherError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let syntax = || MatcherError::Syntax(text.to_owned());
        let at = text.find(['=', '!']).ok_or_else(syntax)?;
        let (name, rest) = text.split_at(at);
        let operators = [
            MatchOperator::Matches,
            MatchOperator::NotMatches,
            MatchOperator::NotEqual,
            MatchOperator::Equal,
        ];
        let (operator, value) = operators
            .into_iter()
            .find_map(|operator| Some((operator, rest.strip_prefix(operator.as_str())?)))
            .ok_or_else(syntax)?;
        let value = value.trim();
        let value = if value.starts_with('"') {
            serde_json::from_str(value).map_err(|_| syntax())?
        } else {
            value.to_owned()
        };
        Matcher::new(name.trim(), operator, value)
    }
}

/// In the shape of Alertmanager's API.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    name: String,
    value: String,
    is_regex: bool,
    is_equal: bool,
}

impl Serialize for Matcher {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shape = Shape {
            name: self.name.clone(),
            value: self.value.clone(),
            is_regex: self.operator.is_pattern(),
            is_equal: !self.operator.is_negative(),
        };
        shape.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Matcher {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let shape = Shape::deserialize(deserializer)?;
        let operator = match (shape.is_regex, shape.is_equal) {
            (false, true) => MatchOperator::Equal,
            (false, false) => MatchOperator::NotEqual,
            (true, true) => MatchOperator::Matches,
            (true, false) => MatchOperator::NotMatches,
        };
        Matcher::new(shape.name, operator, shape.value).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(matcher: &str, pool: &str) -> bool {
        matcher.parse::<Matcher>().unwrap().matches(&Labels::new().with("pool", pool))
    }

    #[test]
    fn each_operator_compares_as_its_sign_says() {
        assert!(matches("pool=orders", "orders") && !matches("pool=orders", "users"));
        assert!(!matches("pool!=orders", "orders") && matches("pool!=orders", "users"));
        assert!(matches("pool=~ord.*", "orders") && !matches("pool=~ord", "orders"));
        assert!(!matches("pool!~ord.*", "orders") && matches("pool!~ord", "orders"));
    }

    #[test]
    fn a_pattern_is_of_the_whole_value_with_all_its_branches() {
        assert!(!matches("pool=~a|b", "ax") && !matches("pool=~a|b", "xb"));
        assert!(matches("pool=~a.b", "a\nb"));
    }

    #[test]
    fn a_label_that_is_not_there_is_empty() {
        let none = Labels::new();
        let needs = |text: &str| text.parse::<Matcher>().unwrap().needs_label();
        assert!("team=\"\"".parse::<Matcher>().unwrap().matches(&none));
        assert!(needs("pool=orders") && needs("pool!=\"\"") && needs("pool=~.+"));
        assert!(!needs("pool!=orders") && !needs("pool=~.*"));
    }

    #[test]
    fn a_matcher_comes_back_from_its_text_and_its_json() {
        for text in [r#"a="1""#, r#"a!="x\"y""#, r#"a=~"b|c""#, r#"a!~"""#] {
            let matcher: Matcher = text.parse().unwrap();
            assert_eq!(matcher.to_string(), text);
            let json = serde_json::to_string(&matcher).unwrap();
            assert_eq!(serde_json::from_str::<Matcher>(&json).unwrap(), matcher);
        }
    }

    #[test]
    fn what_is_no_matcher_is_refused_with_the_reason() {
        let error = |text: &str| text.parse::<Matcher>().unwrap_err().to_string();
        insta::assert_snapshot!(error("pool"), @r#"accept the matcher: "pool" is not a name, one of = != =~ !~, and a value"#);
        insta::assert_snapshot!(error("a b=1"), @r#"accept the matcher: "a b" is no name of a label"#);
        insta::assert_snapshot!(error(r#"a="x"#), @r#"accept the matcher: "a=\"x" is not a name, one of = != =~ !~, and a value"#);
        assert!(matches!("a=~)(".parse::<Matcher>(), Err(MatcherError::Pattern { .. })));
        assert!(matches!("a=~(".parse::<Matcher>(), Err(MatcherError::Pattern { .. })));
    }
}
