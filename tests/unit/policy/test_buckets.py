"""`pulsetw.policy.buckets`."""

import math

from hypothesis import example, given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.policy.buckets import Bucket, Buckets, Rate

RATES = st.builds(Rate, st.floats(0.1, 1000), st.integers(1, 50))
KEYS = st.integers(0, 9)
# A time that passes (now and then it steps back), whose bucket, and what it costs.
STEPS = st.lists(st.tuples(st.floats(-1, 3) | st.just(0.0), KEYS, st.integers(1, 5)), max_size=60)
START = 1_800_000_000.0


class BucketTests(SynchronousTestCase):
    def test_a_full_bucket_gives_its_burst(self) -> None:
        """To the last token, whatever the clock shows, and then says how long the next one takes."""
        for now in (0.0, 0.1, START):
            bucket = Bucket(Rate(3, 4))
            self.assertEqual([bucket.take(now) for _ in range(4)], [0.0] * 4)
            self.assertAlmostEqual(bucket.take(now), 1 / 3)

    def test_waiting_as_long_as_was_said(self) -> None:
        """Is enough, and no less is."""
        bucket = Bucket(Rate(3, 1))
        now = START
        bucket.take(now)
        for _ in range(1000):
            wait_s = bucket.take(now)
            self.assertGreater(bucket.take(now + wait_s * 0.9), 0)
            now += wait_s
            self.assertEqual(bucket.take(now), 0)

    def test_long_idle(self) -> None:
        """Gives no more than a burst."""
        bucket = Bucket(Rate(1000, 2))
        bucket.take(START)
        self.assertEqual([bucket.take(START * 2) for _ in range(2)], [0.0, 0.0])
        self.assertGreater(bucket.take(START * 2), 0)

    def test_a_clock_that_steps_back(self) -> None:
        """Neither gives nor takes; time goes on from there."""
        bucket = Bucket(Rate(1, 2))
        bucket.take(START)
        self.assertEqual(bucket.take(START - 3600), 0)
        self.assertEqual(bucket.take(START - 3600), 1)
        self.assertEqual(bucket.take(START - 3599), 0)

    def test_what_costs_more_than_a_burst(self) -> None:
        """Is never allowed, and takes nothing."""
        bucket = Bucket(Rate(1, 2))
        self.assertEqual(bucket.take(0, 3), math.inf)
        self.assertEqual(bucket.take(0, 2), 0)

    def test_no_limit(self) -> None:
        """A rate of 0 is none."""
        bucket, buckets = Bucket(Rate(0, 1)), Buckets[str](Rate(0, 1), 1)
        for _ in range(10):
            self.assertEqual((bucket.take(0, 1000), buckets.take("a", 0, 1000)), (0.0, 0.0))
        self.assertEqual(len(buckets), 0)

    def test_no_rates(self) -> None:
        """A rate below zero, and a burst that never lets anything through."""
        for per_s, burst in ((-1, 1), (1, 0), (1, 0.5), (math.nan, 1), (1, math.nan)):
            self.assertRaises(ValueError, Rate, per_s, burst)

    @given(RATES, STEPS)
    def test_never_more_than_was_promised(self, rate: Rate, steps: list[tuple[float, int, int]]) -> None:
        """In any time, measured from any moment: the rate by the time, and a burst."""
        bucket, now, passed = Bucket(rate), START, 0.0
        taken: list[tuple[float, int]] = []
        for step, _, cost in steps:
            now, passed = now + step, passed + max(step, 0)
            if not bucket.take(now, cost):
                taken.append((passed, cost))
        for first in range(len(taken)):
            total = 0
            for at, cost in taken[first:]:
                total += cost
                # The clock shows 0.25 µs at most, at this date.
                self.assertLessEqual(total, rate.per_s * (at - taken[first][0] + 1e-5) + rate.burst + 1e-5)


class BucketsTests(SynchronousTestCase):
    def test_keys_are_apart(self) -> None:
        """Nobody pays for somebody else."""
        buckets = Buckets[str](Rate(1, 1), 10)
        self.assertEqual((buckets.take("a", 0), buckets.take("b", 0)), (0, 0))
        self.assertEqual((buckets.take("a", 0), buckets.take("b", 0.5)), (1, 0.5))

    def test_full_ones_are_forgotten(self) -> None:
        """Those who stay away take no memory."""
        buckets = Buckets[int](Rate(1, 1), 1000)
        for key in range(1000):
            buckets.take(key, key / 1000)
        self.assertEqual(len(buckets), 1000)
        for key in range(1000, 2000):
            buckets.take(key, 10 + key)
        # For a minute they are kept: the clock may go back.
        self.assertEqual(len(buckets), 61)
        buckets.take(0, 10_000)
        for key in range(100):
            buckets.take(key, 10_000 + 100 * key)
        self.assertEqual(len(buckets), 1)

    def test_no_place_is_left(self) -> None:
        """Newcomers share a bucket; those who have one of their own notice nothing."""
        buckets = Buckets[str](Rate(1, 2), 1)
        self.assertEqual(buckets.take("a", 0), 0)
        self.assertEqual([buckets.take(key, 0) for key in "bcd"], [0, 0, 1])
        self.assertEqual([buckets.take("a", 0), buckets.take("a", 0)], [0, 1])
        self.assertEqual(len(buckets), 1)

    def test_what_was_shared_is_owed(self) -> None:
        """A bucket of one's own is no second burst."""
        buckets = Buckets[str](Rate(1, 2), 1)
        buckets.take("a", 0)
        self.assertEqual([buckets.take("b", 0.5), buckets.take("b", 0.5)], [0, 0])
        self.assertEqual(buckets.take("b", 1), 0.5)
        self.assertEqual(len(buckets), 1)
        self.assertIn("b", buckets._kept)

    @example(Rate(1.0, 1), [(0.0, 0, 1), (1.0, 1, 1), (-1.0, 0, 1)])
    @given(RATES, STEPS)
    def test_forgetting_loses_nothing(self, rate: Rate, steps: list[tuple[float, int, int]]) -> None:
        """Each answer is that of buckets of which none was ever forgotten."""
        buckets, kept, now = Buckets[int](rate, 10), {key: Bucket(rate) for key in range(10)}, START
        for step, key, cost in steps:
            now += step
            self.assertEqual(buckets.take(key, now, cost), kept[key].take(now, cost))

    @given(RATES, STEPS, st.integers(1, 4))
    def test_never_more_than_one_of_its_own_would_give(
        self, rate: Rate, steps: list[tuple[float, int, int]], places: int
    ) -> None:
        """However few places there are: what somebody got, a bucket of its own would have given."""
        buckets, own, now = Buckets[int](rate, places), {key: Bucket(rate) for key in range(10)}, START
        for step, key, cost in steps:
            now += max(step, 0)
            if not buckets.take(key, now, cost):
                own[key].take(now, 0)
                own[key].tokens -= cost
                self.assertGreaterEqual(own[key].tokens, -1e-4)
            self.assertLessEqual(len(buckets), places)
