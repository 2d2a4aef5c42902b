//! A circuit breaker as the gate of a pool: [`PoolBuilder::gate`](pool_core::PoolBuilder::gate).
//!
//! What [`Guarded`](crate::Guarded) does around a connector this does from within the pool. So the pool's type stays as it is, one
//! breaker may serve pools of different types, and a connect that hangs counts as failed when `connect_timeout` ends it.

use std::time::Duration;

use pool_core::{ConnectError, ConnectGate, ErrorClass, Passage, Refusal};

use crate::breaker::{BreakerState, Cause, CircuitBreaker, Permit};

impl ConnectGate for CircuitBreaker {
    fn pass(&self) -> Result<Box<dyn Passage>, Refusal> {
        match self.try_acquire() {
            Ok(permit) => Ok(Box::new(Through { breaker: self.clone(), permit })),
            Err(open) => {
                let class = open.cause.as_ref().map_or(ErrorClass::Transient, |cause| cause.class);
                let refusal = Refusal::new(open).of_class(class);
                Err(refusal.retry_after(next_probe(self)))
            }
        }
    }
}

/// When a pool had better try again; `None` = when it likes to.
fn next_probe(breaker: &CircuitBreaker) -> Option<Duration> {
    let snapshot = breaker.snapshot();
    match (snapshot.state, snapshot.next_probe) {
        (BreakerState::Open, due) => due,
        // Somebody else probes, and its verdict is near. Being refused once more costs the target nothing.
        (BreakerState::HalfOpen, None) => Some(breaker.settings().open_base / 2),
        _ => None,
    }
}

/// A connect that the breaker has let through. Dropped, it gives its permit back.
struct Through {
    breaker: CircuitBreaker,
    permit: Permit,
}

impl Passage for Through {
    fn succeeded(self: Box<Self>, took: Duration) {
        self.permit.succeed(took);
    }

    fn failed(self: Box<Self>, took: Duration, cause: &ConnectError, class: ErrorClass) -> Option<Duration> {
        let Through { breaker, permit } = *self;
        if class == ErrorClass::Capacity {
            // A server that is full lives.
            permit.ignore();
        } else {
            permit.fail_because(took, Cause::new(cause.to_string()).of_class(class));
        }
        next_probe(&breaker)
    }
}

#[cfg(test)]
mod tests;
