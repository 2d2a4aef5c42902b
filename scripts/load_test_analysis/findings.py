"""What a result says beyond its figures. All rules and all their limits stand in one table: RULES, at the end."""

import statistics
from dataclasses import dataclass
from typing import Callable, Optional

from .figures import count, duration, plural, printable, three_digits
from .result import samples_needed

# From this share of its connections in use on, a pool is taken to be saturated.
# Waits shorter than this are not felt, however much longer than the usual one.
FELT_US = 1_000
SATURATED = 0.95

PROBLEM, WARNING, NOTE = "problem", "warning", "note"


@dataclass(frozen=True)
class Finding:
    rule: str
    severity: str
    text: str


@dataclass(frozen=True)
class Rule:
    """`judge(result, limit)` says in one sentence what it sees, or None."""

    name: str
    severity: str
    limit: Optional[float]
    meaning: str
    judge: Callable


def judge(result):
    found = []
    for rule in RULES:
        text = rule.judge(result, rule.limit)
        if text is not None:
            found.append(Finding(rule.name, rule.severity, text))
    return found


def busy_share(result):
    """How much of the pool was in use: Little's law on the run's own rate and holding time, else the samples."""
    size = result.run.pool_size
    use = result.phases.get("use")
    if not size:
        return None
    if result.throughput and result.throughput.mean is not None and use and use.mean is not None:
        return min(1.0, result.throughput.mean * use.mean / 1e6 / size)
    in_use = result.timeline.known("inUse") if result.timeline else []
    return min(1.0, statistics.fmean(in_use) / size) if in_use else None


def empty_intervals(result):
    """When (in milliseconds) nothing succeeded although somebody was waiting, working or failing."""
    timeline = result.timeline
    if timeline is None:
        return []
    empty = []
    for index, ok in enumerate(timeline["ok"]):
        demand = [timeline[name][index] for name in ("failed", "pending", "inUse") if timeline[name]]
        if ok == 0 and any(demand):
            start = timeline["tMs"][index] if timeline["tMs"] else None
            empty.append(index * timeline.interval_ms if start is None else start)
    return empty


def _unfinished(result, _limit):
    if result.run.status in (None, "completed"):
        return None
    measured = result.run.measured_ms
    covers = f"; the figures cover {duration(measured * 1000)}" if measured is not None else ""
    return f"the run was not completed ({printable(result.run.status)}){covers}"


def _accounting(result, _limit):
    attempts = result.attempts
    parts = [attempts.get(key) for key in ("ok", "failed", "skipped", "stillWaiting", "stillInUse")]
    if None not in parts and attempts.get("offered") not in (None, sum(parts)):
        return f"{count(attempts['offered'])} attempts were offered, but their outcomes add up to {count(sum(parts))}"
    for phase in result.phases.values():
        if phase.source is not None and phase.source.total != phase.count:
            held = count(phase.source.total)
            return f"{phase.label}: the histogram holds {held} values, count says {count(phase.count)}"
    if result.cycle.count > result.total:
        return f"connectionTimes holds {count(result.cycle.count)} times of {count(result.total)} attempts"
    return None


def _leak(result, _limit):
    leaks = result.leaks
    if leaks is None:
        return None
    if leaks.handles:
        return f"leak: {plural(leaks.handles, 'connection')} not given back"
    if leaks.ledger_balanced is False:
        return "leak: created minus closed is not what the pool says it has"
    if leaks.status == "fail":
        return "leak check failed" + "".join(f": {printable(text)}" for text in leaks.findings[:1])
    return None


def _starvation(result, limit):
    starved = result.fairness.starved if result.fairness else None
    if starved is None or starved <= limit:
        return None
    of = f" of {count(result.run.threads)}" if result.run.threads is not None else ""
    return f"starvation: {count(starved)}{of} threads got no connection for too long; their waits are in no percentile"


def _outage(result, limit):
    empty = empty_intervals(result)
    if len(empty) <= limit:
        return None
    lasted = duration(len(empty) * result.timeline.interval_ms * 1000)
    return f"outage: {lasted} without a success while there was work, first {duration(empty[0] * 1000)} into the run"


def _pool_bound(result, limit):
    wait, use, busy = result.phases.get("acquireWait"), result.phases.get("use"), busy_share(result)
    if wait is None or use is None or busy is None or busy <= limit:
        return None
    wait_p50, use_p50 = wait.percentile("50"), use.percentile("50")
    if wait_p50 is None or use_p50 is None or wait_p50 <= use_p50:
        return None
    times = f"wait/use = {three_digits(wait_p50 / use_p50)}" if use_p50 else "waiting takes all the time"
    return f"pool-bound: {times}, busy {busy * 100:.0f} %: add connections or hold them for less time"


def _oversized(result, limit):
    size = result.run.pool_size
    in_use = sorted(result.timeline.known("inUse")) if result.timeline else []
    # A sample per second misses short peaks; with few samples only the peak counts.
    used = in_use[-(-len(in_use) * 99 // 100) - 1] if len(in_use) >= 30 else result.pool_peak_in_use
    if not size or used is None or used >= limit * size:
        return None
    return f"oversized: {used:.0f} of {count(size)} connections were enough for 99 % of the time"


def _churn(result, limit):
    size, created = result.run.pool_size, result.pool_created
    if not size or created is None or result.faults or created <= limit * size:
        return None
    return (
        f"churn: {count(created)} connections opened for a pool of {count(size)} and no fault injected: "
        "look at max_lifetime, idle_timeout and why connections break"
    )


def _tail(result, limit):
    wait, busy = result.phases.get("acquireWait"), busy_share(result)
    if wait is None or busy is None or busy <= SATURATED:
        return None
    p50, p99 = wait.percentile("50"), wait.percentile("99")
    if not p50 or p99 is None or p99 < FELT_US or p99 / p50 <= limit:
        return None
    overtakes = result.fairness.overtakes.get("p99") if result.fairness else None
    seen = f" (overtakes p99 {count(overtakes)})" if overtakes is not None else ""
    return f"tail: wait p99 is {three_digits(p99 / p50)} × p50 in a saturated pool: unfair, or something stalls{seen}"


def _near_timeout(result, limit):
    wait, timeout = result.phases.get("acquireWait"), result.run.acquire_timeout_ms
    if wait is None or wait.maximum is None or not timeout or wait.maximum < limit * timeout * 1000:
        return None
    timed_out = sum(error.count for error in result.errors or [] if error.kind == "acquireTimeout")
    return (
        f"timeouts at the limit: the longest wait was {duration(wait.maximum)} of {duration(timeout * 1000)} allowed, "
        f"{count(timed_out)} timed out"
    )


def _drift(result, limit):
    p99 = result.timeline.known("acquireP99Us") if result.timeline else []
    quarter = len(p99) // 4
    if quarter < 2:
        return None
    first, last = statistics.median(p99[:quarter]), statistics.median(p99[-quarter:])
    if last <= limit * first:
        return None
    return f"drift: wait p99 grew from {duration(first)} in the first quarter to {duration(last)} in the last"


def _few_samples(result, limit):
    shown = result.headline
    if shown.count >= limit:
        return None
    return f"not enough samples: {plural(shown.count, 'value')} of {shown.label}, p99 needs {count(limit)}: run longer"


def _generator(result, _limit):
    if not result.run.generator_saturated:
        return None
    cpu = result.run.generator_cpu_pct
    used = f" ({cpu:.0f} % of its processors)" if cpu is not None else ""
    return f"generator saturated{used}: the load tester was the bottleneck, the pool may be faster than this"


def _closed_loop(result, _limit):
    if result.run.model != "closed":
        return None
    seen = "no timeline to look at"
    if result.timeline is not None:
        interval = duration(result.timeline.interval_ms * 1000)
        seen = f"{count(len(empty_intervals(result)))} empty intervals of {interval} seen"
    return f"closed loop: callers slow down with the pool, so percentiles cannot show outages ({seen})"


RULES = (
    Rule("unfinished", WARNING, None, "the run ended before its time", _unfinished),
    Rule("accounting", PROBLEM, None, "the file contradicts itself", _accounting),
    Rule("leak", PROBLEM, None, "connections were not given back", _leak),
    Rule("starvation", PROBLEM, 0, "starved threads", _starvation),
    Rule("outage", PROBLEM, 0, "intervals without a success while there was work", _outage),
    Rule("poolBound", WARNING, SATURATED, "busy share above which wait p50 > use p50 counts", _pool_bound),
    Rule("oversized", NOTE, 0.5, "share of the connections in use at p99", _oversized),
    Rule("churn", WARNING, 3, "connections opened per connection of the pool, without faults", _churn),
    Rule("tail", WARNING, 3, "wait p99 / p50 in a saturated pool", _tail),
    Rule("nearTimeout", WARNING, 0.9, "longest wait as a share of the acquire timeout", _near_timeout),
    Rule("drift", WARNING, 1.5, "wait p99 of the last quarter / of the first", _drift),
    Rule("fewSamples", NOTE, samples_needed("99"), "values below which p99 means little", _few_samples),
    Rule("generatorSaturated", WARNING, None, "the load tester itself was the bottleneck", _generator),
    Rule("closedLoop", NOTE, None, "a closed loop hides outages", _closed_loop),
)
