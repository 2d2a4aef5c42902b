//! What is wrong with settings, all of it at once.

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
#[derive(Debug, Default)]
pub(crate) struct Checks(Vec<SettingProblem>);

impl Checks {
    /// Notes a problem unless `holds`.
    pub(crate) fn require(
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

    pub(crate) fn is_fine(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn finish(self, subject: &'static str) -> Result<(), SettingsError> {
        if self.0.is_empty() { Ok(()) } else { Err(SettingsError { subject, problems: self.0 }) }
    }
}
