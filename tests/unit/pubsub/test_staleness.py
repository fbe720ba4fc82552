"""Whether clients are told of an outage."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.pubsub.staleness import Staleness


class StalenessTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.told = []
        self.staleness = Staleness(
            self.clock,
            lambda: int(self.clock.seconds() * 1000),
            self.told.append,
            lambda: self.told.append("fresh"),
        )

    def test_a_short_outage_is_not_told(self):
        """Neither its begin nor its end."""
        self.staleness.away()
        self.clock.advance(4)
        self.staleness.caught_up()
        self.clock.advance(10)
        self.assertEqual(self.told, [])

    def test_a_long_one_is_told_once(self):
        """With the time when it began, also where the link came up in between and caught up with nothing."""
        self.clock.advance(1)
        self.staleness.away()
        self.clock.advance(3)
        self.staleness.away()
        self.clock.advance(3)
        self.assertEqual(self.told, [1000])
        self.clock.advance(30)
        self.staleness.caught_up()
        self.staleness.caught_up()
        self.assertEqual(self.told, [1000, "fresh"])

    def test_the_next_one_is_told_again(self):
        """Each has its own begin."""
        for _ in range(2):
            self.staleness.away()
            self.clock.advance(5)
            self.staleness.caught_up()
        self.assertEqual(self.told, [0, "fresh", 5000, "fresh"])

    def test_it_can_be_stopped(self):
        """No timer is left."""
        self.staleness.away()
        self.staleness.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
