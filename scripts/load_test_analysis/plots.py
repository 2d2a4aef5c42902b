"""PNG plots of a result, where matplotlib is installed. Text says everything that is needed; this is a convenience."""

import os

NOT_INSTALLED = "matplotlib is not installed: text only (python3 -m pip install matplotlib)"

# Okabe and Ito's colours, told apart by everybody.
BLUE, ORANGE, GREEN, RED, PURPLE, BLACK = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#000000"


def load_matplotlib():
    """The drawing module, or None when it is not installed."""
    os.environ["MPLBACKEND"] = "Agg"  # files only: there may be no screen
    try:
        from matplotlib import pyplot
    except ImportError:
        return None
    return pyplot


def write(pyplot, result, directory, stem):
    """Draws what the result has data for; returns the paths written. Raises OSError when a file cannot be."""
    os.makedirs(directory, exist_ok=True)
    written = []
    for name, draw in DRAWINGS.items():
        figure, axes = pyplot.subplots(figsize=(9, 5))
        try:
            if draw(axes, result):
                axes.grid(True, alpha=0.3)
                path = os.path.join(directory, f"{stem}-{name}.png")
                # Without "Software" the same result gives the same bytes.
                figure.savefig(path, dpi=150, metadata={"Software": None})
                written.append(path)
        finally:
            pyplot.close(figure)
    return written


def _seconds(timeline, series):
    starts = timeline["tMs"] or [index * timeline.interval_ms for index in range(len(series))]
    return [None if start is None else start / 1000 for start in starts]


def _line(axes, timeline, name, label, colour, style="-", factor=1.0, floor=None):
    series = timeline[name]
    if not any(value is not None for value in series):
        return False
    nan = float("nan")  # matplotlib leaves a gap
    values = [nan if value is None else max(value * factor, floor or 0) for value in series]
    times = [nan if time is None else time for time in _seconds(timeline, series)]
    axes.plot(times, values, label=label, color=colour, linestyle=style)
    return True


def _logarithmic(axes, name):
    """A logarithmic axis with plain numbers: 6, not 6 x 10^0."""
    from matplotlib.ticker import LogFormatter

    axis = {"x": axes.xaxis, "y": axes.yaxis}[name]
    axes.set(**{f"{name}scale": "log"})
    axis.set_major_formatter(LogFormatter())
    axis.set_minor_formatter(LogFormatter())


def _finish(axes, title, across, up):
    axes.set_title(title)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.legend()
    return True


def _throughput(axes, result):
    if result.timeline is None:
        return False
    factor = 1000 / result.timeline.interval_ms
    drawn = [
        _line(axes, result.timeline, "ok", "successful", BLUE, factor=factor),
        _line(axes, result.timeline, "failed", "failed", RED, "--", factor=factor),
    ]
    if not any(drawn):
        return False
    axes.set_ylim(bottom=0)
    return _finish(axes, "Throughput", "seconds into the run", "per second")


def _waits(axes, result):
    if result.timeline is None:
        return False
    drawn = [
        _line(axes, result.timeline, name, label, colour, style, factor=0.001, floor=0.001)
        for name, label, colour, style in (
            ("acquireP50Us", "p50", BLUE, "-"),
            ("acquireP99Us", "p99", ORANGE, "--"),
            ("acquireMaxUs", "max", RED, ":"),
        )
    ]
    if not any(drawn):
        return False
    _logarithmic(axes, "y")
    return _finish(axes, "Acquire wait", "seconds into the run", "milliseconds")


def _pool(axes, result):
    if result.timeline is None:
        return False
    drawn = [
        _line(axes, result.timeline, name, label, colour, style)
        for name, label, colour, style in (
            ("inUse", "in use", BLUE, "-"),
            ("idle", "idle", GREEN, "--"),
            ("pending", "waiting callers", PURPLE, ":"),
        )
    ]
    if not any(drawn):
        return False
    if result.run.pool_size:
        axes.axhline(result.run.pool_size, color=BLACK, linewidth=1, label="pool size")
    axes.set_ylim(bottom=0)
    return _finish(axes, "Pool", "seconds into the run", "connections or callers")


def _spectrum(axes, result):
    """Percentiles with the tail stretched out: each step to the right is ten times rarer."""
    drawn = False
    for row, colour in zip(result.distributions(), (BLUE, ORANGE, GREEN, RED, PURPLE, BLACK)):
        rarity, values, seen = [], [], 0
        for _, high, number in row.buckets():
            rarity.append(row.count / max(row.count - seen, 1))
            values.append(max(high, 0.001) / 1000)
            seen += number
        if values:
            axes.plot(rarity, values, label=row.label, color=colour)
            drawn = True
    if not drawn:
        return False
    _logarithmic(axes, "y")
    axes.set_xscale("log")
    axes.set_xticks([1, 2, 10, 100, 1000, 10_000], ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %"])
    return _finish(axes, "Percentiles", "percentile", "milliseconds")


def _histogram(axes, result):
    shown = result.headline
    buckets = [((low + high) / 2 / 1000, number) for low, high, number in shown.buckets()]
    positive = [(value, number) for value, number in buckets if value > 0]
    if not positive:
        return False
    low, high = positive[0][0], positive[-1][0]
    steps = 60
    edges = [low * (high / low) ** (i / steps) for i in range(steps + 1)] if high > low else [low * 0.9, low * 1.1]
    axes.hist(
        [value for value, _ in positive],
        bins=edges,
        weights=[number for _, number in positive],
        color=BLUE,
        label=shown.label,
    )
    _logarithmic(axes, "x")
    return _finish(axes, f"Distribution of {shown.label}", "milliseconds", "count")


DRAWINGS = {
    "throughput": _throughput,
    "acquire-wait": _waits,
    "pool": _pool,
    "percentiles": _spectrum,
    "distribution": _histogram,
}
