"""A result as lines of plain text, for a terminal, a log or a pipe alike: no colours, so NO_COLOR needs no case."""

import math
import re
import statistics

from .baseline import HONEST
from .figures import (
    NOTHING,
    bar,
    condense,
    count,
    duration,
    percent,
    plural,
    printable,
    rate,
    sparkline,
    three_digits,
)
from .result import samples_needed

LABEL_WIDTH = 14
COLUMN_WIDTH = 9
BAR_WIDTH = 40
SPARKLINE_WIDTH = 60
MOST_BARS = 14
FINEST = -10  # 2^-10 ms is about 1 µs
COLUMNS = ("50", "90", "99", "99.9")
RARE_COLUMN = "99.99"


def report(result, findings, merge_notes=()):
    """All lines about one result."""
    lines = [header(result), _connections(result)]
    lines += _table(result)
    lines += [f"  {printable(note)}" for note in merge_notes]
    lines += _distribution(result.headline)
    lines += _per_second(result.timeline)
    lines += _throughput(result)
    lines += _errors(result)
    lines += _fairness(result.fairness)
    lines += _pool(result)
    lines += _leaks(result.leaks)
    lines += _verdict(result)
    lines += _missing(result)
    lines += _findings(findings)
    return lines


def header(result):
    run = result.run
    if result.merged_from > 1:
        return f"{printable(result.name)}: histograms added, percentiles from the sum"
    facts = [
        run.scenario,
        run.backend,
        f"pool {run.pool_size}" if run.pool_size is not None else None,
        plural(run.threads, "thread") if run.threads is not None else None,
        run.model,
        f"{run.measured_ms / 1000:.1f} s" if run.measured_ms is not None else None,
        _minute(run.started_at),
        run.status.upper() if run.status not in (None, "completed") else None,
        result.verdict.upper() if result.verdict not in (None, "none") else None,
    ]
    told = " · ".join(printable(fact) for fact in facts if fact)
    return f"{printable(result.name)}  {told or 'seed-only file'}"


def _minute(timestamp):
    match = re.match(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::[\d.]+)?(Z|[+-]\d\d:\d\d)?", timestamp or "")
    return f"{match[1]} {match[2]}{match[3] or ''}" if match else timestamp


def line(label, text):
    return f"{label:<{LABEL_WIDTH}}{text}".rstrip()


def _connections(result):
    share = percent(result.ok / result.total) if result.total else "no attempt"
    return line(
        "Connections",
        f"total {count(result.total)}   successful {count(result.ok)}   failed {count(result.failed)}   ({share})",
    )


def _table(result):
    rows = result.distributions()
    if not rows:
        return [line("", "no times in this file")]
    columns = list(COLUMNS)
    if any(row.is_reliable(RARE_COLUMN) for row in rows):
        columns.append(RARE_COLUMN)
    names = ["count", "mean", *(f"p{column}" for column in columns), "max"]
    lines = [line("", "".join(f"{name:>{COLUMN_WIDTH}}" for name in names))]
    for row in rows:
        shown = [duration(row.percentile(column)) if row.is_reliable(column) else NOTHING for column in columns]
        cells = [count(row.count), duration(row.mean), *shown, duration(row.maximum)]
        lines.append(line(row.label, "".join(f"{cell:>{COLUMN_WIDTH}}" for cell in cells)))
    lines += _not_shown(rows, (*COLUMNS, RARE_COLUMN))
    for row in rows:
        if row.censored:
            so_far = f", the longest for {duration(row.censored_max)} so far" if row.censored_max is not None else ""
            lines.append(f"  {row.label}: {count(row.censored)} still under way at the end{so_far}; not counted above")
        if row is result.cycle and result.cycle_sampled_of is not None:
            lines.append(f"  {row.label}: a sample of {count(row.count)} of {count(result.cycle_sampled_of)} cycles")
    return lines


def _not_shown(rows, columns):
    """Which percentiles have too few samples, one line for all rows with the same count."""
    groups = {}
    for row in rows:
        hidden = [column for column in columns if not row.is_reliable(column)]
        if hidden:
            groups.setdefault((hidden[0], row.count), []).append(row.label)
    lines = []
    for (column, samples), labels in groups.items():
        above = "" if column == columns[-1] else " and above"
        which = f" ({', '.join(labels)})" if len(rows) > 1 else ""
        needed = count(samples_needed(column))
        lines.append(f"  p{column}{above} not shown: needs {needed} samples, have {count(samples)}{which}")
    return lines


def _distribution(shown):
    """Bars over buckets whose edges double: a logarithmic scale of time, a linear one of counts."""
    buckets = [((low + high) / 2, number) for low, high, number in shown.buckets()]
    if not buckets:
        return []

    def octave(microseconds):
        """k, where 2^k ms is the edge below; all below the finest edge together."""
        return max(FINEST, math.floor(math.log2(microseconds / 1000))) if microseconds > 0 else FINEST

    def edge(k):
        return 0 if k <= FINEST else 1000 * 2.0**k

    lowest, highest = octave(buckets[0][0]), octave(buckets[-1][0])
    step = -(-(highest - lowest + 1) // MOST_BARS)
    bars = [0] * ((highest - lowest) // step + 1)
    for value, number in buckets:
        bars[(octave(value) - lowest) // step] += number
    top = max(bars)

    lines = [
        f"{shown.label} distribution (each step of time is {'twice' if step == 1 else f'{2**step} times'} the last)"
    ]
    for index, number in enumerate(bars):
        start = lowest + index * step
        span = f"{duration(edge(start))} – {duration(edge(start + step))}"
        lines.append(f"  {span:>18}  {bar(number / top, BAR_WIDTH):<{BAR_WIDTH}} {count(number):>9}")
    return lines


def _per_second(timeline):
    if timeline is None:
        return []
    lines = []
    per_second = 1000 / timeline.interval_ms
    series = (
        ("ok", [None if v is None else v * per_second for v in timeline["ok"]], statistics.fmean, rate),
        ("p99", timeline["acquireP99Us"], max, duration),
    )
    for name, values, join, show in series:
        known = [value for value in values if value is not None]
        if known:
            drawn = sparkline(condense(values, SPARKLINE_WIDTH, join))
            label = "per second" if not lines else ""
            lines.append(line(label, f"{name:<4}{drawn}  {show(min(known))}…{show(max(known))}"))
    return lines


def _throughput(result):
    throughput = result.throughput
    if throughput is None or throughput.mean is None:
        return []
    error = f" ± {rate(throughput.std_err)}" if throughput.std_err is not None else ""
    peak = f", best second {rate(throughput.peak)}" if throughput.peak is not None else ""
    return [line("throughput", f"{rate(throughput.mean)}{error} per second{peak}")]


def _errors(result):
    if not result.failed and not result.errors:
        return [line("errors", "none")]
    lines = [line("errors", f"{count(result.failed)} ({percent(result.error_rate)})")]
    for error in result.errors or []:
        phase = f" in {printable(error.phase)}" if error.phase else ""
        when = ""
        if error.first_ms is not None and error.last_ms is not None:
            when = f", {duration(error.first_ms * 1000)} to {duration(error.last_ms * 1000)} into the run"
        sample = f": {printable(error.sample)}" if error.sample else ""
        lines.append(line("", f"{printable(error.kind)} {count(error.count)}{phase}{when}{sample}"))
    return lines


def _fairness(fairness):
    if fairness is None:
        return []
    gap = fairness.longest_gap_ms
    facts = [
        ("Jain", fairness.jain, lambda value: f"{value:.3f}"),
        ("tail ratio", fairness.tail_ratio, three_digits),
        ("starved", fairness.starved, count),
        ("overtakes p99", fairness.overtakes.get("p99"), count),
        ("longest gap", None if gap is None else gap * 1000, duration),
    ]
    return [line("fairness", ", ".join(f"{name} {show(value)}" for name, value, show in facts if value is not None))]


def _pool(result):
    facts = []
    if result.pool_peak_in_use is not None:
        of = f" of {count(result.run.pool_size)}" if result.run.pool_size is not None else ""
        facts.append(f"at most {count(result.pool_peak_in_use)}{of} in use")
    if result.pool_created is not None:
        facts.append(f"{count(result.pool_created)} opened")
    if result.queue.get("mean") is not None:
        facts.append(f"queue mean {three_digits(result.queue['mean'])}")
    if result.queue.get("max") is not None:
        facts.append(f"longest queue {count(int(result.queue['max']))}")
    return [line("pool", ", ".join(facts))] if facts else []


def _leaks(leaks):
    if leaks is None:
        return []
    if not leaks.performed:
        return [line("leaks", "not checked")]
    found = "none" if leaks.status == "pass" else f"FAIL, {plural(leaks.handles or 0, 'connection')} not given back"
    return [line("leaks", found), *(line("", printable(text)) for text in leaks.findings)]


def _verdict(result):
    lines = [line("verdict" if not index else "", printable(reason)) for index, reason in enumerate(result.reasons)]
    for threshold in result.thresholds:
        word = {True: "held", False: "FAILED", None: "no data"}[threshold.ok]
        lines.append(line("threshold", f"{printable(threshold.expr or NOTHING)}   {word}"))
    return lines


def _missing(result):
    if result.merged_from > 1 or not result.missing:
        return []
    if result.seed_only:
        told = "only the four seed keys are in this file: nothing about phases, errors, fairness, leaks or time"
        return [line("missing", told)]
    return [line("missing", ", ".join(result.missing))]


def _findings(findings):
    if not findings:
        return [line("findings", "none")]
    return [
        line("findings" if number == 1 else "", f"{number}. {finding.text}")
        for number, finding in enumerate(findings, 1)
    ]


def checks(outcomes):
    width = max((len(outcome.expr) for outcome in outcomes), default=0)
    lines = []
    for outcome in outcomes:
        word = {True: "held", False: "FAILED", None: "held (no data)"}[outcome.ok]
        note = f" ({outcome.note})" if outcome.note else ""
        lines.append(line("check", f"{outcome.expr:<{width}}  {outcome.shown:>10}  {word}{note}"))
    return lines


def comparison(baseline_name, rows, differing):
    lines = [f"compared with {printable(baseline_name)}"]
    lines.append(line("", f"{'':<18}{'before':>12}{'now':>12}{'ratio':>9}"))
    for row in rows:
        shown = (NOTHING if value is None else row.show(value) for value in (row.before, row.now))
        before, now = shown
        ratio = NOTHING if row.ratio is None else f"{row.ratio:.2f}×"
        lines.append(line("", f"{row.name:<18}{before:>12}{now:>12}{ratio:>9}"))
    if differing:
        lines.append(line("", f"settings differ: {printable(', '.join(differing))}"))
    lines.append(line("", HONEST))
    return lines
