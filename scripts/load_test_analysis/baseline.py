"""A result beside an earlier one."""

from dataclasses import dataclass
from typing import Callable, Optional

from .figures import duration, percent, rate
from .result import CYCLE, CYCLE_LABEL, PHASES

HONEST = (
    "Two runs made one after the other cannot tell small differences: the machine itself drifts by several percent. "
    "Believe a ratio near 1 only from repeated, interleaved rounds."
)


@dataclass(frozen=True)
class Row:
    name: str
    before: Optional[float]
    now: Optional[float]
    show: Callable

    @property
    def ratio(self):
        return self.now / self.before if self.before and self.now is not None else None


def compare(baseline, result):
    """The figures that both files may have, in pairs; a percentile with too few samples is None."""
    rows = [Row("throughput /s", _throughput(baseline), _throughput(result), rate)]
    rows.append(Row("error rate", baseline.error_rate, result.error_rate, percent))
    for key, label in {**PHASES, CYCLE: CYCLE_LABEL}.items():
        for percentile in ("50", "99"):
            before, now = (_reliable(each.distribution(key), percentile) for each in (baseline, result))
            rows.append(Row(f"{label} p{percentile}", before, now, duration))
    return [row for row in rows if row.before is not None or row.now is not None]


def _throughput(result):
    return result.throughput.mean if result.throughput else None


def _reliable(distribution, percentile):
    if distribution is None or not distribution.is_reliable(percentile):
        return None
    return distribution.percentile(percentile)
