#!/usr/bin/env python3
"""Tells what results of pool-loadtest say. Needs Python 3.9 and nothing else (plots: matplotlib, if installed)."""

import argparse
import json
import os
import sys
from dataclasses import dataclass, field

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from load_test_analysis import baseline, checks, findings, loading, machine, merging, plots, result, text  # noqa: E402
from load_test_analysis.figures import ASCII, printable  # noqa: E402
from load_test_analysis.reading import InvalidFile  # noqa: E402

EXIT_OK, EXIT_INVALID, EXIT_USAGE, EXIT_CHECK_FAILED = 0, 1, 2, 99

EPILOG = """\
checks:
  acquireWait:p99<50ms   use:max<2s   response:p99.9<=1s   connectionTimes:p50<5ms
  errors:rate<0.1%   errors.acquireTimeout:count==0   leaks:count==0   throughput:rate>=2000/s
  fairness:jain>0.98   overtakes:p99<=64   recovery:recovered<5s   queue:max<=200   rss:slope<1MiB/h
  A check without data fails, unless it ends in "?".

exit codes: 0 ok, 1 a file is unreadable or invalid, 2 usage, 99 a check failed
"""


@dataclass
class Analysis:
    """One result with everything to be said about it."""

    result: result.Result
    findings: list[findings.Finding]
    outcomes: list[checks.Outcome]
    merge_notes: list[str] = field(default_factory=list)


def main(arguments=None):
    options = parse(arguments)
    results, invalid = read_all(options.files)
    before, baseline_invalid = read_all([options.baseline] if options.baseline else [])
    failed = invalid or baseline_invalid

    notes = []
    if options.merge:
        # A sum that silently lacks a file would be a wrong figure.
        if invalid:
            return EXIT_INVALID
        try:
            merged, notes = merging.merge(results)
            results = [merged]
        except InvalidFile as error:
            complain(", ".join(options.files), error)
            return EXIT_INVALID

    analyses = [
        Analysis(each, findings.judge(each), [check.judge(each) for check in options.check], notes) for each in results
    ]
    if options.json:
        print(json.dumps(as_json(analyses, before), indent=1, allow_nan=False))
    else:
        print_text(analyses, before)
    if options.plots and not write_plots(analyses, options.plots, sys.stderr if options.json else sys.stdout):
        failed = True

    if failed:
        return EXIT_INVALID
    if any(outcome.failed for analysis in analyses for outcome in analysis.outcomes):
        return EXIT_CHECK_FAILED
    return EXIT_OK


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="analyze_load_test.py",
        description="Tells what results of pool-loadtest say.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", metavar="results.json", help="a result; several are shown one by one")
    parser.add_argument("--json", action="store_true", help="print the analysis as one JSON document")
    parser.add_argument("--check", action="append", default=[], metavar="EXPR", help="a threshold; may be repeated")
    parser.add_argument("--baseline", metavar="FILE", help="show the figures beside those of an earlier result")
    parser.add_argument("--merge", action="store_true", help="add the histograms of several results, show the sum")
    parser.add_argument("--plots", metavar="DIR", help="also draw PNG files (needs matplotlib)")
    options = parser.parse_intermixed_args(arguments)
    try:
        options.check = [checks.Check(expression) for expression in options.check]
    except checks.BadCheck as error:
        parser.error(f"--check {error}")
    if options.merge and len(options.files) < 2:
        parser.error("--merge needs at least two files")
    return options


def read_all(paths):
    """The results that can be read, and whether some cannot; those are named on standard error."""
    results, invalid = [], False
    for path in paths:
        try:
            results.append(loading.read(path))
        except InvalidFile as error:
            complain(path, error)
            invalid = True
    return results, invalid


def complain(name, error):
    for problem in error.problems:
        print(f"{name}: {printable(problem)}", file=sys.stderr)


def print_text(analyses, before):
    for index, analysis in enumerate(analyses):
        if index:
            print()
        lines = text.report(analysis.result, analysis.findings, analysis.merge_notes)
        for earlier in before:
            lines += text.comparison(earlier.name, *compared(earlier, analysis.result))
        print("\n".join(lines + text.checks(analysis.outcomes)))


def as_json(analyses, before):
    reports = []
    for analysis in analyses:
        report = machine.report(analysis.result, analysis.findings, analysis.outcomes, analysis.merge_notes)
        for earlier in before:
            report["baseline"] = machine.comparison(earlier.name, *compared(earlier, analysis.result))
        reports.append(report)
    return {"results": reports}


def compared(earlier, now):
    return baseline.compare(earlier, now), result.differing_settings(earlier, now)


def write_plots(analyses, directory, stream):
    """Draws all results; False when a file could not be written. Not having matplotlib is no failure."""
    pyplot = plots.load_matplotlib()
    if pyplot is None:
        print(text.line("plots", plots.NOT_INSTALLED), file=stream)
        return True
    for number, analysis in enumerate(analyses, 1):
        stem = "merged"
        if analysis.result.merged_from == 1:
            stem = os.path.splitext(os.path.basename(analysis.result.name))[0]
        if len(analyses) > 1:  # files of different directories may have the same name
            stem = f"{number}-{stem}"
        try:
            written = plots.write(pyplot, analysis.result, directory, stem)
        except OSError as error:
            print(f"{directory}: cannot write plots: {error.strerror or error}", file=sys.stderr)
            return False
        print(text.line("plots", f"{len(written)} PNG of {analysis.result.name} in {directory}"), file=stream)
    return True


class PlainStream:
    """Standard output for a terminal or pipe whose encoding lacks the characters that draw: ASCII stands in."""

    def __init__(self, stream):
        self._stream = stream

    def write(self, written):
        encoding = self._stream.encoding or "ascii"
        self._stream.write(written.translate(ASCII).encode(encoding, "backslashreplace").decode(encoding))

    def flush(self):
        self._stream.flush()


def plain_if_needed(stream):
    try:
        "█▁µ–…×".encode(stream.encoding or "ascii")
        return stream
    except (UnicodeEncodeError, LookupError):
        return PlainStream(stream)


if __name__ == "__main__":
    sys.stdout, sys.stderr = plain_if_needed(sys.stdout), plain_if_needed(sys.stderr)
    try:
        code = main()
        sys.stdout.flush()
    except BrokenPipeError:  # `… | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        code = EXIT_OK
    sys.exit(code)
