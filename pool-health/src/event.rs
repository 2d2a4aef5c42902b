//! What happens to the health of targets, told to whoever wants to know.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use pool_core::Span;

use crate::report::HealthReport;
use crate::status::HealthStatus;

/// Something that happened to the health of a target.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HealthEvent {
    /// A check begins. What comes of it is [`CheckCompleted`](HealthEvent::CheckCompleted) or
    /// [`CheckAbandoned`](HealthEvent::CheckAbandoned).
    CheckStarted,
    /// A check came to no end: the monitor was stopped, the pool closed or replaced, or whoever asked for it gave up.
    CheckAbandoned,
    /// A check has ended; this is what is known now.
    CheckCompleted {
        /// All of it.
        report: Arc<HealthReport>,
    },
    /// The status is another one.
    StatusChanged {
        /// What it was.
        from: HealthStatus,
        /// What it is.
        to: HealthStatus,
        /// All that is known.
        report: Arc<HealthReport>,
    },
    /// The target was lost: it is [`Unhealthy`](HealthStatus::Unhealthy), and was not before.
    Lost {
        /// All that is known.
        report: Arc<HealthReport>,
    },
    /// A target that was lost has recovered.
    Recovered {
        /// Time since it was lost.
        down_for: Duration,
    },
    /// So many checks of a lost target have failed as there are attempts in a round of recovery. Checking goes on.
    RecoveryExhausted {
        /// How many.
        attempts: u32,
        /// Time since it was lost.
        lasted: Duration,
    },
    /// Observers took so long that events of this pool could not be kept for them. They come between what was told before
    /// and what is told next; how the target is now, [`HealthMonitor::report`](crate::HealthMonitor::report) says.
    Missed {
        /// How many.
        events: u64,
    },
}

/// Is told what happens to the health of targets. Every method does nothing unless implemented.
///
/// Implement single methods, or [`event`](HealthObserver::event) to receive everything in one place. All are called
/// without a lock, one at a time for each target, in the order in which things happened. Calling back into the monitor
/// is allowed. One that blocks, delays checks, and after some thousand events that wait for it, further ones are
/// [missed](HealthEvent::Missed); a panic is caught and logged.
pub trait HealthObserver: Send + Sync + 'static {
    /// Receives every event. The default calls the other methods.
    fn event(&self, pool: &str, event: &HealthEvent) {
        match event {
            HealthEvent::StatusChanged { from, to, report } => self.status_changed(pool, *from, *to, report),
            HealthEvent::Lost { report } => self.lost(pool, report),
            HealthEvent::Recovered { down_for } => self.recovered(pool, *down_for),
            _ => {}
        }
    }

    /// The status of a target is another one.
    fn status_changed(&self, pool: &str, from: HealthStatus, to: HealthStatus, report: &HealthReport) {
        let _ = (pool, from, to, report);
    }

    /// A target was lost.
    fn lost(&self, pool: &str, report: &HealthReport) {
        let _ = (pool, report);
    }

    /// A target that was lost has recovered.
    fn recovered(&self, pool: &str, down_for: Duration) {
        let _ = (pool, down_for);
    }
}

type OnEvent = Box<dyn Fn(&str, &HealthEvent) + Send + Sync>;

/// A plain closure as an observer.
pub(crate) struct Callback(pub(crate) OnEvent);

impl HealthObserver for Callback {
    fn event(&self, pool: &str, event: &HealthEvent) {
        (self.0)(pool, event);
    }
}

/// Logs an event and tells every observer.
pub(crate) fn tell(observers: &[Arc<dyn HealthObserver>], pool: &str, event: &HealthEvent) {
    // Nobody is left to be told of a panic in the log.
    drop(catch_unwind(AssertUnwindSafe(|| log(pool, event))));
    for observer in observers {
        if catch_unwind(AssertUnwindSafe(|| observer.event(pool, event))).is_err() {
            tracing::error!(pool, "a health observer panicked");
        }
    }
}

fn log(pool: &str, event: &HealthEvent) {
    match event {
        HealthEvent::StatusChanged { to: HealthStatus::Degraded, report, .. } => {
            tracing::warn!(pool, "{report}");
        }
        HealthEvent::StatusChanged { from, to, .. } => tracing::info!(pool, "{from} is now {to}"),
        HealthEvent::Lost { report } => tracing::error!(pool, "lost: {report}"),
        HealthEvent::Recovered { down_for } => tracing::info!(pool, "recovered after {}", Span(*down_for)),
        HealthEvent::RecoveryExhausted { attempts, lasted } => {
            tracing::error!(pool, "{attempts} checks failed since it was lost, {} ago", Span(*lasted));
        }
        HealthEvent::Missed { events } => {
            tracing::warn!(pool, "{events} events of its health were not told: an observer takes too long");
        }
        HealthEvent::CheckStarted | HealthEvent::CheckCompleted { .. } | HealthEvent::CheckAbandoned => {}
    }
}
