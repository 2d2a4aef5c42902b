//! Puts the parts of a finished run together into its result.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use pool_core::{CloseReason, PoolCounters, PoolOptions, PoolSnapshot};

use crate::clock::{Schedule, millis, utc, utc_compact};
use crate::duration::shown;
use crate::load::Loaded;
use crate::plan::Plan;
use crate::redact::redact;
use crate::result::{
    Config, Environment, Event, LeakCheck, Load, LoadResult, Phases, PoolReport, PoolSummary, PoolTotals,
    RaisedAlert, Run, Throughput, Tool, Units,
};
use crate::sampler::gauges;
use crate::subject::Description;
use crate::timeline::{Rates, series};
use crate::verdict::{Facts, Judgement, judge};
use crate::witness::Witness;
use crate::worker::PAUSE;

/// Everything that a finished run left behind.
pub(crate) struct Parts<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) schedule: Schedule,
    /// As the pool has them.
    pub(crate) options: PoolOptions,
    pub(crate) description: Description,
    pub(crate) loaded: Loaded,
    /// When all cycles had ended.
    pub(crate) at_end: PoolSnapshot,
    pub(crate) leak_check: LeakCheck,
    pub(crate) alerts: Vec<RaisedAlert>,
    /// Whether anybody looked for any.
    pub(crate) is_monitored: bool,
    pub(crate) environment: Environment,
    pub(crate) witness: &'a Witness,
    pub(crate) started_at: SystemTime,
    pub(crate) ended_at: SystemTime,
}

pub(crate) fn assemble(parts: Parts<'_>) -> LoadResult {
    let Parts { plan, schedule, options, description, loaded, at_end, .. } = parts;
    let (figures, samples) = (loaded.figures, loaded.samples);
    let Judgement { status, verdict, exit_code } = judge(&Facts {
        attempts: &figures.attempts,
        errors: &figures.errors,
        leak_check: &parts.leak_check,
        unfair: figures.unfair,
        panicked: loaded.panicked,
        signal: loaded.signal,
        lasted: loaded.lasted,
        planned: plan.duration,
    });
    let (queue, in_use_mean) = (samples.queue(), samples.in_use_mean());
    let warm_up = plan.warm_up().min(loaded.lasted);
    let (timeline, rates) =
        series(figures.track, samples.track, loaded.before, millis(plan.warm_up()), loaded.measured);
    LoadResult {
        schema_version: "1.1.0",
        total_connections: figures.attempts.ok + figures.attempts.failed,
        successful_connections: figures.attempts.ok,
        failed_connections: figures.attempts.failed,
        connection_times: figures.times,
        connection_times_sample: figures.times_sample,
        units: Units::default(),
        run: Run {
            id: format!("{}-{:04x}", utc_compact(parts.started_at), fastrand::u16(..)),
            status,
            started_at: utc(parts.started_at),
            ended_at: utc(parts.ended_at),
            warmup_ms: millis(warm_up),
            measured_ms: millis(loaded.measured),
            drain_ms: millis(loaded.drained),
            exit_code,
            seed: plan.seed.to_string(),
            command: plan.command.iter().map(|argument| redact(argument)).collect(),
            tags: BTreeMap::new(),
            tool: tool(),
        },
        config: Config {
            scenario: "bursts",
            backend: description.backend,
            url: description.url,
            pool: pool_summary(&options),
            load: load(plan),
        },
        environment: parts.environment,
        phases: Phases {
            acquire_wait: figures.acquire_wait,
            connect: parts.witness.connects(),
            r#use: figures.r#use,
            release: figures.release,
            response: figures.response,
        },
        throughput: throughput(figures.attempts.ok, loaded.measured, rates),
        attempts: figures.attempts,
        errors: figures.errors,
        fairness: figures.fairness,
        queue,
        timeline,
        events: events(plan, parts.witness, &schedule),
        pool: PoolReport {
            at_end: gauges(&at_end.stats),
            peak: samples.peak,
            counters: totals(&at_end.counters),
            in_use_mean,
        },
        faults: [],
        leak_check: parts.leak_check,
        is_monitored: parts.is_monitored,
        alerts: parts.alerts,
        verdict,
    }
}

fn tool() -> Tool {
    Tool {
        name: env!("CARGO_PKG_NAME"),
        version: env!("CARGO_PKG_VERSION"),
        git_commit: option_env!("LOADTEST_COMMIT"),
        rustc: env!("LOADTEST_RUSTC"),
        profile: env!("LOADTEST_PROFILE"),
        features: vec!["sqlite"],
    }
}

fn pool_summary(options: &PoolOptions) -> PoolSummary {
    // 0 switches these off.
    let unless_never = |duration: Duration| (!duration.is_zero()).then(|| millis(duration));
    PoolSummary {
        implementation: "pool-core",
        size: options.max_connections,
        min_idle: options.min_connections.max(options.min_idle),
        acquire_timeout_ms: Some(millis(options.acquire_timeout)),
        max_lifetime_ms: unless_never(options.max_lifetime),
        idle_timeout_ms: unless_never(options.idle_timeout),
        validate_on_acquire: if options.validate_after_idle.is_zero() {
            String::from("always")
        } else {
            format!("ifIdleOver:{}", shown(options.validate_after_idle))
        },
        fairness: "fifo",
    }
}

fn load(plan: &Plan) -> Load {
    Load {
        model: "closed",
        threads: plan.threads,
        connections_per_thread: Some(plan.connections_per_thread),
        duration_ms: Some(millis(plan.duration)),
        rate_per_sec: None,
        arrival: "none",
        stages: [],
        hold: "query",
        think: format!("const:{} after each burst", shown(PAUSE)),
        mix: BTreeMap::from([("read", 1.0)]),
    }
}

fn throughput(ok: u64, measured: Duration, rates: Rates) -> Throughput {
    let mean = if measured.is_zero() { 0.0 } else { ok as f64 / measured.as_secs_f64() };
    Throughput {
        mean,
        std_err: rates.mean.map(|mean| mean.std_err),
        effective_samples: rates.mean.map(|mean| mean.effective_samples),
        peak_second: rates.peak.unwrap_or(mean),
        offered: None,
        achieved_ratio: None,
    }
}

fn events(plan: &Plan, witness: &Witness, schedule: &Schedule) -> Vec<Event> {
    let note = |note: &String| Event { t_ms: 0.0, kind: NOTE, detail: redact(note) };
    plan.notes.iter().map(note).chain(witness.events(schedule)).collect()
}

/// The kind of event that tells of a decision nobody asked for in so many words.
pub(crate) const NOTE: &str = "note";

fn totals(counters: &PoolCounters) -> PoolTotals {
    PoolTotals {
        created: counters.created,
        create_failed: counters.connect_failed,
        acquired: counters.acquired,
        released: counters.released,
        timeouts: counters.timed_out,
        validations: counters.validations,
        validation_failures: counters.validations_failed,
        closed: counters.closed.iter().map(|(reason, count)| (camel_case(reason), count)).collect(),
    }
}

/// `max_lifetime` is `maxLifetime` in JSON.
fn camel_case(reason: CloseReason) -> String {
    let mut words = reason.as_str().split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(1);
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_spelled_as_json_keys() {
        assert_eq!(camel_case(CloseReason::MaxLifetime), "maxLifetime");
        assert_eq!(camel_case(CloseReason::Broken), "broken");
    }

    #[test]
    #[expect(
        clippy::field_reassign_with_default,
        reason = "`PoolOptions` is non-exhaustive: no literal outside its crate"
    )]
    fn zero_means_never_and_always() {
        let mut options = PoolOptions::default();
        options.max_lifetime = Duration::ZERO;
        options.validate_after_idle = Duration::ZERO;
        let summary = pool_summary(&options);
        assert_eq!(summary.max_lifetime_ms, None);
        assert_eq!(summary.idle_timeout_ms, Some(300_000.0));
        assert_eq!(summary.validate_on_acquire, "always");
        assert_eq!(pool_summary(&PoolOptions::default()).validate_on_acquire, "ifIdleOver:500ms");
    }

    #[test]
    fn nothing_measured_is_no_throughput() {
        let none = Rates { peak: None, mean: None };
        let throughput = throughput(0, Duration::ZERO, none);
        assert_eq!((throughput.mean, throughput.peak_second, throughput.std_err), (0.0, 0.0, None));
    }
}
