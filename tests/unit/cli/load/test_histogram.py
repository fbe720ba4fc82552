"""Times by how often they came."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.cli.load.histogram import Histogram, Percentiles


class HistogramTests(SynchronousTestCase):
    def test_percentiles_are_within_half_a_percent(self):
        """Of 1 to 100 000 µs, each once; the longest is exact."""
        histogram = Histogram()
        for microseconds in range(1, 100_001):
            histogram.add(microseconds)
        found = histogram.percentiles()
        for value, expected in ((found.p50, 50.0), (found.p90, 90.0), (found.p99, 99.0)):
            self.assertLess(abs(value - expected) / expected, 0.006, (value, expected))
        self.assertEqual((histogram.count, found.max), (100_000, 100.0))

    def test_what_is_rare_does_not_hide(self):
        """One of a hundred is beyond p99, not in it."""
        histogram = Histogram()
        for _ in range(99):
            histogram.add(1000)
        histogram.add(5_000_000)
        found = histogram.percentiles()
        self.assertLess(found.p99, 1.01)
        self.assertEqual(found.max, 5000.0)

    def test_no_percentile_is_above_the_longest(self):
        """Nor is a time of 0, or less by a clock's rounding, a mistake."""
        for microseconds in (1000, 1, 0, -3):
            histogram = Histogram()
            histogram.add(microseconds)
            found = histogram.percentiles()
            self.assertLessEqual(found.p50, max(found.max, 0.001))
        self.assertEqual(Histogram().percentiles(), Percentiles(0.0, 0.0, 0.0, 0.0))

    def test_its_memory_is_bounded(self):
        """Any time up to a year falls into one of some 3 000 steps."""
        histogram = Histogram()
        for power in range(450):
            for part in range(10):
                histogram.add(int(1.07 ** (power + part / 10)))
        self.assertLess(len(histogram._steps), 3200)
