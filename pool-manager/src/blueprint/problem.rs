//! What is wrong with pools that were to be built.

use std::fmt;

/// Everything that is wrong with the pools of a configuration. Nothing was opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct BuildErrors {
    /// Every problem found, pool by pool; never empty.
    pub problems: Vec<BuildProblem>,
}

/// One thing that is wrong with a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildProblem {
    /// The pool's name.
    pub pool: String,
    /// The key of the configuration, such as `ssl.ca_certificate`.
    pub key: String,
    /// Its value; `***` for a secret.
    pub value: String,
    /// What is wrong with it.
    pub problem: String,
    /// What to do about it.
    pub help: String,
}

impl fmt::Display for BuildErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.problems.len();
        write!(f, "build the pools: {count} problem{}", if count == 1 { "" } else { "s" })?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n{problem}"))
    }
}

/// Two lines: what is wrong where, and what to do.
impl fmt::Display for BuildProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { pool, key, value, problem, help } = self;
        write!(f, "pool `{pool}`: {key} is {value}: {problem}\n  help: {help}")
    }
}

/// Puts down what is wrong with one pool.
pub(super) struct Objections<'a> {
    pool: &'a str,
    problems: &'a mut Vec<BuildProblem>,
    /// How many there were of other pools.
    before: usize,
}

impl<'a> Objections<'a> {
    pub(super) fn new(pool: &'a str, problems: &'a mut Vec<BuildProblem>) -> Self {
        let before = problems.len();
        Objections { pool, problems, before }
    }

    /// Whether there is any against this pool.
    pub(super) fn any(&self) -> bool {
        self.problems.len() > self.before
    }

    pub(super) fn raise(
        &mut self,
        key: &str,
        value: &dyn fmt::Display,
        problem: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.problems.push(BuildProblem {
            pool: self.pool.to_owned(),
            key: key.to_owned(),
            value: value.to_string(),
            problem: problem.into(),
            help: help.into(),
        });
    }
}

/// An error and its sources in one line, without what a parent already says.
#[cfg(feature = "_any")]
pub(crate) fn in_one_line(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut line = said.clone();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        if !said.contains(&text) {
            line = format!("{line}: {text}");
            said = text;
        }
        source = error.source();
    }
    line
}
