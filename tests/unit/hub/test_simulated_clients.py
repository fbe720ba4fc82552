"""No client loses anything in silence: real managers, hubs and clients in random histories; see `tests.simulator`."""

from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.hub.ahead import Ahead
from pulsetw.hub.branches import Branches
from pulsetw.hub.ring import Ring
from pulsetw.hub.sent import Unsent
from pulsetw.policy.recovery import Consumer, Defences
from pulsetw.pubsub import recovery
from tests.simulator.client_history import client_violation


class SimulatedClientsTests(SynchronousTestCase):
    def check(self, ack, seeds):
        """Fails with the seed and all that happened."""
        for seed in seeds:
            self.assertEqual("", wrong := client_violation(seed, ack), wrong)

    def test_fast_and_strict(self):
        """Each client gets every event, or a gap where it would have been, on whichever relay it is."""
        self.check("fast", range(2000))

    def test_durable(self):
        """What was acknowledged comes, however slow a client is and wherever it comes back."""
        self.check("durable", range(1000))

    def test_window(self):
        """What is published again comes once."""
        self.check("window", range(1000))


class ClientDefencesTests(SynchronousTestCase):
    """Each one is needed, and the checker sees that."""

    def assert_red(self, invariant, ack, defence, name, broken):
        """Some client finds out when something is not done as it should be."""
        self.patch(defence, name, broken)
        wrong = (client_violation(seed, ack).partition("\n")[0] for seed in range(3000))
        self.assertTrue(any(f": {invariant}: " in line for line in wrong))

    def test_who_was_not_sent_the_first_copy_gets_the_second(self):
        """Without, a slow client is starved of what the fast ones had."""
        self.assert_red("I2", "durable", Unsent, "add", lambda *_: None)

    def test_who_was_sent_the_first_copy_does_not_get_the_second(self):
        """Without, an event that is published again comes twice on one connection."""
        self.assert_red("I3", "window", Unsent, "has_had", lambda *_: False)

    def test_who_comes_from_before_a_failover_is_told(self):
        """Without, nobody says what only the dead master had."""
        self.assert_red("I4", "fast", Branches, "doubtful", lambda *_: frozenset())

    def test_who_is_ahead_of_its_relay_gets_nothing_again(self):
        """Without, offsets go back."""
        self.assert_red("I2", "durable", Ahead, "has_had", lambda *_: False)

    def test_who_needs_what_the_ring_has_forgotten_is_told(self):
        """Without, there is a hole."""
        self.assert_red("I2", "fast", Ring, "has_lost", lambda *_: False)

    def test_the_consumers_defences(self):
        """Clients see what a consumer without them does not; ids are the hub's own business here."""
        for invariant, defences in (
            ("I2", Defences(gap_rule=False)),
            ("I2", Defences(fork=False)),
            ("I4", Defences(branch=False)),
        ):
            self.assert_red(invariant, "fast", recovery, "Consumer", partial(Consumer, defences=defences))
