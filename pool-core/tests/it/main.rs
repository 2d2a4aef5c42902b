//! The pool as its users see it, on a scripted connector and a paused clock.
//!
//! One file for each group of `docs/acceptance.md`; test names are sentences, and the id of the case stands
//! in the comment above.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

mod accounting;
mod adaptive;
mod allocations;
mod callbacks;
mod cancellation;
mod closing;
mod connectors;
mod control;
mod creation;
mod errors;
mod events;
mod every_await;
mod fairness;
mod found;
mod frugal;
mod gate;
mod healing;
mod leaks;
mod lifetime;
mod measures;
mod outage;
mod peers;
mod recovery;
mod reviewed;
mod runtimes;
mod sets;
mod sizing;
mod stress;
mod suspension;
mod validation;
mod waiting;
