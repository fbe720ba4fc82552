"""The account of a run."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.cli.load.ledger import Ledger


class LedgerTests(SynchronousTestCase):
    def setUp(self):
        self.done = 0
        self.ledger = self.make(1)

    def make(self, channels):
        def done():
            self.done += 1

        return Ledger(channels, done)

    def publish(self, *numbers):
        for number in numbers:
            self.ledger.published(number)

    def come(self, places, *numbers):
        for number in numbers:
            self.ledger.come(places, [(number, 0)], 1000)

    def found(self):
        ledger = self.ledger
        return ledger.expected, ledger.arrived, ledger.lost, ledger.duplicates, ledger.out_of_order

    def test_all_that_comes_in_order_is_fine(self):
        """Each event is done when the last listener has it."""
        one, other = self.ledger.join(), self.ledger.join()
        self.publish(0, 1)
        self.come(one, 0, 1)
        self.assertEqual((self.done, self.found()), (0, (4, 2, 2, 0, 0)))
        self.come(other, 0, 1)
        self.assertEqual((self.done, self.found(), self.ledger.awaited), (2, (4, 4, 0, 0, 0), {}))
        self.assertEqual((self.ledger.latency.count, self.ledger.latency.max_us, self.ledger.last_us), (4, 1000, 1000))

    def test_what_does_not_come_is_lost(self):
        """A hole, and what lacks at the end."""
        one = self.ledger.join()
        self.publish(0, 1, 2, 3)
        self.come(one, 0, 2)
        self.assertEqual(self.found(), (4, 2, 2, 0, 0))

    def test_what_comes_late_is_out_of_order_once(self):
        """It fills its hole, from either end or the middle; a second time it is a duplicate."""
        one = self.ledger.join()
        self.publish(*range(8))
        self.come(one, 0, 6, 3, 1, 5, 3, 6, 0)
        self.assertEqual(self.found(), (8, 5, 3, 3, 3))
        self.come(one, 2, 4, 7)
        self.assertEqual(self.found(), (8, 8, 0, 3, 5))

    def test_each_channel_has_its_own_order(self):
        """Numbers go round the channels."""
        self.ledger = self.make(3)
        one = self.ledger.join()
        self.publish(*range(6))
        self.come(one, 2, 5, 0, 3, 1, 4)
        self.assertEqual(self.found(), (6, 6, 0, 0, 0))
        self.publish(6, 9, 12)
        self.come(one, 6, 12, 9, 9)
        self.assertEqual(self.found(), (9, 9, 0, 1, 1))

    def test_who_is_gone_misses_what_it_has_not_got(self):
        """That is lost; what is published later is not expected of it; the others' events are done without it."""
        one, other = self.ledger.join(), self.ledger.join()
        self.publish(0, 1, 2, 3)
        self.come(one, 0, 2)
        self.come(other, 0, 1, 2, 3)
        self.ledger.leave(one)
        self.assertEqual((self.ledger.written_off, self.done, self.found()), (2, 4, (8, 6, 2, 0, 0)))
        self.publish(4)
        self.come(other, 4)
        self.assertEqual((self.done, self.found()), (5, (9, 7, 2, 0, 0)))

    def test_a_refused_event_is_not_waited_for(self):
        """It leaves a hole that is no loss; if it comes all the same it is no mistake."""
        one = self.ledger.join()
        self.publish(0, 1)
        self.ledger.refused(0)
        self.come(one, 1)
        self.assertEqual(self.found(), (1, 1, 0, 0, 0))
        self.come(one, 0)
        self.assertEqual((self.ledger.duplicates, self.ledger.lost), (0, 0))

    def test_without_listeners_nothing_is_awaited(self):
        """All are gone."""
        self.ledger.leave(self.ledger.join())
        self.publish(0)
        self.assertEqual((self.found(), self.ledger.awaited), ((0, 0, 0, 0, 0), {}))

    def test_an_event_published_as_one_is_done_is_not_expected_of_who_leaves(self):
        """`done` may publish while a listener is taken out."""
        one = self.ledger.join()
        self.ledger.done = lambda: self.ledger.published(1)
        self.publish(0)
        self.ledger.leave(one)
        self.assertEqual((self.ledger.expected, self.ledger.lost), (1, 1))

    def test_a_listener_that_loses_much_stays_small(self):
        """The oldest holes are forgotten."""
        one = self.ledger.join()
        for number in range(0, 2000, 2):
            self.come(one, number)
        self.assertEqual(len(one[0]._holes), 100)
        self.come(one, 1997, 1)
        self.assertEqual((self.ledger.out_of_order, self.ledger.duplicates), (1, 1))
