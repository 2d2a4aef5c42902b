//! Drives the state machine step by step: single stories, every short sequence, and long random ones, with
//! the module's invariants checked after each step.

mod model;
mod oracle;
mod reviewed;
mod stories;

use std::panic::Location;
use std::task::Waker;
use std::time::Duration;

use tokio::time::Instant;

use super::waiters::Joined;
use super::*;
use crate::clock::Clock;
use crate::connection::Owner;
use crate::connector::ErrorClass;
use crate::engine::{Engine, Taken, Unshelved, put};
use crate::error::ConnectError;
use crate::options::PoolOptions;
use crate::shelf::{Housed, Layout, Place};

/// A connection that is but a number.
pub(super) struct Numbered {
    pub(super) number: u64,
    engine: Arc<Engine<Numbered>>,
}

impl Housed for Numbered {
    fn engine(&self) -> &Engine<Self> {
        &self.engine
    }
}

/// An engine with a clock of its own, and everything that is outside it: guards, waiting callers, connects and other
/// jobs under way.
pub(super) struct World {
    pub(super) engine: Arc<Engine<Numbered>>,
    pub(super) now: Instant,
    /// Guards in callers' hands.
    pub(super) held: Vec<Lease<Numbered>>,
    /// Callers validating what they were given.
    pub(super) validating: Vec<(Lease<Numbered>, Request)>,
    pub(super) waiting: Vec<WaiterId>,
    pub(super) connects: Vec<Ticket>,
    pub(super) jobs: Vec<Work<Numbered>>,
    pub(super) refused: Vec<Refusal>,
    pub(super) events: Vec<PoolEvent>,
    /// Connections that exist, by number: made by a connect, ended by a drop.
    pub(super) alive: std::collections::BTreeSet<u64>,
    pub(super) wake_at: Option<Instant>,
    last: u64,
    /// Set when the pool may be over its limit because it was made smaller.
    pub(super) shrunk: bool,
    pub(super) detached: usize,
}

/// Whether callers may go over the shelf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gate {
    /// Where the state machine allows it.
    Free,
    /// Never: the machine under its lock, as it was before there was a shelf, and what the other is compared with.
    Shut,
}

pub(super) fn options(max_connections: usize, min_connections: usize) -> PoolOptions {
    PoolOptions {
        max_connections,
        min_connections,
        connect_concurrency: max_connections,
        ..PoolOptions::default()
    }
}

impl World {
    /// A pool whose every operation goes through the lock: the gate of its shelf stays shut.
    pub(super) fn new(options: PoolOptions) -> Self {
        World::with_gate(options, Gate::Shut, Instant::now())
    }

    pub(super) fn with_gate(options: PoolOptions, gate: Gate, now: Instant) -> Self {
        let options = options.checked().unwrap();
        let make = |shelf, clock: &Clock| State::new(options, gate == Gate::Shut, 7, shelf, clock);
        let mut world = World {
            engine: Arc::new(Engine::new(Clock::new(now, false), Layout::PLAIN, make)),
            now,
            held: Vec::new(),
            validating: Vec::new(),
            waiting: Vec::new(),
            connects: Vec::new(),
            jobs: Vec::new(),
            refused: Vec::new(),
            events: Vec::new(),
            alive: std::collections::BTreeSet::new(),
            wake_at: None,
            last: 0,
            shrunk: false,
            detached: 0,
        };
        world.engine.tell(now);
        world.run(|state, now, fx| state.open(now, fx));
        world
    }

    /// Runs one operation as the shell does, keeper included, and checks the invariants.
    pub(super) fn run<R>(
        &mut self,
        operate: impl FnOnce(&mut State<Numbered>, Instant, &mut Effects<Numbered>) -> R,
    ) -> R {
        let (result, fx) = self.engine.with_at(self.now, operate);
        self.carry_out(fx);
        self.check();
        result
    }

    fn carry_out(&mut self, mut fx: Effects<Numbered>) {
        self.events.append(&mut fx.events);
        for lease in std::mem::take(&mut fx.abort) {
            let (place, id) = self.end(lease);
            let ((), after) = self.engine.with_at(self.now, |state, now, fx| state.gone(place, id, now, fx));
            self.carry_out(after);
        }
        for connection in fx.orphans {
            assert!(self.alive.remove(&connection.number), "a connection is dropped once");
        }
        for cause in fx.causes {
            drop(cause);
        }
        if fx.ring {
            self.engine.with_at(self.now, |state, _, _| state.start_keeper());
            self.turn();
        }
    }

    /// A connection is dropped.
    fn end(&mut self, lease: Lease<Numbered>) -> (Place, ConnectionId) {
        let id = lease.id();
        let (place, connection) = lease.vacate();
        assert!(self.alive.remove(&connection.number), "a connection is dropped once");
        (place, id)
    }

    /// The keeper has its turn.
    pub(super) fn turn(&mut self) {
        let busy = !self.connects.is_empty() || !self.jobs.is_empty();
        let (turn, fx) = self.engine.with_at(self.now, |state, now, fx| state.keeper_turn(busy, now, fx));
        self.wake_at = turn.wake_at;
        for work in turn.work {
            match work {
                Work::Connect(ticket) => self.connects.push(ticket),
                other => self.jobs.push(other),
            }
        }
        self.carry_out(fx);
        if turn.drop_connects {
            for ticket in std::mem::take(&mut self.connects) {
                let ((), fx) =
                    self.engine.with_at(self.now, |state, now, fx| state.connect_abandoned(&ticket, now, fx));
                self.carry_out(fx);
            }
        }
        self.check();
    }

    /// Lets time pass, and the keeper have the turns it asked for.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        self.engine.tell(self.now);
        loop {
            let alarm_at = self.engine.peek(|state| state.alarm_at);
            let Some(at) = self.wake_at.into_iter().chain(alarm_at).min().filter(|at| *at <= until) else {
                break;
            };
            self.now = self.now.max(at);
            self.engine.tell(self.now);
            if alarm_at.is_some_and(|at| at <= self.now) {
                self.run(|state, now, fx| state.alarm(now, fx));
            }
            if self.wake_at.is_some_and(|at| at <= self.now) {
                self.turn();
            }
            if self.wake_at.is_some_and(|next| next <= self.now) {
                self.now += Duration::from_millis(1);
            }
        }
        self.now = self.now.max(until);
        self.engine.tell(self.now);
    }

    #[track_caller]
    pub(super) fn request(&self, priority: Priority, patience: Option<Duration>) -> Request {
        Request {
            owner: Owner::from(std::thread::current().id()),
            site: Location::caller(),
            priority,
            begun: self.now,
            deadline: patience.map(|patience| self.now + patience),
            validate: false,
            is_check: false,
        }
    }

    /// A caller asks and waits for up to 30 seconds. Returns its place in line if it has to wait.
    #[track_caller]
    pub(super) fn acquire(&mut self) -> Option<WaiterId> {
        let request = self.request(Priority::Normal, Some(Duration::from_secs(30)));
        self.ask(request)
    }

    pub(super) fn ask(&mut self, request: Request) -> Option<WaiterId> {
        let copy = request;
        let found = if request.priority == Priority::Normal && !request.validate {
            self.engine.take(request.owner, request.site, |_| true)
        } else {
            Taken::Nothing
        };
        let found = match found {
            Taken::Ready(lease) => {
                self.held.push(lease);
                self.check();
                return None;
            }
            Taken::Doubtful(lease) | Taken::Refused(lease) => Some(lease),
            Taken::Nothing => None,
        };
        let (now, waker) = (self.now, Waker::noop().clone());
        if found.is_none()
            && let Some(Ok(waiter)) = self.engine.if_steady(|state| state.queue(&request, waker, now))
        {
            self.waiting.push(waiter);
            self.check();
            return Some(waiter);
        }
        let admission = self.run(|state, now, fx| {
            if let Some(lease) = found {
                state.put_aside(lease, now, fx);
            }
            state.acquire(request, Some(Waker::noop().clone()), now, fx)
        });
        self.admit(copy, admission)
    }

    pub(super) fn admit(&mut self, request: Request, admission: Admission<Numbered>) -> Option<WaiterId> {
        match admission {
            Admission::Granted { lease, check: false } => self.held.push(lease),
            Admission::Granted { lease, check: true } => self.validating.push((lease, request)),
            Admission::Refused(refusal) => self.refused.push(refusal),
            Admission::Queued(Joined { waiter, .. }) => {
                self.waiting.push(waiter);
                return Some(waiter);
            }
        }
        None
    }

    /// A waiting caller looks whether it was served. True if its wait is over.
    pub(super) fn claim(&mut self, waiter: WaiterId) -> bool {
        let request = self.engine.peek(|state| *state.waiters.request(waiter));
        if let Some(lease) = self.engine.collect_at(waiter, request.owner, request.site, self.now) {
            self.waiting.retain(|other| *other != waiter);
            self.held.push(lease);
            self.check();
            return true;
        }
        let claim = self.run(|state, now, fx| state.claim(waiter, Waker::noop().clone(), now, fx));
        match claim {
            Claim::Waiting => false,
            Claim::Over(request, admission) => {
                self.waiting.retain(|other| *other != waiter);
                self.admit(request, admission);
                true
            }
        }
    }

    pub(super) fn expire(&mut self, waiter: WaiterId) {
        self.waiting.retain(|other| *other != waiter);
        let (request, admission) = self.run(|state, now, fx| state.expire(waiter, now, fx));
        self.admit(request, admission);
    }

    pub(super) fn cancel(&mut self, waiter: WaiterId) {
        self.waiting.retain(|other| *other != waiter);
        let (now, ticks) = (self.now, self.engine.ticks(self.now));
        if self.engine.if_steady(|state| state.give_up(waiter, now, ticks)).flatten().is_some() {
            return self.check();
        }
        self.run(|state, now, fx| state.cancel(waiter, now, fx));
    }

    pub(super) fn claim_all(&mut self) {
        for waiter in self.waiting.clone() {
            self.claim(waiter);
        }
    }

    /// A guard is dropped.
    pub(super) fn release(&mut self, index: usize, verdict: Verdict) {
        let lease = self.held.remove(index);
        let unshelved = match verdict {
            Verdict::Clean => put(lease),
            _ => Err(Unshelved { lease, counted: false }),
        };
        let Err(Unshelved { lease, counted }) = unshelved else { return self.check() };
        let (mut back, now) = (Some(lease), self.now);
        if verdict == Verdict::Clean {
            self.engine.if_steady(|state| {
                let lease = back.take().expect("it came back just now");
                let ticks = state.slots.epoch().ticks(now);
                back = state.pass_on(lease, counted, now, ticks).err();
            });
        }
        let Some(lease) = back else { return self.check() };
        self.run(|state, now, fx| state.release(lease, verdict, counted, now, fx));
    }

    /// The oldest connect succeeds.
    pub(super) fn connect(&mut self) {
        let ticket = self.connects.remove(0);
        self.last += 1;
        let connection = Numbered { number: self.last, engine: Arc::clone(&self.engine) };
        self.alive.insert(connection.number);
        self.run(|state, now, fx| state.connected(&ticket, connection, false, now, fx));
    }

    pub(super) fn connect_all(&mut self) {
        while !self.connects.is_empty() {
            self.connect();
        }
    }

    /// The oldest connect fails.
    pub(super) fn connect_fails(&mut self, class: ErrorClass) {
        let ticket = self.connects.remove(0);
        let failure = Failure::new(ConnectError::TimedOut(Duration::from_secs(1)), class);
        self.run(|state, now, fx| state.connect_failed(&ticket, failure, now, fx));
    }

    /// The oldest job ends; `good` tells how.
    pub(super) fn job(&mut self, good: bool) {
        match self.jobs.remove(0) {
            Work::Close(lease) => {
                let (place, id) = self.end(lease);
                self.run(|state, now, fx| state.gone(place, id, now, fx));
            }
            Work::Reset(lease) => {
                let result = if good { Ok(()) } else { Err(String::from("reset failed")) };
                self.run(|state, now, fx| state.reset_done(lease, result, now, fx));
            }
            Work::Validate(lease, _) => {
                let result = if good { Ok(()) } else { Err(failing(ErrorClass::Transient)) };
                self.run(|state, now, fx| state.check_done(lease, result, now, fx));
            }
            Work::Connect(_) => unreachable!("connects are kept apart"),
        }
    }

    pub(super) fn all_jobs(&mut self) {
        while !self.jobs.is_empty() {
            self.job(true);
        }
    }

    /// The oldest validation by a caller ends.
    pub(super) fn validate(&mut self, result: Result<(), Failing>) {
        let (lease, request) = self.validating.remove(0);
        let copy = request;
        let admission = self.run(|state, now, fx| match result {
            Ok(()) => state.validated(lease, request, now, fx),
            Err(failing) => state.validation_failed(lease, request, failing, now, fx),
        });
        self.admit(copy, admission);
    }

    pub(super) fn validation_cancelled(&mut self) {
        let (lease, _) = self.validating.remove(0);
        self.run(|state, now, fx| state.validation_cancelled(lease, now, fx));
    }

    pub(super) fn stats(&self) -> PoolStats {
        self.engine.read_at(self.now, |state, now| state.stats(now))
    }

    pub(super) fn counters(&self) -> PoolCounters {
        self.engine.read_at(self.now, |state, now| state.snapshot(now)).counters
    }

    pub(super) fn closed(&self, reason: CloseReason) -> u64 {
        self.counters().closed[reason]
    }

    /// The invariants of the module's first lines.
    fn check(&self) {
        let PoolSnapshot { stats, counters } = self.engine.read_at(self.now, |state, now| {
            state.slots.check_invariants();
            state.waiters.check_invariants();
            state.snapshot(now)
        });
        if !self.shrunk {
            assert!(stats.total <= stats.max, "never over the limit: {stats:?}");
        }
        assert_eq!(
            counters.requests,
            counters.finished() + stats.pending as u64,
            "every request is finished or pending: {stats:?} {counters:?}"
        );
        self.engine.peek(|state| {
            if state.keeper_runs {
                let due = state.next_wake(self.now);
                assert!(
                    due.is_none() || self.wake_at.is_some_and(|at| Some(at) <= due),
                    "{due:?} {:?}",
                    self.wake_at
                );
            }
            for index in state.slots.idle() {
                let doomed = state.slots.slot(index).doomed;
                assert!(doomed.is_none(), "an idle connection is good: {doomed:?}");
                assert!(
                    stats.total - stats.destroying <= stats.max,
                    "none is idle while there are too many: {stats:?}"
                );
            }
            if state.phase == Phase::Open
                && stats.idle > 0
                && state.waiters.next(|priority| state.may_take(priority)).is_some()
            {
                assert_eq!(
                    state.options.fairness,
                    Fairness::Throughput,
                    "nobody waits for what is idle: {stats:?}"
                );
                let woken = state.waiters.nudged();
                assert!(woken >= stats.idle.min(stats.waiting), "{woken} come to look: {stats:?}");
            }
            let timed = state.waiters.first_timed();
            assert!(timed.is_none() || state.alarm_at <= timed && state.alarm_at.is_some(), "{timed:?}");
            assert_eq!(stats.waiting, state.waiters.waiting());
        });
        assert_eq!(
            self.alive.len() as u64,
            counters.created - counters.closed.total() + self.detached as u64 + self.orphans_held(),
            "opened less closed is what exists: {stats:?} {counters:?}"
        );
    }

    /// Guards whose slot was written off: their connection lives on outside the books.
    fn orphans_held(&self) -> u64 {
        let orphaned = |state: &State<Numbered>| {
            self.held.iter().filter(|lease| state.current(lease).is_none()).count() as u64
        };
        self.engine.peek(orphaned)
    }

    /// Lets everything come to rest, and checks that nothing is lost.
    pub(super) fn settle_down(&mut self) {
        for _ in 0..1_000 {
            self.claim_all();
            self.connect_all();
            self.all_jobs();
            while !self.validating.is_empty() {
                self.validate(Ok(()));
            }
            while !self.held.is_empty() {
                self.release(0, Verdict::Clean);
            }
            let busy = !(self.waiting.is_empty()
                && self.held.is_empty()
                && self.validating.is_empty()
                && self.connects.is_empty()
                && self.jobs.is_empty());
            let unsettled = self.engine.peek(|state| {
                let open = state.phase == Phase::Open;
                let lacking = open && state.live() < state.options.min_connections;
                lacking || state.connecting.is_failing()
            });
            if !busy && !unsettled {
                break;
            }
            self.pass(Duration::from_millis(100));
        }
        // Who only looks leaves a marked connection that was put on the shelf for the next operation to take off.
        self.run(|_, _, _| ());
        let stats = self.stats();
        assert_eq!(
            (stats.active, stats.validating, stats.creating, stats.destroying, stats.pending),
            (0, 0, 0, 0, 0),
            "at rest: {stats:?}"
        );
        assert_eq!(stats.total, stats.idle);
        if self.engine.peek(|state| state.phase) == Phase::Open {
            assert!(stats.idle >= stats.min, "refilled: {stats:?}");
        }
    }
}

/// Connections keep their engine alive, wherever they are.
impl Drop for World {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            drop(self.engine.with_at(self.now, |state, now, fx| state.lose_runtime(now, fx)));
        }
    }
}

pub(super) fn failing(class: ErrorClass) -> Failing {
    Failing { problem: String::from("no answer"), class, clipped: false }
}
