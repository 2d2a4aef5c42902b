"""Reads a Result from its JSON, checking every type on the way.

Unknown keys are ignored: a newer load tester may write more of them.
"""

from . import hdr
from .reading import InvalidFile, Section, describe, read_json
from .result import (
    CYCLE,
    PERCENTILE_KEYS,
    PHASES,
    Distribution,
    ErrorKind,
    Fairness,
    Fault,
    Leaks,
    Result,
    Run,
    Threshold,
    Throughput,
    Timeline,
    from_samples,
)

SECTIONS_OF_A_FULL_FILE = (
    "run",
    "config",
    "phases",
    "throughput",
    "attempts",
    "errors",
    "fairness",
    "queue",
    "timeline",
    "pool",
    "leakCheck",
    "verdict",
)
ATTEMPTS = ("offered", "started", "ok", "failed", "late", "skipped", "retried", "stillWaiting", "stillInUse")
SERIES = ("tMs", "ok", "failed", "inUse", "idle", "pending", "acquireP50Us", "acquireP99Us", "acquireMaxUs")


def read(path):
    """The result in the file at `path`. Raises InvalidFile with every problem found."""
    document = read_json(path)
    if not isinstance(document, dict):
        raise InvalidFile([f"is not a result: expected an object, found {describe(document)}"])
    problems = []
    result = _result(str(path), Section(document, "", problems))
    if problems:
        raise InvalidFile(problems)
    return result


def _result(name, root):
    version = root.text("schemaVersion")
    if version is not None and not version.startswith("1."):
        root.problem("schemaVersion", f'expected "1.x.y", found {describe(version)}')
    unit = root.section("units").text("connectionTimes")
    if unit not in (None, "ms"):
        root.problem("units.connectionTimes", f'expected "ms", found {describe(unit)}')

    total, ok, failed = (_required_count(root, f"{kind}Connections") for kind in ("total", "successful", "failed"))
    if None not in (total, ok, failed) and total != ok + failed:
        root.problem(
            "totalConnections",
            f"is {total}, but successfulConnections + failedConnections is {ok} + {failed} = {ok + failed}",
        )
    if not root.has(CYCLE):
        root.problem(CYCLE, "is missing")
    times = root.amounts(CYCLE)
    sample = root.section("connectionTimesSample")
    kept = sample.count("kept")
    if root.is_empty_list(CYCLE) and ok and kept != 0:
        root.problem(CYCLE, f"the list is empty, but successfulConnections is {ok}")

    result = Result(name, total or 0, ok or 0, failed or 0, from_samples(times))
    if sample.flag("sampled"):
        result.cycle_sampled_of = sample.count("of")
    result.seed_only = not any(root.has(key) for key in SECTIONS_OF_A_FULL_FILE)
    result.missing = [key for key in SECTIONS_OF_A_FULL_FILE if not root.has(key)]
    result.run = _run(root)
    result.phases = _phases(root.section("phases"))
    _pool_and_load(result, root)
    result.timeline = _timeline(root.section("timeline"))
    result.faults = [_fault(fault) for fault in root.sections("faults")]
    verdict = root.section("verdict")
    result.verdict = verdict.text("status")
    result.reasons = verdict.texts("reasons")
    result.thresholds = [
        Threshold(each.text("expr"), each.flag("ok"), each.number("actual")) for each in verdict.sections("thresholds")
    ]
    return result


def _required_count(section, key):
    if not section.has(key):
        section.problem(key, "is missing")
    return section.count(key)


def _run(root):
    run, config = root.section("run"), root.section("config")
    pool, load = config.section("pool"), config.section("load")
    generator = root.section("environment").section("generator")
    return Run(
        status=run.text("status"),
        started_at=run.text("startedAt"),
        measured_ms=run.amount("measuredMs"),
        scenario=config.text("scenario"),
        backend=config.text("backend"),
        implementation=pool.text("implementation"),
        pool_size=pool.count("size"),
        acquire_timeout_ms=pool.amount("acquireTimeoutMs"),
        model=load.text("model"),
        threads=load.count("threads"),
        rate_per_sec=load.amount("ratePerSec"),
        hold=load.text("hold"),
        generator_saturated=generator.flag("saturated"),
        generator_cpu_pct=generator.amount("cpuUtilPct"),
    )


def _phases(section):
    phases = {}
    for key, label in PHASES.items():
        phase = section.section(key)
        if phase:
            phases[key] = _distribution(key, label, phase)
    return phases


def _distribution(key, label, section):
    unit = section.text("unit")
    if unit not in (None, "us"):
        section.problem("unit", f'expected "us", found {describe(unit)}')
    given = {percent: section.amount(name) for name, percent in PERCENTILE_KEYS.items()}
    censored = section.section("censored")
    return Distribution(
        key,
        label,
        count=section.count("count") or 0,
        mean=section.amount("mean"),
        stddev=section.amount("stddev"),
        minimum=section.amount("min"),
        maximum=section.amount("max"),
        given={percent: value for percent, value in given.items() if value is not None},
        source=_histogram(section),
        scale=0.001,  # nanoseconds
        censored=censored.count("count") or 0,
        censored_max=censored.amount("maxSoFar"),
    )


def _histogram(section):
    histogram = section.section("histogram")
    data = histogram.text("data")
    if data is None:
        return None
    for key, expected in (("encoding", "hdr-v2-deflate-base64"), ("unit", "ns")):
        found = histogram.text(key)
        if found not in (None, expected):
            histogram.problem(key, f"expected {describe(expected)}, found {describe(found)}")
            return None
    try:
        return hdr.decode(data)
    except hdr.BadHistogram as error:
        histogram.problem("data", f"the histogram {error}")
        return None


def _pool_and_load(result, root):
    """Everything that is a handful of figures: throughput, attempts, errors, fairness, queue, pool, leaks."""
    throughput = root.section("throughput")
    if throughput:
        result.throughput = Throughput(
            throughput.amount("mean"), throughput.amount("stdErr"), throughput.amount("peakSecond")
        )
    attempts = root.section("attempts")
    result.attempts = {key: attempts.count(key) for key in ATTEMPTS if attempts.has(key)}

    if root.section("errors"):
        kinds = root.section("errors").section("byKind")
        result.errors = [_error_kind(kind, kinds.section(kind)) for kind in kinds]
        result.errors.sort(key=lambda error: (-error.count, error.kind))

    fairness = root.section("fairness")
    if fairness:
        overtakes = fairness.section("overtakes")
        result.fairness = Fairness(
            jain=fairness.amount("jain"),
            tail_ratio=fairness.amount("waitTailRatio"),
            starved=fairness.count("starvedThreads"),
            longest_gap_ms=fairness.section("threadMaxGapMs").amount("max"),
            overtakes={key: overtakes.count(key) for key in ("count", "p99", "max")},
        )
    queue = root.section("queue")
    if queue:
        result.queue = {name: queue.amount(f"depth{name.title()}") for name in ("mean", "p99", "max")}

    pool = root.section("pool")
    result.pool_peak_in_use = pool.section("peak").count("inUse")
    result.pool_created = pool.section("counters").count("created")

    check = root.section("leakCheck")
    if check:
        result.leaks = Leaks(
            check.text("status"),
            check.count("outstandingHandles"),
            check.flag("ledgerBalanced"),
            check.texts("findings"),
        )
        result.rss_slope = check.number("rssSlopeBytesPerHour")


def _error_kind(kind, section):
    return ErrorKind(
        kind,
        section.count("count") or 0,
        section.text("phase"),
        section.amount("firstAtMs"),
        section.amount("lastAtMs"),
        section.text("sample"),
    )


def _timeline(section):
    interval = section.amount("intervalMs")
    series = section.section("series")
    if not interval or not series:
        return None
    values = {name: series.amounts(name, gaps=True) for name in SERIES if series.has(name)}
    lengths = {name: len(points) for name, points in values.items()}
    if len(set(lengths.values())) > 1:
        listed = ", ".join(f"{name} {length}" for name, length in lengths.items())
        section.problem("series", f"its lists differ in length: {listed}")
        return None
    return Timeline(interval, values)


def _fault(section):
    recovery = section.section("recovery")
    return Fault(
        section.text("kind"),
        recovery.amount("detectedMs"),
        recovery.amount("firstSuccessMs"),
        recovery.amount("recoveredMs"),
    )
