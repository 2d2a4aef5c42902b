//! The variables of an environment: what `${NAME}` and the overrides read, and nothing else does.

use std::collections::BTreeMap;
use std::env;
use std::fmt;

/// Variables by name.
#[derive(Clone, Default)]
pub(crate) struct Variables(BTreeMap<String, Variable>);

/// What a variable holds.
#[derive(Clone)]
enum Variable {
    Text(String),
    NotUnicode,
}

/// Why a variable has no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Absence {
    /// Nobody set it.
    Unset,
    /// It is not UTF-8.
    NotUnicode,
}

impl Variables {
    /// Those of this process. A name that is not UTF-8 cannot be asked for, and is left out.
    pub(crate) fn of_process() -> Self {
        let variables = env::vars_os().filter_map(|(name, value)| {
            let value = value.into_string().map_or(Variable::NotUnicode, Variable::Text);
            Some((name.into_string().ok()?, value))
        });
        Self(variables.collect())
    }

    pub(crate) fn text(&self, name: &str) -> Result<&str, Absence> {
        match self.0.get(name) {
            Some(Variable::Text(text)) => Ok(text),
            Some(Variable::NotUnicode) => Err(Absence::NotUnicode),
            None => Err(Absence::Unset),
        }
    }

    /// The variables whose names begin so, in the order of their names.
    pub(crate) fn beginning_with<'a>(
        &'a self,
        prefix: &'a str,
    ) -> impl Iterator<Item = (&'a str, Result<&'a str, Absence>)> {
        let names = self.0.keys().map(String::as_str);
        names.filter(move |name| name.starts_with(prefix)).map(|name| (name, self.text(name)))
    }
}

impl FromIterator<(String, String)> for Variables {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self(variables.into_iter().map(|(name, text)| (name, Variable::Text(text))).collect())
    }
}

impl fmt::Debug for Variables {
    /// Without the values: a process keeps its secrets there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}
