"""Thresholds: METRIC:STAT OP LIMIT[UNIT], for example acquireWait:p99<50ms, errors:rate<0.1%, leaks:count==0.

A `?` at the end lets the check hold when the file has no such figure; without it, no data is a failure.
"""

import difflib
import operator
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Optional

from .figures import count, duration, percent, three_digits
from .result import CYCLE, PHASES

OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}

GRAMMAR = re.compile(
    r"(?P<metric>[A-Za-z.]+):(?P<stat>[A-Za-z]+[0-9._]*)\s*(?P<op><=|>=|==|!=|<|>)\s*"
    r"(?P<limit>-?\d+(?:\.\d+)?)\s*(?P<unit>[^\s?\d]*)(?P<optional>\??)"
)

ERROR_KINDS = (
    "acquireTimeout",
    "poolClosed",
    "connectRefused",
    "connectTimeout",
    "authFailed",
    "tooManyConnections",
    "validationFailed",
    "queryTimeout",
    "connectionLost",
    "busy",
    "deadlock",
    "queryError",
    "tls",
    "protocol",
    "cancelled",
    "other",
)

NEVER = float("inf")


class BadCheck(ValueError):
    """An expression that is no check."""


@dataclass(frozen=True)
class Dimension:
    """What a figure measures: its units (the factor to its own base unit) and how it is shown."""

    name: str
    units: dict
    show: object


TIME = Dimension(
    "a time",
    {"ns": Fraction(1, 1000), "us": 1, "µs": 1, "ms": 1000, "s": 1_000_000, "m": 60_000_000},
    duration,
)
SHARE = Dimension("a share", {"%": Fraction(1, 100)}, percent)
RATE = Dimension("a rate", {"/s": 1, "": 1}, lambda value: three_digits(value) + "/s")
NUMBER = Dimension("a number", {"": 1}, lambda value: f"{value:,.6g}")
COUNT = Dimension("a count", {"": 1}, lambda value: count(int(value)))
GROWTH = Dimension(
    "a growth of memory",
    {"B/h": 1, "KiB/h": 1024, "MiB/h": 1024**2, "GiB/h": 1024**3},
    lambda value: f"{value / 1024**2:.3g}MiB/h",
)

PERCENTILE = re.compile(r"p(\d{1,2}(?:[._]\d{1,3})?)")


def _phase(key):
    def figure(attribute):
        return lambda result: getattr(result.distribution(key), attribute, None) if _measured(result, key) else None

    return {
        "min": (TIME, figure("minimum")),
        "mean": (TIME, figure("mean")),
        "stddev": (TIME, figure("stddev")),
        "max": (TIME, figure("maximum")),
        "count": (COUNT, lambda result: getattr(result.distribution(key), "count", None)),
    }


def _measured(result, key):
    distribution = result.distribution(key)
    return distribution is not None and distribution.count > 0


def _errors_of(kind):
    def counted(result):
        if result.errors is None:
            return None
        return sum(error.count for error in result.errors if error.kind == kind)

    def rated(result):
        number = counted(result)
        return number / result.total if number is not None and result.total else None

    return {"count": (COUNT, counted), "rate": (SHARE, rated)}


def _leak_count(result):
    return result.leaks.handles if result.leaks and result.leaks.performed else None


def _recovery(attribute):
    """The slowest fault decides; one that never recovered takes for ever."""

    def figure(result):
        times = [getattr(fault, attribute) for fault in result.faults]
        if not times:
            return None
        return NEVER if None in times else max(times) * 1000

    return TIME, figure


def _of(section, attribute):
    return lambda result: getattr(getattr(result, section), attribute, None)


METRICS = {
    **{key: _phase(key) for key in (*PHASES, CYCLE)},
    "errors": {
        "count": (COUNT, lambda result: result.failed),
        "rate": (SHARE, lambda result: result.error_rate),
    },
    **{f"errors.{kind}": _errors_of(kind) for kind in ERROR_KINDS},
    "throughput": {"rate": (RATE, _of("throughput", "mean")), "peak": (RATE, _of("throughput", "peak"))},
    "leaks": {"count": (COUNT, _leak_count)},
    "fairness": {
        "jain": (NUMBER, _of("fairness", "jain")),
        "tail": (NUMBER, _of("fairness", "tail_ratio")),
        "starved": (COUNT, _of("fairness", "starved")),
    },
    "overtakes": {
        stat: (COUNT, lambda result, stat=stat: result.fairness.overtakes[stat] if result.fairness else None)
        for stat in ("count", "p99", "max")
    },
    "recovery": {
        "detected": _recovery("detected_ms"),
        "firstSuccess": _recovery("first_success_ms"),
        "recovered": _recovery("recovered_ms"),
    },
    "queue": {stat: (NUMBER, lambda result, stat=stat: result.queue.get(stat)) for stat in ("mean", "p99", "max")},
    "rss": {"slope": (GROWTH, lambda result: result.rss_slope)},
}


@dataclass(frozen=True)
class Outcome:
    """`ok` is true when the check held; None when there was no data and the check does not ask for any."""

    expr: str
    actual: Optional[float]  # in the base unit of its dimension: µs, a share of 1, per second
    shown: str
    ok: Optional[bool]
    note: Optional[str] = None

    @property
    def failed(self):
        return self.ok is False


class Check:
    """One parsed expression."""

    def __init__(self, text):
        match = GRAMMAR.fullmatch(text.strip())
        if match is None:
            raise BadCheck(
                f'"{text}" is no check: expected METRIC:STAT OP LIMIT[UNIT], for example acquireWait:p99<50ms'
            )
        metric, stat, unit = match["metric"], match["stat"], match["unit"]
        if metric not in METRICS:
            raise BadCheck(f'"{text}": there is no metric {metric}; {_suggest(metric, METRICS)}')
        self.expr = text.strip()
        self.metric = metric
        self.percent = None
        if stat in METRICS[metric]:
            self.dimension, self._figure = METRICS[metric][stat]
        elif _is_distribution(metric) and PERCENTILE.fullmatch(stat) and Fraction(_percent(stat)) > 0:
            self.percent = _percent(stat)
            self.dimension, self._figure = TIME, self._percentile
        else:
            stats = [*METRICS[metric], *(["p50", "p90", "p99", "p99.9"] if _is_distribution(metric) else [])]
            raise BadCheck(f'"{text}": {metric} has no {stat}; {_suggest(stat, stats)}')
        if unit not in self.dimension.units:
            raise BadCheck(f'"{text}": {self.dimension.name} needs {_units(self.dimension)}, found "{unit}"')
        self._holds = OPERATORS[match["op"]]
        # Rounded once, as the figures are: 0.15 % must equal 3 of 2,000.
        self._limit = float(Fraction(match["limit"]) * self.dimension.units[unit])
        self._optional = bool(match["optional"])

    def judge(self, result):
        actual = self._figure(result)
        if actual is None:
            return Outcome(self.expr, None, "no data", None if self._optional else False)
        ok = self._holds(actual, self._limit)
        if actual == NEVER:
            return Outcome(self.expr, None, "never", ok)
        return Outcome(self.expr, actual, self.dimension.show(actual), ok, self._reservation(result))

    def _percentile(self, result):
        return result.distribution(self.metric).percentile(self.percent) if _measured(result, self.metric) else None

    def _reservation(self, result):
        if self.percent is None or result.distribution(self.metric).is_reliable(self.percent):
            return None
        beyond = result.distribution(self.metric).samples_beyond(self.percent)
        return f"rests on {float(beyond):.3g} values beyond it"


def _is_distribution(metric):
    return metric in PHASES or metric == CYCLE


def _percent(stat):
    return PERCENTILE.fullmatch(stat)[1].replace("_", ".")


def _suggest(word, known):
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]}?" if close else "known: " + ", ".join(known)


def _units(dimension):
    named = [unit for unit in dimension.units if unit]
    if not named:
        return "no unit"
    return "the unit " + ", ".join(named) + (" or none" if "" in dimension.units else "")
