//! Every short sequence of operations, and long random ones.

use super::*;
use crate::options::Reuse;

/// What may happen to a small pool. Each op is skipped where it makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Op {
    Acquire,
    AcquireHigh,
    AcquireValidated,
    TryAcquire,
    ClaimOldest,
    ClaimNewest,
    ExpireOldest,
    CancelOldest,
    CancelNewest,
    Release,
    ReleaseDirty,
    ReleaseBroken,
    Connect,
    ConnectFails,
    ConnectFullUp,
    ConnectRefused,
    JobSucceeds,
    JobFails,
    Validated,
    ValidationFails,
    ValidationCancelled,
    Tick,
    LongTime,
    Suspended,
    Pause,
    Resume,
    Shrink,
    Grow,
    EvictAll,
    EvictIdle,
    EvictInvalid,
    ReportFatal,
    Detach,
    Abandon,
    ResetCounters,
    Close,
}

/// Ops that matter most for the conservation of connections and waiters.
pub(super) const CORE: [Op; 12] = [
    Op::Acquire,
    Op::AcquireHigh,
    Op::ClaimOldest,
    Op::CancelOldest,
    Op::ExpireOldest,
    Op::Release,
    Op::ReleaseBroken,
    Op::Connect,
    Op::ConnectFails,
    Op::JobSucceeds,
    Op::EvictAll,
    Op::Close,
];

/// All others, for the random walk.
pub(super) const REST: [Op; 24] = [
    Op::AcquireValidated,
    Op::TryAcquire,
    Op::ClaimNewest,
    Op::CancelNewest,
    Op::ReleaseDirty,
    Op::ConnectFullUp,
    Op::ConnectRefused,
    Op::JobFails,
    Op::Validated,
    Op::ValidationFails,
    Op::ValidationCancelled,
    Op::Tick,
    Op::LongTime,
    Op::Suspended,
    Op::Pause,
    Op::Resume,
    Op::Shrink,
    Op::Grow,
    Op::EvictIdle,
    Op::EvictInvalid,
    Op::ReportFatal,
    Op::Detach,
    Op::Abandon,
    Op::ResetCounters,
];

impl World {
    pub(super) fn step(&mut self, op: Op) {
        let oldest = self.waiting.first().copied();
        let newest = self.waiting.last().copied();
        match op {
            Op::Acquire => drop(self.acquire()),
            Op::AcquireHigh => {
                let request = self.request(Priority::High, Some(Duration::from_secs(1)));
                self.ask(request);
            }
            Op::AcquireValidated => {
                let mut request = self.request(Priority::Normal, Some(Duration::from_secs(1)));
                request.validate = true;
                self.ask(request);
            }
            Op::TryAcquire => {
                let request = self.request(Priority::Normal, None);
                self.ask(request);
            }
            Op::ClaimOldest => drop(oldest.map(|waiter| self.claim(waiter))),
            Op::ClaimNewest => drop(newest.map(|waiter| self.claim(waiter))),
            Op::ExpireOldest => drop(oldest.map(|waiter| self.expire(waiter))),
            Op::CancelOldest => drop(oldest.map(|waiter| self.cancel(waiter))),
            Op::CancelNewest => drop(newest.map(|waiter| self.cancel(waiter))),
            Op::Release if !self.held.is_empty() => self.release(0, Verdict::Clean),
            Op::ReleaseDirty if !self.held.is_empty() => self.release(0, Verdict::Dirty),
            Op::ReleaseBroken if !self.held.is_empty() => self.release(0, Verdict::Dead(CloseReason::Broken)),
            Op::Connect if !self.connects.is_empty() => self.connect(),
            Op::ConnectFails if !self.connects.is_empty() => self.connect_fails(ErrorClass::Transient),
            Op::ConnectFullUp if !self.connects.is_empty() => self.connect_fails(ErrorClass::Capacity),
            Op::ConnectRefused if !self.connects.is_empty() => self.connect_fails(ErrorClass::Auth),
            Op::JobSucceeds if !self.jobs.is_empty() => self.job(true),
            Op::JobFails if !self.jobs.is_empty() => self.job(false),
            Op::Validated if !self.validating.is_empty() => self.validate(Ok(())),
            Op::ValidationFails if !self.validating.is_empty() => {
                self.validate(Err(failing(ErrorClass::Transient)));
            }
            Op::ValidationCancelled if !self.validating.is_empty() => self.validation_cancelled(),
            Op::Tick => self.pass(Duration::from_millis(1_100)),
            Op::LongTime => self.pass(Duration::from_secs(400)),
            Op::Suspended => {
                self.now += Duration::from_secs(3_600);
                self.engine.tell(self.now);
            }
            Op::Pause => self.run(|state, _, fx| state.pause(fx)),
            Op::Resume => self.run(|state, now, fx| state.resume(now, fx)),
            Op::Shrink => self.resize(1),
            Op::Grow => self.resize(4),
            Op::EvictAll => drop(self.run(|state, now, fx| state.evict_all(now, fx))),
            Op::EvictIdle => drop(self.run(|state, now, fx| state.evict_idle(now, fx))),
            Op::EvictInvalid => drop(self.run(|state, now, fx| state.evict_invalid(now, fx))),
            Op::ReportFatal if !self.held.is_empty() => {
                let (slot, id) = (self.held[0].index(), self.held[0].id());
                self.run(|state, now, fx| state.report(slot, id, ErrorClass::FatalAll, now, fx));
            }
            Op::Detach if !self.held.is_empty() => {
                let lease = self.held.remove(0);
                let (place, id) = self.end(lease);
                self.run(|state, now, fx| state.detach(place, id, now, fx));
            }
            Op::Abandon if !self.held.is_empty() => {
                let id = self.held[0].id();
                self.run(|state, now, fx| state.abandon(id, now, fx));
            }
            Op::Close => self.run(|state, now, fx| state.close(now, fx)),
            _ => {}
        }
    }

    fn resize(&mut self, max_connections: usize) {
        self.shrunk = true;
        let before = self.engine.peek(|state| PoolOptions::clone(&state.options));
        let options = PoolOptions {
            max_connections,
            min_connections: before.min_connections.min(max_connections),
            min_idle: before.min_idle.min(max_connections),
            reserve_connections: before.reserve_connections.min(max_connections - 1),
            ..before
        };
        self.run(|state, now, fx| state.reconfigure(options.checked().unwrap(), now, fx));
    }
}

/// Every sequence of so many core operations on a pool of two, each step checked.
fn every_sequence(length: u32, gate: Gate) {
    for sequence in 0..CORE.len().pow(length) {
        let mut world = World::with_gate(options(2, 0), gate, Instant::now());
        let ops: Vec<_> =
            (0..length).map(|digit| CORE[sequence / CORE.len().pow(digit) % CORE.len()]).collect();
        let outcome = crate::panic::catch("sequence", || {
            ops.iter().for_each(|op| world.step(*op));
            world.settle_down();
        });
        assert!(outcome.is_ok(), "{ops:?}: {outcome:?}");
    }
}

#[test]
fn no_short_sequence_loses_a_connection_or_a_waiter() {
    every_sequence(5, Gate::Free);
}

#[test]
fn no_short_sequence_under_the_lock_loses_a_connection_or_a_waiter() {
    every_sequence(4, Gate::Shut);
}

/// Options of all kinds for a pool of three.
pub(super) fn any_options(rng: &mut fastrand::Rng) -> PoolOptions {
    PoolOptions {
        min_idle: rng.usize(..2),
        reserve_connections: rng.usize(..2),
        max_waiting: if rng.bool() { 0 } else { 3 },
        fail_fast: rng.bool(),
        reuse: if rng.u8(..4) > 0 { Reuse::Lifo } else { Reuse::Fifo },
        validate_on_return: rng.u8(..4) == 0,
        max_uses: if rng.u8(..4) > 0 { 0 } else { 5 },
        max_lifetime: if rng.bool() { Duration::ZERO } else { Duration::from_secs(600) },
        leak_detection_threshold: Duration::from_secs(2),
        connect_concurrency: rng.usize(1..4),
        fairness: [Fairness::Strict, Fairness::Adaptive, Fairness::Throughput][rng.usize(..3)],
        ..options(3, rng.usize(..2))
    }
}

/// Any operation, but for one that would end most walks early.
fn any_op(rng: &mut fastrand::Rng) -> Option<Op> {
    let index = rng.usize(..CORE.len() + REST.len());
    let op = CORE.iter().chain(&REST).nth(index).copied()?;
    (op != Op::Close || rng.u8(..) < 2).then_some(op)
}

#[test]
fn no_random_walk_loses_a_connection_or_a_waiter() {
    for seed in 0..600 {
        let mut rng = fastrand::Rng::with_seed(seed);
        let gate = if seed % 3 == 0 { Gate::Shut } else { Gate::Free };
        let mut world = World::with_gate(any_options(&mut rng), gate, Instant::now());
        let mut trace = Vec::new();
        for _ in 0..300 {
            let Some(op) = any_op(&mut rng) else { continue };
            trace.push(op);
            let outcome = crate::panic::catch("step", || world.step(op));
            assert!(outcome.is_ok(), "seed {seed}, after {trace:?}: {outcome:?}");
        }
        world.run(|state, now, fx| state.resume(now, fx));
        world.resize(3);
        let outcome = crate::panic::catch("settle", || world.settle_down());
        assert!(outcome.is_ok(), "seed {seed}, at rest after {trace:?}: {outcome:?}");
    }
}

/// The harness itself: a pool that forgets a connection must not pass.
#[test]
#[should_panic(expected = "opened less closed is what exists")]
fn the_model_notices_a_lost_connection() {
    let mut world = World::new(options(2, 0));
    world.step(Op::Acquire);
    world.step(Op::Connect);
    world.step(Op::ClaimOldest);
    world.alive.clear();
    world.step(Op::Acquire);
}
