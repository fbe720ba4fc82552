"""Whose turn it is to take a connection."""

import os

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.workers.turns import Counts, Turns


class TurnsTests(SynchronousTestCase):
    def setUp(self):
        self.counts = Counts(3)
        self.addCleanup(os.close, self.counts.fd)
        self.connections = [0, 0, 0]
        # As in the workers: each maps the memory for itself.
        self.turns = [
            Turns(Counts(3, self.counts.fd), place, lambda place=place: self.connections[place]) for place in range(3)
        ]

    def test_one_alone_takes_all(self):
        """The others are not there yet."""
        self.connections[0] = 10_000
        self.assertGreater(self.turns[0].room(), 0)

    def test_one_that_is_ahead_steps_back(self):
        """By a few, or where there are many, by a sixteenth; before that it takes no more than it may be ahead."""
        for ahead, fewest, room in ((0, 0, 4), (3, 0, 1), (4, 0, 0), (1000, 1000, 66), (1072, 1000, -1)):
            self.connections[:] = [ahead, fewest, 0]
            for turns in self.turns[1::-1] * 2:
                last = turns.room()
            self.assertEqual(last, room, (ahead, fewest))

    def test_one_that_has_gone_or_hangs_is_not_waited_for(self):
        """When it looks for a connection again, it counts again."""
        self.connections[0] = 50
        self.assertGreater(self.turns[1].room(), 0)
        self.assertLess(self.turns[0].room(), 0)
        self.counts.absent(1)
        self.assertGreater(self.turns[0].room(), 0)
        self.assertGreater(self.turns[1].room(), 0)
        self.assertLess(self.turns[0].room(), 0)
