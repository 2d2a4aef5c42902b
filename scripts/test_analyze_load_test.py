"""The analysis as a person calls it: what it prints, what it refuses, how it exits."""

import json
import os
import pathlib
import subprocess
import sys
import unittest
from unittest import mock

from load_test_analysis import plots
from load_test_cases import FIXTURE, FULL, HERE, Case, full, seed

SCRIPT = os.path.join(HERE, "analyze_load_test.py")


class FullReport(Case):
    def test_the_header_says_what_was_run(self):
        header = self.printed(full()).splitlines()[0]
        self.assertTrue(
            header.endswith(
                "results.json  oversubscribe · sqlite · pool 8 · 32 threads · closed · 10.0 s · 2026-11-21 01:35Z · PASS"
            ),
            header,
        )

    def test_an_interrupted_run_says_so(self):
        out = self.printed(full(lambda d: d["run"].update(status="interrupted")))
        self.assertIn("· INTERRUPTED ·", out.splitlines()[0])
        self.assertIn("the run was not completed (interrupted); the figures cover 10.0s", out)

    def test_every_section_has_its_line(self):
        out = self.printed(full())
        for line in (
            "Connections   total 2,000   successful 1,997   failed 3   (99.85 %)",
            "acquire wait      2,000   6.17ms   6.01ms   7.80ms   9.74ms        –   11.7ms",
            "release           2,000   4.30µs   4.00µs   6.70µs   10.1µs        –   13.3µs",
            "  acquire wait: 1 still under way at the end, the longest for 120µs so far; not counted above",
            "     4.00ms – 8.00ms  ████████████████████████████████████████     1,817",
            "per second    ok  ██████████  189…209",
            "throughput    200 ± 1.80 per second, best second 209",
            "errors        3 (0.15 %)",
            "acquireTimeout 3 in acquire, 4.01s to 4.02s into the run: timed out after 5s",
            "fairness      Jain 0.999, tail ratio 1.60, starved 0, overtakes p99 0, longest gap 251ms",
            "pool          at most 8 of 8 in use, 12 opened, queue mean 23.6, longest queue 24",
            "leaks         none",
            "threshold     acquireWait:p99<50ms   held",
            "findings      1. closed loop:",
        ):
            self.assertIn(line, out)

    def test_the_distribution_counts_every_value_of_the_histogram(self):
        lines = self.printed(full()).splitlines()
        start = next(i for i, line in enumerate(lines) if line.startswith("acquire wait distribution"))
        bars = [line for line in lines[start + 1 :] if line.startswith("  ") and " – " in line]
        self.assertEqual(sum(int(line.split()[-1].replace(",", "")) for line in bars), 2000)

    def test_percentiles_with_too_few_samples_are_not_shown_and_it_says_why(self):
        out = self.printed(full())
        self.assertIn("p99.9 and above not shown: needs 10,000 samples, have 2,000 (acquire wait, use", out)
        self.assertIn("p50 and above not shown: needs 20 samples, have 12 (connect)", out)

    def test_with_enough_samples_even_p99_99_is_shown(self):
        def plenty(document):
            document["phases"]["use"].update(count=100_000, p99_99=15000.0, histogram=None)

        out = self.printed(full(plenty))
        self.assertIn("p99.99", out.splitlines()[2])
        self.assertIn("15.0ms", next(line for line in out.splitlines() if line.startswith("use ")))

    def test_without_errors_it_says_none(self):
        def clean(document):
            document.update(totalConnections=1997, failedConnections=0, errors={"total": 0, "byKind": {}})

        self.assertIn("errors        none\n", self.printed(full(clean)))

    def test_a_leak_check_that_was_not_made_is_not_called_clean(self):
        out = self.printed(full(lambda d: d["leakCheck"].update(status="notPerformed", performed=False)))
        self.assertIn("leaks         not checked", out)

    def test_every_section_may_be_absent_or_null(self):
        for key in FULL:
            if key in ("totalConnections", "successfulConnections", "failedConnections", "connectionTimes"):
                continue
            for change in (lambda d, k=key: d.pop(k), lambda d, k=key: d.update({k: None})):
                with self.subTest(key):
                    self.printed(full(change))
                    json.loads(self.printed(full(change), "--json"))

    def test_every_nullable_figure_may_be_null(self):
        def strip(value):
            """The same document, with null for every number below the four seed keys."""
            if isinstance(value, dict):
                return {key: strip(item) for key, item in value.items()}
            if isinstance(value, list):
                return [strip(item) for item in value]
            return None if isinstance(value, (int, float)) and not isinstance(value, bool) else value

        document = {key: value if key.endswith("Connections") else strip(value) for key, value in FULL.items()}
        document["connectionTimes"] = FULL["connectionTimes"]
        self.printed(document)
        json.loads(self.printed(document, "--json"))

    def test_unknown_keys_are_ignored(self):
        def newer(document):
            document["schemaVersion"] = "1.7.0"
            document["news"] = {"x": [1]}
            document["timeline"]["series"]["news"] = "?"
            document["attempts"]["news"] = "?"

        self.assertEqual(self.printed(full(newer)), self.printed(full()))

    def test_text_from_the_file_cannot_steer_the_terminal(self):
        def hostile(document):
            document["config"]["scenario"] = "\x1b[2Jx"
            document["errors"]["byKind"]["acquireTimeout"]["sample"] = "a\nb\x07"

        out = self.printed(full(hostile))
        self.assertNotIn("\x1b", out)
        self.assertNotIn("\x07", out)
        self.assertIn("a\N{REPLACEMENT CHARACTER}b", out)

    def test_there_are_no_colours(self):
        self.assertNotIn("\x1b", self.printed(full()))

    def test_several_files_are_reported_one_by_one(self):
        code, out, _ = self.analyse(self.write(full()), self.write(seed(), "seed.json"))
        self.assertEqual(code, 0)
        self.assertEqual(out.count("Connections   total"), 2)

    def test_rates_are_per_second_whatever_the_interval(self):
        out = self.printed(full(lambda d: d["timeline"].update(intervalMs=500)))
        self.assertRegex(out, r"per second +ok +\S+  378…418")

    def test_a_wide_distribution_takes_larger_steps(self):
        out = self.printed(seed([0.0005 * 2**i for i in range(30)]))
        self.assertIn("(each step of time is 8 times the last)", out)
        bars = [line for line in out.splitlines() if "  █" in line]
        self.assertEqual(len(bars), 10)
        self.assertEqual(sum(int(line.split()[-1]) for line in bars), 30)
        self.assertIn("0 – ", bars[0])

    def test_a_narrow_distribution_doubles(self):
        self.assertIn("(each step of time is twice the last)", self.printed(full()))

    def test_a_failed_leak_check_and_the_verdicts_reasons_are_told(self):
        def fail(document):
            document["leakCheck"].update(status="fail", outstandingHandles=2, findings=["held by main.rs:7"])
            document["verdict"].update(status="fail", reasons=["leak", "ledger"])
            document["verdict"]["thresholds"][0]["ok"] = False

        out = self.printed(full(fail))
        self.assertIn("leaks         FAIL, 2 connections not given back\n              held by main.rs:7", out)
        self.assertIn("verdict       leak\n              ledger", out)
        self.assertIn("threshold     acquireWait:p99<50ms   FAILED", out)

    def test_long_timelines_are_condensed(self):
        def long(document):
            document["timeline"]["series"] = {"ok": [float(i % 7) for i in range(3600)], "pending": [None] * 3600}

        line = next(line for line in self.printed(full(long)).splitlines() if line.startswith("per second"))
        self.assertLess(len(line), 100)


class SeedOnly(Case):
    def test_percentiles_are_nearest_ranks_of_connection_times(self):
        # 1 .. 1000 ms in any order: the nearest rank of p50 is the 500th, of p90 the 900th, of p99 the 990th.
        times = [float(i * 7919 % 1000 + 1) for i in range(1000)]
        out = self.printed(seed(times))
        row = next(line for line in out.splitlines() if line.startswith("whole cycle "))
        self.assertEqual(row.split()[2:], ["1,000", "500ms", "500ms", "900ms", "990ms", "–", "1.00s"])
        phase = json.loads(self.printed(seed(times), "--json"))["results"][0]["phases"]["connectionTimes"]
        self.assertEqual((phase["p50"], phase["p95"], phase["p99"]), (500_000, 950_000, 990_000))
        self.assertEqual((phase["min"], phase["mean"], phase["max"]), (1000, 500_500, 1_000_000))
        self.assertAlmostEqual(phase["stddev"], 288_675, delta=1)

    def test_it_says_what_is_missing(self):
        out = self.printed(seed())
        self.assertIn("results.json  seed-only file", out)
        self.assertIn("missing       only the four seed keys are in this file", out)
        self.assertIn("p50 and above not shown: needs 20 samples, have 4", out)

    def test_failures_are_counted(self):
        self.assertIn("errors        1 (20.00 %)", self.printed(seed(failed=1)))

    def test_a_run_in_which_everything_failed_has_no_times(self):
        out = self.printed(seed([], failed=5))
        self.assertIn("no times in this file", out)
        self.assertIn("(0.00 %)", out)

    def test_a_run_without_an_attempt(self):
        self.assertIn("(no attempt)", self.printed(seed([])))

    def test_a_sample_is_called_a_sample(self):
        sample = {"sampled": True, "of": 2000, "kept": 4, "method": "algorithm-R"}
        document = seed(totalConnections=2000, successfulConnections=2000, connectionTimesSample=sample)
        self.assertIn("whole cycle: a sample of 4 of 2,000 cycles", self.printed(document))

    def test_integers_and_zeros_are_times_too(self):
        self.assertIn("whole cycle", self.printed(seed([0, 0, 5])))


class Refusals(Case):
    """Exit 1, the file and the path of the key on standard error, nothing but that."""

    def refuses(self, document, *messages):
        path = self.write(document)
        code, out, err = self.analyse(path)
        self.assertEqual((code, out), (1, ""))
        for message in messages:
            self.assertIn(f"{path}: {message}\n", err)

    def test_a_file_that_is_not_there(self):
        code, _, err = self.analyse(os.path.join(self.directory, "none.json"))
        self.assertEqual(code, 1)
        self.assertIn("none.json: cannot be read: No such file or directory", err)

    def test_a_directory(self):
        self.assertEqual(self.analyse(self.directory)[0], 1)

    def test_what_is_no_json(self):
        self.refuses("{", "is not JSON: line 1, column 2: Expecting property name enclosed in double quotes")
        self.refuses("", "is not JSON: line 1, column 1: Expecting value")
        self.refuses("[" * 100_000, "is not a result: nested too deeply")

    def test_bytes_that_are_no_text(self):
        path = os.path.join(self.directory, "results.json")
        with open(path, "wb") as file:
            file.write(b'{"a": "\xff"}')
        code, _, err = self.analyse(path)
        self.assertEqual(code, 1)
        self.assertIn("is not UTF-8 text: byte 7 is wrong", err)

    def test_another_document(self):
        self.refuses("[1, 2]", "is not a result: expected an object, found a list")

    def test_missing_keys(self):
        self.refuses({}, "totalConnections: is missing", "connectionTimes: is missing")

    def test_wrong_types(self):
        self.refuses(seed(totalConnections="4"), 'totalConnections: expected a whole number, found the text "4"')
        self.refuses(seed(failedConnections=True), "failedConnections: expected a whole number, found the boolean true")
        self.refuses(seed(successfulConnections=3.5), "successfulConnections: expected a whole number, found 3.5")
        self.refuses(seed(connectionTimes={}), "connectionTimes: expected a list, found an object")
        self.refuses(seed([1, "2", None]), 'connectionTimes[1]: expected a number, found the text "2"')
        self.refuses(full(lambda d: d.update(phases=[])), "phases: expected an object, found a list")
        self.refuses(
            full(lambda d: d["phases"]["use"].update(mean="fast")),
            'phases.use.mean: expected a number, found the text "fast"',
        )
        self.refuses(full(lambda d: d.update(faults=[3])), "faults[0]: expected an object, found the number 3")

    def test_numbers_that_json_does_not_have(self):
        self.refuses('{"connectionTimes": [1.0, NaN]}', "connectionTimes[1]: nan is not a number that JSON knows")
        self.refuses('{"a": {"b": 1e999}}', "a.b: inf is not a number that JSON knows")

    def test_numbers_beyond_reason(self):
        self.refuses(seed([10**400]), "connectionTimes[0]: the number is too large")
        # Newer Pythons refuse to read integers of thousands of digits at all.
        code, out, err = self.analyse(self.write('{"totalConnections": ' + "9" * 5000 + "}"))
        self.assertEqual((code, out), (1, ""))
        self.assertNotEqual(err, "")

    def test_negative_values(self):
        self.refuses(seed([1.0, -2.0]), "connectionTimes[1]: must not be negative, found -2")
        self.refuses(
            seed(failedConnections=-1, totalConnections=3), "failedConnections: must not be negative, found -1"
        )

    def test_an_empty_list_of_times_of_a_run_that_had_successes(self):
        self.refuses(
            seed([], totalConnections=7, successfulConnections=7),
            "connectionTimes: the list is empty, but successfulConnections is 7",
        )

    def test_counts_that_do_not_add_up(self):
        self.refuses(
            seed(totalConnections=9),
            "totalConnections: is 9, but successfulConnections + failedConnections is 4 + 0 = 4",
        )

    def test_other_units(self):
        self.refuses(
            full(lambda d: d["units"].update(connectionTimes="s")),
            'units.connectionTimes: expected "ms", found the text "s"',
        )
        self.refuses(
            full(lambda d: d["phases"]["use"].update(unit="ms")), 'phases.use.unit: expected "us", found the text "ms"'
        )

    def test_another_major_version(self):
        self.refuses(
            full(lambda d: d.update(schemaVersion="2.0.0")), 'schemaVersion: expected "1.x.y", found the text "2.0.0"'
        )

    def test_a_histogram_that_is_none(self):
        path = self.write(full(lambda d: d["phases"]["use"]["histogram"].update(data="HISTFAAAxyz")))
        code, _, err = self.analyse(path)
        self.assertEqual(code, 1)
        self.assertIn(f"{path}: phases.use.histogram.data: the histogram ", err)

    def test_a_timeline_of_unequal_lists(self):
        self.refuses(
            full(lambda d: d["timeline"].update(series={"ok": [1, 2], "failed": [0]})),
            "timeline.series: its lists differ in length: ok 2, failed 1",
        )

    def test_all_problems_at_once(self):
        self.refuses(
            seed([-1.0], totalConnections=3),
            "connectionTimes[0]: must not be negative, found -1",
            "totalConnections: is 3, but successfulConnections + failedConnections is 1 + 0 = 1",
        )

    def test_names_from_the_file_cannot_steer_the_terminal(self):
        path = self.write({"a\x1b[2J": float("nan")})
        self.assertNotIn("\x1b", self.analyse(path)[2])

    def test_one_bad_file_does_not_hide_the_good_one(self):
        code, out, err = self.analyse(self.write("{", "bad.json"), self.write(seed(), "good.json"))
        self.assertEqual(code, 1)
        self.assertIn("good.json  seed-only file", out)
        self.assertIn("bad.json: is not JSON", err)


class Usage(Case):
    def refuses(self, message, *arguments):
        code, out, err = self.analyse(*arguments)
        self.assertEqual((code, out), (2, ""))
        self.assertIn(message, err)

    def test_no_file(self):
        self.refuses("results.json")

    def test_an_unknown_option(self):
        self.refuses("--frobnicate", FIXTURE, "--frobnicate")

    def test_one_file_cannot_be_merged(self):
        self.refuses("--merge needs at least two files", FIXTURE, "--merge")

    def test_checks_that_are_none(self):
        self.refuses("is no check: expected METRIC:STAT OP LIMIT[UNIT]", FIXTURE, "--check", "p99 is fast")
        self.refuses(
            "there is no metric acquirWait; did you mean acquireWait?", FIXTURE, "--check", "acquirWait:p99<5ms"
        )
        self.refuses("throughput has no p99; known: rate, peak", FIXTURE, "--check", "throughput:p99<5ms")
        self.refuses("did you mean mean?", FIXTURE, "--check", "use:maen<5ms")
        self.refuses('a time needs the unit ns, us, µs, ms, s, m, found ""', FIXTURE, "--check", "use:p99<5")
        self.refuses('a share needs the unit %, found ""', FIXTURE, "--check", "errors:rate<0.1")
        self.refuses('a count needs no unit, found "ms"', FIXTURE, "--check", "leaks:count==0ms")
        self.refuses("use has no p0", FIXTURE, "--check", "use:p0<5ms")
        self.refuses("use has no p100", FIXTURE, "--check", "use:p100<5ms")

    def test_help_lists_the_exit_codes(self):
        code, out, _ = self.analyse("--help")
        self.assertEqual(code, 0)
        self.assertIn("exit codes: 0 ok, 1 a file is unreadable or invalid, 2 usage, 99 a check failed", out)


class Baseline(Case):
    def test_figures_stand_side_by_side_with_their_ratio(self):
        def faster(document):
            document["throughput"]["mean"] = 400.0
            document["phases"]["acquireWait"]["p99"] = 4871.6
            document["config"]["pool"]["size"] = 16

        before = self.write(full(), "before.json")
        code, out, _ = self.analyse(self.write(full(faster), "now.json"), "--baseline", before)
        self.assertEqual(code, 0)
        self.assertRegex(out, r"throughput /s +200 +400 +2\.00×")
        self.assertRegex(out, r"acquire wait p99 +9\.74ms +4\.87ms +0\.50×")
        self.assertIn("settings differ: pool size 8 → 16", out)
        self.assertIn("Two runs made one after the other cannot tell small differences", out)

    def test_a_percentile_with_too_few_samples_is_not_compared(self):
        out = self.printed(full(), "--baseline", FIXTURE)
        self.assertNotIn("connect p50", out)

    def test_seed_only_files_are_compared_by_whole_cycles(self):
        before = self.write(seed([2.0] * 30), "before.json")
        out = self.printed(seed([3.0] * 30), "--baseline", before)
        self.assertRegex(out, r"whole cycle p50 +2\.00ms +3\.00ms +1\.50×")

    def test_nothing_is_divided_by_zero(self):
        before = self.write(seed([0.0] * 30), "before.json")
        self.assertRegex(self.printed(seed([3.0] * 30), "--baseline", before), r"whole cycle p50 +0 +3\.00ms +–")

    def test_an_unreadable_baseline_exits_1(self):
        code, out, err = self.analyse(FIXTURE, "--baseline", self.write("{"))
        self.assertEqual(code, 1)
        self.assertIn("is not JSON", err)
        self.assertIn("Connections", out)


class Merge(Case):
    def test_histograms_are_added_and_percentiles_come_from_the_sum(self):
        longer = {"count": 2, "maxSoFar": 300.0}
        path = self.write(full(lambda d: d["phases"]["acquireWait"].update(censored=longer)), "again.json")
        code, out, _ = self.analyse(FIXTURE, path, "--merge", "--json")
        self.assertEqual(code, 0)
        (merged,) = json.loads(out)["results"]
        self.assertEqual(merged["kind"], "merged")
        self.assertEqual(merged["connections"]["total"], 4000)
        wait = merged["phases"]["acquireWait"]
        self.assertEqual((wait["count"], wait["censored"], wait["max"]), (4000, 3, 11674.159))
        self.assertAlmostEqual(wait["p99"], 9740.287)
        self.assertAlmostEqual(wait["mean"], 6171.7)
        self.assertAlmostEqual(wait["stddev"], 1237.1)

    def test_the_p99_of_two_runs_is_not_the_mean_of_their_p99(self):
        fast, slow = self.write(seed([1.0] * 1990 + [2.0] * 10), "a.json"), self.write(seed([100.0] * 1000), "b.json")
        _, out, _ = self.analyse(fast, slow, "--merge", "--json")
        cycle = json.loads(out)["results"][0]["phases"]["connectionTimes"]
        self.assertEqual((cycle["p50"], cycle["p99"]), (1000, 100_000))
        self.assertAlmostEqual(cycle["mean"], (1990 * 1.0 + 10 * 2.0 + 1000 * 100.0) / 3000 * 1000)

    def test_the_text_says_that_it_is_a_sum(self):
        code, out, _ = self.analyse(FIXTURE, "--merge", self.write(full(), "again.json"))
        self.assertEqual(code, 0)
        self.assertIn("2 files merged: histograms added, percentiles from the sum", out)
        self.assertIn("acquireTimeout 6 in acquire", out)

    def test_the_longest_of_the_unfinished_is_the_longest_of_all(self):
        longer = {"count": 2, "maxSoFar": 300.0}
        path = self.write(full(lambda d: d["phases"]["acquireWait"].update(censored=longer)), "again.json")
        for order in ((FIXTURE, path), (path, FIXTURE)):
            _, out, _ = self.analyse(*order, "--merge")
            self.assertIn("acquire wait: 3 still under way at the end, the longest for 300µs so far", out)

    def test_a_phase_without_histogram_is_left_out_and_named(self):
        path = self.write(full(lambda d: d["phases"]["use"].update(histogram=None)), "poor.json")
        _, out, _ = self.analyse(FIXTURE, path, "--merge")
        self.assertIn(f"use is left out: no histogram in {path}", out)
        self.assertNotIn("\nuse ", out)

    def test_different_loads_are_named(self):
        path = self.write(full(lambda d: d["config"]["load"].update(threads=64)), "other.json")
        _, out, _ = self.analyse(FIXTURE, path, "--merge")
        self.assertIn(f"not the same load: threads 32 → 64 in {path}", out)

    def test_samples_of_cycles_are_not_mixed(self):
        sample = {"sampled": True, "of": 2000, "kept": 4, "method": "algorithm-R"}
        sampled = seed(totalConnections=2000, successfulConnections=2000, connectionTimesSample=sample)
        code, out, err = self.analyse(self.write(seed(), "a.json"), self.write(sampled, "b.json"), "--merge")
        self.assertEqual((code, out), (1, ""))
        self.assertIn("cannot be merged: whole cycle is left out: connectionTimes is a sample in", err)

    def test_a_sum_never_silently_lacks_a_file(self):
        code, out, _ = self.analyse(FIXTURE, FIXTURE, self.write("{"), "--merge")
        self.assertEqual((code, out), (1, ""))

    def test_checks_judge_the_sum(self):
        self.assertEqual(self.analyse(FIXTURE, FIXTURE, "--merge", "--check", "errors:count==6")[0], 0)


class MachineReadable(Case):
    def test_the_output_is_one_json_document(self):
        code, out, _ = self.analyse(
            FIXTURE, self.write(seed()), "--json", "--check", "errors:count==0", "--baseline", FIXTURE
        )
        self.assertEqual(code, 99)
        whole, seeds = json.loads(out)["results"]
        self.assertEqual((whole["kind"], seeds["kind"]), ("full", "seedOnly"))
        self.assertEqual([(check["actual"], check["ok"]) for check in whole["checks"]], [(3.0, False)])
        self.assertEqual(whole["findings"][0]["rule"], "closedLoop")
        self.assertEqual(whole["baseline"]["rows"][0]["ratio"], 1.0)
        self.assertEqual(whole["phases"]["acquireWait"]["reliable"], ["p50", "p75", "p90", "p95", "p99"])


class Plots(Case):
    def test_without_matplotlib_it_says_so_in_one_line_and_exits_0(self):
        with mock.patch.object(plots, "load_matplotlib", return_value=None):
            code, out, err = self.analyse(FIXTURE, "--plots", self.directory)
        self.assertEqual((code, err), (0, ""))
        self.assertIn("plots         matplotlib is not installed: text only", out)

    def test_with_json_that_line_goes_to_standard_error(self):
        with mock.patch.object(plots, "load_matplotlib", return_value=None):
            code, out, err = self.analyse(FIXTURE, "--plots", self.directory, "--json")
        self.assertEqual(code, 0)
        json.loads(out)
        self.assertIn("matplotlib is not installed", err)

    @unittest.skipIf(plots.load_matplotlib() is None, "matplotlib is not installed")
    def test_with_matplotlib_five_files_are_drawn_the_same_each_time(self):
        contents = []
        for name in ("a", "b"):
            directory = os.path.join(self.directory, name)
            code, out, _ = self.analyse(FIXTURE, "--plots", directory)
            self.assertEqual(code, 0)
            self.assertIn("5 PNG", out)
            contents.append({path.name: path.read_bytes() for path in pathlib.Path(directory).iterdir()})
        self.assertEqual(len(contents[0]), 5)
        self.assertEqual(contents[0], contents[1])

    @unittest.skipIf(plots.load_matplotlib() is None, "matplotlib is not installed")
    def test_a_directory_that_cannot_be_made_exits_1(self):
        code, _, err = self.analyse(FIXTURE, "--plots", self.write("x", "file"))
        self.assertEqual(code, 1)
        self.assertIn("cannot write plots", err)


class AsAProgram(Case):
    """What only a process of its own shows."""

    def run_script(self, *arguments, **environment):
        return subprocess.run(
            [sys.executable, SCRIPT, *arguments],
            capture_output=True,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", **environment},
            cwd=self.directory,
            timeout=60,
        )

    def test_it_runs_from_any_directory_and_exits_with_its_code(self):
        self.assertEqual(self.run_script(FIXTURE).returncode, 0)
        self.assertEqual(self.run_script(FIXTURE, "--check", "use:p99<1us").returncode, 99)
        self.assertEqual(self.run_script("none.json").returncode, 1)
        self.assertEqual(self.run_script().returncode, 2)

    def test_without_utf_8_it_draws_in_ascii(self):
        finished = self.run_script(FIXTURE, PYTHONIOENCODING="ascii", PYTHONUTF8="0")
        self.assertEqual(finished.returncode, 0, finished.stderr)
        out = finished.stdout.decode("ascii")
        self.assertIn("10.1us", out)
        self.assertIn("########################################     1,817", out)
        self.assertNotIn("\\u", out)

    def test_a_reader_that_stops_early_is_no_error(self):
        process = subprocess.Popen(
            [sys.executable, SCRIPT, *[FIXTURE] * 100], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        process.stdout.readline()
        process.stdout.close()
        err = process.stderr.read()
        process.stderr.close()
        self.assertEqual((process.wait(60), err), (0, b""))


if __name__ == "__main__":
    unittest.main()
