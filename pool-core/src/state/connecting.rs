//! When the pool may connect, and what it knows about the target.
//!
//! Failures in a row make a [`Run`]. While it lasts, one connect at a time is under way, spaced by back-off
//! with jitter; the first success ends it, and growth resumes with 1, 2, 4 … connects at once. An outage is
//! *known* once the run has lasted [`BLIP`]; until then callers wait, so that a server which is back within
//! a moment costs nobody an error. A refused login is known at once: waiting cannot help it.
//!
//! A connector that knows when to retry (see [`Connector::retry_after`](crate::Connector::retry_after)) is heeded instead of
//! the back-off; only a refused login waits for the later of the two.
//!
//! A target that answers nothing keeps a connect for all of `connect_timeout`, and one that was begun before the target came
//! back may never be answered. So while the patient one is under way, others beside it are given up after the longest
//! delay of the schedule ([`Connecting::patience`]): whoever comes back is found within that time, and one that is slow to
//! accept is not given up on.

use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

use crate::connector::ErrorClass;
use crate::error::{ConnectError, ConnectFailure, Outage};

/// An outage shorter than this is ridden out. Long enough for a server that drops and accepts again, short
/// beside any acquire timeout.
pub(crate) const BLIP: Duration = Duration::from_millis(500);

/// Delays between attempts: the first, the growth, and the cap.
#[derive(Debug, Clone, Copy)]
struct Schedule {
    first: Duration,
    factor: f64,
    cap: Duration,
}

/// In the first minute of an outage: about 20 attempts in five seconds.
const YOUNG: Schedule =
    Schedule { first: Duration::from_millis(50), factor: 1.5, cap: Duration::from_millis(500) };
/// Afterwards.
const OLD: Schedule = Schedule { cap: Duration::from_secs(2), ..YOUNG };
/// A connect is never called overdue sooner: a scheduler's hiccup is no reason to open a connection.
const SOONEST_OVERDUE: Duration = Duration::from_millis(50);
const YOUTH: Duration = Duration::from_secs(60);
/// After a refused login: accounts get locked by hasty clients.
const LOGIN: Schedule = Schedule { first: Duration::from_secs(5), factor: 2.0, cap: Duration::from_secs(60) };
/// After the server said that it has no room.
const FULL: Schedule =
    Schedule { first: Duration::from_millis(200), factor: 2.0, cap: Duration::from_secs(5) };

impl Schedule {
    /// The delay after `failures` failures: at most `first * factor^(failures - 1)`, at most the cap, and at
    /// least half of that ("equal jitter", so that pools of one configuration do not march in step).
    fn delay(self, failures: u32, rng: &mut fastrand::Rng) -> Duration {
        let exponent = i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX);
        let grown = self.first.as_secs_f64() * self.factor.powi(exponent);
        let full = self.cap.as_secs_f64().min(grown);
        Duration::from_secs_f64(full * (0.5 + 0.5 * rng.f64()))
    }
}

/// The shortest and the longest time that a connector's own word on when to retry may ask for: one that says "at once"
/// each time would keep a core busy, and one that says "tomorrow" would be a pool that is never back.
const HINTS: RangeInclusive<Duration> = Duration::from_millis(25)..=Duration::from_secs(3_600);
/// By which part of such a time the next attempt may be later, so that pools told the same do not come together.
const HINT_JITTER: f64 = 0.1;
/// But by no more than this, lest a target that is back is noticed late.
const MOST_HINT_JITTER: Duration = Duration::from_secs(1);

/// When to retry after a connector has said how long to wait: never earlier, and a little later at most.
fn heed(hint: Duration, rng: &mut fastrand::Rng) -> Duration {
    let hint = hint.clamp(*HINTS.start(), *HINTS.end());
    hint + hint.mul_f64(HINT_JITTER).min(MOST_HINT_JITTER).mul_f64(rng.f64())
}

/// What a connect died of.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) cause: ConnectError,
    pub(crate) class: ErrorClass,
    /// How long to wait by the connector's own word.
    pub(crate) retry_after: Option<Duration>,
}

impl Failure {
    pub(crate) fn new(cause: ConnectError, class: ErrorClass) -> Self {
        Failure { cause, class, retry_after: None }
    }
}

/// Connects that failed in a row.
#[derive(Debug)]
struct Run {
    failures: u32,
    /// Of these, the last ones of one class: its schedule begins anew when another class takes over.
    streak: u32,
    /// When the first of them was begun.
    since: Instant,
    /// From when on the target is believed to be down; later than `since` if that was doubted.
    believed_since: Instant,
    next_attempt: Instant,
    /// Whether a connect failed when the run was long enough, or the login was refused, or the connector knows that
    /// there is nothing to try for long.
    known: bool,
    refused_login: bool,
    /// The last connect succeeded, and yielded nothing usable.
    unusable: bool,
    announced: bool,
    exhausted: bool,
}

impl Run {
    /// The schedule of a target that does not answer.
    fn schedule(&self, now: Instant) -> Schedule {
        if now.saturating_duration_since(self.since) < YOUTH { YOUNG } else { OLD }
    }

    /// Whether so much time has passed since the last attempt was due that it tells nothing any more.
    fn is_stale(&self, now: Instant, connect_timeout: Duration) -> bool {
        now > self.next_attempt + connect_timeout + BLIP
    }
}

/// The target has no room.
#[derive(Debug, Clone, Copy)]
struct Full {
    /// Consecutive refusals.
    refusals: u32,
    /// When to ask again.
    until: Instant,
    /// Whether that is the target's own word.
    told: bool,
}

#[derive(Debug, Clone)]
struct Recorded {
    cause: ConnectError,
    class: ErrorClass,
    at: Instant,
}

/// What one failed connect changed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) failures: u32,
    pub(crate) retry_in: Duration,
    /// How long an announced outage lasted that this failure ended: the server answers again, if only to
    /// say that it is full.
    pub(crate) ended: Option<Duration>,
    /// What was remembered until now, to be dropped outside the lock: it is the connector's.
    pub(crate) forgotten: Option<ConnectError>,
}

/// See the module's first lines.
#[derive(Debug, Default)]
pub(crate) struct Connecting {
    run: Option<Run>,
    /// How many connects may be under way while growth resumes; `None` = as many as the options say.
    ramp: Option<usize>,
    full: Option<Full>,
    last: Option<Recorded>,
    /// When a connect last succeeded.
    succeeded_at: Option<Instant>,
    /// How long connects take, as a moving average.
    typical: Option<Duration>,
}

impl Connecting {
    /// How many more connects may be begun now, beside those under way, of which `prompt` are not overdue.
    pub(crate) fn allowance(&self, under_way: usize, prompt: usize, limit: usize, now: Instant) -> usize {
        if self.full.is_some_and(|full| now < full.until) {
            return 0;
        }
        match &self.run {
            // A probe that hangs must not be the last one.
            Some(run) => usize::from(prompt == 0 && under_way < limit && now >= run.next_attempt),
            // One that hangs since before the target came back is no part of the growth.
            None => {
                let overdue = under_way.saturating_sub(prompt);
                self.ramp.map_or(limit, |ramp| limit.min(ramp + overdue)).saturating_sub(under_way)
            }
        }
    }

    /// When [`allowance`](Connecting::allowance) may grow by the passing of time alone.
    pub(crate) fn next_allowance(&self) -> Option<Instant> {
        let run = self.run.as_ref().map(|run| run.next_attempt);
        let full = self.full.map(|full| full.until);
        run.max(full)
    }

    /// When to ask again for room, if the target said when: no connect succeeds before.
    pub(crate) fn told_to_wait_until(&self) -> Option<Instant> {
        self.full.filter(|full| full.told).map(|full| full.until)
    }

    /// Whether the next connection that is of use ends the run of those that were of none.
    pub(crate) fn awaits_proof(&self) -> bool {
        self.run.as_ref().is_some_and(|run| run.unusable)
    }

    /// Whether connects have been failing. Then one is always wanted, to learn when that ends.
    pub(crate) fn is_failing(&self) -> bool {
        self.run.is_some()
    }

    /// Whether the target is known to be down: by a connect that failed, not by the mere passing of time.
    /// Knowledge grows stale when nothing was tried for long, which
    /// happens while there is no room for another connection.
    pub(crate) fn is_known_down(&self, now: Instant, connect_timeout: Duration) -> bool {
        self.run.as_ref().is_some_and(|run| run.known && !run.is_stale(now, connect_timeout))
    }

    /// After how long a connect under way is no longer counted on. Another one may then be begun for the
    /// caller who waits for it, so that one hung connect delays nobody for long.
    pub(crate) fn overdue_after(&self, connect_timeout: Duration) -> Duration {
        self.typical.map_or(connect_timeout / 10, |typical| 4 * typical).max(SOONEST_OVERDUE)
    }

    /// How long a connect that begins now may take, while another one has all of `connect_timeout` or none has.
    pub(crate) fn patience(
        &self,
        another_is_patient: bool,
        connect_timeout: Duration,
        now: Instant,
    ) -> Duration {
        match &self.run {
            Some(run) if another_is_patient => {
                run.schedule(now).cap.max(self.overdue_after(connect_timeout)).min(connect_timeout)
            }
            _ => connect_timeout,
        }
    }

    /// Records a success after `took`. Returns how long the outage lasted, if one was announced.
    pub(crate) fn succeeded(
        &mut self,
        took: Duration,
        limit: usize,
        now: Instant,
        rng: &mut fastrand::Rng,
    ) -> Option<Duration> {
        self.typical = Some(self.typical.map_or(took, |typical| {
            // A few that were held up, as by a target that was stopped for a while, are not typical at once: else one
            // that hangs would be counted on for as long.
            let most = (4 * typical).max(SOONEST_OVERDUE);
            (3 * typical + took.min(most)) / 4
        }));
        self.full = None;
        self.succeeded_at = Some(now);
        if self.run.is_none() {
            // One more for each success: what is under way doubles with each round.
            self.ramp = self.ramp.map(|ramp| ramp + 1).filter(|ramp| *ramp < limit);
        }
        match &mut self.run {
            Some(run) if run.unusable => {
                // Whether this one is of more use remains to be seen; the next is not begun at once.
                run.next_attempt = now + YOUNG.delay(run.streak, rng);
                None
            }
            _ => self.end_run(now),
        }
    }

    /// Records that a connection was of use, which ends a run of connections that were of none.
    pub(crate) fn proved(&mut self, now: Instant) -> Option<Duration> {
        if self.run.as_ref().is_some_and(|run| run.unusable) { self.end_run(now) } else { None }
    }

    /// Ends a run that no further connect will end: there are as many connections as there may be. Those tell how the target
    /// is from now on, unless they are what is doubted.
    pub(crate) fn let_go(&mut self, now: Instant) -> Option<Duration> {
        if self.awaits_proof() { None } else { self.end_run(now) }
    }

    fn end_run(&mut self, now: Instant) -> Option<Duration> {
        let run = self.run.take()?;
        self.ramp = Some(1);
        run.announced.then(|| now.saturating_duration_since(run.since))
    }

    /// Records a failure of a connect begun at `begun`.
    pub(crate) fn failed(
        &mut self,
        failure: Failure,
        begun: Instant,
        now: Instant,
        connect_timeout: Duration,
        rng: &mut fastrand::Rng,
    ) -> Failed {
        let Failure { cause, class, retry_after } = failure;
        let unusable = matches!(cause, ConnectError::Unusable(_));
        let given_up_early = matches!(cause, ConnectError::TimedOut(after) if after < connect_timeout);
        let before = self.last.replace(Recorded { cause, class, at: now });
        let class_before = before.as_ref().map(|recorded| recorded.class);
        let forgotten = before.map(|recorded| recorded.cause);
        if class == ErrorClass::Capacity {
            let refusals = self.full.map_or(1, |full| full.refusals.saturating_add(1));
            let retry_in = match retry_after {
                Some(hint) => heed(hint, rng),
                None => FULL.delay(refusals, rng),
            };
            self.full = Some(Full { refusals, until: now + retry_in, told: retry_after.is_some() });
            return Failed { failures: refusals, retry_in, ended: self.end_run(now), forgotten };
        }
        if self.run.is_none() && self.succeeded_at.is_some_and(|at| begun < at) {
            // Begun before another one that succeeded meanwhile, as one that hung: it says nothing of how it is now.
            return Failed { failures: 0, retry_in: Duration::ZERO, ended: None, forgotten };
        }
        let run = self.run.get_or_insert(Run {
            failures: 0,
            streak: 0,
            since: begun,
            believed_since: begun,
            next_attempt: now,
            known: false,
            refused_login: false,
            unusable: false,
            announced: false,
            exhausted: false,
        });
        if run.failures > 0 && run.is_stale(now, connect_timeout) {
            run.believed_since = begun;
        }
        run.failures = run.failures.saturating_add(1);
        run.streak = if class_before == Some(class) { run.streak.saturating_add(1) } else { 1 };
        run.refused_login = class == ErrorClass::Auth;
        run.unusable = unusable;
        let lasts = now.saturating_duration_since(run.believed_since) >= BLIP;
        // One that was given up early may only have been slow.
        run.known = run.refused_login
            || (lasts && (run.known || !given_up_early))
            || retry_after.is_some_and(|hint| hint >= BLIP);
        let schedule = match class {
            ErrorClass::Auth => LOGIN,
            _ => run.schedule(now),
        };
        // From when it was begun on: one that hung has waited already.
        let scheduled = (begun + schedule.delay(run.streak, rng)).saturating_duration_since(now);
        let retry_in = match retry_after.map(|hint| heed(hint, rng)) {
            // What asks for patience does not know what a hasty login may cost.
            Some(hinted) if class == ErrorClass::Auth => hinted.max(scheduled),
            Some(hinted) => hinted,
            None => scheduled,
        };
        run.next_attempt = now + retry_in;
        Failed { failures: run.failures, retry_in, ended: None, forgotten }
    }

    /// Lets the next connect begin at once, and callers wait for it: something changed that may have mended
    /// the target, so what was known of it is doubtful.
    pub(crate) fn retry_now(&mut self, now: Instant) {
        if let Some(run) = &mut self.run {
            run.next_attempt = now;
            run.believed_since = now;
            run.known = false;
            run.refused_login = false;
        }
        if let Some(full) = &mut self.full {
            full.until = now;
        }
    }

    /// True once, when the outage has become known.
    pub(crate) fn announce(&mut self, now: Instant, connect_timeout: Duration) -> bool {
        let known = self.is_known_down(now, connect_timeout);
        self.run.as_mut().is_some_and(|run| known && !std::mem::replace(&mut run.announced, true))
    }

    /// How long the announced outage has lasted; once, when that is more than `round`.
    pub(crate) fn exhaust(&mut self, round: Duration, now: Instant) -> Option<Duration> {
        let run = self.run.as_mut()?;
        let lasted = now.saturating_duration_since(run.since);
        let over = run.announced && !round.is_zero() && lasted >= round;
        (over && !std::mem::replace(&mut run.exhausted, true)).then_some(lasted)
    }

    pub(crate) fn outage(&self, now: Instant) -> Option<Outage> {
        self.run.as_ref().map(|run| Outage {
            since: now.saturating_duration_since(run.since),
            failures: run.failures,
            next_probe: run.next_attempt.saturating_duration_since(now),
        })
    }

    pub(crate) fn last_failure(&self, now: Instant) -> Option<ConnectFailure> {
        self.last.as_ref().map(|last| ConnectFailure {
            cause: last.cause.clone(),
            class: last.class,
            age: now.saturating_duration_since(last.at),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);
    const NANO: Duration = Duration::from_nanos(1);

    fn cause() -> ConnectError {
        ConnectError::TimedOut(PATIENCE)
    }

    /// The times of the attempts that a failing target sees within `lasting`, and what was known then.
    fn attempts(class: ErrorClass, lasting: Duration, seed: u64) -> (Vec<Duration>, Connecting, Instant) {
        let (start, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(seed);
        let (mut now, mut times) = (start, Vec::new());
        while now - start <= lasting {
            assert!(connecting.allowance(0, 0, 4, now) >= 1);
            times.push(now - start);
            let failed = connecting.failed(Failure::new(cause(), class), now, now, PATIENCE, &mut rng);
            assert_eq!(connecting.allowance(0, 0, 4, now), 0, "not before the back-off has passed");
            now += failed.retry_in;
        }
        (times, connecting, now)
    }

    #[test]
    fn five_seconds_of_outage_see_two_dozen_attempts() {
        for seed in 0..200 {
            let (times, ..) = attempts(ErrorClass::Transient, Duration::from_secs(5), seed);
            assert!((14..=30).contains(&times.len()), "seed {seed}: {} attempts", times.len());
        }
    }

    #[test]
    fn attempts_are_never_further_apart_than_their_cap() {
        let (times, ..) = attempts(ErrorClass::Transient, Duration::from_secs(300), 7);
        for pair in times.windows(2) {
            let cap = if pair[0] < YOUTH { YOUNG.cap } else { OLD.cap };
            let apart = pair[1] - pair[0];
            assert!(apart <= cap, "{apart:?} apart at {:?}", pair[0]);
            assert!(apart >= Duration::from_millis(25));
        }
        let old = times.windows(2).filter(|pair| pair[0] > YOUTH).map(|pair| pair[1] - pair[0]);
        assert!(old.min().unwrap() >= OLD.cap / 2);
    }

    #[test]
    fn a_refused_login_is_tried_a_few_times_an_hour() {
        let (times, connecting, now) = attempts(ErrorClass::Auth, Duration::from_secs(3_600), 7);
        assert!((60..=130).contains(&times.len()), "{} attempts", times.len());
        assert!(times[1] >= LOGIN.first / 2);
        assert!(connecting.is_known_down(now, PATIENCE));
    }

    #[test]
    fn an_outage_is_known_after_a_blip_and_announced_once() {
        let (start, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(7);
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), start, start, PATIENCE, &mut rng);
        let late = start + BLIP;
        assert!(!connecting.is_known_down(late, PATIENCE), "time alone proves nothing");
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), late, late, PATIENCE, &mut rng);
        assert!(connecting.is_known_down(late, PATIENCE));
        assert!(connecting.announce(late, PATIENCE) && !connecting.announce(late, PATIENCE));
        assert_eq!(connecting.succeeded(Duration::ZERO, 4, late, &mut rng), Some(BLIP));
        assert!(!connecting.is_failing() && connecting.last_failure(late).is_some());
    }

    #[test]
    fn an_unannounced_failure_ends_in_silence() {
        let (start, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(7);
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), start, start, PATIENCE, &mut rng);
        assert_eq!(connecting.succeeded(Duration::ZERO, 4, start, &mut rng), None);
    }

    #[test]
    fn growth_resumes_with_one_and_doubles_by_rounds() {
        let (now, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(7);
        assert_eq!(connecting.allowance(1, 1, 8, now), 7);
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), now, now, PATIENCE, &mut rng);
        let mut rounds = Vec::new();
        connecting.succeeded(Duration::ZERO, 8, now, &mut rng);
        for _ in 0..5 {
            let round = connecting.allowance(0, 0, 8, now);
            rounds.push(round);
            (0..round).for_each(|_| assert_eq!(connecting.succeeded(Duration::ZERO, 8, now, &mut rng), None));
        }
        assert_eq!(rounds, [1, 2, 4, 8, 8]);
    }

    #[test]
    fn a_full_server_is_asked_again_later_and_later() {
        let (start, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(7);
        let mut waits = Vec::new();
        let mut now = start;
        for _ in 0..10 {
            let failed =
                connecting.failed(Failure::new(cause(), ErrorClass::Capacity), now, now, PATIENCE, &mut rng);
            assert!(!connecting.is_failing(), "it answers: no outage");
            now += failed.retry_in;
            waits.push(failed.retry_in);
        }
        assert!(waits[0] <= FULL.first && waits[9] >= FULL.cap / 2);
    }

    #[test]
    fn a_connection_of_no_use_ends_no_run_until_one_is_of_use() {
        let (now, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(7);
        let unusable = ConnectError::Unusable(String::from("no answer"));
        connecting.failed(Failure::new(unusable, ErrorClass::Transient), now, now, PATIENCE, &mut rng);
        connecting.succeeded(Duration::ZERO, 4, now, &mut rng);
        assert!(connecting.is_failing());
        assert_eq!(connecting.proved(now), None, "never announced");
        assert!(!connecting.is_failing());
    }

    #[test]
    fn an_exhausted_round_is_told_once() {
        let (start, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(7);
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), start, start, PATIENCE, &mut rng);
        let round = Duration::from_secs(3);
        assert_eq!(connecting.exhaust(round, start + round), None, "no outage was announced");
        connecting.failed(
            Failure::new(cause(), ErrorClass::Transient),
            start,
            start + BLIP,
            PATIENCE,
            &mut rng,
        );
        assert!(connecting.announce(start + BLIP, PATIENCE));
        assert_eq!(connecting.exhaust(Duration::ZERO, start + round), None, "zero is never");
        assert_eq!(connecting.exhaust(round, start + round / 2), None);
        assert_eq!(connecting.exhaust(round, start + round), Some(round));
        assert_eq!(connecting.exhaust(round, start + 2 * round), None);
    }

    #[test]
    fn a_full_server_ends_an_outage() {
        let (start, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(7);
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), start, start, PATIENCE, &mut rng);
        let later = start + BLIP;
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), later, later, PATIENCE, &mut rng);
        assert!(connecting.announce(later, PATIENCE));
        let failed =
            connecting.failed(Failure::new(cause(), ErrorClass::Capacity), later, later, PATIENCE, &mut rng);
        assert_eq!(failed.ended, Some(BLIP));
    }

    fn hinted(class: ErrorClass, hint: Duration) -> Failure {
        Failure { retry_after: Some(hint), ..Failure::new(cause(), class) }
    }

    #[test]
    fn a_hint_is_never_anticipated_and_hardly_exceeded() {
        for seed in 0..200 {
            let mut rng = fastrand::Rng::with_seed(seed);
            for class in
                [ErrorClass::Transient, ErrorClass::FatalThis, ErrorClass::FatalAll, ErrorClass::Capacity]
            {
                let (mut now, mut connecting) = (Instant::now(), Connecting::default());
                for hint in [30, 100, 700, 3_000, 90_000].map(Duration::from_millis) {
                    let failed = connecting.failed(hinted(class, hint), now, now, PATIENCE, &mut rng);
                    let latest = hint + (hint / 10).min(Duration::from_secs(1));
                    assert!((hint..=latest).contains(&failed.retry_in), "{failed:?}");
                    assert_eq!(
                        connecting.allowance(0, 0, 4, now + failed.retry_in - NANO),
                        0,
                        "{class:?} {hint:?}"
                    );
                    now += failed.retry_in;
                    assert!(connecting.allowance(0, 0, 4, now) >= 1, "{class:?} {hint:?}");
                }
            }
        }
    }

    #[test]
    fn a_hint_of_nothing_or_for_ever_is_not_taken_at_its_word() {
        let (now, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(7);
        let failed =
            connecting.failed(hinted(ErrorClass::Transient, Duration::ZERO), now, now, PATIENCE, &mut rng);
        assert!(failed.retry_in >= *HINTS.start());
        let failed =
            connecting.failed(hinted(ErrorClass::Transient, Duration::MAX), now, now, PATIENCE, &mut rng);
        assert!(failed.retry_in <= *HINTS.end() + MOST_HINT_JITTER);
    }

    #[test]
    fn a_refused_login_is_never_hurried_by_a_hint() {
        let (now, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(7);
        let soon = hinted(ErrorClass::Auth, Duration::from_millis(100));
        assert!(connecting.failed(soon, now, now, PATIENCE, &mut rng).retry_in >= LOGIN.first / 2);
        let late = hinted(ErrorClass::Auth, Duration::from_secs(300));
        assert!(connecting.failed(late, now, now, PATIENCE, &mut rng).retry_in >= Duration::from_secs(300));
    }

    #[test]
    fn who_is_told_to_wait_long_knows_of_the_outage_at_once() {
        let mut rng = fastrand::Rng::with_seed(7);
        let (now, mut connecting) = (Instant::now(), Connecting::default());
        connecting.failed(hinted(ErrorClass::Transient, BLIP - NANO), now, now, PATIENCE, &mut rng);
        assert!(!connecting.is_known_down(now, PATIENCE), "a blip is ridden out");
        let mut connecting = Connecting::default();
        connecting.failed(hinted(ErrorClass::Transient, BLIP), now, now, PATIENCE, &mut rng);
        assert!(connecting.is_known_down(now, PATIENCE));
    }

    #[test]
    fn a_class_begins_its_own_schedule() {
        let (_, mut connecting, now) = attempts(ErrorClass::Transient, Duration::from_secs(5), 7);
        let mut rng = fastrand::Rng::with_seed(7);
        let failed = connecting.failed(Failure::new(cause(), ErrorClass::Auth), now, now, PATIENCE, &mut rng);
        assert!(failed.retry_in <= LOGIN.first, "{:?}", failed.retry_in);
    }

    #[test]
    fn what_was_known_grows_stale_when_nothing_is_tried() {
        let (start, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(7);
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), start, start, PATIENCE, &mut rng);
        connecting.failed(
            Failure::new(cause(), ErrorClass::Transient),
            start,
            start + BLIP,
            PATIENCE,
            &mut rng,
        );
        assert!(connecting.is_known_down(start + Duration::from_secs(5), PATIENCE));
        let later = start + Duration::from_secs(60);
        assert!(!connecting.is_known_down(later, PATIENCE));
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), later, later, PATIENCE, &mut rng);
        assert!(!connecting.is_known_down(later, PATIENCE), "believed anew, from then on");
        connecting.failed(
            Failure::new(cause(), ErrorClass::Transient),
            later,
            later + BLIP,
            PATIENCE,
            &mut rng,
        );
        assert!(connecting.is_known_down(later + BLIP, PATIENCE));
    }

    #[test]
    fn beside_a_patient_connect_others_are_given_up_sooner() {
        let (start, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(7);
        assert_eq!(connecting.patience(true, PATIENCE, start), PATIENCE, "nothing has failed");
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), start, start, PATIENCE, &mut rng);
        assert_eq!(connecting.patience(false, PATIENCE, start), PATIENCE, "one always has all the time");
        assert_eq!(connecting.patience(true, PATIENCE, start), YOUNG.cap);
        assert_eq!(connecting.patience(true, PATIENCE, start + YOUTH), OLD.cap);
        let short = YOUNG.cap / 2;
        assert_eq!(connecting.patience(true, short, start), short);

        // Where connects take long, none is given up before it is overdue.
        connecting.succeeded(Duration::from_secs(1), 4, start, &mut rng);
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), start, start, PATIENCE, &mut rng);
        assert_eq!(connecting.patience(true, PATIENCE, start), Duration::from_secs(4));
    }

    #[test]
    fn who_was_given_up_early_tells_of_no_outage_that_is_not_known() {
        let (start, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(7);
        let (early, late) = (ConnectError::TimedOut(YOUNG.cap), start + BLIP);
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), start, start, PATIENCE, &mut rng);
        connecting.failed(
            Failure::new(early.clone(), ErrorClass::Transient),
            start,
            late,
            PATIENCE,
            &mut rng,
        );
        assert!(!connecting.is_known_down(late, PATIENCE));
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), start, late, PATIENCE, &mut rng);
        connecting.failed(Failure::new(early, ErrorClass::Transient), start, late, PATIENCE, &mut rng);
        assert!(connecting.is_known_down(late, PATIENCE), "nor does it refute one that is");
    }

    #[test]
    fn who_hung_until_he_was_given_up_has_waited_already() {
        let (start, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(7);
        let late = start + Duration::from_secs(1);
        let failed =
            connecting.failed(Failure::new(cause(), ErrorClass::Transient), start, late, PATIENCE, &mut rng);
        assert_eq!(failed.retry_in, Duration::ZERO);
        assert_eq!(connecting.allowance(0, 0, 2, late), 1);
    }

    #[test]
    fn a_connect_that_hangs_since_before_the_heal_neither_stops_growth_nor_tells_of_an_outage() {
        let (start, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(7);
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), start, start, PATIENCE, &mut rng);
        let healed = start + Duration::from_secs(2);
        connecting.succeeded(Duration::ZERO, 2, healed, &mut rng);
        assert_eq!(connecting.allowance(1, 0, 2, healed), 1, "one hangs, one may be begun");
        assert_eq!(connecting.allowance(1, 1, 2, healed), 0, "one is under way, and that is the ramp");
        let later = healed + Duration::from_secs(1);
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), start, later, PATIENCE, &mut rng);
        assert!(!connecting.is_failing() && connecting.last_failure(later).is_some());
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), later, later, PATIENCE, &mut rng);
        assert!(connecting.is_failing(), "one that was begun since does");
    }

    #[test]
    fn a_hung_probe_is_not_the_last_one() {
        let (start, mut connecting) = (Instant::now(), Connecting::default());
        let mut rng = fastrand::Rng::with_seed(7);
        connecting.failed(Failure::new(cause(), ErrorClass::Transient), start, start, PATIENCE, &mut rng);
        let later = start + Duration::from_secs(1);
        assert_eq!(connecting.allowance(1, 1, 2, later), 0);
        assert_eq!(connecting.allowance(1, 0, 2, later), 1, "the one under way is overdue");
        assert_eq!(connecting.allowance(2, 0, 2, later), 0, "but never more than the limit");
    }
}
