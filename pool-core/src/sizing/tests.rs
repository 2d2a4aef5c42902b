use proptest::prelude::*;

use super::simulation::{Callers, Database, Simulation};
use super::*;

/// Windows after which the limit must be settled, and how long it is then watched.
const SETTLED: usize = 60;
const WATCHED: usize = 240;

/// How the limit went.
#[derive(Debug, Clone, Copy)]
struct Run {
    /// Windows until it was within two of its last value for good.
    windows: usize,
    last: usize,
    /// Between the smallest and the largest after [`SETTLED`] windows.
    spread: usize,
}

impl Run {
    fn of(simulation: &mut Simulation) -> Run {
        let limits = simulation.run(SETTLED + WATCHED);
        let last = limits[limits.len() - 1];
        let windows = limits.iter().rposition(|limit| limit.abs_diff(last) > 2).map_or(0, |index| index + 1);
        let settled = &limits[SETTLED..];
        let spread = settled.iter().max().unwrap() - settled.iter().min().unwrap();
        Run { windows, last, spread }
    }

    /// Settled in time, within a fifth of the peak, and stayed within two of there.
    fn is_good(&self, peak: f64) -> bool {
        let allowed = (0.2 * peak).max(0.5); // a peak between two sizes
        self.windows <= SETTLED && self.spread <= 2 && (self.last as f64 - peak).abs() <= allowed
    }
}

/// The worst of many runs.
#[derive(Debug, Clone, Copy)]
struct Worst {
    windows: usize,
    smallest: usize,
    largest: usize,
    spread: usize,
}

impl Worst {
    fn none() -> Self {
        Worst { windows: 0, smallest: usize::MAX, largest: 0, spread: 0 }
    }

    fn add(&mut self, run: Run) {
        self.windows = self.windows.max(run.windows);
        self.smallest = self.smallest.min(run.last);
        self.largest = self.largest.max(run.last);
        self.spread = self.spread.max(run.spread);
    }
}

fn on(max: usize, start: usize) -> Controller {
    Controller::new(Sizing::On, 1, max, start)
}

/// A pool whose callers always want more than it has.
fn saturated(database: Database, max: usize, start: usize) -> Simulation {
    Simulation::new(database, Callers::Closed(4 * max), on(max, start))
}

fn seeds(noise: f64) -> std::ops::Range<u64> {
    if noise > 0.0 { 0..25 } else { 0..1 }
}

#[test]
fn the_limit_settles_at_the_peak_from_any_start_with_any_noise() {
    for max in [100, 200] {
        for peak in [4.0, 10.0, 25.0, 60.0] {
            for sigma in [0.0, 0.02, 0.05, 0.1] {
                for noise in [0.0, 0.05] {
                    let mut worst = Worst::none();
                    for start in [1, 5, max / 2, max] {
                        for seed in seeds(noise) {
                            let database = Database::with_peak(peak, sigma);
                            let mut simulation = saturated(database, max, start).noisy(noise, seed);
                            let run = Run::of(&mut simulation);
                            worst.add(run);
                            assert!(
                                run.is_good(peak),
                                "peak {peak}, sigma {sigma}, max {max}, start {start}, noise {noise}, seed {seed}: \
                                 {run:?}"
                            );
                        }
                    }
                    println!("max {max}, peak {peak}, sigma {sigma}, noise {noise}: {worst:?}");
                }
            }
        }
    }
}

#[test]
fn the_limit_settles_again_when_the_curve_changes() {
    for (peak, sigma, factor) in [
        (4.0, 0.05, 2.0),
        (10.0, 0.02, 2.0),
        (10.0, 0.05, 0.25),
        (25.0, 0.05, 2.0),
        (25.0, 0.05, 0.5),
        (60.0, 0.02, 2.0),
        (60.0, 0.05, 2.0),
    ] {
        let (mut worst, mut after) = (Worst::none(), 0.0);
        for start in [1, 5, 100] {
            for seed in seeds(0.05) {
                for at in [SETTLED, 200] {
                    let database = Database::with_peak(peak, sigma);
                    let mut simulation = saturated(database, 100, start).noisy(0.05, seed);
                    simulation.run(at);
                    simulation.database.kappa *= factor;
                    after = simulation.database.peak();
                    let run = Run::of(&mut simulation);
                    worst.add(run);
                    assert!(
                        run.is_good(after),
                        "peak {peak} to {after}, sigma {sigma}, start {start}, seed {seed}, at {at}: {run:?}"
                    );
                }
            }
        }
        println!("peak {peak} to {after:.1}, sigma {sigma}: {worst:?}");
    }
}

#[test]
fn a_changed_curve_that_keeps_its_peak_is_searched_ever_less_often() {
    let mut simulation = saturated(Database::with_peak(10.0, 0.02), 50, 50);
    simulation.run(SETTLED);
    let mut moved = 0;
    for change in 0..100 {
        simulation.database.lambda *= if change % 2 == 0 { 2.0 } else { 0.5 };
        let limits = simulation.run(40);
        moved += usize::from(limits.iter().any(|limit| limit.abs_diff(10) > 2));
    }
    assert!((1..=20).contains(&moved), "searched for {moved} of 100 changes");
    assert_eq!(simulation.controller.limit(), 10);
}

#[test]
fn a_bound_below_the_peak_is_the_peak() {
    for (max, peak) in [(2, 10.0), (3, 10.0), (20, 25.0), (50, 60.0)] {
        for start in [1, 2, max / 2, max] {
            for seed in seeds(0.05) {
                let mut simulation = saturated(Database::with_peak(peak, 0.02), max, start).noisy(0.05, seed);
                let run = Run::of(&mut simulation);
                assert!(
                    run.is_good(max as f64),
                    "peak {peak}, max {max}, start {start}, seed {seed}: {run:?}"
                );
            }
        }
    }
}

#[test]
fn a_floor_above_the_peak_is_the_limit() {
    for start in [20, 50, 100] {
        let database = Database::with_peak(5.0, 0.02);
        let controller = Controller::new(Sizing::On, 20, 100, start);
        let mut simulation = Simulation::new(database, Callers::Closed(400), controller).noisy(0.05, 1);
        let limits = simulation.run(SETTLED);
        assert_eq!(limits[SETTLED - 1], 20, "from {start}");
    }
}

#[test]
fn without_a_peak_the_limit_grows_while_callers_wait() {
    let database = Database { kappa: 0.0, ..Database::with_peak(10.0, 0.0) };
    for seed in seeds(0.05) {
        for start in [1, 50, 100] {
            let all = Run::of(&mut saturated(database, 100, start).noisy(0.05, seed));
            assert!(all.last >= 98 && all.windows <= SETTLED, "{all:?}");
            let few = Simulation::new(database, Callers::Closed(30), on(100, start));
            let limits = few.noisy(0.05, seed).run(400);
            assert!((31..=52).contains(&limits[399]), "thirty callers: {}", limits[399]);
        }
    }
}

#[test]
fn a_database_that_serves_one_at_a_time_gets_few() {
    let database = Database { kappa: 0.0, ..Database::with_peak(10.0, 1.0) };
    for seed in seeds(0.05) {
        let run = Run::of(&mut saturated(database, 20, 5).noisy(0.05, seed));
        assert!(run.last <= 12 && run.spread == 0, "{run:?}");
    }
    assert_eq!(Run::of(&mut saturated(database, 20, 5)).last, 1);
}

/// The law does not describe this one: throughput stops growing at once when all cores are busy.
#[test]
fn a_database_of_a_few_cores_is_given_a_few_times_as_many() {
    let database = Database { cores: 8.0, ..Database::with_peak(100.0, 0.0) };
    let best = (1..100).map(|n| database.throughput(f64::from(n))).fold(0.0, f64::max);
    for seed in seeds(0.05) {
        for start in [1, 5, 100] {
            let run = Run::of(&mut saturated(database, 100, start).noisy(0.05, seed));
            assert!(run.windows <= SETTLED && run.spread <= 2 && run.last <= 24, "{run:?}");
            assert!(database.throughput(run.last as f64) >= 0.95 * best, "{run:?}");
        }
    }
}

#[test]
fn a_light_load_gets_what_it_needs_and_head_room() {
    for (rate, peak) in [(50.0, 25.0), (1_000.0, 25.0), (1_200.0, 10.0), (4_000.0, 60.0), (10_000.0, 60.0)] {
        for start in [1, 5, 50, 100] {
            for seed in seeds(0.05) {
                let database = Database::with_peak(peak, 0.01);
                let mut simulation = Simulation::new(database, Callers::Open(rate), on(100, start));
                simulation = simulation.noisy(0.05, seed);
                let limits = simulation.run(500);
                let mean = simulation.step().offered;
                let least = (mean + 1.0).min(0.8 * peak);
                let most = (1.1 * (mean + 3.0 * mean.sqrt()) + 2.0).min(1.2 * peak);
                for limit in &limits[300..] {
                    let limit = *limit as f64;
                    assert!(
                        (least..=most).contains(&limit),
                        "mean {mean:.1}, start {start}, seed {seed}: {limit}"
                    );
                }
                let settled = &limits[300..];
                let spread = settled.iter().max().unwrap() - settled.iter().min().unwrap();
                assert!(spread <= 2, "mean {mean:.1}, start {start}, seed {seed}: {spread}");
            }
        }
    }
}

#[test]
fn one_quiet_window_takes_little_away() {
    let mut simulation =
        Simulation::new(Database::with_peak(60.0, 0.01), Callers::Open(4_000.0), on(100, 20));
    let before = simulation.run(100)[99];
    simulation.callers = Callers::Open(1.0);
    assert!(simulation.step().limit + 2 >= before);
    simulation.callers = Callers::Open(4_000.0);
    assert!(simulation.run(50).iter().all(|limit| limit + 2 >= before));
}

#[test]
fn demand_that_returns_is_met_soon() {
    for (peak, start) in [(25.0, 1), (25.0, 100), (60.0, 1), (60.0, 100)] {
        for known in [false, true] {
            let database = Database::with_peak(peak, 0.01);
            let (many, few) = (Callers::Closed(400), Callers::Open(200.0));
            let mut simulation = Simulation::new(database, if known { many } else { few }, on(100, start));
            simulation.run(100);
            simulation.callers = few;
            let low = simulation.run(600)[599];
            assert!(low <= 5, "{low}");
            simulation.callers = many;
            let limits = simulation.run(SETTLED);
            let within = if known { 2 } else { 12 };
            assert!(limits[within] as f64 >= 0.8 * peak, "known: {known}: {limits:?}");
            assert!((limits[SETTLED - 1] as f64 - peak).abs() <= 0.2 * peak, "known: {known}: {limits:?}");
        }
    }
}

/// Beyond the peak an open load that the database could serve stays stuck, because more wait than it serves.
#[test]
fn a_congested_database_is_relieved() {
    let database = Database::with_peak(10.0, 0.02);
    let rate = 0.8 * database.throughput(10.0);
    assert!(database.throughput(100.0) < 0.5 * rate, "at the largest size it cannot be served");
    let mut simulation = Simulation::new(database, Callers::Open(rate), on(100, 100)).noisy(0.05, 1);
    simulation.congest(2_000.0);
    let limits = simulation.run(400);
    assert!((8..=12).contains(&limits[399]), "{limits:?}");
    assert_eq!(simulation.backlog(), 0.0);
}

/// Windows in which nothing is given back while many wait.
fn outage(limit: usize) -> Window {
    Window { length: Duration::from_secs(1), limit, busy: limit as f64, waiting: 500, ..Window::default() }
}

#[test]
fn an_outage_changes_nothing() {
    for windows in [1, 3, 7, 20, 100] {
        let mut simulation = saturated(Database::with_peak(25.0, 0.05), 100, 100).noisy(0.05, 3);
        simulation.run(windows);
        let before = simulation.controller.limit();
        for _ in 0..100 {
            let advice = simulation.controller.observe(&outage(before));
            assert_eq!((advice.limit, advice.reason), (before, SizingReason::Disturbed));
        }
        // What was held up by the outage ends in the first window after it, and took very long.
        let mut late = simulation.window(before);
        late.use_time *= 100;
        assert_eq!(simulation.controller.observe(&late).limit, before);
        let run = Run::of(&mut simulation);
        assert!(run.is_good(25.0), "after {windows} windows: {run:?}");
    }
}

#[test]
fn empty_windows_change_nothing() {
    for windows in [1, 3, 7, 20, 100] {
        let mut simulation = saturated(Database::with_peak(25.0, 0.05), 100, 5);
        simulation.run(windows);
        let before = simulation.controller.limit();
        let empty = Window { length: Duration::from_secs(1), limit: before, ..Window::default() };
        for _ in 0..1_000 {
            let advice = simulation.controller.observe(&empty);
            assert_eq!((advice.limit, advice.reason), (before, SizingReason::Idle));
        }
        assert!(Run::of(&mut simulation).is_good(25.0));
    }
}

#[test]
fn disturbed_and_wild_windows_do_not_move_a_settled_limit() {
    let mut simulation = saturated(Database::with_peak(25.0, 0.05), 100, 5).noisy(0.05, 4);
    let settled = simulation.run(100)[99];
    for count in 0..200 {
        let mut window = simulation.window(settled);
        if count % 20 == 0 {
            window.use_time *= 50;
        }
        if count % 7 == 0 {
            window.disturbed = true;
            window.released = 100_000;
        }
        assert_eq!(simulation.controller.observe(&window).limit, settled, "window {count}");
    }
}

#[test]
fn a_slow_database_is_measured_over_several_windows() {
    let database = Database { lambda: 1.0, ..Database::with_peak(10.0, 0.02) };
    let mut simulation = saturated(database, 40, 40);
    let limits = simulation.run(2_000);
    assert!((8..=12).contains(&limits[1_999]), "{}", limits[1_999]);
}

#[test]
fn observing_recommends_the_peak_that_the_load_has_shown() {
    let database = Database::with_peak(15.0, 0.02);
    let controller = Controller::new(Sizing::Observe, 1, 80, 80);
    let mut simulation = Simulation::new(database, Callers::Closed(1), controller).noisy(0.03, 9);
    let mut observe = |callers: usize| {
        simulation.callers = Callers::Closed(callers);
        let window = simulation.window(80);
        simulation.controller.observe(&window)
    };
    let advice = observe(400);
    let advice = if advice.peak.is_none() { observe(400) } else { advice };
    assert_eq!((advice.limit, advice.current, advice.reason), (80, 80, SizingReason::Ceiling));
    for _ in 0..10 {
        assert!((1..=70).map(&mut observe).all(|advice| advice.current == 80));
    }
    let advice = observe(400);
    assert_eq!((advice.current, advice.reason), (80, SizingReason::Peak));
    assert!((12..=18).contains(&advice.limit), "{advice}");
    assert!(advice.gradient.unwrap() < 0.0, "at 80 in use it is beyond the peak: {advice}");
}

#[test]
fn observing_a_light_load_recommends_what_it_needs() {
    let controller = Controller::new(Sizing::Observe, 2, 50, 50);
    let mut simulation = Simulation::new(Database::with_peak(30.0, 0.01), Callers::Open(1_000.0), controller);
    let advice = (0..400).map(|_| simulation.window(50)).collect::<Vec<_>>();
    let advice = advice.iter().map(|window| simulation.controller.observe(window)).last().unwrap();
    assert!((5..=9).contains(&advice.limit), "{advice}");
    assert_eq!((advice.current, advice.reason), (50, SizingReason::Demand));
}

#[test]
fn off_leaves_everything_as_it_is() {
    let controller = Controller::new(Sizing::Off, 1, 50, 50);
    let mut simulation = Simulation::new(Database::with_peak(5.0, 0.01), Callers::Closed(400), controller);
    assert!(simulation.run(100).iter().all(|limit| *limit == 50));
}

#[test]
fn new_bounds_hold_at_once_and_keep_a_peak_inside_them() {
    let mut simulation = saturated(Database::with_peak(25.0, 0.02), 100, 100);
    let settled = simulation.run(SETTLED)[SETTLED - 1];
    simulation.controller.reconfigure(Sizing::On, 5, 200);
    assert!(simulation.run(20).iter().all(|limit| *limit == settled), "the peak is still known");
    simulation.controller.reconfigure(Sizing::On, 1, 10);
    assert_eq!(simulation.controller.limit(), 10);
    assert!(simulation.run(SETTLED).iter().all(|limit| (1..=10).contains(limit)));
    simulation.controller.reconfigure(Sizing::On, 40, 100);
    assert_eq!(simulation.controller.limit(), 40);
    simulation.controller.reconfigure(Sizing::On, 1, 100);
    let run = Run::of(&mut simulation);
    assert!(run.is_good(25.0), "{run:?}");
}

#[test]
fn bounds_that_leave_no_choice_are_kept() {
    for (min, max, only) in [(0, 0, 1), (7, 7, 7), (9, 3, 9)] {
        let controller = Controller::new(Sizing::On, min, max, 5);
        let mut simulation =
            Simulation::new(Database::with_peak(5.0, 0.01), Callers::Closed(400), controller);
        assert!(simulation.run(200).iter().all(|limit| *limit == only));
    }
}

#[test]
fn advice_reads_as_one_line() {
    let mut simulation = saturated(Database::with_peak(12.0, 0.02), 40, 40);
    let shrinking = (0..SETTLED).map(|_| simulation.step()).find(|advice| advice.peak.is_some()).unwrap();
    insta::assert_snapshot!(shrinking, @"grow to 12: callers wait, and no other size serves more of them; 5.0 of 5 in use (100 %), 2056.0 uses/s of 2.43ms, 100 % of acquires waited (75.4ms on average), 1 % more in use changes throughput by +0.67 %, peak at 12");
    insta::assert_snapshot!(simulation.step(), @"hold 12: callers wait, and no other size serves more of them; 12.0 of 12 in use (100 %), 2832.0 uses/s of 4.24ms, 100 % of acquires waited (52.3ms on average), 1 % more in use changes throughput by +0.00 %, peak at 12");
    let empty = Window { length: Duration::from_secs(1), limit: 12, ..Window::default() };
    insta::assert_snapshot!(simulation.controller.observe(&empty), @"hold 12: nothing was used, peak at 12");
    simulation.callers = Callers::Open(1_000.0);
    simulation.run(300);
    insta::assert_snapshot!(simulation.step(), @"hold 8: mean use and head-room; 2.1 of 8 in use (26 %), 1000.0 uses/s of 2.07ms, 0 % of acquires waited (503ns on average), 1 % more in use changes throughput by +0.92 %, peak at 12");
}

fn duration() -> impl Strategy<Value = Duration> {
    prop_oneof![
        Just(Duration::ZERO),
        Just(Duration::MAX),
        Just(Duration::from_nanos(1)),
        (0_u64..2_000).prop_map(Duration::from_millis),
    ]
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![Just(0), Just(1), Just(u64::MAX), 0_u64..5_000]
}

prop_compose! {
    fn window()(
        length in duration(),
        limit in prop_oneof![0_usize..200, Just(usize::MAX)],
        busy in prop_oneof![
            0.0..200.0, Just(0.0), Just(-1.0), Just(f64::NAN), Just(f64::INFINITY), Just(f64::MAX), Just(1e-300),
        ],
        (released, use_time) in (count(), duration()),
        (acquired, waited, wait_time) in (count(), count(), duration()),
        waiting in prop_oneof![Just(0), 0_usize..500, Just(usize::MAX)],
        disturbed in prop::bool::weighted(0.05),
    ) -> Window {
        Window { length, limit, busy, released, use_time, acquired, waited, wait_time, waiting, disturbed }
    }
}

fn mode() -> impl Strategy<Value = Sizing> {
    prop_oneof![Just(Sizing::On), Just(Sizing::On), Just(Sizing::Observe), Just(Sizing::Off)]
}

fn bound() -> impl Strategy<Value = usize> {
    prop_oneof![0_usize..20, 0_usize..1_000, Just(1_000_000), Just(usize::MAX)]
}

proptest! {
    #[test]
    fn no_window_moves_the_limit_out_of_its_bounds(
        (mode, min, max, start) in (mode(), bound(), bound(), bound()),
        windows in prop::collection::vec((window(), any::<bool>()), 0..120),
        again in (mode(), bound(), bound()),
    ) {
        let mut controller = Controller::new(mode, min, max, start);
        let mut bounds = min.max(1)..=max.max(min.max(1));
        for (index, (window, full)) in windows.iter().enumerate() {
            if index == 60 {
                let (mode, min, max) = again;
                controller.reconfigure(mode, min, max);
                bounds = min.max(1)..=max.max(min.max(1));
                prop_assert!(bounds.contains(&controller.limit()));
            }
            let mut window = *window;
            if *full {
                // So that searches begin, too.
                window.limit = controller.limit();
                window.busy = window.limit as f64;
                window.waited = window.acquired;
            }
            let advice = controller.observe(&window);
            prop_assert!(bounds.contains(&advice.limit));
            prop_assert_eq!(advice.limit, controller.limit());
            for number in [advice.offered, advice.utilization, advice.waited, advice.throughput] {
                prop_assert!(number.is_finite() && number >= 0.0, "{:?}", advice);
            }
            prop_assert!(advice.gradient.is_none_or(f64::is_finite));
            prop_assert!(!advice.to_string().is_empty());
        }
    }
}
