"""Those who have read on another server what is still to come here."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.hub.ahead import Ahead
from pulsetw.model import Branch, Lineage

ONE = Lineage("e", (Branch("a", 0),))
TWO = Lineage("e", (Branch("a", 0), Branch("b", 5)))


class AheadTests(SynchronousTestCase):
    def setUp(self):
        self.ahead = Ahead()
        self.ahead.add("low", ONE.at(5))
        self.ahead.add("high", ONE.at(8))

    def had(self, offset):
        return [name for name in ("low", "high", "other") if self.ahead.has_had(name, ONE.at(offset))]

    def test_they_get_nothing_twice(self):
        """Up to where each has read."""
        self.assertEqual([self.had(offset) for offset in (5, 6, 8, 9)], [["low", "high"], ["high"], ["high"], []])

    def test_they_are_forgotten_when_the_log_has_come_so_far(self):
        """But not one that is behind here: it still walks over what it has had."""
        self.ahead.reached(ONE.at(8), {"low"})
        self.assertEqual(self.had(5), ["low"])
        self.ahead.reached(ONE.at(8), ())
        self.assertFalse(self.ahead.places)

    def test_a_fork_below_makes_what_they_read_worthless(self):
        """They are named, with how far they had read, and have read up to the fork now; the others stay."""
        self.assertEqual(self.ahead.moved(TWO), [("high", ONE.at(8))])
        self.assertEqual((self.had(5), self.had(6)), (["low", "high"], []))

    def test_of_another_log_they_have_read_nothing(self):
        """Its offsets mean others."""
        self.ahead.moved(Lineage("f", (Branch("a", 0),)))
        self.assertEqual(self.had(1), [])
