//! Why an operation on a pool failed, told so that nobody has to look elsewhere.
//!
//! Every [`AcquireError`] carries a [`Diagnosis`]: what the pool looked like, who held its connections, and
//! what the last connect died of. The text of that cause is part of the one-line `Display`, which is why
//! `source` does not return it a second time; [`Diagnosis::last_connect_failure`] has the error itself.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::connection::{Holder, Span};
use crate::connector::ErrorClass;
use crate::options::OptionsError;
use crate::stats::PoolStats;

/// A connect that failed, and how long ago.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectFailure {
    /// What went wrong.
    pub cause: ConnectError,
    /// What that means for the pool.
    pub class: ErrorClass,
    /// Time since it failed.
    pub age: Duration,
}

impl fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} ago)", self.cause, Span(self.age))
    }
}

/// What a connect died of.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ConnectError {
    /// The connector returned this error.
    Failed(Arc<dyn Error + Send + Sync>),
    /// It did not finish within `connect_timeout`.
    TimedOut(Duration),
    /// The connector panicked with this message.
    Panicked(String),
    /// The connect succeeded, but the new connection failed its first validation with this message.
    Unusable(String),
}

impl ConnectError {
    /// The connector's own error, to be downcast.
    pub fn error(&self) -> Option<&(dyn Error + Send + Sync + 'static)> {
        match self {
            ConnectError::Failed(error) => Some(&**error),
            _ => None,
        }
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::Failed(error) => write!(f, "{}", Chain(&**error)),
            ConnectError::TimedOut(after) => write!(f, "no connection within {}", Span(*after)),
            ConnectError::Panicked(message) => write!(f, "the connector panicked: {message}"),
            ConnectError::Unusable(message) => write!(f, "the new connection is unusable: {message}"),
        }
    }
}

/// Shows an error and its sources in one line, leaving out a source that its parent already quotes.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            let text = error.to_string();
            if !said.contains(&text) {
                write!(f, ": {text}")?;
                said = text;
            }
            source = error.source();
        }
        Ok(())
    }
}

/// Connects that failed in a row, with none that succeeded since. Connections opened before may still live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outage {
    /// Time since the first connect that failed was begun.
    pub since: Duration,
    /// Connects that failed since then.
    pub failures: u32,
    /// Time until the next probe; zero while one is under way.
    pub next_probe: Duration,
}

/// What the pool looked like when an acquire failed.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The pool's name.
    pub pool: Arc<str>,
    /// How long the caller waited.
    pub waited: Duration,
    /// How long it was ready to wait.
    pub timeout: Duration,
    /// The pool at that moment.
    pub stats: PoolStats,
    /// The limit on waiting callers, `max_waiting`; 0 = none.
    pub max_waiting: usize,
    /// Who held its connections, oldest first, ten at most.
    pub holders: Vec<Holder>,
    /// The connection that the failing caller's own task held, if it held one.
    pub nested: Option<Holder>,
    /// The last connect that failed, however long ago.
    pub last_connect_failure: Option<ConnectFailure>,
    /// The outage under way, if there is one.
    pub outage: Option<Outage>,
}

impl Diagnosis {
    /// How many holders a diagnosis lists.
    pub(crate) const HOLDERS: usize = 10;

    fn sizes(&self) -> Sizes<'_> {
        Sizes(&self.stats)
    }

    /// Why nothing can be opened, in short: not every reason is a target that is down.
    fn unavailable(&self) -> &'static str {
        match &self.last_connect_failure {
            Some(failure) if failure.class == ErrorClass::Auth => "the target has refused the login",
            _ => "no connection could be opened",
        }
    }

    fn fmt_context(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A caller that did not wait was not kept waiting by what it holds.
        if let Some(nested) = self.nested.as_ref().filter(|_| !self.waited.is_zero()) {
            write!(
                f,
                "; the same task already holds {} from {}:{}: a task that needs k connections at once needs \
                 a pool of at least tasks * (k - 1) + 1",
                nested.connection,
                nested.site.file(),
                nested.site.line()
            )?;
        }
        for (index, holder) in self.holders.iter().enumerate() {
            write!(f, "{}{holder}", if index == 0 { "; oldest holders: " } else { ", " })?;
        }
        if let Some(failure) = &self.last_connect_failure {
            write!(f, "; last connect error: {failure}")?;
        }
        Ok(())
    }
}

/// Shows the gauges that explain an exhausted pool.
struct Sizes<'a>(&'a PoolStats);

impl fmt::Display for Sizes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PoolStats { total, max, active, idle, creating, waiting, .. } = self.0;
        write!(
            f,
            "total {total} of {max}, active {active}, idle {idle}, creating {creating}, waiting {waiting}"
        )
    }
}

/// Why no connection could be acquired.
///
/// `Debug` is the same line as `Display`, so that a `main` that returns it shows something to read; `{:#?}` shows all of
/// the diagnosis.
#[derive(Clone)]
#[non_exhaustive]
pub enum AcquireError {
    /// The deadline passed.
    Timeout(Box<Diagnosis>),
    /// The target is down and no connection lives; see `fail_fast`.
    Unavailable(Box<Diagnosis>),
    /// `max_waiting` callers wait already.
    QueueFull(Box<Diagnosis>),
    /// The pool is paused, and stayed so to the deadline.
    Paused(Box<Diagnosis>),
    /// The pool is closed or closing.
    Closed(Box<Diagnosis>),
}

impl AcquireError {
    /// The whole story.
    pub fn diagnosis(&self) -> &Diagnosis {
        match self {
            AcquireError::Timeout(diagnosis)
            | AcquireError::Unavailable(diagnosis)
            | AcquireError::QueueFull(diagnosis)
            | AcquireError::Paused(diagnosis)
            | AcquireError::Closed(diagnosis) => diagnosis,
        }
    }

    /// Whether the deadline passed.
    pub fn is_timeout(&self) -> bool {
        matches!(self, AcquireError::Timeout(_))
    }

    /// Whether the target is down.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, AcquireError::Unavailable(_))
    }

    /// Whether the queue was full.
    pub fn is_queue_full(&self) -> bool {
        matches!(self, AcquireError::QueueFull(_))
    }

    /// Whether the pool was paused.
    pub fn is_paused(&self) -> bool {
        matches!(self, AcquireError::Paused(_))
    }

    /// Whether the pool is closed.
    pub fn is_closed(&self) -> bool {
        matches!(self, AcquireError::Closed(_))
    }

    /// Whether the same call may succeed later. Only a closed pool stays closed.
    pub fn is_retryable(&self) -> bool {
        !self.is_closed()
    }
}

impl fmt::Debug for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { self.diagnosis().fmt(f) } else { fmt::Display::fmt(self, f) }
    }
}

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let diagnosis = self.diagnosis();
        let Diagnosis { pool, waited, .. } = diagnosis;
        let sizes = diagnosis.sizes();
        write!(f, "acquire a connection from pool `{pool}`: ")?;
        match self {
            AcquireError::Timeout(_) => {
                write!(f, "none within {} (waited {}; {sizes})", Span(diagnosis.timeout), Span(*waited))?;
            }
            AcquireError::Unavailable(_) => {
                f.write_str(diagnosis.unavailable())?;
                if let Some(outage) = &diagnosis.outage {
                    write!(f, " for {} (failed connects: {}", Span(outage.since), outage.failures)?;
                    if outage.next_probe.is_zero() {
                        f.write_str(", a probe is under way)")?;
                    } else {
                        write!(f, ", next probe in {})", Span(outage.next_probe))?;
                    }
                }
            }
            AcquireError::QueueFull(_) => {
                write!(
                    f,
                    "{} callers wait already, the limit is {} ({sizes})",
                    diagnosis.stats.waiting, diagnosis.max_waiting
                )?;
            }
            AcquireError::Paused(_) => {
                write!(f, "the pool is paused (waited {}; {sizes})", Span(*waited))?;
            }
            AcquireError::Closed(_) => return f.write_str("the pool is closed"),
        }
        diagnosis.fmt_context(f)
    }
}

/// The failure is its own whole story: see the module's first lines.
impl Error for AcquireError {}

/// Why a pool could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// Some options are out of their range.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The pool has an empty name.
    #[error("build the pool: its name is empty")]
    EmptyName,
    /// The runtime has no timers.
    #[error(
        "build pool `{pool}`: its tokio runtime has no timers; build the runtime with `enable_time` or `enable_all`"
    )]
    NoTimers {
        /// The pool's name.
        pool: String,
    },
    /// There is no tokio runtime to run the keeper on.
    #[error(
        "build pool `{pool}`: no tokio runtime here; call build inside one, or give the builder a runtime handle"
    )]
    NoRuntime {
        /// The pool's name.
        pool: String,
    },
}

/// Why `warm_up` did not reach `min_connections`. `Debug` is as that of [`AcquireError`].
#[derive(Clone)]
#[non_exhaustive]
pub enum WarmUpError {
    /// The target is down or refuses the login.
    Unavailable(Box<Diagnosis>),
    /// It took longer than `acquire_timeout`.
    Timeout(Box<Diagnosis>),
    /// The pool is closed or closing.
    Closed(Box<Diagnosis>),
}

impl WarmUpError {
    /// The whole story.
    pub fn diagnosis(&self) -> &Diagnosis {
        match self {
            WarmUpError::Unavailable(diagnosis)
            | WarmUpError::Timeout(diagnosis)
            | WarmUpError::Closed(diagnosis) => diagnosis,
        }
    }
}

impl fmt::Debug for WarmUpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { self.diagnosis().fmt(f) } else { fmt::Display::fmt(self, f) }
    }
}

impl fmt::Display for WarmUpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let diagnosis = self.diagnosis();
        let PoolStats { total, creating, min, .. } = diagnosis.stats;
        write!(f, "warm up pool `{}`: ", diagnosis.pool)?;
        match self {
            WarmUpError::Unavailable(_) => f.write_str(diagnosis.unavailable())?,
            WarmUpError::Timeout(_) => {
                write!(f, "{} of {min} connections open after {}", total - creating, Span(diagnosis.waited))?;
            }
            WarmUpError::Closed(_) => return f.write_str("the pool is closed"),
        }
        if let Some(failure) = &diagnosis.last_connect_failure {
            write!(f, "; last connect error: {failure}")?;
        }
        Ok(())
    }
}

impl Error for WarmUpError {}
