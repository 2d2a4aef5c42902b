//! The WebSocket connector in real pools, against servers in the same process.
//!
//! Test names are sentences.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/certificates.rs"]
mod certificates;
mod server;

mod exchanges;
mod leftovers;
mod opening;
mod validation;
