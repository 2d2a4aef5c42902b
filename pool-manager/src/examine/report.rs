//! What an examination has found, as plain data.

use std::fmt;
use std::time::Duration;

use pool_config::Driver;

/// What an examination has found. No text of it holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Examination {
    /// Pool by pool, in the order of the configuration. Those that are disabled are not among them.
    pub pools: Vec<PoolExamination>,
    /// How long it took.
    pub took: Duration,
}

/// What was found of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolExamination {
    /// The pool's name.
    pub pool: String,
    /// What it connects with.
    pub driver: Driver,
    /// What it connects to, without a password; `None` if it was not made ready.
    pub target: Option<String>,
    /// What the server is, such as `PostgreSQL 17.6`, if it tells.
    pub server: Option<String>,
    /// How long a ping takes; the middle one of a few.
    pub round_trip: Option<Duration>,
    /// How long it took.
    pub took: Duration,
    /// What was found, in the order in which it was looked at. A check that means nothing for the pool is not among them.
    pub findings: Vec<Finding>,
}

/// What one check has found of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finding {
    /// What was looked at.
    pub check: Check,
    /// How it is.
    pub status: FindingStatus,
    /// What was found, as a fragment that begins in lower case.
    pub text: String,
    /// What to do about it, if there is something to do.
    pub cure: Option<String>,
}

/// What is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Check {
    /// Whether what the configuration names is there: files, variables, drivers.
    Configuration,
    /// Whether the server answers.
    Reachable,
    /// Whether and how the connection is encrypted.
    Tls,
    /// Whether the server lets the pool in, into its database.
    Login,
    /// What the server is.
    Version,
    /// Whether it is the primary or replica that the pool wants.
    Role,
    /// How long a ping takes.
    RoundTrip,
    /// Whether all pools of the server together fit into it.
    Limit,
    /// Whether the group of the pool can do what a group is for.
    Group,
}

/// How a check ended, from the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FindingStatus {
    /// It could not be looked at.
    Skipped,
    /// All is well.
    Ok,
    /// It works, and somebody should look at it.
    Warning,
    /// It does not work.
    Failed,
}

impl Examination {
    /// The worst of all pools; [`Ok`](FindingStatus::Ok) if there is none.
    pub fn status(&self) -> FindingStatus {
        self.pools.iter().map(PoolExamination::status).max().unwrap_or(FindingStatus::Ok)
    }

    /// How many pools have this for their worst.
    pub fn count(&self, status: FindingStatus) -> usize {
        self.pools.iter().filter(|pool| pool.status() == status).count()
    }
}

impl PoolExamination {
    /// The worst of all checks.
    pub fn status(&self) -> FindingStatus {
        let worst = self.findings.iter().map(|finding| finding.status).max();
        worst.unwrap_or(FindingStatus::Ok).max(FindingStatus::Ok)
    }
}

impl Finding {
    pub(super) fn ok(check: Check, text: impl Into<String>) -> Self {
        Finding { check, status: FindingStatus::Ok, text: text.into(), cure: None }
    }

    pub(super) fn skipped(check: Check, text: impl Into<String>) -> Self {
        Finding { check, status: FindingStatus::Skipped, text: text.into(), cure: None }
    }

    pub(super) fn warning(check: Check, text: impl Into<String>, cure: impl Into<String>) -> Self {
        Finding { check, status: FindingStatus::Warning, text: text.into(), cure: Some(cure.into()) }
    }

    pub(super) fn failed(check: Check, text: impl Into<String>, cure: impl Into<String>) -> Self {
        Finding { check, status: FindingStatus::Failed, text: text.into(), cure: Some(cure.into()) }
    }
}

impl Check {
    /// The word for it: `round_trip` and the like.
    pub fn as_str(self) -> &'static str {
        match self {
            Check::Configuration => "configuration",
            Check::Reachable => "reachable",
            Check::Tls => "tls",
            Check::Login => "login",
            Check::Version => "version",
            Check::Role => "role",
            Check::RoundTrip => "round_trip",
            Check::Limit => "limit",
            Check::Group => "group",
        }
    }
}

impl FindingStatus {
    /// The word for it: `ok`, `warning`, `failed` or `skipped`.
    pub fn as_str(self) -> &'static str {
        match self {
            FindingStatus::Skipped => "skipped",
            FindingStatus::Ok => "ok",
            FindingStatus::Warning => "warning",
            FindingStatus::Failed => "failed",
        }
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for FindingStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Pool by pool, without a line end at the end.
impl fmt::Display for Examination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pools.iter().enumerate().try_for_each(|(index, pool)| {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            pool.fmt(f)
        })
    }
}

/// The pool, and under it its findings as a table.
impl fmt::Display for PoolExamination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.pool, self.target.as_deref().unwrap_or(self.driver.as_str()))?;
        self.findings.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
    }
}

/// One line, and a second one for the cure.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { check, status, text, cure } = self;
        write!(f, "{status:<7}  {check:<13}  {text}")?;
        cure.as_ref().map_or(Ok(()), |cure| write!(f, "\n{:>26}cure: {cure}", ""))
    }
}
