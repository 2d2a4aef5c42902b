"""The analysis as JSON for other programs. Times are microseconds, shares are parts of 1; null is "not measured"."""

from .findings import busy_share
from .result import PERCENTILE_KEYS


def report(result, findings, outcomes, merge_notes=()):
    return {
        "file": result.name,
        "kind": "merged" if result.merged_from > 1 else "seedOnly" if result.seed_only else "full",
        "connections": {
            "total": result.total,
            "successful": result.ok,
            "failed": result.failed,
            "errorRate": result.error_rate,
        },
        "unit": "us",
        "phases": {row.key: _distribution(row) for row in result.distributions()},
        "throughputPerSec": result.throughput.mean if result.throughput else None,
        "busyShare": busy_share(result),
        "verdict": result.verdict,
        "missing": result.missing,
        "notes": list(merge_notes),
        "findings": [{"rule": each.rule, "severity": each.severity, "text": each.text} for each in findings],
        "checks": [_outcome(outcome) for outcome in outcomes],
    }


def comparison(baseline_name, rows, differing):
    return {
        "file": baseline_name,
        "rows": [{"name": row.name, "before": row.before, "now": row.now, "ratio": row.ratio} for row in rows],
        "settingsDiffer": differing,
    }


def _distribution(row):
    return {
        "count": row.count,
        "min": row.minimum,
        "mean": row.mean,
        "stddev": row.stddev,
        "max": row.maximum,
        **{key: row.percentile(percent) for key, percent in PERCENTILE_KEYS.items()},
        "reliable": [key for key, percent in PERCENTILE_KEYS.items() if row.is_reliable(percent)],
        "censored": row.censored,
    }


def _outcome(outcome):
    return {
        "expr": outcome.expr,
        "actual": None if outcome.actual is None else float(outcome.actual),
        "shown": outcome.shown,
        "ok": outcome.ok,
    }
