"""Nothing is lost in silence: the real consumer in random histories; see `tests.simulator`."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.policy.recovery import Defences
from tests.simulator.history import violation


class SimulatorTests(SynchronousTestCase):
    def check(self, ack, seeds):
        """Fails with the seed and all that happened."""
        for seed in seeds:
            self.assertEqual("", wrong := violation(seed, ack), wrong)

    def test_fast_and_strict(self):
        """What a failover loses is told."""
        self.check("fast", range(8000))

    def test_durable(self):
        """With a replica's word nothing acknowledged is lost, and nobody needs to be told."""
        self.check("durable", range(6000))

    def test_window(self):
        """The publishing relay brings back what the replica never had."""
        self.check("window", range(6000))


class DefencesTests(SynchronousTestCase):
    """Each one is needed, and the checker sees that."""

    def found(self, defences, ack="fast", histories=2000):
        wrong = [violation(seed, ack, defences).partition("\n")[0] for seed in range(histories)]
        return {line.split(": ")[1] for line in wrong if line}

    def test_gap_rule(self):
        """Without, a push that was dropped is a hole."""
        self.assertIn("I2", self.found(Defences(gap_rule=False)))

    def test_ids(self):
        """Without, what is published again after a failover comes twice."""
        self.assertIn("I3", self.found(Defences(ids=False), "window"))

    def test_fork(self):
        """Without, what a new master wrote at old offsets is lost."""
        self.assertTrue({"I2", "I4"} & self.found(Defences(fork=False)))

    def test_branch(self):
        """Without, nobody hears of what only the dead master had."""
        self.assertIn("I4", self.found(Defences(branch=False)))
