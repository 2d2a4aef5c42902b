//! One target under watch: its course, and what is kept to judge it by.

use std::sync::{Arc, Weak};
use std::time::Duration;

use pool_core::{
    AcquireError, CheckReport, CloseReason, ConnectionId, ErrorClass, Outage, PoolControl, PoolEvent, PoolId,
    PoolSnapshot, Target,
};
use tokio::time::Instant;

use crate::course::{Change, Course, Outcome};
use crate::judge::{Seen, is_full, judge};
use crate::ledger::{Ledger, is_bad};
use crate::report::HealthReport;
use crate::settings::HealthSettings;
use crate::slowness::Slowness;
use crate::status::{HealthStatus, Issue};

/// See the module's first lines.
#[derive(Debug)]
pub(crate) struct Watched {
    pool: Weak<dyn PoolControl>,
    id: PoolId,
    course: Course,
    ledger: Ledger,
    slowness: Slowness,
    /// Held while it is checked, so that it is never checked twice at a time.
    pub(crate) turn: Arc<tokio::sync::Mutex<()>>,
    /// What the last connect died of, if none has succeeded since.
    connect_failure: Option<ConnectFailure>,
    /// Connects, validations and returned connections that failed in a row.
    errors: u32,
    /// Connections that ordinary callers cannot have.
    reserve: usize,
    /// Callers that were refused since the last check while every other connection was in use.
    refused: u64,
    before: Option<PoolSnapshot>,
    was_full: bool,
    checks: u64,
    failed_checks: u64,
    /// When the last check was begun, and when one ended.
    begun: Option<Instant>,
    ended: Option<Instant>,
    took: Option<Duration>,
    response_time: Option<Duration>,
    last_failure: Option<Instant>,
    pub(crate) is_in_flight: bool,
    /// When the next check is due.
    pub(crate) due: Instant,
    /// How soon after the beginning of the last check another one was asked for since.
    hurry: Option<Duration>,
    /// When a check passed last.
    passed: Option<Instant>,
}

/// While callers wait, a pool asks a full server again after half of this at most.
const ASKED_AGAIN: Duration = Duration::from_secs(10);

/// What a pool tells of itself. Asked without a lock: its connector, which is a user's, names the target.
#[derive(Debug)]
pub(crate) struct Facts {
    name: String,
    target: Option<Target>,
    snapshot: PoolSnapshot,
    outage: Option<Outage>,
    reserve: usize,
}

/// A connect that failed.
#[derive(Debug)]
struct ConnectFailure {
    cause: String,
    class: ErrorClass,
    at: Instant,
}

impl Facts {
    pub(crate) fn of(pool: &dyn PoolControl) -> Self {
        Facts {
            name: pool.name().to_owned(),
            target: pool.target(),
            snapshot: pool.snapshot(),
            outage: pool.outage(),
            reserve: pool.options().reserve_connections,
        }
    }

    /// Whether its connects fail.
    pub(crate) fn is_in_outage(&self) -> bool {
        self.outage.is_some()
    }
}

/// What a pool's event asks for.
#[derive(Debug, Default)]
pub(crate) struct Reaction {
    pub(crate) changes: Vec<Change>,
    /// Whether the next check is due sooner than it was.
    pub(crate) is_sooner: bool,
}

impl Watched {
    pub(crate) fn new(pool: &Arc<dyn PoolControl>, now: Instant) -> Self {
        Watched {
            pool: Arc::downgrade(pool),
            id: pool.id(),
            course: Course::new(now),
            ledger: Ledger::default(),
            slowness: Slowness::default(),
            turn: Arc::default(),
            connect_failure: None,
            errors: 0,
            reserve: pool.options().reserve_connections,
            refused: 0,
            before: None,
            was_full: false,
            checks: 0,
            failed_checks: 0,
            begun: None,
            ended: None,
            took: None,
            response_time: None,
            last_failure: None,
            is_in_flight: false,
            due: now,
            hurry: None,
            passed: None,
        }
    }

    /// The pool, unless it is gone.
    pub(crate) fn pool(&self) -> Option<Arc<dyn PoolControl>> {
        self.pool.upgrade()
    }

    /// Whether this is the pool that is watched here; another one may have its name by now.
    pub(crate) fn is(&self, pool: &Arc<dyn PoolControl>) -> bool {
        std::ptr::addr_eq(self.pool.as_ptr(), Arc::as_ptr(pool))
    }

    /// As [`is`](Self::is), for whoever knows only its id.
    pub(crate) fn is_id(&self, id: PoolId) -> bool {
        self.id == id
    }

    pub(crate) fn status(&self) -> HealthStatus {
        self.course.status()
    }

    /// Takes in what happened in the pool; `cause` is what the connect died of, if it is about one, and `usual` the interval
    /// between two checks while all is well.
    pub(crate) fn hear(
        &mut self,
        event: &PoolEvent,
        cause: Option<String>,
        settings: &HealthSettings,
        usual: Duration,
        now: Instant,
    ) -> Reaction {
        self.ledger.note(event, now);
        let is_error = match event {
            PoolEvent::ConnectFailed { failure, .. } => {
                self.connect_failure =
                    cause.map(|cause| ConnectFailure { cause, class: failure.class, at: now });
                true
            }
            PoolEvent::Created { .. } => {
                (self.connect_failure, self.errors) = (None, 0);
                false
            }
            PoolEvent::ValidationCompleted { problem, .. } => {
                if problem.is_none() {
                    self.errors = 0;
                }
                problem.is_some()
            }
            PoolEvent::AcquireFailed { error } => {
                self.refused += u64::from(is_full(&error.diagnosis().stats, self.reserve));
                false
            }
            // A validation that failed was counted when it did.
            PoolEvent::Closed { reason, .. } => is_bad(*reason) && *reason != CloseReason::ValidationFailed,
            PoolEvent::Flushed { .. } => {
                return Reaction { changes: Vec::new(), is_sooner: self.hurry(settings.fast_interval, now) };
            }
            PoolEvent::OutageStarted { .. } => {
                let issue = Issue::Down { cause: cause.unwrap_or_default() };
                let changes = self.course.note(Outcome::Lost(issue), settings, now);
                (self.due, self.hurry) = (now + settings.down_interval.min(usual), None);
                return Reaction { changes, is_sooner: true };
            }
            PoolEvent::OutageEnded { .. } => {
                return Reaction { changes: Vec::new(), is_sooner: self.hurry(Duration::ZERO, now) };
            }
            _ => false,
        };
        if is_error {
            self.errors = self.errors.saturating_add(1);
        }
        // Of what is known to be down they are no news.
        let is_news = is_error && self.status() != HealthStatus::Unhealthy;
        let is_enough = is_news && settings.passive_errors > 0 && self.errors >= settings.passive_errors;
        if is_enough {
            self.errors = 0;
        }
        let is_sooner = is_enough && self.hurry(settings.fast_interval, now);
        Reaction { changes: Vec::new(), is_sooner }
    }

    /// Makes a check due now, or so long after the beginning of the last one. Whether that is sooner than it was.
    fn hurry(&mut self, apart: Duration, now: Instant) -> bool {
        self.hurry = Some(self.hurry.map_or(apart, |before| before.min(apart)));
        let due = self.begun.map_or(now, |begun| (begun + apart).max(now));
        let is_sooner = due < self.due;
        self.due = self.due.min(due);
        is_sooner
    }

    /// Whether a check would be all that keeps a connection of a pool that needs none: there is none, or nobody has asked for one
    /// since the last check, and nothing is known against it.
    pub(crate) fn is_at_rest(&self, snapshot: &PoolSnapshot) -> bool {
        let (stats, requests) = (&snapshot.stats, snapshot.counters.requests);
        let is_lost = matches!(self.status(), HealthStatus::Unhealthy | HealthStatus::Recovering);
        let is_in_use = stats.active > 0 || stats.pending > 0;
        let was_asked = self.before.as_ref().is_none_or(|before| before.counters.requests != requests);
        let is_needed = stats.min > 0 || is_in_use || (stats.total > 0 && was_asked);
        let is_doubted = self.status() == HealthStatus::Degraded || self.course.failed() > 0;
        !is_needed && !is_lost && !is_doubted && self.connect_failure.is_none()
    }

    /// A check begins, or is left out.
    pub(crate) fn begin(&mut self, now: Instant) {
        (self.begun, self.hurry) = (Some(now), None);
    }

    /// Plans the next check after one that began when [`begin`](Self::begin) was called. `chance` is from 0 to 1.
    pub(crate) fn plan(&mut self, settings: &HealthSettings, usual: Duration, chance: f64, now: Instant) {
        let is_doubted = self.slowness.is_in_doubt();
        let interval = self.course.interval(settings, usual);
        let interval = if is_doubted { interval.min(settings.fast_interval) } else { interval };
        let interval = interval.mul_f64(1.0 + settings.jitter * (2.0 * chance - 1.0));
        let interval = self.hurry.map_or(interval, |apart| interval.min(apart));
        self.due = self.begun.map_or(now, |begun| begun + interval).max(now);
    }

    /// Takes in what came of a check, and what its error says; `None` = the pool is closed.
    pub(crate) fn conclude(
        &mut self,
        result: &Result<CheckReport, AcquireError>,
        said: Option<String>,
        facts: &Facts,
        settings: &HealthSettings,
        now: Instant,
    ) -> Option<Vec<Change>> {
        let snapshot = &facts.snapshot;
        let begun = self.begun.unwrap_or(now);
        let slow = result.as_ref().ok().and_then(|report| {
            // Without waiting for the connection, if that is known.
            let took = self.round_trip(report.connection, begun).unwrap_or(report.took);
            self.response_time = Some(took);
            let usual = self.slowness.usual();
            self.slowness.note(took, settings).then_some(Issue::Slow { took, usual })
        });
        if facts.outage.is_none() {
            // One that was begun before another one that has succeeded, or that nobody wants any more. But a server that is
            // full is none that is down: that is no outage to the pool, which asks again while somebody wants more.
            let ended = self.ended;
            let still_counts = |failure: &ConnectFailure| {
                let is_new = ended.is_none_or(|ended| failure.at >= ended);
                let is_recent = now.saturating_duration_since(failure.at) < ASKED_AGAIN;
                failure.class == ErrorClass::Capacity && (is_new || is_recent)
            };
            self.connect_failure.take_if(|failure| !still_counts(failure));
        }
        let connects_fail = match (&self.connect_failure, facts.outage) {
            (Some(failure), _) => Some(failure.cause.clone()),
            (None, Some(outage)) => Some(format!("{} connects failed in a row", outage.failures)),
            (None, None) => None,
        };
        self.reserve = facts.reserve;
        let is_full = is_full(&snapshot.stats, facts.reserve) && snapshot.stats.waiting > 0;
        let outcome = judge(&Seen {
            before: self.before.as_ref(),
            now: snapshot,
            result,
            connects_fail,
            said,
            last_problem: self.ledger.last_problem(self.passed.unwrap_or(begun)).map(str::to_owned),
            slow,
            refused: std::mem::take(&mut self.refused),
            is_full,
            was_full: self.was_full,
        })?;
        self.was_full = is_full;
        self.before = Some(snapshot.clone());
        self.checks += 1;
        (self.ended, self.took) = (Some(now), Some(now.saturating_duration_since(begun)));
        if matches!(outcome, Outcome::Passed(_)) {
            self.passed = Some(now);
        }
        if matches!(outcome, Outcome::Failed(_)) {
            self.failed_checks += 1;
            self.last_failure = Some(now);
        }
        Some(self.course.note(outcome, settings, now))
    }

    /// How long the validation took that was part of a check begun at `begun`.
    fn round_trip(&self, connection: ConnectionId, begun: Instant) -> Option<Duration> {
        self.ledger.validated(connection).filter(|last| last.at >= begun).map(|last| last.took)
    }

    /// All that is known.
    pub(crate) fn report(&self, facts: &Facts, now: Instant) -> HealthReport {
        let since = |at: Instant| now.saturating_duration_since(at);
        HealthReport {
            pool: facts.name.clone(),
            target: facts.target.clone(),
            status: self.course.status(),
            since: since(self.course.since()),
            issues: self.course.issues().to_vec(),
            checks: self.checks,
            failed_checks: self.failed_checks,
            last_check: self.ended.map(since),
            took: self.took,
            response_time: self.response_time,
            consecutive_failures: self.course.failed(),
            last_failure: self.last_failure.map(since),
            stats: facts.snapshot.stats,
        }
    }

    /// What was seen of its connections.
    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }
}
