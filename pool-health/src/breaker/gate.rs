//! A breaker as the gate of a pool.

use std::time::Duration;

use pool_core::{ConnectError, ConnectGate, ConnectPass, ConnectRefused, ErrorClass};

use super::{BreakerState, Cause, CircuitBreaker, Permit};

impl CircuitBreaker {
    /// How long a pool that was refused, or has just failed, does best to wait.
    pub(crate) fn ask_again_in(&self) -> Option<Duration> {
        let snapshot = self.snapshot();
        match (snapshot.state, snapshot.next_probe) {
            (BreakerState::Open, due) => due,
            // Somebody else probes, and its verdict is near. Being refused once more costs the target nothing.
            (BreakerState::HalfOpen, None) => Some(self.settings().open_base / 2),
            _ => None,
        }
    }
}

/// Counts faults of the target: failures of all classes but `Capacity`, connects that took longer than `connect_timeout`, and
/// those whose new connection did not pass its validation, which is asked for by each connect.
///
/// # Examples
///
/// ```
/// # use pool_core::fake::FakeConnector;
/// use std::sync::Arc;
/// use pool_core::Pool;
/// use pool_health::{BreakerSettings, CircuitBreaker};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let connector = FakeConnector::new();
/// let breaker = CircuitBreaker::new("orders", BreakerSettings::for_connects())?;
/// let pool = Pool::builder(connector).name("orders").gate(Arc::new(breaker.clone())).build()?;
/// # drop(pool.acquire().await?);
/// # Ok(())
/// # }
/// ```
impl ConnectGate for CircuitBreaker {
    fn enter(&self) -> Result<Box<dyn ConnectPass>, ConnectRefused> {
        match self.try_acquire() {
            Ok(permit) => Ok(Box::new(permit)),
            Err(open) => {
                let class = open.class();
                Err(ConnectRefused::new(open, class).retry_after(self.ask_again_in()))
            }
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        self.ask_again_in()
    }
}

impl ConnectPass for Permit {
    fn succeeded(self: Box<Self>, took: Duration) {
        self.succeed(took);
    }

    fn failed(self: Box<Self>, took: Duration, cause: &ConnectError, class: ErrorClass) {
        match class {
            // Full is not down.
            ErrorClass::Capacity => self.ignore(),
            class => self.fail_because(took, Cause::new(cause.to_string()).of_class(class)),
        }
    }
}

#[cfg(test)]
mod tests;
