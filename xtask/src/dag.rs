//! Who may depend on whom: what the manifests declare, judged by the tables in ARCHITECTURE.md.
//!
//! Two kinds of rule. The *direction* table lists every crate of ours and what it may use of ours; the *owners*
//! table lists third-party crates that only some of ours may name. An entry allows every kind of dependency
//! (normal, build, dev); an entry followed by `(dev)` allows a dev-dependency only. So dev-dependencies are
//! checked like the others, and a row that wants an exception says so.
//!
//! Everything here is a pure function over plain data; `main.rs` asks Cargo and reads the file.

mod cycle;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

pub(crate) use rules::Rules;
use rules::{Allowed, Entry};

/// A crate of this workspace and what its manifest declares.
#[derive(Debug, Clone)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependency sections.
#[derive(Debug, Clone)]
pub(crate) struct Dependency {
    /// The package's own name, whatever the manifest calls it.
    pub(crate) package: String,
    /// The name the manifest gives it, where that differs.
    pub(crate) rename: Option<String>,
    pub(crate) kind: Kind,
}

/// The section of the manifest a dependency stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Normal,
    Build,
    Dev,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Normal => "dependency",
            Self::Build => "build-dependency",
            Self::Dev => "dev-dependency",
        })
    }
}

/// What there is to say when nothing is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    crates: usize,
    edges: usize,
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dag: {} crates, {} edges, all in the allowed direction", self.crates, self.edges)
    }
}

/// One broken rule: where, which, and how to mend it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The crate, or crate and dependency, that breaks the rule.
    place: String,
    rule: String,
    cure: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  rule: {}\n  cure: {}", self.place, self.rule, self.cure)
    }
}

/// Judges all members by the rules and returns every violation, not only the first.
pub(crate) fn check(rules: &Rules, members: &[Member]) -> Result<Summary, Vec<Violation>> {
    let ours: BTreeSet<&str> = members.iter().map(|member| member.name.as_str()).collect();
    let mut violations = Vec::new();
    let mut edges = BTreeSet::new();
    let mut compiled: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();

    for member in members {
        let row = rules.crates.get(&member.name);
        if row.is_none() {
            violations.push(Violation::missing_row(&member.name));
        }
        for dependency in &member.dependencies {
            let package = dependency.package.as_str();
            // A crate's dev-dependency on itself only turns on its own features for its tests: no edge.
            if ours.contains(package) && package != member.name {
                edges.insert((member.name.as_str(), package));
                if dependency.kind != Kind::Dev {
                    compiled.entry(&member.name).or_default().insert(package);
                }
                if row.is_some_and(|allowed| !allowed.permits(package, dependency.kind)) {
                    violations.push(Violation::direction(&member.name, dependency, row));
                }
            }
            for (owned, owners) in &rules.owners {
                let named = package == owned || dependency.rename.as_ref() == Some(owned);
                if named && !owners.iter().any(|owner| owner.permits(&member.name, dependency.kind)) {
                    violations.push(Violation::owner(&member.name, dependency, owned, owners));
                }
            }
        }
    }
    violations.extend(cycle::find(&compiled).map(|path| Violation::cycle(&path, "the manifests")));
    violations.extend(cycle::find(&rules.graph()).map(|path| Violation::cycle(&path, "the direction table")));

    if violations.is_empty() {
        Ok(Summary { crates: members.len(), edges: edges.len() })
    } else {
        Err(violations)
    }
}

impl Violation {
    fn missing_row(member: &str) -> Self {
        Self {
            place: member.to_owned(),
            rule: "every crate of the workspace has a row in the direction table".to_owned(),
            cure: format!("add a row for `{member}` between the dag markers in ARCHITECTURE.md"),
        }
    }

    fn direction(member: &str, dependency: &Dependency, row: Option<&Allowed>) -> Self {
        let package = &dependency.package;
        let allowed = match row {
            Some(Allowed::Only(entries)) if !entries.is_empty() => list(entries),
            _ => "nothing of ours".to_owned(),
        };
        Self {
            place: format!("{member} -> {package} ({})", dependency.kind),
            rule: format!("{member} may use {allowed}"),
            cure: if row.is_some_and(|allowed| allowed.permits(package, Kind::Dev)) {
                "make it a dev-dependency".to_owned()
            } else {
                format!(
                    "move the code that needs {package} to a crate that may use it; if the direction is really \
                     meant, add `{package}` to the row of `{member}` in ARCHITECTURE.md"
                )
            },
        }
    }

    fn owner(member: &str, dependency: &Dependency, owned: &str, owners: &[Entry]) -> Self {
        Self {
            place: format!("{member} -> {owned} ({})", dependency.kind),
            rule: format!("{owned} may stand only in {}", list(owners)),
            cure: if owners.iter().any(|owner| owner.permits(member, Kind::Dev)) {
                "make it a dev-dependency".to_owned()
            } else {
                format!(
                    "use it through a crate that owns it; if {member} must own it too, add `{member}` to the row \
                     of `{owned}` between the owns markers in ARCHITECTURE.md"
                )
            },
        }
    }

    fn cycle(path: &[&str], source: &str) -> Self {
        Self {
            place: path.join(" -> "),
            rule: format!("no crate may reach itself; this circle is in {source}"),
            cure: "take out one of these edges, or move what both ends need into a crate below them"
                .to_owned(),
        }
    }
}

fn list(entries: &[Entry]) -> String {
    entries.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
