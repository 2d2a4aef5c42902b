//! The Redis connector in real pools, against a real `redis-server`, which must be installed.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

mod cancellation;
mod leftovers;
mod life;
mod login;
mod subscriptions;
