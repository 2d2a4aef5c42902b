"""The facts of one run, as loading.py finds them in its JSON.

Two kinds of file are results: a full one (pool-loadtest/result.schema.json) and a seed-only one, which has just
totalConnections, successfulConnections, failedConnections and connectionTimes. Whatever a file does not tell is
None or empty here, never 0. Durations of phases are
microseconds, as in the file; the times of whole cycles (connectionTimes, milliseconds) become microseconds too.
"""

import math
import statistics
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Optional

from . import hdr

# Key in `phases` -> what a reader calls it, in the order of a connection's life.
PHASES = {
    "acquireWait": "acquire wait",
    "connect": "connect",
    "use": "use",
    "release": "release",
    "response": "response",
    "scheduleLag": "schedule lag",
}
CYCLE = "connectionTimes"
CYCLE_LABEL = "whole cycle"

# Key in a distribution -> percent. Text, not float: 99.9 must be exact.
PERCENTILE_KEYS = {
    "p50": "50",
    "p75": "75",
    "p90": "90",
    "p95": "95",
    "p99": "99",
    "p99_9": "99.9",
    "p99_99": "99.99",
}

# A percentile is worth showing from this many values beyond it on (so p99 needs 1,000 values), the load tester's
# own rule for `reliableUpTo`; with less than one beyond it is only another name for the maximum.
SAMPLES_BEYOND = 10


# What makes two runs comparable, and how it is called.
SETTINGS = {
    "scenario": "scenario",
    "backend": "backend",
    "implementation": "pool",
    "pool_size": "pool size",
    "threads": "threads",
    "model": "model",
    "rate_per_sec": "rate",
    "hold": "hold",
    "acquire_timeout_ms": "acquire timeout (ms)",
}


class Samples:
    """Single values, where there is no histogram; answers like one."""

    def __init__(self, values):
        self.values = sorted(values)
        self.total = len(self.values)

    def __add__(self, other):
        return Samples(self.values + other.values)

    def buckets(self):
        return [(value, value, 1) for value in self.values]

    def percentile(self, percent):
        return self.values[hdr.nearest_rank(percent, self.total) - 1] if self.values else None


@dataclass
class Distribution:
    """How long one phase took, in microseconds."""

    key: str
    label: str
    count: int
    mean: Optional[float] = None
    stddev: Optional[float] = None
    minimum: Optional[float] = None
    maximum: Optional[float] = None
    given: dict[str, float] = field(default_factory=dict)  # percent -> value, as the file states it
    source: Optional[object] = None  # Histogram or Samples
    scale: float = 1.0  # microseconds in one unit of `source`
    censored: int = 0  # still under way when the run ended: they count nowhere else
    censored_max: Optional[float] = None

    def samples_beyond(self, percent):
        return self.count * (100 - Fraction(percent)) / 100

    def is_reliable(self, percent):
        return self.samples_beyond(percent) >= SAMPLES_BEYOND

    def percentile(self, percent):
        """The file's own figure, else one from its histogram; None when no value lies beyond it."""
        if percent in self.given:
            return self.given[percent]
        if self.source is None or self.samples_beyond(percent) < 1:
            return None
        value = self.source.percentile(percent)
        return None if value is None else value * self.scale

    def buckets(self):
        if self.source is None:
            return []
        return [(low * self.scale, high * self.scale, count) for low, high, count in self.source.buckets()]


def samples_needed(percent):
    """How many values a percentile needs to be worth showing."""
    return math.ceil(SAMPLES_BEYOND * 100 / (100 - Fraction(percent)))


def from_samples(values_ms):
    """The distribution of whole cycles, from their times in milliseconds."""
    if not values_ms:
        return Distribution(CYCLE, CYCLE_LABEL, 0)
    return Distribution(
        CYCLE,
        CYCLE_LABEL,
        count=len(values_ms),
        mean=statistics.fmean(values_ms) * 1000,
        stddev=statistics.pstdev(values_ms) * 1000,
        minimum=min(values_ms) * 1000,
        maximum=max(values_ms) * 1000,
        source=Samples(values_ms),
        scale=1000.0,
    )


@dataclass
class Timeline:
    """What happened per interval; `series[name][i]` is None where nothing was measured."""

    interval_ms: float
    series: dict[str, list[Optional[float]]]

    def __getitem__(self, name):
        return self.series.get(name, [])

    def known(self, name):
        return [value for value in self[name] if value is not None]


@dataclass
class ErrorKind:
    kind: str
    count: int
    phase: Optional[str]
    first_ms: Optional[float]
    last_ms: Optional[float]
    sample: Optional[str]


@dataclass
class Run:
    status: Optional[str] = None
    started_at: Optional[str] = None
    measured_ms: Optional[float] = None
    scenario: Optional[str] = None
    backend: Optional[str] = None
    implementation: Optional[str] = None
    pool_size: Optional[int] = None
    acquire_timeout_ms: Optional[float] = None
    model: Optional[str] = None
    threads: Optional[int] = None
    rate_per_sec: Optional[float] = None
    hold: Optional[str] = None
    generator_saturated: Optional[bool] = None
    generator_cpu_pct: Optional[float] = None


@dataclass
class Throughput:
    mean: Optional[float]
    std_err: Optional[float]
    peak: Optional[float]


@dataclass
class Fairness:
    jain: Optional[float]
    tail_ratio: Optional[float]
    starved: Optional[int]
    longest_gap_ms: Optional[float]
    overtakes: dict[str, Optional[int]]


@dataclass
class Leaks:
    status: Optional[str]
    handles: Optional[int]
    ledger_balanced: Optional[bool]
    findings: list[str]

    @property
    def performed(self):
        return self.status in ("pass", "fail")


@dataclass
class Fault:
    kind: Optional[str]
    detected_ms: Optional[float]
    first_success_ms: Optional[float]
    recovered_ms: Optional[float]


@dataclass
class Threshold:
    expr: Optional[str]
    ok: Optional[bool]
    actual: Optional[float]


@dataclass
class Result:
    """One run. `name` is the file as the user named it."""

    name: str
    total: int
    ok: int
    failed: int
    cycle: Distribution
    cycle_sampled_of: Optional[int] = None  # how many cycles connectionTimes is a sample of
    phases: dict[str, Distribution] = field(default_factory=dict)
    run: Run = field(default_factory=Run)
    throughput: Optional[Throughput] = None
    attempts: dict[str, int] = field(default_factory=dict)
    errors: Optional[list[ErrorKind]] = None
    fairness: Optional[Fairness] = None
    queue: dict[str, Optional[float]] = field(default_factory=dict)
    timeline: Optional[Timeline] = None
    faults: list[Fault] = field(default_factory=list)
    pool_peak_in_use: Optional[int] = None
    pool_created: Optional[int] = None
    leaks: Optional[Leaks] = None
    rss_slope: Optional[float] = None
    verdict: Optional[str] = None
    reasons: list[str] = field(default_factory=list)
    thresholds: list[Threshold] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    seed_only: bool = False
    merged_from: int = 1

    def distributions(self):
        """What the percentile table shows: the phases, or the whole cycles where there are none."""
        measured = [phase for phase in self.phases.values() if phase.count or phase.censored]
        return measured or ([self.cycle] if self.cycle.count else [])

    def distribution(self, key):
        return self.cycle if key == CYCLE else self.phases.get(key)

    @property
    def headline(self):
        """The distribution that a reader wants to see drawn."""
        wait = self.phases.get("acquireWait")
        return wait if wait is not None and wait.count else self.cycle

    @property
    def error_rate(self):
        return self.failed / self.total if self.total else None


def differing_settings(before, now):
    """Settings that are not the same in both, as text; a difference in figures may come from them alone."""
    pairs = ((name, getattr(before.run, key), getattr(now.run, key)) for key, name in SETTINGS.items())
    return [f"{name} {old} → {new}" for name, old, new in pairs if None not in (old, new) and old != new]
