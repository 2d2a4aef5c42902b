//! Counts who overtakes whom on the way to a connection.
//!
//! Percentiles of finished waits cannot see a caller that is passed over again and again; this can. Each acquire
//! takes a number when it comes and another when it goes. Served in order of arrival, both are equal up to the
//! few callers that are between the turnstile and the pool at the same moment.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter on a cache line of its own: all threads write to both, and not always to both at once.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Padded(AtomicU64);

/// Two counters: who came, and who went.
#[derive(Debug, Default)]
pub(crate) struct Turnstile {
    came: Padded,
    gone: Padded,
}

/// A place in the order of arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ticket(u64);

// Ordering: both only count. What they are compared for is off by the callers under way anyhow.
impl Turnstile {
    pub(crate) fn enter(&self) -> Ticket {
        Ticket(self.came.0.fetch_add(1, Ordering::Relaxed))
    }

    /// Goes, with or without a connection. Returns how many came later and went before.
    pub(crate) fn leave(&self, ticket: Ticket) -> u64 {
        self.gone.0.fetch_add(1, Ordering::Relaxed).saturating_sub(ticket.0)
    }

    /// How many came later and went before, so far.
    pub(crate) fn overtaken(&self, ticket: Ticket) -> u64 {
        self.gone.0.load(Ordering::Relaxed).saturating_sub(ticket.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_order_of_arrival_nobody_is_overtaken() {
        let turnstile = Turnstile::default();
        let tickets: Vec<_> = (0..5).map(|_| turnstile.enter()).collect();
        assert!(tickets.into_iter().all(|ticket| turnstile.leave(ticket) == 0));
    }

    #[test]
    fn who_is_served_last_was_overtaken_by_all_who_came_later() {
        let turnstile = Turnstile::default();
        let first = turnstile.enter();
        for _ in 0..7 {
            let later = turnstile.enter();
            turnstile.leave(later);
        }
        assert_eq!(turnstile.overtaken(first), 7);
        assert_eq!(turnstile.leave(first), 7);
    }
}
