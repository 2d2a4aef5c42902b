//! What observers are still to be told, in the order in which it happened.
//!
//! Whoever finds something out puts it here, and one thread at a time tells it. An observer that blocks must cost no more than
//! so much memory: what comes when there is no room left is counted, in the place where it would have been told.

use std::collections::VecDeque;

use crate::event::HealthEvent;

/// So many events are kept. Some hundred targets may be lost and recovered while an observer takes its time; with their
/// reports that is about a megabyte.
const ROOM: usize = 4096;

/// See the module's first lines.
#[derive(Debug, Default)]
pub(super) struct Untold(VecDeque<(String, HealthEvent)>);

impl Untold {
    /// Adds what happened to a target.
    pub(super) fn push(&mut self, pool: &str, event: HealthEvent) {
        if self.0.len() < ROOM {
            return self.0.push_back((pool.to_owned(), event));
        }
        // What is beyond the room is one count for each pool.
        let count = self.0.range_mut(ROOM..).find_map(|(name, event)| match event {
            HealthEvent::Missed { events } if name == pool => Some(events),
            _ => None,
        });
        match count {
            Some(events) => *events += 1,
            None => self.0.push_back((pool.to_owned(), HealthEvent::Missed { events: 1 })),
        }
    }

    /// What is to be told next.
    pub(super) fn pop(&mut self) -> Option<(String, HealthEvent)> {
        self.0.pop_front()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(untold: &mut Untold) -> Vec<(String, Option<u64>)> {
        let missed = |event: &HealthEvent| match event {
            HealthEvent::Missed { events } => Some(*events),
            _ => None,
        };
        std::iter::from_fn(|| untold.pop()).map(|(pool, event)| (pool, missed(&event))).collect()
    }

    #[test]
    fn what_does_not_fit_is_counted_where_it_belongs() {
        let mut untold = Untold::default();
        (0..ROOM).for_each(|_| untold.push("orders", HealthEvent::CheckStarted));
        (0..1_000_000).for_each(|_| untold.push("orders", HealthEvent::CheckStarted));
        (0..7).for_each(|_| untold.push("stock", HealthEvent::CheckStarted));
        assert_eq!(untold.0.len(), ROOM + 2);
        for _ in 0..3 {
            untold.pop();
        }
        untold.push("late", HealthEvent::CheckStarted);
        let told = events(&mut untold);
        let end: Vec<_> = told[ROOM - 3..].iter().map(|(pool, missed)| (pool.as_str(), *missed)).collect();
        assert_eq!(end, [("orders", Some(1_000_000)), ("stock", Some(7)), ("late", None)]);
        assert!(told[..ROOM - 3].iter().all(|(pool, missed)| pool == "orders" && missed.is_none()));
    }

    #[test]
    fn a_second_gap_is_counted_by_itself() {
        let mut untold = Untold::default();
        (0..ROOM + 2).for_each(|_| untold.push("orders", HealthEvent::CheckStarted));
        for _ in 0..2 {
            untold.pop();
        }
        (0..5).for_each(|_| untold.push("orders", HealthEvent::CheckStarted));
        let missed: Vec<_> = events(&mut untold).into_iter().filter_map(|(_, missed)| missed).collect();
        // Of the five, one has room again and four have not.
        assert_eq!(missed, [2, 4]);
    }
}
