"""All rings together."""

from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.hub.channel import Channel
from pulsetw.hub.rings import Rings
from pulsetw.model import Event, Position, Publication


class RingsTests(SynchronousTestCase):
    def setUp(self):
        self.rings = Rings(2000)
        self.channels = [Channel(str(number), 10**6, has_history=True) for number in range(3)]

    def publish(self, channel, *offsets):
        for offset in offsets:
            channel.append(Publication(channel.name, Event("t", Raw(b"{}"), id=str(offset)), Position(offset, "e")))
        channel.flush()
        self.rings.used(channel)

    def test_the_idlest_is_emptied_first(self):
        """The memory of all together stays within its bound."""
        first, second, third = self.channels
        self.publish(first, 1, 2)
        self.publish(second, 1, 2)
        self.publish(first, 3)
        self.publish(third, 1)
        kept = [channel.ring_bytes > 0 for channel in self.channels]
        self.assertEqual(kept, [True, False, True])
        self.assertEqual(self.rings.bytes, sum(channel.ring_bytes for channel in self.channels))
        self.rings.remove(first)
        self.assertEqual(self.rings.bytes, third.ring_bytes)

    def test_one_alone_may_be_too_large(self):
        """Then it keeps nothing."""
        self.publish(self.channels[0], 1, 2, 3, 4, 5)
        self.assertEqual((self.rings.bytes, self.channels[0].ring_bytes), (0, 0))
