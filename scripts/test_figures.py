"""How figures are written and drawn."""

import unittest

from load_test_analysis import figures


class Figures(unittest.TestCase):
    def test_durations_keep_three_digits(self):
        for microseconds, shown in (
            (None, "–"),
            (0, "0"),
            (0.012, "12.0ns"),
            (0.9999, "1.00µs"),
            (9.996, "10.0µs"),
            (999.4, "999µs"),
            (999.6, "1.00ms"),
            (9743.2, "9.74ms"),
            (2_000_000, "2.00s"),
            (3_600_000_000, "3,600s"),
        ):
            self.assertEqual(figures.duration(microseconds), shown)

    def test_a_share_is_never_rounded_to_all_or_nothing(self):
        self.assertEqual(figures.percent(0.999999), "99.99 %")
        self.assertEqual(figures.percent(0.000001), "<0.01 %")
        self.assertEqual(figures.percent(1), "100.00 %")
        self.assertEqual(figures.percent(0), "0.00 %")

    def test_a_sparkline_starts_at_zero_and_leaves_gaps(self):
        self.assertEqual(figures.sparkline([0, 4, None, 8]), "▁▅ █")
        self.assertEqual(figures.sparkline([0, 0]), "▁▁")
        self.assertEqual(figures.sparkline([]), "")

    def test_condensing_keeps_the_peak(self):
        self.assertEqual(figures.condense([1, 9, 2, None, None, None], 3, max), [9, 2, None])

    def test_the_smallest_bar_still_shows(self):
        self.assertEqual(figures.bar(0.0001, 40), "▏")
        self.assertEqual(figures.bar(0, 40), "")
        self.assertEqual(figures.bar(1, 3), "███")


if __name__ == "__main__":
    unittest.main()
