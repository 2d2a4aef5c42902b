//! Why a group could not serve a caller: what each of its members said.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use pool_config::Role;
use pool_core::AcquireError;

use super::access::{Access, word};
use super::ejection::Evidence;

/// A member that was asked in vain.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Attempt {
    /// The name of its pool.
    pub member: Arc<str>,
    /// What it does in the group.
    pub role: Role,
    /// Why it was in vain.
    pub reason: AttemptFailure,
}

/// Why a member was asked in vain.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum AttemptFailure {
    /// It gave no connection.
    Acquire(AcquireError),
    /// It gave one that broke while it was used; the text of the error that was met.
    Broken(String),
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Attempt { member, role, reason } = self;
        write!(f, "{} `{member}`: ", word(*role))?;
        match reason {
            // Who is asked for what was said already.
            AttemptFailure::Acquire(error) => {
                let text = error.to_string();
                let prefix = format!("acquire a connection from pool `{}`: ", error.diagnosis().pool);
                f.write_str(text.strip_prefix(&prefix).unwrap_or(&text))
            }
            AttemptFailure::Broken(error) => write!(f, "the connection broke: {error}"),
        }
    }
}

/// Why a group had no connection for a caller.
///
/// Its text names every member that was asked and what it said, which is why it has no source.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum RouteError {
    /// The group has no member that may serve this.
    NoMember {
        /// The group.
        group: Arc<str>,
        /// What was wanted.
        access: Access,
    },
    /// None of the members that may serve this did.
    Unserved {
        /// The group.
        group: Arc<str>,
        /// What was wanted.
        access: Access,
        /// How long the caller waited in all.
        waited: Duration,
        /// The members that were asked, in this order.
        tried: Vec<Attempt>,
    },
}

impl RouteError {
    /// The group's name.
    pub fn group(&self) -> &str {
        match self {
            RouteError::NoMember { group, .. } | RouteError::Unserved { group, .. } => group,
        }
    }

    /// The members that were asked, in this order, each with what it said.
    pub fn tried(&self) -> &[Attempt] {
        match self {
            RouteError::NoMember { .. } => &[],
            RouteError::Unserved { tried, .. } => tried,
        }
    }

    /// Whether all that were asked were too slow.
    pub fn is_timeout(&self) -> bool {
        self.all(AcquireError::is_timeout)
    }

    /// Whether all that were asked are down.
    pub fn is_unavailable(&self) -> bool {
        self.all(AcquireError::is_unavailable)
    }

    /// Whether the pools of all that were asked are closed.
    pub fn is_closed(&self) -> bool {
        self.all(AcquireError::is_closed)
    }

    /// Whether the same call may succeed later: not if the group has no member for it, or only closed ones.
    pub fn is_retryable(&self) -> bool {
        !self.tried().is_empty() && !self.is_closed()
    }

    fn all(&self, said: impl Fn(&AcquireError) -> bool) -> bool {
        let says = |attempt: &Attempt| match &attempt.reason {
            AttemptFailure::Acquire(error) => said(error),
            AttemptFailure::Broken(_) => false,
        };
        !self.tried().is_empty() && self.tried().iter().all(says)
    }
}

impl fmt::Display for RouteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RouteError::NoMember { group, access } => {
                let roles: Vec<_> = access.roles().iter().copied().map(word).collect();
                write!(
                    f,
                    "acquire a connection {access} from group `{group}`: it has no member in the role {}",
                    roles.join(" or ")
                )
            }
            RouteError::Unserved { group, access, waited, tried } => {
                write!(
                    f,
                    "acquire a connection {access} from group `{group}`: no member could serve it (asked {}, waited {})",
                    tried.len(),
                    Waited(*waited)
                )?;
                tried.iter().try_for_each(|attempt| write!(f, "; {attempt}"))
            }
        }
    }
}

impl Error for RouteError {}

/// Shows a wait in whole milliseconds, which is as exact as deadlines are.
struct Waited(Duration);

impl fmt::Display for Waited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_millis() {
            millis @ 0..10_000 => write!(f, "{millis}ms"),
            _ => write!(f, "{:.1}s", self.0.as_secs_f64()),
        }
    }
}

/// Why [`read_with`](super::Group::read_with) had no result.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError<E> {
    /// No member had a connection that lasted. It names those that were tried.
    Route(RouteError),
    /// The work failed, on a connection that works.
    Work(E),
}

impl<E> ReadError<E> {
    /// The error of the work, if that is what failed.
    pub fn into_work(self) -> Option<E> {
        match self {
            ReadError::Work(error) => Some(error),
            ReadError::Route(_) => None,
        }
    }
}

impl<E: fmt::Display> fmt::Display for ReadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReadError::Route(error) => error.fmt(f),
            ReadError::Work(error) => error.fmt(f),
        }
    }
}

/// Transparent: the sources are those of the error inside.
impl<E: Error> Error for ReadError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            ReadError::Route(error) => error.source(),
            ReadError::Work(error) => error.source(),
        }
    }
}

/// What a failed acquire says about the member.
pub(super) fn evidence(error: &AcquireError) -> Evidence {
    let diagnosis = error.diagnosis();
    match error {
        AcquireError::Unavailable(_) => Evidence::Down,
        // All connections are in use: it is busy, not down.
        AcquireError::Timeout(_) if diagnosis.stats.active >= diagnosis.stats.max => Evidence::None,
        AcquireError::Timeout(_) if diagnosis.timeout.is_zero() => Evidence::None,
        AcquireError::Timeout(_) if diagnosis.outage.is_some() && diagnosis.stats.open() == 0 => {
            Evidence::Down
        }
        // There was room for a connection, and none could be opened or validated in time.
        AcquireError::Timeout(_) => Evidence::Doubt,
        _ => Evidence::None,
    }
}
