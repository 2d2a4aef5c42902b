//! The manager as its users see it, on SQLite and on servers that nobody asks.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod audit;
mod examine;
mod groups;
mod health;
mod many;
mod monitoring;
mod names;
mod reload;
mod shutdown;
mod support;
mod targets;
mod troubles;
mod watching;
