"""When what is new goes out: small channels at once, large ones a little later."""

from msgspec import Raw
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.hub.channel import Channel
from pulsetw.hub.flushing import _BUSY, _MANY, _WAIT_S, Flushing
from pulsetw.hub.slices import Slices
from pulsetw.interfaces import Wire
from pulsetw.model import Event, Publication
from pulsetw.policy.memory import Memory
from tests.unit.hub.test_channel import CountingDialect, FakeConnection


class FlushingTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.slices = Slices(self.clock)
        self.rings = Memory(10**9)
        self.flushing = Flushing(self.clock, self.slices, self.rings)
        self.wire = Wire(CountingDialect(), lambda text: text + b" ")

    def tearDown(self):
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def make(self, count, **options):
        channel = Channel("c", 10**6, **options)
        clients = [FakeConnection(str(number), self.wire) for number in range(count)]
        for client in clients:
            channel.add(client)
        return channel, clients

    def append(self, channel, *numbers, size=0):
        for number in numbers:
            data = Raw(b'"' + b"x" * size + b'"')
            channel.append(Publication("c", Event("t", data, id=str(number))))
            self.flushing.due(channel)

    def sends(self, clients):
        """What all of them got, and with how many sends."""
        [got] = {(tuple(client.got), client.sends) for client in clients}
        return got

    def test_a_small_channel_waits_for_nothing(self):
        """But for the next turn."""
        channel, clients = self.make(_MANY - 1)
        self.append(channel, 1, 2)
        self.clock.advance(0)
        self.assertEqual(self.sends(clients), (("1", "2"), 1))

    def test_a_large_one_waits_a_twentieth_of_what_a_send_takes(self):
        """Where it is busy; what comes until then goes out with it."""
        channel, clients = self.make(_MANY)
        self.append(channel, 0)
        self.clock.advance(0)
        self.append(channel, 1)
        self.clock.advance(_MANY * _WAIT_S * 0.9)
        self.append(channel, 2)
        self.assertEqual(self.sends(clients), (("0",), 1))
        self.clock.advance(_MANY * _WAIT_S * 0.2)
        self.assertEqual(self.sends(clients), (("0", "1", "2"), 2))
        self.clock.advance(_MANY * _WAIT_S * _BUSY * 1.1)
        self.append(channel, 3)
        self.clock.advance(0)
        self.assertEqual(self.sends(clients), (("0", "1", "2", "3"), 3))

    def test_it_waits_again_when_all_were_reached(self):
        """What came in the middle is not sent alone."""
        channel, clients = self.make(_MANY)
        self.slices._clock = Late(self.clock)
        self.append(channel, 1)
        self.slices._clock.turn()
        self.assertTrue(channel.is_sending)
        self.append(channel, 2)
        while channel.is_sending:
            self.slices._clock.turn()
        self.assertEqual(self.sends(clients), (("1",), 1))
        self.append(channel, 3)
        self.slices._clock = self.clock
        self.clock.advance(1)
        self.assertEqual(self.sends(clients), (("1", "2", "3"), 2))

    def test_too_much_waits_for_nothing(self):
        """A megabyte goes out as it is."""
        channel, clients = self.make(_MANY)
        self.append(channel, *range(4), size=300_000)
        self.assertEqual(self.sends(clients), (("0", "1", "2", "3"), 1))
        self.clock.advance(1)

    def test_finishing_sends_what_waits(self):
        """Wherever it waits; and nothing is left."""
        (large, many), (small, few) = self.make(_MANY), self.make(3)
        self.append(large, 0)
        self.clock.advance(0)
        self.append(large, 1)
        self.append(small, 2)
        self.flushing.finish()
        self.assertEqual((self.sends(many), self.sends(few)), ((("0", "1"), 2), (("2",), 1)))
        self.clock.advance(0)

    def test_a_channel_that_is_no_more_is_not_sent_to(self):
        """Its timer is gone, too."""
        channel, clients = self.make(_MANY)
        self.append(channel, 0)
        self.clock.advance(0)
        self.append(channel, 1)
        self.flushing.discard(channel)
        self.clock.advance(1)
        self.assertEqual(self.sends(clients), (("0",), 1))

    def test_after_the_stop_nothing_waits(self):
        """No timer is left behind."""
        channel, clients = self.make(_MANY)
        self.append(channel, 0)
        self.clock.advance(0)
        self.append(channel, 1)
        self.flushing.stop()
        self.clock.advance(0)
        self.append(channel, 2)
        self.clock.advance(0)
        self.assertEqual(self.sends(clients), (("0", "1", "2"), 3))

    def test_rings_are_counted(self):
        """Of channels that keep something."""
        (plain, _), (kept, _) = self.make(1), self.make(1, has_history=True)
        self.append(plain, 1)
        self.append(kept, 2)
        self.clock.advance(0)
        self.assertEqual(self.rings.bytes, kept.kept_bytes)


class Late:
    """A clock that is always late: every slice is over when it has begun; turns are taken one by one."""

    def __init__(self, clock):
        self.now, self.planned = clock.seconds(), []

    def seconds(self):
        self.now += 1
        return self.now

    def callLater(self, delay_s, call):
        self.planned.append(call)

    def turn(self):
        planned, self.planned = self.planned, []
        for call in planned:
            call()
