//! The load tester from outside: as a library with planted defects, and as a program.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alerts;
mod binary;
mod defects;
mod report;
mod runs;
mod schema;
mod subjects;
