//! Leave to connect, asked of somebody who knows more of the target than one pool does.
//!
//! A circuit breaker that several pools of one server share is a [`ConnectGate`]: it stops their connects while the server is
//! known to be down, lets one of them probe, and is told how every connect ended.
//!
//! A server may accept connections and be of no use: one that starts, that has lost its disk, or a proxy before nothing. So
//! a connect with a pass has not succeeded before its connection was validated.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::connector::{Connector, ErrorClass};
use crate::error::{Chain, ConnectError};
use crate::shared::Shared;
use crate::state::Failure;

/// Stands before the connects of a pool; see [`PoolBuilder::gate`](crate::PoolBuilder::gate).
///
/// Its methods are called by the keeper, outside all locks of the pool, and must not block. A panic in one is caught and
/// counted; the connect then goes on as if there were no gate.
pub trait ConnectGate: Send + Sync + 'static {
    /// Asked before each connect.
    ///
    /// # Errors
    ///
    /// If the connect must not be begun. To the pool that is a connect that failed: callers are told the error, and the
    /// next attempt comes when it says.
    fn enter(&self) -> Result<Box<dyn ConnectPass>, ConnectRefused>;

    /// Asked after a connect failed: how long to wait before the next, if that is known. Heeded as
    /// [`Connector::retry_after`](crate::Connector::retry_after); the longer of the two counts.
    fn retry_after(&self) -> Option<Duration> {
        None
    }
}

/// Leave to make one connect, to be told how it ended. Dropped without that, the connect was given up: the pool closes, or
/// lost its runtime.
pub trait ConnectPass: Send {
    /// Whether the connect succeeds only if the new connection is found to work. Asked once, before the connect. The
    /// default says yes.
    ///
    /// The connection is then [validated](Connector::validate) before anyone may have it, for as long as `validation_timeout`
    /// and what is left of `connect_timeout` let it. That is part of the connect: its time counts, no event tells of it, and a
    /// connection that fails it is one that was never there ([`ConnectError::Unusable`]).
    fn wants_proof(&self) -> bool {
        true
    }

    /// The connect succeeded after `took`, and so did the validation, if one was wanted.
    fn succeeded(self: Box<Self>, took: Duration);

    /// The connect failed after `took`, was cut short by `connect_timeout`, or panicked, or what it yielded was of no use.
    fn failed(self: Box<Self>, took: Duration, cause: &ConnectError, class: ErrorClass);
}

/// A [`ConnectGate`] is shut.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ConnectRefused {
    /// Why, as callers are told.
    pub cause: Arc<dyn Error + Send + Sync>,
    /// What that means for the pool.
    pub class: ErrorClass,
    /// How long to wait before asking again; `None` = the pool's own back-off.
    pub retry_after: Option<Duration>,
}

impl ConnectRefused {
    /// A refusal of this class, with the pool's own back-off.
    pub fn new(cause: impl Error + Send + Sync + 'static, class: ErrorClass) -> Self {
        ConnectRefused { cause: Arc::new(cause), class, retry_after: None }
    }

    /// The same with a time to wait.
    #[must_use]
    pub fn retry_after(self, retry_after: Option<Duration>) -> Self {
        ConnectRefused { retry_after, ..self }
    }
}

impl fmt::Display for ConnectRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Chain(&*self.cause).fmt(f)
    }
}

/// What came of asking the gate.
pub(crate) enum Entered {
    /// There is none, or it panicked.
    Freely,
    With(Box<dyn ConnectPass>),
}

impl Entered {
    /// Asks the gate of a pool.
    pub(crate) fn ask<C: Connector>(shared: &Shared<C>) -> Result<Entered, Failure> {
        let Some(gate) = &shared.gate else { return Ok(Entered::Freely) };
        match shared.guard("gate", || gate.enter()) {
            None => Ok(Entered::Freely),
            Some(Ok(pass)) => Ok(Entered::With(pass)),
            Some(Err(ConnectRefused { cause, class, retry_after })) => {
                Err(Failure { cause: ConnectError::Failed(cause), class, retry_after })
            }
        }
    }

    /// Whether the new connection is to be validated.
    pub(crate) fn wants_proof<C: Connector>(&self, shared: &Shared<C>) -> bool {
        match self {
            Entered::Freely => false,
            Entered::With(pass) => shared.guard("gate", || pass.wants_proof()).unwrap_or(true),
        }
    }

    pub(crate) fn succeeded<C: Connector>(self, shared: &Shared<C>, took: Duration) {
        if let Entered::With(pass) = self {
            // A panic in it is reported, and the connection is none the worse.
            shared.guard("gate", || pass.succeeded(took));
        }
    }

    /// Tells the gate of a failure, and takes what it knows of the time until the next attempt.
    pub(crate) fn failed<C: Connector>(self, shared: &Shared<C>, took: Duration, failure: &mut Failure) {
        let (Entered::With(pass), Some(gate)) = (self, &shared.gate) else { return };
        let Failure { cause, class, retry_after } = failure;
        shared.guard("gate", || pass.failed(took, cause, *class));
        *retry_after = (*retry_after).max(shared.guard("gate", || gate.retry_after()).flatten());
    }
}
