"""The judge of `make faults` must be able to say guilty."""

from twisted.trial.unittest import SynchronousTestCase

from tests.faults.ledger import Acknowledged, Listener, judge


class LedgerTests(SynchronousTestCase):
    def setUp(self):
        self.listener = Listener("one", keeps_ids=True)
        self.acknowledged = {name: Acknowledged(at, int(at), "e") for name, at in (("a", 1.0), ("b", 2.0), ("c", 3.0))}

    def get(self, *ids, epoch="e"):
        for name in ids:
            number = "abcdefg".index(name) + 1
            self.listener.got(float(number), name, number, epoch)

    def judge(self):
        return judge(self.acknowledged, [self.listener])

    def test_a_clean_run(self):
        """Everything came, once and in order."""
        self.get("a", "b", "c")
        verdict = self.judge()
        self.assertTrue(verdict.is_clean)
        self.assertEqual((verdict.acknowledged, verdict.delivered, verdict.longest_silence_s), (3, 3, 1.0))

    def test_silence(self):
        """What did not come, and no notice after it was acknowledged."""
        self.get("a")
        self.listener.told(2.5, "failover")
        verdict = self.judge()
        self.assertEqual((verdict.delivered, verdict.told, verdict.silent, verdict.notices), (1, 1, 1, 1))
        self.assertFalse(verdict.is_clean)

    def test_a_notice_excuses_nothing_that_was_passed_over_before_it(self):
        """It has to stand where the event would have been."""
        self.get("a", "c")
        self.listener.told(9, "failover")
        self.assertEqual((self.judge().silent, self.judge().told), (1, 0))
        self.listener.saw.insert(1, self.listener.saw.pop())
        self.assertEqual((self.judge().silent, self.judge().told), (0, 1))

    def test_what_was_never_acknowledged_is_owed_to_nobody(self):
        """It may come all the same."""
        self.get("a", "b", "c", "d")
        self.assertTrue(self.judge().is_clean)

    def test_duplicates(self):
        """After a notice only a client without a window of ids may see a repeat."""
        self.get("a", "b")
        self.listener.told(2.5, "diverged")
        self.get("b", "c", epoch="f")
        self.assertEqual(self.judge().duplicates, 1)
        self.listener.keeps_ids = False
        self.assertEqual(self.judge().duplicates, 0)
        self.get("c", epoch="g")
        self.assertEqual(self.judge().duplicates, 1)

    def test_disorder(self):
        """An offset that does not rise, in one epoch and without a notice."""
        self.get("a", "c", "b")
        self.assertEqual(self.judge().disorder, 1)

    def test_a_notice_or_another_epoch_begins_anew(self):
        """Offsets of two epochs have no order."""
        self.get("b", "c")
        self.listener.told(3.5, "epoch")
        self.get("a")
        self.get("b", epoch="f")
        self.listener.keeps_ids = False
        self.assertEqual(self.judge().disorder, 0)
