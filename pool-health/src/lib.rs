//! Watches pools, says what ails them, and heals what can be healed.

mod breaker;
mod brownout;
mod guarded;
mod monitor;
mod retry;
mod shedding;
