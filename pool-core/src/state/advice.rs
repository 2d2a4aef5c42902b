//! The pool measures its load, window by window, and follows what [`Controller`] makes of it.
//!
//! A window is a round of housekeeping or a second, whichever is longer. With [`Sizing::On`] the limit in force is the
//! controller's and not `max_connections`; surplus connections are closed as after any other change of the limit.

use std::time::Duration;

use tokio::time::Instant;

use super::totals::Totals;
use super::{Effects, Phase, State};
use crate::connection::CloseReason;
use crate::event::PoolEvent;
use crate::options::CheckedOptions;
use crate::sizing::{Controller, Sizing, SizingAdvice, Window};

/// Shorter windows hold too few uses to tell anything.
const SHORTEST_WINDOW: Duration = Duration::from_secs(1);

/// The controller, and what had been counted when the window began.
#[derive(Debug)]
pub(crate) struct SizingWindow {
    controller: Controller,
    begun: Option<Instant>,
    totals: Totals,
    waited: u64,
    wait_time: Duration,
    /// Something else than load was at work in it.
    disturbed: bool,
    advice: Option<SizingAdvice>,
}

impl SizingWindow {
    pub(crate) fn new(options: &CheckedOptions) -> Self {
        let max = options.max_connections;
        SizingWindow {
            controller: Controller::new(options.sizing, options.min_connections, max, max),
            begun: None,
            totals: Totals::default(),
            waited: 0,
            wait_time: Duration::ZERO,
            disturbed: false,
            advice: None,
        }
    }

    pub(crate) fn reconfigure(&mut self, options: &CheckedOptions) {
        self.controller.reconfigure(options.sizing, options.min_connections, options.max_connections);
        self.disturb();
        if options.sizing == Sizing::Off {
            self.advice = None;
        }
    }

    /// Notes that the present window tells nothing about the load.
    pub(crate) fn disturb(&mut self) {
        self.disturbed = true;
    }

    pub(crate) fn advice(&self) -> Option<SizingAdvice> {
        self.advice
    }

    pub(crate) fn limit(&self) -> usize {
        self.controller.limit()
    }
}

impl<T> State<T> {
    /// The most connections there may be now.
    pub(crate) fn limit(&self) -> usize {
        match self.options.sizing {
            // Never below what is reserved: somebody must be able to have a connection.
            Sizing::On => self.sizing.limit().max(self.options.reserve_connections + 1),
            Sizing::Off | Sizing::Observe => self.options.max_connections,
        }
    }

    /// Ends a window of measurement, if it is over, and follows the advice that comes of it.
    pub(super) fn advise(&mut self, now: Instant, fx: &mut Effects<T>) {
        if self.options.sizing == Sizing::Off {
            return;
        }
        self.sizing.disturbed |= self.phase != Phase::Open || self.connecting.is_failing();
        let length = self.sizing.begun.map(|begun| now.saturating_duration_since(begun));
        if length.is_some_and(|length| length < SHORTEST_WINDOW) {
            return;
        }
        let totals = self.totals();
        let (waited, wait_time) = (self.passed.waits, self.counters.wait_time + self.passed.waited);
        let used = totals.since(self.sizing.totals);
        let window = Window {
            length: length.unwrap_or(Duration::ZERO),
            limit: self.limit(),
            busy: 0.0,
            released: used.released,
            use_time: Duration::from_nanos(used.used),
            acquired: used.acquired,
            waited: waited.saturating_sub(self.sizing.waited),
            wait_time: wait_time.saturating_sub(self.sizing.wait_time),
            waiting: self.waiters.waiting(),
            // The first one has no beginning.
            disturbed: self.sizing.disturbed || length.is_none(),
        };
        let before = self.sizing.advice.map(|advice| advice.limit);
        let in_force = self.limit();
        let advice = self.sizing.controller.observe(&window);
        self.sizing = SizingWindow {
            begun: Some(now),
            totals,
            waited,
            wait_time,
            disturbed: false,
            advice: Some(advice),
            controller: std::mem::replace(&mut self.sizing.controller, Controller::new(Sizing::Off, 1, 1, 1)),
        };
        if before != Some(advice.limit) {
            fx.events.push(PoolEvent::SizingAdvised { advice });
        }
        if self.limit() < in_force {
            self.close_surplus(now);
        }
    }

    /// Closes idle connections over the limit now, and busy ones when they come back.
    pub(super) fn close_surplus(&mut self, now: Instant) {
        let surplus = self.slots.counts().staying().saturating_sub(self.limit());
        for index in self.slots.idle_by_age(self.options.reuse).into_iter().take(surplus) {
            self.dispose_idle(index, CloseReason::Surplus, now);
        }
        self.slots.mark_all();
    }
}
