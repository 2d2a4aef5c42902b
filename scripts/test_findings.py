"""The rules that judge a result, and each of their limits."""

import unittest

from load_test_analysis import findings, loading
from load_test_cases import Case, full, seed


class Findings(Case):
    """Each rule: seen where it must be, silent where it must not."""

    def rules(self, change=None):
        found = findings.judge(loading.read(self.write(full(change))))
        return {finding.rule: finding.text for finding in found}

    def test_the_fixture_has_only_the_caveat_of_the_closed_loop(self):
        self.assertEqual(list(self.rules()), ["closedLoop"])

    def test_names_are_unique(self):
        names = [rule.name for rule in findings.RULES]
        self.assertEqual(len(names), len(set(names)))

    def test_accounting(self):
        self.assertIn(
            "2,001 attempts were offered, but their outcomes add up to 2,002",
            self.rules(lambda d: d["attempts"].update(skipped=1))["accounting"],
        )
        self.assertIn(
            "use: the histogram holds 2,000 values, count says 1,999",
            self.rules(lambda d: d["phases"]["use"].update(count=1999))["accounting"],
        )

    def test_more_times_than_attempts(self):
        found = findings.judge(loading.read(self.write(seed(totalConnections=3, successfulConnections=3))))
        self.assertEqual(found[0].text, "connectionTimes holds 4 times of 3 attempts")

    def test_leak(self):
        self.assertIn(
            "2 connections not given back", self.rules(lambda d: d["leakCheck"].update(outstandingHandles=2))["leak"]
        )
        self.assertIn("created minus closed", self.rules(lambda d: d["leakCheck"].update(ledgerBalanced=False))["leak"])
        failed = {"status": "fail", "findings": ["3 sockets left"]}
        self.assertIn("leak check failed: 3 sockets left", self.rules(lambda d: d["leakCheck"].update(failed))["leak"])

    def test_starvation(self):
        self.assertIn("4 of 32 threads", self.rules(lambda d: d["fairness"].update(starvedThreads=4))["starvation"])

    def test_outage(self):
        def freeze(document):
            document["timeline"]["series"]["ok"][3:6] = [0, 0, 0]

        found = self.rules(freeze)
        self.assertEqual(
            found["outage"], "outage: 3.00s without a success while there was work, first 3.00s into the run"
        )
        self.assertIn("(3 empty intervals of 1.00s seen)", found["closedLoop"])

    def test_an_outage_without_times_is_placed_by_its_interval(self):
        def freeze(document):
            del document["timeline"]["series"]["tMs"]
            document["timeline"]["intervalMs"] = 2000
            document["timeline"]["series"]["ok"][3] = 0

        self.assertIn("outage: 2.00s without a success while there was work, first 6.00s", self.rules(freeze)["outage"])

    def test_an_idle_second_is_no_outage(self):
        def idle(document):
            series = document["timeline"]["series"]
            for name in ("ok", "failed", "pending", "inUse"):
                series[name][9] = 0

        self.assertNotIn("outage", self.rules(idle))

    def test_a_second_that_was_not_measured_is_no_outage(self):
        def gap(document):
            document["timeline"]["series"]["ok"][9] = None

        self.assertNotIn("outage", self.rules(gap))

    def test_pool_bound(self):
        # 3,300 a second x 2.4 ms = 7.9 of 8 connections, and callers wait 6 ms for 2 ms of work.
        text = self.rules(lambda d: d["throughput"].update(mean=3300))["poolBound"]
        self.assertIn("wait/use = 2.98, busy 99 %", text)

    def test_a_busy_pool_without_waiting_is_not_pool_bound(self):
        def quick(document):
            document["throughput"]["mean"] = 3300
            document["phases"]["acquireWait"]["p50"] = 3.0

        self.assertNotIn("poolBound", self.rules(quick))

    def test_without_throughput_the_samples_tell_how_busy_the_pool_was(self):
        self.assertIn("busy 100 %", self.rules(lambda d: d.pop("throughput"))["poolBound"])

    def test_more_in_use_than_the_pool_has_is_still_no_more_than_all(self):
        def odd(document):
            del document["throughput"]
            document["timeline"]["series"]["inUse"] = [9] * 10

        self.assertIn("busy 100 %", self.rules(odd)["poolBound"])

    def test_rules_that_need_a_phase_are_silent_without_it(self):
        for phase in ("acquireWait", "use"):
            for figure in ("p50", "p99"):

                def poor(document, phase=phase, figure=figure):
                    document["throughput"]["mean"] = 3400
                    document["phases"][phase].update({figure: None, "histogram": None})

                with self.subTest(f"{phase} {figure}"):
                    self.rules(poor)
                    self.rules(lambda d, phase=phase: d["phases"].pop(phase))

    def test_oversized_by_peak_and_by_samples(self):
        self.assertIn("3 of 8 connections", self.rules(lambda d: d["pool"]["peak"].update(inUse=3))["oversized"])

        def long(document):
            document["timeline"]["series"] = {"inUse": [2.0] * 199 + [8.0]}

        self.assertIn("2 of 8 connections", self.rules(long)["oversized"])
        self.assertNotIn("oversized", self.rules(lambda d: d["pool"]["peak"].update(inUse=4)))

    def test_churn(self):
        def churn(document):
            document["pool"]["counters"]["created"] = 25

        self.assertIn("25 connections opened for a pool of 8", self.rules(churn)["churn"])
        self.assertNotIn("churn", self.rules(lambda d: d["pool"]["counters"].update(created=24)))

        def with_fault(document):
            churn(document)
            document["faults"] = [{"kind": "reset", "recovery": None}]

        self.assertNotIn("churn", self.rules(with_fault))

    def test_tail(self):
        def saturated(document):
            document["throughput"]["mean"] = 3400
            document["phases"]["acquireWait"]["p99"] = 24_000.0

        text = self.rules(saturated)["tail"]
        self.assertIn("wait p99 is 3.99 × p50", text)
        self.assertIn("(overtakes p99 0)", text)

        def without_fairness(document):
            saturated(document)
            del document["fairness"]

        self.assertNotIn("overtakes", self.rules(without_fairness)["tail"])
        self.assertNotIn("tail", self.rules(lambda d: d["phases"]["acquireWait"].update(p99=24_000.0)))

    def test_timeouts_at_the_limit(self):
        text = self.rules(lambda d: d["config"]["pool"].update(acquireTimeoutMs=12))["nearTimeout"]
        self.assertIn("the longest wait was 11.7ms of 12.0ms allowed, 3 timed out", text)

    def test_drift(self):
        def slower(document):
            document["timeline"]["series"]["acquireP99Us"][-2:] = [20_000, 21_000]

        self.assertIn("drift: wait p99 grew from 9.66ms", self.rules(slower)["drift"])

    def test_few_samples(self):
        def short(document):
            document["phases"]["acquireWait"].update(count=400, histogram=None)

        self.assertIn("400 values of acquire wait, p99 needs 1,000", self.rules(short)["fewSamples"])

        def just_enough(document):
            document["phases"]["acquireWait"].update(count=1000, histogram=None)

        self.assertNotIn("fewSamples", self.rules(just_enough))

    def test_generator_saturated(self):
        text = self.rules(lambda d: d["environment"]["generator"].update(saturated=True))["generatorSaturated"]
        self.assertIn("generator saturated (61 % of its processors)", text)

    def test_an_open_loop_needs_no_caveat(self):
        self.assertEqual(self.rules(lambda d: d["config"]["load"].update(model="open")), {})


if __name__ == "__main__":
    unittest.main()
