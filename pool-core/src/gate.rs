//! Who may keep a pool from connecting: a circuit breaker, for instance.
//!
//! A gate stands in the pool and not around its [`Connector`](crate::Connector), so that the type of the pool does not
//! tell whether it has one, several pools of different drivers may stand behind one gate, and what comes of a connect is known
//! to the end: that it took longer than `connect_timeout`, too, which a connector never learns.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::connector::ErrorClass;
use crate::error::ConnectError;

/// Lets connects of a pool through, or does not. See [`PoolBuilder::gate`](crate::PoolBuilder::gate).
///
/// # Examples
///
/// ```
/// # use pool_core::fake::FakeConnector;
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use std::time::Duration;
/// use pool_core::{ConnectError, ConnectGate, ErrorClass, Passage, Pool, Refusal};
///
/// /// Connects to nothing while the server is being moved.
/// #[derive(Default)]
/// struct Moving(AtomicBool);
///
/// impl ConnectGate for Moving {
///     fn pass(&self) -> Result<Box<dyn Passage>, Refusal> {
///         match self.0.load(Ordering::Relaxed) {
///             true => Err(Refusal::new(std::io::Error::other("the server is being moved"))),
///             false => Ok(Box::new(Free)),
///         }
///     }
/// }
///
/// struct Free;
///
/// impl Passage for Free {
///     fn succeeded(self: Box<Self>, _took: Duration) {}
///
///     fn failed(self: Box<Self>, _took: Duration, _: &ConnectError, _: ErrorClass) -> Option<Duration> {
///         None
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let pool = Pool::builder(FakeConnector::new()).gate(Moving::default()).build()?;
/// # drop(pool.acquire().await?);
/// # Ok(())
/// # }
/// ```
pub trait ConnectGate: Send + Sync + 'static {
    /// Whether a connect may be begun now.
    ///
    /// Called by the keeper before each connect, outside all locks of the pool; it must not block. A refusal counts as a
    /// failed connect, which has not met the target. A panic is caught and refuses.
    ///
    /// # Errors
    ///
    /// With what callers are to be told instead of a connection.
    fn pass(&self) -> Result<Box<dyn Passage>, Refusal>;
}

/// A connect that a [`ConnectGate`] has let through. It is told what came of it; one that is dropped was cancelled,
/// because the pool closes or its runtime went away, and says nothing of the target.
pub trait Passage: Send + 'static {
    /// The connection is open.
    fn succeeded(self: Box<Self>, took: Duration);

    /// No connection was opened. Returns how long to wait before the next attempt, if the gate knows; see
    /// [`Connector::retry_after`](crate::Connector::retry_after).
    fn failed(self: Box<Self>, took: Duration, cause: &ConnectError, class: ErrorClass) -> Option<Duration>;
}

/// Why a [`ConnectGate`] has let a connect not through.
#[derive(Clone)]
#[non_exhaustive]
pub struct Refusal {
    /// What callers are told.
    pub error: Arc<dyn Error + Send + Sync>,
    /// What it means for the pool: best what the error meant that has closed the gate.
    pub class: ErrorClass,
    /// When to ask again, as [`Connector::retry_after`](crate::Connector::retry_after).
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal of class [`ErrorClass::Transient`], after which the pool asks again when it sees fit.
    pub fn new(error: impl Error + Send + Sync + 'static) -> Self {
        Refusal { error: Arc::new(error), class: ErrorClass::Transient, retry_after: None }
    }

    /// The same refusal, of another class.
    #[must_use]
    pub fn of_class(self, class: ErrorClass) -> Self {
        Refusal { class, ..self }
    }

    /// The same refusal, with the time after which to ask again.
    #[must_use]
    pub fn retry_after(self, retry_after: Option<Duration>) -> Self {
        Refusal { retry_after, ..self }
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Refusal { error, class, retry_after } = self;
        f.debug_struct("Refusal")
            .field("error", &format_args!("{error}"))
            .field("class", class)
            .field("retry_after", retry_after)
            .finish()
    }
}
