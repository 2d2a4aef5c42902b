//! The SQLite connector in real pools, on real files.
//!
//! Test names are sentences; where a case of `docs/acceptance.md` or of the requirements fits, its id stands
//! in the comment above.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod harness;

mod cancellation;
mod crowd;
mod holders;
mod leftovers;
mod life;
mod locks;
mod memory;
mod opening;
mod read_write;
mod settings;
mod threads;
mod transactions;
