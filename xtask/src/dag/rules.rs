//! The two tables of ARCHITECTURE.md, parsed.
//!
//! Between `<!-- dag:begin -->` and `<!-- dag:end -->`: `| crate | what it is | may use of ours |`.
//! Between `<!-- owns:begin -->` and `<!-- owns:end -->`: `| dependency | only in |`.
//! A list is names in backticks, separated by commas, each optionally followed by `(dev)`; `all` for every crate,
//! `–` for none. Crates that do not exist yet may have a row. A name without a row is taken for a slip of the pen.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::Kind;

/// What the tables say.
#[derive(Debug)]
pub(crate) struct Rules {
    /// Crate of ours → what it may use of ours.
    pub(super) crates: BTreeMap<String, Allowed>,
    /// Third-party crate → who may name it.
    pub(super) owners: BTreeMap<String, Vec<Entry>>,
}

/// A cell of the column *may use of ours*.
#[derive(Debug)]
pub(super) enum Allowed {
    /// Every crate but itself.
    All,
    /// These; none when empty.
    Only(Vec<Entry>),
}

impl Allowed {
    pub(super) fn permits(&self, package: &str, kind: Kind) -> bool {
        match self {
            Self::All => true,
            Self::Only(entries) => entries.iter().any(|entry| entry.permits(package, kind)),
        }
    }
}

/// One name of a list.
#[derive(Debug)]
pub(super) struct Entry {
    name: String,
    dev_only: bool,
}

impl Entry {
    pub(super) fn permits(&self, name: &str, kind: Kind) -> bool {
        self.name == name && (kind == Kind::Dev || !self.dev_only)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`{}", self.name, if self.dev_only { " (dev)" } else { "" })
    }
}

/// A place where a table is not as it must be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    line: usize,
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

impl Rules {
    /// Reads both tables; returns every problem, each with its line.
    pub(crate) fn parse(document: &str) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut rules = Self { crates: BTreeMap::new(), owners: BTreeMap::new() };
        let mut mentions = Vec::new();

        for row in table(document, "dag", &["crate", "what it is", "may use of ours"], &mut problems) {
            let (Some(name), Some(allowed)) =
                (row.name(&mut problems), row.allowed(&row.cells[2], &mut problems))
            else {
                continue;
            };
            if let Allowed::Only(entries) = &allowed {
                mentions.extend(entries.iter().map(|entry| (row.line, entry.name.clone())));
            }
            if rules.crates.insert(name.clone(), allowed).is_some() {
                row.problem(format!("a second row for `{name}`"), &mut problems);
            }
        }
        for row in table(document, "owns", &["dependency", "only in"], &mut problems) {
            let (Some(name), Some(owners)) =
                (row.name(&mut problems), row.list(&row.cells[1], &mut problems))
            else {
                continue;
            };
            mentions.extend(owners.iter().map(|entry| (row.line, entry.name.clone())));
            if rules.owners.insert(name.clone(), owners).is_some() {
                row.problem(format!("a second row for `{name}`"), &mut problems);
            }
        }
        for (line, name) in mentions {
            if !rules.crates.contains_key(&name) {
                let message = format!("`{name}` has no row of its own in the direction table");
                problems.push(Problem { line, message });
            }
        }

        if problems.is_empty() {
            Ok(rules)
        } else {
            problems.sort_by_key(|problem| problem.line);
            Err(problems)
        }
    }

    /// The allowed edges, without those that only a dev-dependency may take (Cargo permits circles of these).
    pub(super) fn graph(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        self.crates
            .iter()
            .map(|(name, allowed)| {
                let reachable = match allowed {
                    Allowed::All => {
                        self.crates.keys().filter(|other| *other != name).map(String::as_str).collect()
                    }
                    Allowed::Only(entries) => entries
                        .iter()
                        .filter(|entry| !entry.dev_only)
                        .map(|entry| entry.name.as_str())
                        .collect(),
                };
                (name.as_str(), reachable)
            })
            .collect()
    }
}

/// A body row: as many cells as the header has columns.
struct Row {
    line: usize,
    cells: Vec<String>,
}

impl Row {
    fn problem(&self, message: String, problems: &mut Vec<Problem>) {
        problems.push(Problem { line: self.line, message });
    }

    /// The first cell: one name in backticks.
    fn name(&self, problems: &mut Vec<Problem>) -> Option<String> {
        let name = backticked(&self.cells[0]);
        if name.is_none() {
            self.problem(format!("expected one name in backticks, found \"{}\"", self.cells[0]), problems);
        }
        name
    }

    fn allowed(&self, cell: &str, problems: &mut Vec<Problem>) -> Option<Allowed> {
        match cell.trim_matches('`') {
            "all" => Some(Allowed::All),
            "–" => Some(Allowed::Only(Vec::new())),
            _ => self.list(cell, problems).map(Allowed::Only),
        }
    }

    fn list(&self, cell: &str, problems: &mut Vec<Problem>) -> Option<Vec<Entry>> {
        let entries: Option<Vec<_>> = cell
            .split(',')
            .map(|item| {
                let item = item.trim();
                let (name, dev_only) = match item.strip_suffix("(dev)") {
                    Some(name) => (name.trim_end(), true),
                    None => (item, false),
                };
                backticked(name).map(|name| Entry { name, dev_only })
            })
            .collect();
        if entries.is_none() {
            self.problem(
                format!("expected names in backticks, separated by commas, each may be followed by (dev); found \"{cell}\""),
                problems,
            );
        }
        entries
    }
}

/// The body rows of the table between the markers of `name`, whose header must be `columns`.
fn table(document: &str, name: &str, columns: &[&str], problems: &mut Vec<Problem>) -> Vec<Row> {
    let mut report = |line, message| problems.push(Problem { line, message });
    let (begin, end) = (format!("<!-- {name}:begin -->"), format!("<!-- {name}:end -->"));
    let lines_with = |marker: &str| -> Vec<usize> {
        document
            .lines()
            .enumerate()
            .filter(|(_, line)| line.trim() == marker)
            .map(|(index, _)| index)
            .collect()
    };
    let (begins, ends) = (lines_with(&begin), lines_with(&end));
    let (&[first], &[last]) = (begins.as_slice(), ends.as_slice()) else {
        report(
            1,
            format!(
                "expected one line {begin} and one line {end}, found {} and {}",
                begins.len(),
                ends.len()
            ),
        );
        return Vec::new();
    };
    if last < first {
        report(last + 1, format!("{end} stands before {begin}"));
        return Vec::new();
    }

    let mut rows = Vec::new();
    for (index, text) in document.lines().enumerate().take(last).skip(first + 1) {
        let (line, text) = (index + 1, text.trim());
        if text.is_empty() {
            continue;
        }
        let Some(inner) = text.strip_prefix('|').and_then(|rest| rest.strip_suffix('|')) else {
            report(line, format!("expected a table row, found \"{text}\""));
            continue;
        };
        let cells: Vec<String> = inner.split('|').map(|cell| cell.trim().to_owned()).collect();
        if cells.len() == columns.len() {
            rows.push(Row { line, cells });
        } else {
            report(line, format!("expected {} cells, found {}", columns.len(), cells.len()));
        }
    }

    let is_rule = |cell: &String| !cell.is_empty() && cell.chars().all(|c| c == '-' || c == ':');
    match rows.as_slice() {
        [header, rule, ..] if header.cells == columns && rule.cells.iter().all(is_rule) => rows.split_off(2),
        _ => {
            report(
                first + 1,
                format!("expected the header | {} | and a line of dashes", columns.join(" | ")),
            );
            Vec::new()
        }
    }
}

fn backticked(text: &str) -> Option<String> {
    let name = text.strip_prefix('`')?.strip_suffix('`')?;
    (!name.is_empty() && !name.contains(['`', ' '])).then(|| name.to_owned())
}
