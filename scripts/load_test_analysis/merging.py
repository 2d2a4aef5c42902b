"""Several runs as one: counts are added, histograms are added, and percentiles come from the sum.

Averaging percentiles would be wrong: the p99 of two runs together lies anywhere between their two p99.
"""

import math

from .reading import InvalidFile
from .result import CYCLE, CYCLE_LABEL, PHASES, Distribution, Result, Run, differing_settings


def merge(results):
    """One result of several, and notes on what could not be merged. Raises InvalidFile when nothing can."""
    notes = []
    merged = Result(
        name=f"{len(results)} files merged",
        total=sum(result.total for result in results),
        ok=sum(result.ok for result in results),
        failed=sum(result.failed for result in results),
        cycle=Distribution(CYCLE, CYCLE_LABEL, 0),
        run=Run(),
        merged_from=len(results),
    )
    for key, label in PHASES.items():
        parts = [result.phases.get(key) for result in results]
        if not any(parts):
            continue
        lacking = [result.name for result, part in zip(results, parts) if not _can_merge(part)]
        if lacking:
            notes.append(f"{label} is left out: no histogram in {', '.join(lacking)}")
        else:
            merged.phases[key] = _merge(key, label, parts)

    for other in results[1:]:
        differing = differing_settings(results[0], other)
        if differing:
            notes.append(f"not the same load: {', '.join(differing)} in {other.name}")

    sampled = [result.name for result in results if result.cycle_sampled_of is not None]
    if sampled:
        # The samples stand for different numbers of cycles: put together they would weigh wrongly.
        if not merged.phases:
            notes.append(f"{CYCLE_LABEL} is left out: connectionTimes is a sample in {', '.join(sampled)}")
    elif all(result.cycle.source is not None for result in results):
        merged.cycle = _merge(CYCLE, CYCLE_LABEL, [result.cycle for result in results])

    if all(result.errors is not None for result in results):
        merged.errors = _errors(results)
    if not merged.distributions():
        raise InvalidFile(["cannot be merged: " + ("; ".join(notes) or "there is no histogram and no time in them")])
    merged.seed_only = all(result.seed_only for result in results)
    return merged, notes


def _can_merge(part):
    return part is not None and (part.source is not None or part.count == 0)


def _merge(key, label, parts):
    filled = [part for part in parts if part.count]
    merged = Distribution(
        key,
        label,
        count=sum(part.count for part in parts),
        censored=sum(part.censored for part in parts),
        censored_max=max((part.censored_max for part in parts if part.censored_max is not None), default=None),
    )
    if not filled:
        return merged
    merged.minimum = _extreme(min, [part.minimum for part in filled])
    merged.maximum = _extreme(max, [part.maximum for part in filled])
    merged.mean, merged.stddev = _moments(filled)
    merged.scale = filled[0].scale
    merged.source = sum((part.source for part in filled[1:]), filled[0].source)
    return merged


def _extreme(choose, values):
    return None if None in values else choose(values)


def _moments(parts):
    """Mean and standard deviation of all values, from each part's own."""
    total = sum(part.count for part in parts)
    if any(part.mean is None for part in parts):
        return None, None
    mean = sum(part.count * part.mean for part in parts) / total
    if any(part.stddev is None for part in parts):
        return mean, None
    square = sum(part.count * (part.stddev**2 + (part.mean - mean) ** 2) for part in parts) / total
    return mean, math.sqrt(square)


def _errors(results):
    merged = {}
    for error in (error for result in results for error in result.errors):
        seen = merged.get(error.kind)
        if seen is None:
            merged[error.kind] = type(error)(error.kind, error.count, error.phase, None, None, error.sample)
        else:
            seen.count += error.count
    return sorted(merged.values(), key=lambda error: (-error.count, error.kind))
