"""Threshold expressions: what they mean, when they hold, how the script exits."""

import unittest

from load_test_analysis import checks, loading
from load_test_cases import FIXTURE, Case, full


class Checks(Case):
    def outcome(self, expression, document=None):
        return checks.Check(expression).judge(loading.read(self.write(document or full())))

    def test_every_metric_can_be_judged(self):
        def with_fault(document):
            recovery = {"detectedMs": 12, "firstSuccessMs": 9, "recoveredMs": 640}
            document["faults"] = [{"kind": "reset", "recovery": recovery}]
            document["leakCheck"]["rssSlopeBytesPerHour"] = 3 * 1024**2

        document = full(with_fault)
        for expression, shown, ok in (
            ("acquireWait:p99<50ms", "9.74ms", True),
            ("acquireWait:p99<9ms", "9.74ms", False),
            ("acquireWait:p99 < 0.01 s", "9.74ms", True),
            ("acquireWait:p98.5<1s", "9.44ms", True),  # not in the file: from its histogram
            ("use:max<2s", "16.9ms", True),
            ("use:mean>=2398us", "2.40ms", True),
            ("use:stddev<1ms", "1.54ms", False),
            ("connect:count==12", "12", True),
            ("response:min>1000000ns", "2.87ms", True),
            ("connectionTimes:max<=13.075ms", "13.1ms", True),
            ("errors:rate<0.1%", "0.15 %", False),
            ("errors:rate<=0.15%", "0.15 %", True),
            ("errors:count!=0", "3", True),
            ("errors.acquireTimeout:count==0", "3", False),
            ("errors.deadlock:count==0", "0", True),
            ("errors.acquireTimeout:rate<1%", "0.15 %", True),
            ("throughput:rate>=2000/s", "200/s", False),
            ("throughput:peak>200", "209/s", True),
            ("leaks:count==0", "0", True),
            ("fairness:jain>0.98", "0.999", True),
            ("fairness:starved==0", "0", True),
            ("overtakes:p99<=64", "0", True),
            ("recovery:recovered<5s", "640ms", True),
            ("queue:max<=20", "24", False),
            ("rss:slope<1MiB/h", "3MiB/h", False),
        ):
            with self.subTest(expression):
                outcome = self.outcome(expression, document)
                self.assertEqual((outcome.shown, outcome.ok), (shown, ok))

    def test_limits_are_exact(self):
        self.assertTrue(self.outcome("errors:rate==0.15%").ok)

    def test_no_data_fails_unless_the_check_ends_in_a_question_mark(self):
        for expression in ("acquireWait:p99.99<9m", "recovery:recovered<5s", "scheduleLag:p99<1s", "rss:slope<1GiB/h"):
            with self.subTest(expression):
                self.assertEqual((self.outcome(expression).shown, self.outcome(expression).ok), ("no data", False))
                self.assertIsNone(self.outcome(expression + "?").ok)

    def test_a_leak_check_that_was_not_made_is_no_data(self):
        document = full(lambda d: d["leakCheck"].update(status="notPerformed"))
        self.assertFalse(self.outcome("leaks:count==0", document).ok)

    def test_a_fault_that_was_never_recovered_from_fails_every_limit(self):
        faults = [{"recovery": {"recoveredMs": 5}}, {"recovery": {"recoveredMs": None}}]
        outcome = self.outcome("recovery:recovered<9m", full(lambda d: d.update(faults=faults)))
        self.assertEqual((outcome.shown, outcome.ok, outcome.actual), ("never", False, None))

    def test_the_slowest_recovery_decides(self):
        faults = [{"recovery": {"recoveredMs": 5}}, {"recovery": {"recoveredMs": 900}}]
        outcome = self.outcome("recovery:recovered<500ms", full(lambda d: d.update(faults=faults)))
        self.assertEqual((outcome.shown, outcome.ok), ("900ms", False))

    def test_a_phase_that_never_happened_is_no_data(self):
        nothing = {"count": 0, "mean": None, "max": None, "p99": None, "histogram": None}
        document = full(lambda d: d["phases"]["connect"].update(nothing))
        self.assertIsNone(self.outcome("connect:p99<1s?", document).ok)
        self.assertTrue(self.outcome("connect:count==0", document).ok)

    def test_the_rate_of_errors_without_an_attempt_is_no_data(self):
        empty = {"totalConnections": 0, "successfulConnections": 0, "failedConnections": 0, "connectionTimes": []}
        for expression in ("errors:rate<1%?", "errors.busy:rate<1%?"):
            self.assertIsNone(self.outcome(expression, {**empty, "errors": {"total": 0, "byKind": {}}}).ok)
            self.assertIsNone(self.outcome(expression, empty).ok)

    def test_a_percentile_on_few_samples_is_judged_with_a_reservation(self):
        self.assertEqual(self.outcome("use:p99.9<1s").note, "rests on 2 values beyond it")
        self.assertIsNone(self.outcome("use:p99<1s").note)

    def test_a_failed_check_exits_99_and_shows_expression_and_value(self):
        code, out, _ = self.analyse(FIXTURE, "--check", "acquireWait:p99<5ms", "--check", "leaks:count==0")
        self.assertEqual(code, 99)
        self.assertRegex(out, r"check +acquireWait:p99<5ms +9\.74ms  FAILED")
        self.assertRegex(out, r"check +leaks:count==0 +0  held")

    def test_checks_that_hold_exit_0(self):
        self.assertEqual(self.analyse(FIXTURE, "--check", "acquireWait:p99<50ms")[0], 0)

    def test_an_invalid_file_weighs_more_than_a_failed_check(self):
        code, _, _ = self.analyse(FIXTURE, self.write("{"), "--check", "acquireWait:p99<5ms")
        self.assertEqual(code, 1)


if __name__ == "__main__":
    unittest.main()
