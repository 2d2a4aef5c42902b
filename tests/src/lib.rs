//! Whole-system tests: several crates together, real databases, and the documents that show code.
//!
//! The tests are in `tests/`; here is only what makes the examples of the README compile and run.

/// The README, whose examples are tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
