"""Waiting before another try."""

from hypothesis import given
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.policy.backoff import Backoff


class BackoffTests(SynchronousTestCase):
    def test_it_grows_to_its_bound(self):
        """Exponential, without jitter where the dice show 0."""
        backoff = Backoff(first_s=0.1, factor=2, max_s=1)
        self.assertEqual([round(backoff.delay_s(n, 0), 3) for n in range(1, 7)], [0.1, 0.2, 0.4, 0.8, 1, 1])

    @given(st.integers(1, 10**9), st.floats(0, 1))
    def test_jitter_only_shortens(self, failures, dice):
        """A fleet spreads, and nobody waits longer than the bound, however often it failed."""
        delay = Backoff(first_s=0.1, factor=2, max_s=10, jitter=0.5).delay_s(failures, dice)
        self.assertTrue(0.05 <= delay <= 10)
