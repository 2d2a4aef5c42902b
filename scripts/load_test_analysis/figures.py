"""Figures as a person reads them: three significant digits, units, small drawings made of text."""

BARS = "▁▂▃▄▅▆▇█"
EIGHTHS = " ▏▎▍▌▋▊▉"
NOTHING = "–"

# What a terminal without UTF-8 gets instead.
ASCII = str.maketrans(
    {
        **dict(zip(BARS, "_.-:=+*#")),
        **dict(zip(EIGHTHS[1:], ".::--==")),
        "–": "-",
        "µ": "u",
        "·": "|",
        "…": "..",
        "×": "x",
        "±": "+/-",
        "→": "->",
    }
)


def printable(text):
    """Text from a file without control characters: an error message must not steer the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def three_digits(value):
    decimals = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:,.{decimals}f}"


def duration(microseconds):
    """9.74ms, 43.0µs, 2.00s."""
    if microseconds is None:
        return NOTHING
    if microseconds == 0:
        return "0"
    for size, unit in ((0.001, "ns"), (1, "µs"), (1000, "ms")):
        if microseconds / size < 999.5:
            return three_digits(microseconds / size) + unit
    return three_digits(microseconds / 1_000_000) + "s"


def count(number):
    return NOTHING if number is None else f"{number:,}"


def plural(number, one, many=None):
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def percent(share):
    """A share of 1 as percent; never rounded up to 100 nor down to 0."""
    if share is None:
        return NOTHING
    text = f"{share * 100:.2f}"
    if text == "100.00" and share < 1:
        text = "99.99"
    if text == "0.00" and share > 0:
        return "<0.01 %"
    return text + " %"


def rate(per_second):
    return NOTHING if per_second is None else three_digits(per_second)


def bar(share, width):
    """A bar as long as `share` of `width`, in steps of an eighth; something that is not nothing shows."""
    eighths = max(round(share * width * 8), 1 if share > 0 else 0)
    return "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def sparkline(values):
    """One character per value, from 0 to the largest; a blank where nothing was measured."""
    top = max((value for value in values if value is not None), default=0)
    drawn = []
    for value in values:
        if value is None:
            drawn.append(" ")
        else:
            drawn.append(BARS[min(7, int(value / top * 8))] if top else BARS[0])
    return "".join(drawn)


def condense(values, width, join):
    """At most `width` values: neighbours are joined, gaps apart."""
    if len(values) <= width:
        return list(values)
    step = -(-len(values) // width)
    groups = [[v for v in values[i : i + step] if v is not None] for i in range(0, len(values), step)]
    return [join(group) if group else None for group in groups]
