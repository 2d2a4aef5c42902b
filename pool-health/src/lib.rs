//! Watches pools, says what ails them, and heals what can be healed.

mod brownout;
mod breaker;
mod guarded;
mod monitor;
mod retry;
mod shedding;
