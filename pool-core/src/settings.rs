//! What is wrong with settings, all of it at once. For the crates that are built on this one; the pool's own are
//! [`PoolOptions`](crate::PoolOptions).

use std::fmt;

/// One setting that is out of its range.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SettingProblem {
    /// The setting's name, as its field is called.
    pub setting: &'static str,
    /// The value that was given.
    pub value: String,
    /// What is allowed.
    pub rule: String,
}

/// Says which settings are out of their range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub struct SettingsError {
    /// What the settings are for, such as `pool monitor`.
    pub subject: &'static str,
    /// Every problem found; never empty.
    pub problems: Vec<SettingProblem>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "accept the {} settings: ", self.subject)?;
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("; ")?;
            }
            write!(f, "{} = {} {}", problem.setting, problem.value, problem.rule)?;
        }
        Ok(())
    }
}

/// Collects problems while settings are checked.
///
/// # Examples
///
/// ```
/// let mut checks = pool_core::SettingChecks::default();
/// checks.require(1 + 1 == 3, "sum", &2, "must be 3");
/// let error = checks.finish("arithmetic").unwrap_err();
/// assert_eq!(error.to_string(), "accept the arithmetic settings: sum = 2 must be 3");
/// ```
#[derive(Debug, Default)]
pub struct SettingChecks(Vec<SettingProblem>);

impl SettingChecks {
    /// Notes a problem unless `holds`.
    pub fn require(
        &mut self,
        holds: bool,
        setting: &'static str,
        value: &dyn fmt::Display,
        rule: impl Into<String>,
    ) {
        if !holds {
            self.0.push(SettingProblem { setting, value: value.to_string(), rule: rule.into() });
        }
    }

    /// Whether there is no problem so far.
    pub fn is_fine(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends the check of what `subject` names, such as `circuit breaker`.
    ///
    /// # Errors
    ///
    /// There was a problem; the error names them all.
    pub fn finish(self, subject: &'static str) -> Result<(), SettingsError> {
        if self.0.is_empty() { Ok(()) } else { Err(SettingsError { subject, problems: self.0 }) }
    }
}
