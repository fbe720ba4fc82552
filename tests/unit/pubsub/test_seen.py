"""The windows of ids."""

from twisted.trial.unittest import SynchronousTestCase

from pulsetw.pubsub.seen import SeenIds


class SeenIdsTests(SynchronousTestCase):
    def test_an_id_is_new_once_in_its_channel(self):
        """Other channels may have the same one."""
        seen = SeenIds()
        self.assertEqual(
            [seen.is_new(c, i, 0.0) for c, i in (("a", "1"), ("a", "1"), ("b", "1"), ("a", "2"))],
            [True, False, True, True],
        )

    def test_an_id_is_remembered_for_60_s(self):
        """A retry comes within seconds; after a minute an id is somebody else's mistake."""
        seen = SeenIds(age_s=60)
        seen.is_new("a", "1", 0.0)
        self.assertFalse(seen.is_new("a", "1", 59.9))
        self.assertTrue(seen.is_new("a", "1", 60.0))
        self.assertFalse(seen.is_new("a", "1", 119.9))

    def test_a_channel_remembers_2000(self):
        """The oldest goes."""
        seen = SeenIds(per_channel=3)
        for number in range(4):
            seen.is_new("a", str(number), 0.0)
        self.assertEqual(len(seen), 3)
        self.assertFalse(seen.is_new("a", "1", 0.0))
        self.assertTrue(seen.is_new("a", "0", 0.0))

    def test_all_channels_together_are_bounded(self):
        """The channel that was quiet longest goes."""
        seen = SeenIds(in_all=3)
        for channel in "abc":
            seen.is_new(channel, "1", 0.0)
        seen.is_new("a", "2", 0.0)
        self.assertEqual(len(seen), 3)
        self.assertTrue(seen.is_new("b", "1", 0.0))
        self.assertFalse(seen.is_new("a", "2", 0.0))

    def test_sweeping_forgets_quiet_channels(self):
        """Nothing is left of a channel that nobody uses."""
        seen = SeenIds(age_s=60)
        seen.is_new("a", "1", 0.0)
        seen.is_new("b", "1", 30.0)
        seen.sweep(60.0)
        self.assertEqual(len(seen), 1)
        seen.sweep(90.0)
        self.assertEqual(len(seen), 0)
