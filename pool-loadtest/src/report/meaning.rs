//! What the figures of a result mean, in sentences. Pure.

use super::text::{grouped, shown_ms};
use crate::failure::ErrorKind;
use crate::result::{Distribution, LoadResult};

/// Above this share of its connections in use a pool counts as saturated.
const SATURATED: f64 = 0.95;

/// Needing less than this share of its connections, a pool counts as larger than it needs to be.
const OVERSIZED: f64 = 0.5;

/// Waiting that makes up less than this part of a cycle is not worth a word.
const NEGLIGIBLE_WAIT: f64 = 0.05;

/// In order of arrival the longest waits are near the usual one; so many times as long is worth a word.
const LONG_TAIL: f64 = 3.0;

/// Waits shorter than this are not felt, however much longer than the usual one.
const FELT_US: f64 = 1_000.0;

/// By how much, in parts of the greater, two accounts of the same thing may differ.
const TOLERANCE: f64 = 0.1;

/// Differences of less than this many callers or connections are not looked at: a hundred samples a second cannot
/// tell them apart.
const NEGLIGIBLE_COUNT: f64 = 1.0;

/// Runs measured for less than this have too few samples to compare the accounts.
const SHORTEST_TO_COMPARE_MS: f64 = 3_000.0;

/// The share of the pool that was in use on average, by its own gauge; `None` if nobody looked.
pub(super) fn busy(result: &LoadResult) -> Option<f64> {
    let size = result.config.pool.size as f64;
    result.pool.in_use_mean.map(|in_use| in_use / size)
}

/// What follows from the figures, most important first.
pub(super) fn says(result: &LoadResult) -> Vec<String> {
    let mut says = Vec::new();
    says.extend(sizing(result));
    says.extend(unfair(result));
    says.extend(outage(result));
    says.extend(generator(result));
    says.extend(cross_check(result));
    if result.run.tool.profile == "debug" {
        says.push(String::from("This is a debug build: an optimised one is several times as fast."));
    }
    says
}

/// Little's law: how many connections the work needs at any moment, against how many there are.
fn sizing(result: &LoadResult) -> Option<String> {
    let (wait, used) = (result.phases.acquire_wait.mean?, result.phases.r#use.mean?);
    let size = result.config.pool.size;
    let needed = result.throughput.mean * used / 1e6;
    let busy = busy(result)?;
    let need = format!(
        "By its rate and the time each is used, this load needs {needed:.1} connections at any moment, and has {size}"
    );
    let advice = if result.environment.generator.saturated {
        "the processor is busy too, so more connections may not help on this machine"
    } else {
        "add connections, or use each for less time"
    };
    if let Some(timeouts) = result.errors.by_kind.get(&ErrorKind::AcquireTimeout) {
        let callers = grouped(timeouts.count);
        return Some(format!("{callers} callers got no connection in time; {advice}."));
    }
    if busy > SATURATED && wait > used {
        let ratio = wait / used;
        return Some(format!(
            "Callers wait {ratio:.1}× as long as they work, and all {size} connections are in use: the pool is the \
             bottleneck; {advice}. How many this load could use cannot be read from a saturated run."
        ));
    }
    if wait < NEGLIGIBLE_WAIT * (wait + used) {
        let oversized = needed < OVERSIZED * size as f64;
        let large =
            if oversized { "the pool is larger than it needs to be" } else { "the pool is large enough" };
        return Some(format!("Hardly anyone waits: {large}. {need}."));
    }
    let part = wait / (wait + used) * 100.0;
    Some(format!("Callers spend {part:.0} % of their time waiting for a connection. {need}."))
}

fn unfair(result: &LoadResult) -> Option<String> {
    let fairness = &result.fairness;
    if fairness.starved_threads > 0 {
        return Some(format!(
            "{} of {} threads went without a connection for too long; waits that never ended are in no percentile. \
             A caller was overtaken by up to {} that came later.",
            fairness.starved_threads,
            result.config.load.threads,
            grouped(fairness.overtakes.max)
        ));
    }
    let saturated = busy(result).is_some_and(|busy| busy > SATURATED);
    let felt = result.phases.acquire_wait.p99.is_some_and(|p99| p99 >= FELT_US);
    let ratio = fairness.wait_tail_ratio.filter(|ratio| saturated && felt && *ratio > LONG_TAIL)?;
    // In order of arrival a caller is overtaken by a few that are under way at the same moment.
    let in_order = fairness.overtakes.p99 <= result.config.pool.size as u64;
    let why = if in_order {
        "callers are served in order, so something stalls now and then"
    } else {
        "callers are served out of order"
    };
    Some(format!("The pool is saturated and 1 % of the waits are over {ratio:.1}× the usual one: {why}."))
}

/// A closed loop stops asking while nobody answers, so its percentiles know nothing of an outage.
fn outage(result: &LoadResult) -> Option<String> {
    let series = &result.timeline.series;
    let demand = |index: usize| {
        let at = |gauge: &[Option<u64>]| gauge.get(index).copied().flatten().unwrap_or(0);
        series.failed[index] + at(&series.pending) + at(&series.in_use) > 0
    };
    let empty = (0..series.ok.len()).filter(|index| series.ok[*index] == 0 && demand(*index)).count();
    let interval = shown_ms(result.timeline.interval_ms);
    let seen = match empty {
        0 => format!("no {interval} passed without a success"),
        1 => format!("1 interval of {interval} passed without a success although there was work"),
        empty => format!("{empty} intervals of {interval} passed without a success although there was work"),
    };
    (result.total_connections > 0).then(|| {
        format!("Closed loop: callers slow down with the pool, so these percentiles cannot show an outage; {seen}.")
    })
}

fn generator(result: &LoadResult) -> Option<String> {
    let generator = &result.environment.generator;
    generator.saturated.then(|| {
        let embedded = if result.config.backend == "sqlite" { ", the database's part included" } else { "" };
        format!(
            "The load tester used {:.0} % of its processors{embedded}: the figures tell of this machine as much as of \
             the pool.",
            generator.cpu_util_pct
        )
    })
}

/// Little's law again, to check the gauges against the clock: what waits at any moment is the rate times the wait.
fn cross_check(result: &LoadResult) -> Option<String> {
    let measured = result.run.measured_ms;
    if measured < SHORTEST_TO_COMPARE_MS {
        return None;
    }
    let by_clock = |phase: &Distribution| Some(phase.count as f64 * phase.mean? / 1e3 / measured);
    let differ = |gauge: f64, clock: f64| {
        let difference = (gauge - clock).abs();
        difference > NEGLIGIBLE_COUNT && difference > TOLERANCE * gauge.max(clock)
    };
    [
        ("waiting", Some(result.queue.depth_mean), by_clock(&result.phases.acquire_wait)),
        ("in use", result.pool.in_use_mean, by_clock(&result.phases.r#use)),
    ]
    .into_iter()
    .find_map(|(what, gauge, clock)| {
        let (gauge, clock) = (gauge?, clock?);
        differ(gauge, clock).then(|| {
            format!(
                "The pool's gauge says that {gauge:.1} were {what} on average, rate and time say {clock:.1}: one of them \
                 is wrong, or the samples were taken at bad moments."
            )
        })
    })
}
