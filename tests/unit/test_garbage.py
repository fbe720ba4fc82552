"""The garbage collector of a relay's own process."""

import gc

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.garbage import settle


class GarbageTests(SynchronousTestCase):
    def setUp(self):
        self.addCleanup(gc.set_threshold, *gc.get_threshold())
        self.addCleanup(gc.unfreeze)

    def test_what_is_there_is_left_alone(self):
        """Garbage is not: it goes before."""
        circle = []
        circle.append(circle)
        del circle
        settle()
        self.assertGreater(gc.get_freeze_count(), 10_000)
        self.assertEqual(gc.collect(), 0)
        self.assertGreater(gc.get_threshold()[0], 700)
