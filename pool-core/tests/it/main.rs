//! The pool as its users see it, on a scripted connector and a paused clock.
//!
//! One file for each group of `docs/acceptance.md`; test names are sentences, and the id of the case stands
//! in the comment above.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

mod accounting;
mod cancellation;
mod creation;
mod every_await;
mod peers;
mod stress;
mod validation;
mod waiting;
