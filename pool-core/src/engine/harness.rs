//! Drives an engine from several threads: what the models, the random schedules and the test with real threads share.
//!
//! It does by hand what the shell does around an [`Engine`]: callers that wait on a waker, guards that come back, the
//! keeper. All that these tests need of the engine and the state machine is called here and nowhere else.
//!
//! What it checks, for every interleaving it is shown:
//! - I1 a connection has one owner: a flag in the connection, and under loom each use is a write to the slot's cell;
//! - I2 no connection is lost, none is dropped twice;
//! - I3 nobody sleeps who could be served: a caller that waits sleeps until it is woken, so a wake-up that is lost is
//!   a deadlock, which loom and shuttle report;
//! - I4 at rest the gate is shut in all words if the pool is not open or somebody waits, and in none otherwise;
//! - I5 callers are served in the order in which they queued;
//! - I6 after a close nobody waits and no connection is left;
//! - I7 at rest nobody's waker is kept.

use std::panic::Location;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex as Unseen, PoisonError, Weak};
use std::task::{Wake, Waker};
use std::time::Duration;

use tokio::time::Instant;

use super::{Engine, Taken, Unshelved, put};
use crate::acquire::Priority;
use crate::clock::Clock;
use crate::connection::{CloseReason, ConnectionId, Owner};
use crate::event::PoolEvent;
use crate::options::{Fairness, PoolOptions};
use crate::shelf::{Housed, Layout, Lease, Place};
use crate::state::{
    Admission, Claim, Effects, Phase, Progress, Refusal, Request, State, Ticket, Verdict, WaiterId, Work,
};
use crate::stats::PoolStats;
use crate::sync::{AtomicU64 as Time, Condvar, Counted, Mutex};

/// How long callers wait that are not meant to give up.
pub(super) const LONG: Duration = Duration::from_secs(3600);

/// A connection that is but a number, and knows whether somebody has it.
pub(super) struct Conn {
    number: u64,
    held: AtomicBool,
    world: World,
}

impl Housed for Conn {
    fn engine(&self) -> &Engine<Self> {
        &self.world.engine
    }
}

impl Drop for Conn {
    fn drop(&mut self) {
        let mut alive = self.world.ledger.alive.lock().unwrap_or_else(PoisonError::into_inner);
        let position = alive.iter().position(|number| *number == self.number);
        alive.swap_remove(position.expect("a connection is dropped once"));
    }
}

/// What the threads tell each other beside the engine. The model checkers do not see its locks, as none is held across
/// an operation of the engine.
#[derive(Debug)]
struct Ledger {
    start: Instant,
    /// Milliseconds since then. The model checkers see it: who comes before a deadline depends on it.
    time: Time,
    /// Connections that exist.
    alive: Unseen<Vec<u64>>,
    made: AtomicU64,
    /// Written under the engine's lock.
    line: Unseen<Line>,
    /// Where callers slept.
    bells: Unseen<Vec<Weak<Bell>>>,
    /// Holders that were reported and did not come back yet.
    leaks: AtomicU64,
    /// The keeper was called.
    rung: AtomicBool,
    /// There is a thread that is the keeper, and sleeps here until it is called.
    door: Bell,
    has_keeper: AtomicBool,
}

/// Callers that wait, or were served and did not look yet.
#[derive(Debug, Default)]
struct Line {
    /// In the order in which they queued.
    first_time: Vec<u64>,
    /// Those who were served and got something useless. They go before all others.
    again: Vec<u64>,
}

impl Line {
    fn return_to(&mut self, caller: u64) {
        self.leave(caller);
        self.again.push(caller);
    }

    fn leave(&mut self, caller: u64) {
        self.first_time.retain(|other| *other != caller);
        self.again.retain(|other| *other != caller);
    }
}

/// A caller's sleep.
#[derive(Debug)]
struct Bell {
    rung: Mutex<bool>,
    change: Condvar,
}

impl Bell {
    fn new() -> Self {
        Bell { rung: Mutex::new(false), change: Condvar::new() }
    }

    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.change.notify_one();
    }

    fn sleep(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !std::mem::take(&mut *rung) {
            rung = self.change.wait(rung).unwrap();
        }
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

/// What a caller is told.
#[derive(Debug)]
pub(super) enum Outcome {
    Has(Lease<Conn>),
    Waits(WaiterId),
    Refused(Refusal),
}

/// A handle of the pool. Each connection has one as well.
#[derive(Clone)]
pub(super) struct World {
    engine: Counted<Engine<Conn>>,
    ledger: Arc<Ledger>,
}

/// Options under which nothing happens but what a test asks for.
pub(super) fn options(connections: usize) -> PoolOptions {
    PoolOptions {
        max_connections: connections,
        min_connections: 0,
        connect_concurrency: connections,
        validate_after_idle: LONG,
        keepalive_interval: Duration::ZERO,
        // The line is kept by the strictest rule, so that any overtaking is seen.
        fairness: Fairness::Strict,
        ..PoolOptions::default()
    }
}

impl World {
    /// An engine without a connection, open.
    pub(super) fn empty(options: PoolOptions) -> Arc<World> {
        World::laid_out(options, Layout::PLAIN)
    }

    fn laid_out(options: PoolOptions, layout: Layout) -> Arc<World> {
        let (start, options) = (Instant::now(), options.checked().unwrap());
        let make = |shelf, clock: &Clock| State::new(options, false, 7, shelf, clock);
        let engine = Counted::new(Engine::new(Clock::new(start, false), layout, make));
        let ledger = Ledger {
            start,
            time: Time::new(0),
            alive: Unseen::default(),
            made: AtomicU64::new(0),
            line: Unseen::default(),
            bells: Unseen::default(),
            leaks: AtomicU64::new(0),
            rung: AtomicBool::new(false),
            door: Bell::new(),
            has_keeper: AtomicBool::new(false),
        };
        let world = World { engine, ledger: Arc::new(ledger) };
        world.engine.tell(start);
        world.run(|state, now, fx| state.open(now, fx));
        Arc::new(world)
    }

    /// An engine with as many connections as it may have, all free.
    pub(super) fn full(options: PoolOptions) -> Arc<World> {
        let connections = options.max_connections;
        World::with(options, connections)
    }

    /// An engine with some connections, all free.
    pub(super) fn with(options: PoolOptions, connections: usize) -> Arc<World> {
        World::empty(options).filled(connections)
    }

    /// An engine whose idle connections lie in several stripes, full of free ones.
    pub(super) fn striped(options: PoolOptions, stripes: usize) -> Arc<World> {
        let connections = options.max_connections;
        World::laid_out(options, Layout::new(stripes, 2 * stripes)).filled(connections)
    }

    fn filled(self: Arc<Self>, connections: usize) -> Arc<World> {
        let world = self;
        let waiting: Vec<_> =
            (0..connections as u64).map(|caller| (caller, world.queue(caller, LONG))).collect();
        world.keep();
        let held: Vec<_> = waiting.into_iter().map(|(caller, waiter)| world.served(caller, waiter)).collect();
        for lease in held {
            world.release(lease);
        }
        world
    }

    pub(super) fn now(&self) -> Instant {
        self.ledger.start + Duration::from_millis(self.ledger.time.load(SeqCst))
    }

    /// Lets time pass.
    pub(super) fn pass(&self, time: Duration) {
        self.ledger.time.fetch_add(u64::try_from(time.as_millis()).unwrap(), SeqCst);
        self.engine.tell(self.now());
    }

    /// Runs one operation as the shell does, but for the keeper: that has its turn in [`keep`](World::keep).
    fn run<R>(&self, operate: impl FnOnce(&mut State<Conn>, Instant, &mut Effects<Conn>) -> R) -> R {
        let (result, fx) = self.engine.with_at(self.now(), |state, now, fx| {
            let result = operate(state, now, fx);
            if fx.ring {
                state.start_keeper();
            }
            result
        });
        self.carry_out(fx);
        result
    }

    fn carry_out(&self, fx: Effects<Conn>) {
        for waker in fx.wake {
            waker.wake();
        }
        if fx.ring {
            self.ledger.rung.store(true, SeqCst);
            if self.ledger.has_keeper.load(SeqCst) {
                self.ledger.door.ring();
            }
        }
        for lease in fx.abort {
            let (place, id) = end(lease);
            self.gone(place, id);
        }
        for event in &fx.events {
            match event {
                PoolEvent::Leaked { .. } => self.ledger.leaks.fetch_add(1, SeqCst),
                PoolEvent::Unleaked { .. } => self.ledger.leaks.fetch_sub(1, SeqCst),
                _ => 0,
            };
        }
        drop((fx.forget, fx.orphans));
    }

    fn gone(&self, place: Place, id: ConnectionId) {
        self.run(|state, now, fx| state.gone(place, id, now, fx));
    }

    /// A caller asks for a connection, and waits no longer than `patience`; `None` = not at all.
    #[track_caller]
    pub(super) fn ask(&self, caller: u64, patience: Option<Duration>) -> Outcome {
        let found = match self.look(caller) {
            Taken::Ready(lease) => return Outcome::Has(lease),
            Taken::Doubtful(lease) | Taken::Refused(lease) => Some(lease),
            Taken::Nothing => None,
        };
        self.ask_with(found, caller, patience)
    }

    /// A caller asks under the lock; `found` is what it found doubtful.
    #[track_caller]
    pub(super) fn ask_with(
        &self,
        found: Option<Lease<Conn>>,
        caller: u64,
        patience: Option<Duration>,
    ) -> Outcome {
        let begun = self.now();
        let request = Request {
            owner: Owner::from_number(caller),
            site: Location::caller(),
            priority: Priority::Normal,
            begun,
            deadline: patience.map(|patience| begun + patience),
            validate: false,
            is_check: false,
        };
        let copy = request;
        let admission = self.run(|state, now, fx| {
            if let Some(lease) = found {
                state.put_aside(lease, now, fx);
            }
            let admission = state.acquire(request, None, now, fx);
            self.note(caller, &admission, state, now);
            admission
        });
        self.admit(caller, copy, admission)
    }

    /// A caller looks at the shelf and nowhere else.
    #[track_caller]
    pub(super) fn look(&self, caller: u64) -> Taken<Conn> {
        let taken = self.engine.take(Owner::from_number(caller), Location::caller(), |_| true);
        if let Taken::Ready(lease) = &taken {
            hold(lease);
        }
        taken
    }

    /// A caller brings back what it found doubtful, and asks for nothing.
    pub(super) fn put_back(&self, lease: Lease<Conn>) {
        self.run(|state, now, fx| state.put_back(lease, now, fx));
    }

    /// A caller asks, and has to wait.
    #[track_caller]
    pub(super) fn queue(&self, caller: u64, patience: Duration) -> WaiterId {
        match self.ask(caller, Some(patience)) {
            Outcome::Waits(waiter) => waiter,
            other => unreachable!("there is nothing to be had: {other:?}"),
        }
    }

    /// A waiting caller was served, and takes what it was promised.
    #[track_caller]
    pub(super) fn served(&self, caller: u64, waiter: WaiterId) -> Lease<Conn> {
        match self.claim(caller, waiter, Waker::noop().clone()) {
            Some(Outcome::Has(lease)) => lease,
            other => unreachable!("it was served: {other:?}"),
        }
    }

    /// A caller gets a connection, however long that takes.
    #[track_caller]
    pub(super) fn acquire(&self, caller: u64) -> Result<Lease<Conn>, Refusal> {
        match self.ask(caller, Some(LONG)) {
            Outcome::Has(lease) => Ok(lease),
            Outcome::Refused(refusal) => Err(refusal),
            Outcome::Waits(waiter) => self.wait(caller, waiter),
        }
    }

    /// A waiting caller sleeps until its wait is over.
    pub(super) fn wait(&self, caller: u64, mut waiter: WaiterId) -> Result<Lease<Conn>, Refusal> {
        let bell = Arc::new(Bell::new());
        self.ledger.bells.lock().unwrap().push(Arc::downgrade(&bell));
        loop {
            if let Some(lease) = self.collect(caller, waiter) {
                return Ok(lease);
            }
            match self.claim(caller, waiter, Waker::from(Arc::clone(&bell))) {
                None => bell.sleep(),
                Some(Outcome::Has(lease)) => return Ok(lease),
                Some(Outcome::Refused(refusal)) => return Err(refusal),
                Some(Outcome::Waits(again)) => waiter = again,
            }
        }
    }

    /// A waiting caller takes what it was granted, without the lock if it lies in its hatch.
    #[track_caller]
    pub(super) fn collect(&self, caller: u64, waiter: WaiterId) -> Option<Lease<Conn>> {
        let (owner, site) = (Owner::from_number(caller), Location::caller());
        let lease = self.engine.collect_at(waiter, owner, site, self.now())?;
        hold(&lease);
        self.ledger.line.lock().unwrap().leave(caller);
        Some(lease)
    }

    /// Whether what a waiter was granted may be collected without the lock.
    pub(super) fn lies_in_its_hatch(&self, waiter: WaiterId) -> bool {
        self.engine.peek(|state| matches!(state.progress(waiter), Progress::Handed(_)))
    }

    /// A waiting caller looks once whether it was served.
    pub(super) fn claim(&self, caller: u64, waiter: WaiterId, waker: Waker) -> Option<Outcome> {
        let claim = self.run(|state, now, fx| {
            let claim = state.claim(waiter, waker, now, fx);
            if let Claim::Over(_, admission) = &claim {
                self.note(caller, admission, state, now);
            }
            claim
        });
        match claim {
            Claim::Waiting => None,
            Claim::Over(request, admission) => Some(self.admit(caller, request, admission)),
        }
    }

    /// A waiting caller's time is over.
    pub(super) fn expire(&self, caller: u64, waiter: WaiterId) -> Outcome {
        let (request, admission) = self.run(|state, now, fx| {
            let (request, admission) = state.expire(waiter, now, fx);
            self.note(caller, &admission, state, now);
            (request, admission)
        });
        self.admit(caller, request, admission)
    }

    /// A waiting caller gives up.
    pub(super) fn cancel(&self, caller: u64, waiter: WaiterId) {
        let (now, ticks) = (self.now(), self.engine.ticks(self.now()));
        let left = self.engine.if_steady(|state| {
            let left = state.give_up(waiter, now, ticks)?;
            self.ledger.line.lock().unwrap().leave(caller);
            Some(left)
        });
        if let Some(left) = left.flatten() {
            left.wake.into_iter().for_each(Waker::wake);
            return;
        }
        self.run(|state, now, fx| {
            self.ledger.line.lock().unwrap().leave(caller);
            state.cancel(waiter, now, fx);
        });
    }

    /// A guard is dropped.
    pub(super) fn release(&self, lease: Lease<Conn>) {
        let_go(&lease);
        let Err(Unshelved { lease, counted }) = put(lease) else { return };
        let (mut back, now) = (Some(lease), self.now());
        let woken = self.engine.if_steady(|state| {
            let lease = back.take().expect("it came back just now");
            let ticks = lease.record().held_since.load(Relaxed);
            state.pass_on(lease, counted, now, ticks).unwrap_or_else(|lease| {
                back = Some(lease);
                None
            })
        });
        if let Some(waker) = woken.flatten() {
            waker.wake();
        }
        if let Some(lease) = back {
            self.run(|state, now, fx| state.release(lease, Verdict::Clean, counted, now, fx));
        }
    }

    /// A guard is dropped so slowly that it sees nothing of what happened since it was taken, but for a gate that is
    /// shut.
    pub(super) fn release_late(&self, lease: Lease<Conn>) {
        let_go(&lease);
        let held_since = lease.record().held_since.load(Relaxed);
        lease.record().end_use(held_since);
        lease.put().expect("the gate is open");
    }

    /// A guard is dropped, and must not need the lock for that.
    pub(super) fn release_over_the_shelf(&self, lease: Lease<Conn>) {
        let_go(&lease);
        assert!(put(lease).is_ok(), "the gate is open, and nothing is doubtful");
    }

    /// A guard is dropped while the gate is shut: it sees that at once, and in the last moment.
    pub(super) fn release_at_the_gate(&self, lease: Lease<Conn>) {
        let_go(&lease);
        let Err(Unshelved { lease, counted: false }) = put(lease) else {
            panic!("it saw that the gate is shut before it counted the use")
        };
        let Err(lease) = lease.put() else { panic!("nothing is put through a gate that is shut") };
        self.run(|state, now, fx| state.release(lease, Verdict::Clean, false, now, fx));
    }

    /// A guard is dropped where there is no other handle of the pool.
    pub(super) fn release_alone(lease: Lease<Conn>) {
        let_go(&lease);
        if let Err(Unshelved { lease, counted }) = put(lease) {
            let world = lease.connection().world.clone();
            world.run(|state, now, fx| state.release(lease, Verdict::Clean, counted, now, fx));
            world.keep();
        }
    }

    /// A guard is dropped, and its connection is of no more use.
    pub(super) fn discard(&self, lease: Lease<Conn>) {
        let_go(&lease);
        let dead = Verdict::Dead(CloseReason::Discarded);
        self.run(|state, now, fx| state.release(lease, dead, false, now, fx));
    }

    pub(super) fn evict(&self, id: ConnectionId) -> bool {
        self.run(|state, now, fx| state.evict(id, now, fx))
    }

    pub(super) fn evict_all(&self) {
        self.run(|state, now, fx| state.evict_all(now, fx));
    }

    pub(super) fn pause(&self) {
        self.run(|state, _, fx| state.pause(fx));
    }

    pub(super) fn resume(&self) {
        self.run(|state, now, fx| state.resume(now, fx));
    }

    pub(super) fn close(&self) {
        self.run(|state, now, fx| state.close(now, fx));
    }

    pub(super) fn reconfigure(&self, options: PoolOptions) {
        let options = options.checked().unwrap();
        self.run(|state, now, fx| state.reconfigure(options, now, fx));
    }

    /// Looks without shutting the gate.
    pub(super) fn stats(&self) -> PoolStats {
        self.engine.read_at(self.now(), |state, now| state.stats(now))
    }

    /// The keeper has one turn. Returns its work, which is still to be done.
    pub(super) fn turn(&self) -> Vec<Work<Conn>> {
        self.ledger.rung.store(false, SeqCst);
        self.run(|state, now, fx| state.keeper_turn(false, now, fx)).work
    }

    /// Does what the keeper was told to do. All goes well.
    pub(super) fn work(&self, work: Work<Conn>) {
        match work {
            Work::Connect(ticket) => self.connect(&ticket),
            Work::Close(lease) => {
                let (place, id) = end(lease);
                self.gone(place, id);
            }
            Work::Validate(lease, _) => self.run(|state, now, fx| state.check_done(lease, Ok(()), now, fx)),
            Work::Reset(lease) => self.run(|state, now, fx| state.reset_done(lease, Ok(()), now, fx)),
        }
    }

    /// A connect succeeds.
    pub(super) fn connect(&self, ticket: &Ticket) {
        let number = self.ledger.made.fetch_add(1, SeqCst);
        self.ledger.alive.lock().unwrap().push(number);
        let connection = Conn { number, held: AtomicBool::new(false), world: self.clone() };
        self.run(|state, now, fx| state.connected(ticket, connection, false, now, fx));
    }

    /// The keeper works until there is nothing left to do.
    pub(super) fn keep(&self) {
        loop {
            let work = self.turn();
            let done = work.is_empty();
            for work in work {
                self.work(work);
            }
            if done && !self.ledger.rung.load(SeqCst) {
                return;
            }
        }
    }

    /// From now on [`serve_as_keeper`](World::serve_as_keeper) runs in a thread.
    pub(super) fn hire_keeper(&self) {
        self.ledger.has_keeper.store(true, SeqCst);
    }

    /// Is the keeper, until it is dismissed.
    pub(super) fn serve_as_keeper(&self) {
        while self.ledger.has_keeper.load(SeqCst) {
            self.ledger.door.sleep();
            self.keep();
        }
    }

    pub(super) fn dismiss_keeper(&self) {
        self.ledger.has_keeper.store(false, SeqCst);
        self.ledger.door.ring();
    }

    /// Keeps the line. Under the engine's lock.
    fn note(&self, caller: u64, admission: &Admission<Conn>, state: &State<Conn>, now: Instant) {
        // Before the line is locked, which no checker knows of: it would switch threads in there.
        let waiting = state.stats(now).waiting;
        let mut line = self.ledger.line.lock().unwrap();
        let place = line.first_time.iter().position(|other| *other == caller);
        match admission {
            Admission::Queued(_) if place.is_none() && !line.again.contains(&caller) => {
                line.first_time.push(caller);
            }
            Admission::Queued(_) => line.return_to(caller),
            Admission::Granted { .. } => {
                let behind = place.map_or(0, |place| line.first_time.len() - place - 1) + line.again.len();
                let strict = state.options().fairness == Fairness::Strict;
                assert!(
                    !strict || waiting <= behind || line.again.contains(&caller),
                    "I5: {caller} overtook: {waiting} wait, {behind} of them may"
                );
                line.leave(caller);
            }
            Admission::Refused(_) => line.leave(caller),
        }
    }

    fn admit(&self, caller: u64, request: Request, admission: Admission<Conn>) -> Outcome {
        match admission {
            Admission::Granted { lease, check: false } => {
                hold(&lease);
                Outcome::Has(lease)
            }
            Admission::Granted { lease, check: true } => {
                let copy = request;
                let admission = self.run(|state, now, fx| {
                    let admission = state.validated(lease, request, now, fx);
                    // Who was given it is in the line no more.
                    if let Admission::Queued(_) = admission {
                        self.ledger.line.lock().unwrap().return_to(caller);
                    }
                    admission
                });
                self.admit(caller, copy, admission)
            }
            Admission::Queued(joined) => Outcome::Waits(joined.waiter),
            Admission::Refused(refusal) => Outcome::Refused(refusal),
        }
    }

    /// All threads have ended, and have `held` in their hands: nothing is lost.
    fn check(&self, held: &[Lease<Conn>]) {
        // What came back in the very moment it was marked is noticed by the next operation, not by a look.
        self.run(|_, _, _| ());
        let stats = self.stats();
        let PoolStats { total, idle, active, validating, creating, destroying, waiting, pending, .. } = stats;
        assert_eq!(total, idle + active + validating + creating + destroying, "I2: all are somewhere");
        assert_eq!(active, held.len(), "I2: in use is what callers have: {stats:?}");
        assert_eq!((waiting, pending), (0, 0), "I3: nobody waits: {stats:?}");
        let line = self.ledger.line.lock().unwrap();
        assert!(line.first_time.is_empty() && line.again.is_empty(), "I3: the line is empty: {line:?}");
        drop(line);
        let alive = self.ledger.alive.lock().unwrap().len();
        assert_eq!(alive, total - creating, "I2: opened less closed is what exists: {stats:?}");
        self.check_gate();
        let bells = self.ledger.bells.lock().unwrap();
        assert!(bells.iter().all(|bell| bell.strong_count() == 0), "I7: no waker is kept");
    }

    /// The gate is as the state demands.
    fn check_gate(&self) {
        let (phase, stats) = self.engine.peek(|state| (state.phase(), state.stats(self.now())));
        let shelf = self.engine.shelf();
        let shut = if phase == Phase::Open && stats.waiting == 0 { 0 } else { shelf.chunks() };
        assert_eq!(
            shelf.shut_words(),
            shut,
            "I4: the gate is shut iff somebody waits or the pool is not open"
        );
        if shut == 0 {
            let free: u32 = (0..shelf.chunks()).map(|chunk| shelf.free(chunk).count_ones()).sum();
            assert_eq!(free as usize, stats.idle, "I2: all that is free lies on the shelf");
        }
    }

    /// Something that sees the end of the pool and has no share in it.
    pub(super) fn watch(&self) -> Watch {
        Watch(Arc::clone(&self.ledger))
    }

    /// Ends an execution: everything comes back, the pool is closed, and nothing is left.
    pub(super) fn finish(&self, held: Vec<Lease<Conn>>) {
        self.check(&held);
        for mut lease in held {
            touch(&mut lease);
            self.release(lease);
        }
        self.keep();
        let stats = self.stats();
        assert_eq!((stats.total, stats.pending), (stats.idle, 0), "I2: all came back: {stats:?}");
        assert_eq!(
            self.ledger.leaks.load(SeqCst),
            0,
            "I2: who was reported and came back was reported again"
        );
        assert!(stats.total <= stats.max, "I2: not more than there may be: {stats:?}");
        self.check_gate();
        self.close();
        self.keep();
        let stats = self.stats();
        assert_eq!((stats.total, stats.pending), (0, 0), "I6: nothing is left: {stats:?}");
        assert_eq!(self.engine.peek(State::phase), Phase::Closed, "I6: the close ends");
        let handles = Arc::strong_count(&self.ledger);
        assert!(
            self.ledger.alive.lock().unwrap().is_empty() && handles == 1,
            "I6: every connection was dropped, and has no share in the pool any more"
        );
    }

    /// Takes `count` connections that are free.
    pub(super) fn hold(&self, count: usize) -> Vec<Lease<Conn>> {
        let take = |_| match self.look(0) {
            Taken::Ready(lease) => lease,
            _ => unreachable!("there is a free connection, and nothing is doubtful"),
        };
        (0..count).map(take).collect()
    }
}

/// Sees the end of a pool.
pub(super) struct Watch(Arc<Ledger>);

impl Watch {
    /// Whether every connection is gone, and every handle.
    pub(super) fn is_over(&self) -> bool {
        self.0.alive.lock().unwrap().is_empty() && Arc::strong_count(&self.0) == 1
    }
}

/// A connection is dropped.
fn end(lease: Lease<Conn>) -> (Place, ConnectionId) {
    let id = lease.id();
    let (place, connection) = lease.vacate();
    assert!(!connection.held.load(Relaxed), "I1: nobody has a connection that is dropped");
    drop(connection);
    (place, id)
}

/// Which connection this is.
pub(super) fn number(lease: &Lease<Conn>) -> u64 {
    lease.connection().number
}

/// Somebody gets a connection.
fn hold(lease: &Lease<Conn>) {
    assert!(!lease.connection().held.swap(true, Relaxed), "I1: nobody else has it");
}

/// Somebody is about to give a connection back.
fn let_go(lease: &Lease<Conn>) {
    assert!(lease.connection().held.swap(false, Relaxed), "I1: who gives it back had it");
}

/// Uses a connection. Loom complains if somebody else's use is not ordered with this one.
pub(super) fn touch(lease: &mut Lease<Conn>) {
    assert!(*lease.connection_mut().held.get_mut(), "I1: who uses it has it");
}
