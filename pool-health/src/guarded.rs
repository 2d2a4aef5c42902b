//! A connector behind a circuit breaker: what does not answer is not called.

use std::time::Duration;

use pool_core::{Chain, Condition, Connector, ErrorClass, Span, Target};
use tokio::time::Instant;

use crate::breaker::{BreakerOpen, Cause, CircuitBreaker, Permit};

/// A [`Connector`] whose connects go through a [`CircuitBreaker`].
///
/// Several pools of one target may share one breaker; then one of them probes for all. Only faults of the target count:
/// errors of the classes `Transient`, `FatalThis`, `FatalAll` and `Auth`. One of class `Capacity` tells that the target
/// lives and is full, so it counts neither way.
///
/// A pool can also have a breaker as its [gate](pool_core::PoolBuilder::gate), which leaves the type of its connector, and with
/// it all that a driver offers on its own pools, as it is. This is for connectors that are used without a pool, or wrapped
/// further.
///
/// A target may accept connections and be of no use. So a connect succeeds only if the new connection passes its
/// [validation](Connector::validate), which is part of the connect; what fails it is not handed on.
///
/// A connect that is dropped gives its permit back, unless it had taken as long as
/// [`hung_after`](Guarded::hung_after): then its time had run out, which is a failure too.
///
/// While the breaker is open, [`connect`](Connector::connect) fails at once with the cause, and
/// [`retry_after`](Connector::retry_after) tells the pool when the next probe is due. The pool connects then by itself: no
/// caller is needed to find out that the target is back.
///
/// # Examples
///
/// ```
/// # use pool_core::fake::FakeConnector;
/// use pool_core::Pool;
/// use pool_health::{BreakerSettings, CircuitBreaker, Guarded};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let connector = FakeConnector::new();
/// let breaker = CircuitBreaker::new("orders", BreakerSettings::for_connects())?;
/// let pool = Pool::builder(Guarded::new(connector, breaker.clone())).name("orders").build()?;
/// # drop(pool.acquire().await?);
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Guarded<C> {
    connector: C,
    breaker: CircuitBreaker,
    hung_after: Duration,
}

/// A pool calls no connect overdue sooner.
const HUNG_AFTER: Duration = Duration::from_millis(50);

/// Why a [`Guarded`] connector did not connect.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuardedError<E> {
    /// The breaker refused.
    #[error(transparent)]
    Open(BreakerOpen),
    /// The connector failed.
    #[error(transparent)]
    Failed(E),
}

impl<C: Connector> Guarded<C> {
    /// Puts `breaker` in front of `connector`.
    pub fn new(connector: C, breaker: CircuitBreaker) -> Self {
        Guarded { connector, breaker, hung_after: HUNG_AFTER }
    }

    /// From when on a connect that is dropped counts as one that failed. Default 50 ms; zero = always.
    ///
    /// A pool drops a connect only when it ends itself or the connect's time is up, and that is `connect_timeout` or, while connects
    /// fail, less. So this must be no longer than the shortest of these, and is for whoever uses the connector without a
    /// pool, and drops connects that are merely not wanted any more, to make longer.
    #[must_use]
    pub fn hung_after(self, hung_after: Duration) -> Self {
        Guarded { hung_after, ..self }
    }

    /// The breaker.
    pub fn breaker(&self) -> &CircuitBreaker {
        &self.breaker
    }

    /// The connector behind it.
    pub fn connector(&self) -> &C {
        &self.connector
    }
}

/// A connect under way.
struct Attempt {
    permit: Option<Permit>,
    begun: Instant,
    hung_after: Duration,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let took = self.begun.elapsed();
        if took >= self.hung_after {
            permit.fail_because(took, Cause::new(format!("no connection within {}", Span(took))));
        }
    }
}

impl<C: Connector> Connector for Guarded<C> {
    type Connection = C::Connection;
    type Error = GuardedError<C::Error>;

    async fn connect(&self) -> Result<C::Connection, GuardedError<C::Error>> {
        let permit = self.breaker.try_acquire().map_err(GuardedError::Open)?;
        let mut attempt =
            Attempt { permit: Some(permit), begun: Instant::now(), hung_after: self.hung_after };
        let outcome = match self.connector.connect().await {
            Ok(mut connection) => self.connector.validate(&mut connection).await.map(|()| connection),
            failed => failed,
        };
        let took = attempt.begun.elapsed();
        let class = outcome.as_ref().err().map(|error| self.connector.classify(error));
        let permit = attempt.permit.take().expect("taken here or in the drop");
        match (&outcome, class) {
            (Err(error), Some(class)) if class != ErrorClass::Capacity => {
                let cause = Cause::new(Chain(error).to_string()).of_class(class);
                permit.fail_because(took, cause);
            }
            (Err(_), _) => permit.ignore(),
            (Ok(_), _) => permit.succeed(took),
        }
        outcome.map_err(GuardedError::Failed)
    }

    async fn validate(&self, connection: &mut C::Connection) -> Result<(), GuardedError<C::Error>> {
        self.connector.validate(connection).await.map_err(GuardedError::Failed)
    }

    async fn reset(&self, connection: &mut C::Connection) -> Result<(), GuardedError<C::Error>> {
        self.connector.reset(connection).await.map_err(GuardedError::Failed)
    }

    fn condition(&self, connection: &mut C::Connection) -> Condition {
        self.connector.condition(connection)
    }

    async fn close(&self, connection: C::Connection) {
        self.connector.close(connection).await;
    }

    fn classify(&self, error: &GuardedError<C::Error>) -> ErrorClass {
        match error {
            GuardedError::Open(open) => open.class(),
            GuardedError::Failed(error) => self.connector.classify(error),
        }
    }

    /// When the next probe is due. The failure that opened the breaker knows that already, so the pool need not be refused
    /// once to learn it.
    fn retry_after(&self, error: &GuardedError<C::Error>) -> Option<Duration> {
        let own = match error {
            GuardedError::Failed(error) => self.connector.retry_after(error),
            GuardedError::Open(_) => None,
        };
        own.max(self.breaker.ask_again_in())
    }

    fn target(&self) -> Option<Target> {
        self.connector.target()
    }
}

impl<E> GuardedError<E> {
    /// Whether the breaker refused, so that the target was not even asked.
    pub fn is_open(&self) -> bool {
        matches!(self, GuardedError::Open(_))
    }

    /// The connector's own error.
    pub fn failure(&self) -> Option<&E> {
        match self {
            GuardedError::Failed(error) => Some(error),
            GuardedError::Open(_) => None,
        }
    }
}

#[cfg(test)]
mod tests;
