//! The machine against an oracle that remembers everything and works it all out anew each time.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::machine::{Ended, Machine, Pass};
use super::settings::{BreakerSettings, BreakerWindow};
use super::{BreakerState, Cause};

/// One thing that happens.
#[derive(Debug, Clone)]
enum Step {
    Acquire,
    /// One of the permits that are out ends.
    Succeed(usize, Duration),
    Fail(usize, Duration),
    /// Its future is dropped.
    Drop(usize),
    Pass(Duration),
    Force(BreakerState),
    Reset,
    Look,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let took = prop_oneof![Just(Duration::from_millis(1)), Just(SLOW)];
    let step = prop_oneof![
        30 => Just(Step::Acquire),
        10 => (any::<usize>(), took.clone()).prop_map(|(which, took)| Step::Succeed(which, took)),
        18 => (any::<usize>(), took).prop_map(|(which, took)| Step::Fail(which, took)),
        8 => any::<usize>().prop_map(Step::Drop),
        20 => (0_u64..300).prop_map(|millis| Step::Pass(Duration::from_millis(millis))),
        4 => (300_u64..5_000).prop_map(|millis| Step::Pass(Duration::from_millis(millis))),
        2 => prop::sample::select(&BreakerState::ALL[..]).prop_map(Step::Force),
        1 => Just(Step::Reset),
        5 => Just(Step::Look),
    ];
    prop::collection::vec(step, 1..400)
}

const SLOW: Duration = Duration::from_millis(500);

fn settings() -> impl Strategy<Value = BreakerSettings> {
    let window = prop_oneof![
        (1_u32..12).prop_map(BreakerWindow::Count),
        (30_u64..3_000).prop_map(|millis| BreakerWindow::Time(Duration::from_millis(millis))),
    ];
    let rate = || prop_oneof![1 => Just(0.0), 3 => 0.01..=1.0_f64];
    let half_open = (1_u32..5, prop_oneof![Just(0), 1_u64..2_000]);
    let open = (1_u64..500, 1.0..3.0_f64, 0_u64..2_000);
    (window, rate(), rate(), 1_u32..12, 0_u32..6, half_open, open).prop_map(
        |(window, failure_rate, slow_call_rate, minimum_calls, consecutive_failures, half_open, open)| {
            BreakerSettings {
                window,
                failure_rate,
                slow_call_rate,
                slow_call_duration: SLOW,
                minimum_calls,
                consecutive_failures,
                half_open_permits: half_open.0,
                max_half_open: Duration::from_millis(half_open.1),
                open_base: Duration::from_millis(open.0),
                open_growth: open.1,
                open_max: Duration::from_millis(open.0 + open.2),
            }
        },
    )
}

/// A permit that is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Out {
    era: usize,
    probe: bool,
}

/// One stay in one state, with all that happened in it.
#[derive(Debug)]
struct Era {
    state: BreakerState,
    begun: Instant,
    /// When it is over, if it is open.
    until: Option<Instant>,
    /// Calls that began and ended in it: when, whether they failed, whether they were slow.
    calls: Vec<(Instant, bool, bool)>,
    /// When probing began, as long as there is a probe out or a verdict.
    probing_since: Option<Instant>,
}

struct Oracle {
    settings: BreakerSettings,
    rng: fastrand::Rng,
    eras: Vec<Era>,
    out: Vec<Out>,
    refused: u64,
    opened: u64,
}

impl Oracle {
    fn new(settings: BreakerSettings, seed: u64, now: Instant) -> Self {
        let mut oracle = Oracle {
            settings,
            rng: fastrand::Rng::with_seed(seed),
            eras: Vec::new(),
            out: Vec::new(),
            refused: 0,
            opened: 0,
        };
        oracle.begin(BreakerState::Closed, now);
        oracle
    }

    fn begin(&mut self, state: BreakerState, begun: Instant) {
        let until = (state == BreakerState::Open).then(|| {
            self.opened += 1;
            begun + self.settings.open_for(self.openings_in_a_row() + 1, &mut self.rng)
        });
        self.eras.push(Era { state, begun, until, calls: Vec::new(), probing_since: None });
    }

    /// How often it opened since calls last flowed freely.
    fn openings_in_a_row(&self) -> u32 {
        use BreakerState::{Closed, Disabled, MetricsOnly};
        let down =
            self.eras.iter().rev().take_while(|era| !matches!(era.state, Closed | Disabled | MetricsOnly));
        u32::try_from(down.filter(|era| era.state == BreakerState::Open).count()).unwrap()
    }

    fn era(&self) -> &Era {
        self.eras.last().unwrap()
    }

    fn number(&self) -> usize {
        self.eras.len() - 1
    }

    fn probes_out(&self) -> usize {
        self.out.iter().filter(|out| out.probe).count()
    }

    /// Calls of the window: all, failed, slow.
    fn window(&self, now: Instant) -> (usize, usize, usize) {
        let era = self.era();
        let calls = &era.calls;
        let last = |count: u32| calls[calls.len().saturating_sub(count as usize)..].to_vec();
        let seen = match self.settings.window {
            _ if era.state == BreakerState::HalfOpen => last(self.settings.half_open_permits),
            BreakerWindow::Count(count) => last(count),
            BreakerWindow::Time(span) => {
                let slice = |at: Instant| (at - era.begun).as_nanos() / (span / 30).as_nanos();
                calls.iter().copied().filter(|(at, ..)| slice(now) - slice(*at) < 30).collect()
            }
        };
        let failed = seen.iter().filter(|(_, failed, _)| *failed).count();
        let slow = seen.iter().filter(|(.., slow)| *slow).count();
        (seen.len(), failed, slow)
    }

    fn minimum(&self) -> usize {
        let most = match self.settings.window {
            _ if self.era().state == BreakerState::HalfOpen => self.settings.half_open_permits,
            BreakerWindow::Count(count) => count,
            BreakerWindow::Time(_) => u32::MAX,
        };
        self.settings.minimum_calls.min(most) as usize
    }

    fn pass(&mut self, now: Instant) {
        loop {
            let era = self.era();
            let limit = self.settings.max_half_open;
            match (era.state, era.until, era.probing_since) {
                (BreakerState::Open, Some(until), _) if until <= now => {
                    self.begin(BreakerState::HalfOpen, until);
                }
                (BreakerState::HalfOpen, _, Some(since)) if !limit.is_zero() && since + limit <= now => {
                    let at = since + limit;
                    let number = self.number();
                    let is_over = !self.out.iter().any(|out| out.era == number);
                    let (calls, failed, slow) = self.window(at);
                    let too_many = |count, rate: f64| rate > 0.0 && count as f64 >= rate * calls as f64;
                    let is_bad = too_many(failed, self.settings.failure_rate)
                        || too_many(slow, self.settings.slow_call_rate);
                    let next = if is_over && !is_bad { BreakerState::Closed } else { BreakerState::Open };
                    self.begin(next, at);
                }
                _ => return,
            }
        }
    }

    fn acquire(&mut self, now: Instant) -> bool {
        let probe = match self.era().state {
            BreakerState::Closed | BreakerState::Disabled | BreakerState::MetricsOnly => false,
            BreakerState::HalfOpen
                if self.probes_out() + self.era().calls.len() < self.settings.half_open_permits as usize =>
            {
                self.eras.last_mut().unwrap().probing_since.get_or_insert(now);
                true
            }
            _ => {
                self.refused += 1;
                return false;
            }
        };
        self.out.push(Out { era: self.number(), probe });
        true
    }

    /// `verdict`: failed and slow; `None` = dropped.
    fn end(&mut self, which: usize, verdict: Option<(bool, bool)>, now: Instant) {
        let ended = self.out.remove(which);
        let number = self.number();
        if ended.era != number || self.era().state == BreakerState::Disabled {
            return;
        }
        let Some((failed, slow)) = verdict else {
            if !self.out.iter().any(|out| out.era == number) && self.era().calls.is_empty() {
                self.eras[number].probing_since = None;
            }
            return;
        };
        self.eras[number].calls.push((now, failed, slow));
        let half_open = self.era().state == BreakerState::HalfOpen;
        if !half_open && self.era().state != BreakerState::Closed {
            return;
        }
        let failures = self.era().calls.iter().rev().take_while(|(_, failed, _)| *failed).count();
        let BreakerSettings { failure_rate, slow_call_rate, consecutive_failures, .. } = self.settings;
        let in_a_row = consecutive_failures as usize;
        let too_many =
            in_a_row > 0 && (failures >= in_a_row || half_open && failure_rate == 0.0 && failures > 0);
        let (calls, failed, slow) = self.window(now);
        let enough = calls >= self.minimum();
        let reached = |count: usize, rate: f64| enough && rate > 0.0 && count as f64 >= rate * calls as f64;
        if too_many || reached(failed, failure_rate) || reached(slow, slow_call_rate) {
            self.begin(BreakerState::Open, now);
        } else if half_open && enough {
            self.begin(BreakerState::Closed, now);
        }
    }
}

/// Which state followed which, in a run of the model.
type Edges = Vec<(BreakerState, BreakerState)>;

/// Runs both and compares them after each step.
fn run(settings: &BreakerSettings, seed: u64, steps: &[Step]) -> Result<Edges, TestCaseError> {
    let mut now = Instant::now();
    let mut machine = Machine::new("model".into(), settings.clone(), seed, now);
    let mut oracle = Oracle::new(settings.clone(), seed, now);
    let (mut out, mut edges): (Vec<Pass>, Edges) = (Vec::new(), Vec::new());
    for step in steps {
        let ended = |which: &usize| (!out.is_empty()).then(|| which % out.len().max(1));
        match step {
            Step::Pass(time) => now += *time,
            Step::Acquire => {
                oracle.pass(now);
                let (let_in, refused) = (oracle.acquire(now), machine.acquire(now));
                prop_assert_eq!(refused.is_ok(), let_in, "{:?}", refused);
                match refused {
                    Ok(pass) => out.push(pass),
                    Err(refused) => {
                        prop_assert_eq!(refused.state, oracle.era().state);
                        let due = oracle.era().until.map(|until| until - now);
                        prop_assert_eq!(refused.next_probe, due);
                    }
                }
            }
            Step::Succeed(which, took) | Step::Fail(which, took) => {
                let Some(which) = ended(which) else { continue };
                let failed = matches!(step, Step::Fail(..));
                oracle.pass(now);
                oracle.end(which, Some((failed, *took >= SLOW)), now);
                let ended = match failed {
                    true => Ended::Failed(*took, Some(Cause::new("connection refused"))),
                    false => Ended::Succeeded(*took),
                };
                machine.end(out.remove(which), ended, now);
            }
            Step::Drop(which) => {
                let Some(which) = ended(which) else { continue };
                oracle.pass(now);
                oracle.end(which, None, now);
                machine.end(out.remove(which), Ended::Ignored, now);
            }
            Step::Force(state) => {
                oracle.pass(now);
                oracle.begin(*state, now);
                machine.force(*state, now);
            }
            Step::Reset => {
                oracle.pass(now);
                oracle.begin(BreakerState::Closed, now);
                (oracle.refused, oracle.opened) = (0, 0);
                machine.reset(now);
            }
            Step::Look => {
                oracle.pass(now);
                let seen = machine.snapshot(now);
                let (calls, failed, slow) = oracle.window(now);
                prop_assert_eq!(
                    (seen.calls, seen.failed, seen.slow),
                    (calls as u64, failed as u64, slow as u64)
                );
                let rate = (calls >= oracle.minimum()).then(|| failed as f64 / calls as f64);
                prop_assert_eq!(seen.failure_rate, rate);
                prop_assert_eq!(seen.state, oracle.era().state);
                prop_assert_eq!((seen.not_permitted, seen.opened), (oracle.refused, oracle.opened));
                prop_assert_eq!(seen.attempt, oracle.openings_in_a_row());
            }
        }
        let probes = machine.probes_out();
        prop_assert_eq!(probes as usize, oracle.probes_out());
        prop_assert!(probes <= settings.half_open_permits, "never more probes than permits");
        edges.extend(machine.take_changes().into_iter().map(|change| (change.from, change.to)));
    }
    Ok(edges)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn the_machine_does_what_the_oracle_says_and_never_lets_too_many_probes_in(
        settings in settings(),
        seed: u64,
        steps in steps(),
    ) {
        prop_assert_eq!(settings.check(), Ok(()));
        run(&settings, seed, &steps)?;
    }
}

#[test]
fn the_model_sees_every_transition_there_is() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let mut seen = std::collections::HashSet::new();
    for seed in 0..300 {
        let settings = settings().new_tree(&mut runner).unwrap().current();
        let steps = steps().new_tree(&mut runner).unwrap().current();
        seen.extend(run(&settings, seed, &steps).unwrap());
    }
    for from in BreakerState::ALL {
        for to in BreakerState::ALL.into_iter().filter(|to| *to != from) {
            assert!(seen.contains(&(from, to)), "{from} to {to}");
        }
    }
}

#[test]
fn looking_changes_nothing() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    for seed in 0..200 {
        let settings = settings().new_tree(&mut runner).unwrap().current();
        let steps = steps().new_tree(&mut runner).unwrap().current();
        let mut unseen: Vec<_> = steps.into_iter().filter(|step| !matches!(step, Step::Look)).collect();
        unseen.push(Step::Look);
        let watched: Vec<_> = unseen.iter().flat_map(|step| [step.clone(), Step::Look]).collect();
        assert_eq!(run(&settings, seed, &unseen).unwrap(), run(&settings, seed, &watched).unwrap());
    }
}
