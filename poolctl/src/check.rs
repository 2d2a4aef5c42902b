//! `poolctl check`: everything that is wrong with files, as text or JSON.

use std::fmt::Write as _;
use std::path::Path;
use std::time::SystemTime;

use anyhow::Error;
use pool_config::{ConfigError, Problem, Severity};
use serde_json::{Value as Json, json};

use crate::cli::{Check, Format};
use crate::exit::{Failure, INVALID, USAGE, WARNINGS, WELL};
use crate::output;
use crate::surroundings::surroundings;

/// What is known of one file.
struct Verdict {
    file: String,
    /// How many pools it has, if it is valid.
    pools: Option<usize>,
    problems: Vec<Problem>,
    /// How many errors there are beyond those, because there were too many to keep.
    omitted: usize,
    /// Why it could not be read at all.
    unreadable: Option<String>,
}

pub(crate) fn check(arguments: &Check) -> Result<u8, Failure> {
    let verdicts: Vec<_> = arguments.subjects.paths().map(|file| judge(arguments, file)).collect();
    match arguments.format {
        Format::Text => {
            let is_coloured = output::is_coloured();
            output::print(&verdicts.iter().map(|verdict| verdict.text(is_coloured)).collect::<String>())?;
        }
        Format::Json => {
            output::print_json(&json!({ "files": verdicts.iter().map(Verdict::json).collect::<Vec<_>>() }))?;
        }
    }
    let has = |severity| verdicts.iter().any(|verdict| verdict.count(severity) > 0);
    Ok(match () {
        () if verdicts.iter().any(|verdict| verdict.unreadable.is_some()) => USAGE,
        () if has(Severity::Error) => INVALID,
        () if arguments.lint && has(Severity::Warning) => WARNINGS,
        () => WELL,
    })
}

fn judge(arguments: &Check, path: &Path) -> Verdict {
    let file = path.display().to_string();
    let verdict = Verdict { file, pools: None, problems: Vec::new(), omitted: 0, unreadable: None };
    match arguments.reading.load(path) {
        Ok(loaded) => {
            let mut problems = loaded.warnings.clone();
            if !arguments.syntax_only {
                problems.extend(surroundings(&loaded, SystemTime::now()));
            }
            Verdict { pools: Some(loaded.config.pools.len()), problems, ..verdict }
        }
        Err(ConfigError::Invalid { problems, omitted, .. }) => Verdict { problems, omitted, ..verdict },
        // With its sources, on one line.
        Err(error) => Verdict { unreadable: Some(format!("{:#}", Error::new(error))), ..verdict },
    }
}

impl Verdict {
    fn count(&self, severity: Severity) -> usize {
        let listed = self.problems.iter().filter(|problem| problem.severity == severity).count();
        if severity == Severity::Error { listed + self.omitted } else { listed }
    }

    fn text(&self, is_coloured: bool) -> String {
        let mut text = String::new();
        for problem in &self.problems {
            let _infallible = writeln!(text, "{}\n", problem.render(is_coloured));
        }
        if let Some(reason) = &self.unreadable {
            return format!("{}: failed to {reason}\n", self.file);
        }
        if self.omitted > 0 {
            let _infallible = writeln!(text, "… and {} more\n", self.omitted);
        }
        let (errors, warnings) = (self.count(Severity::Error), self.count(Severity::Warning));
        let counted =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let mut verdict = if errors == 0 {
            let pools = self.pools.map_or_else(String::new, |pools| format!(", {}", counted(pools, "pool")));
            format!("{}: valid{pools}", self.file)
        } else {
            format!("{}: invalid, {}", self.file, counted(errors, "error"))
        };
        if warnings > 0 {
            let _infallible = write!(verdict, ", {}", counted(warnings, "warning"));
        }
        text + &verdict + "\n"
    }

    fn json(&self) -> Json {
        json!({
            "file": self.file,
            "valid": self.count(Severity::Error) == 0 && self.unreadable.is_none(),
            "unreadable": self.unreadable,
            "errors": self.count(Severity::Error),
            "warnings": self.count(Severity::Warning),
            "problems": self.problems.iter().map(problem_json).collect::<Vec<_>>(),
        })
    }
}

fn problem_json(problem: &Problem) -> Json {
    json!({
        "severity": match problem.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "file": problem.source_name,
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "found": problem.found,
        "expected": problem.expected,
        "help": problem.help,
    })
}
