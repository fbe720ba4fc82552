"""One timer for all signs of life."""

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.hub.sweep import Sweep


class Waiting:
    """A transport in which so much waits as its connection says."""

    def __init__(self, connection):
        self.connection = connection

    def ping(self):
        self.connection.ping()

    def unsent(self):
        return self.connection.waits


class FakeConnection:
    def __init__(self, client, clock):
        self.client, self.clock = client, clock
        self.transport = Waiting(self)
        self.was_heard, self.is_choked, self.pings, self.ended = True, False, [], None
        self.unsent = self.waits = 0

    def ping(self):
        self.pings.append(self.clock.seconds())

    def end(self, disconnect):
        self.ended = self.ended or (int(disconnect.code), self.clock.seconds())


class SweepTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.sweep = Sweep(self.clock, ping_s=25, pong_s=10)
        self.connections = [FakeConnection(f"c{number}", self.clock) for number in range(100)]
        for connection in self.connections:
            self.sweep.add(connection)
        self.sweep.start()
        self.addCleanup(self.sweep.stop)

    def advance(self, seconds):
        self.clock.pump([1] * seconds)

    def test_one_timer_however_many_connections(self):
        """A connection that has nothing to do costs none."""
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        self.sweep.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_each_is_pinged_once_in_25_s_and_not_all_at_once(self):
        """Spread over the time."""
        for _ in range(25):
            self.advance(1)
            for connection in self.connections:
                connection.was_heard = True
        self.assertEqual([len(connection.pings) for connection in self.connections], [1] * 100)
        self.assertGreater(len({connection.pings[0] for connection in self.connections}), 15)

    def test_who_does_not_answer_in_10_s_is_closed(self):
        """With a code that invites it back; who was heard stays."""
        silent, *others = self.connections
        for _ in range(60):
            self.advance(1)
            for connection in others:
                connection.was_heard = True
        self.assertEqual(silent.ended, (3012, silent.pings[0] + 10))
        self.assertEqual({connection.ended for connection in others}, {None})

    def test_a_choked_one_is_judged_by_what_it_reads(self):
        """Its pong cannot be read; it is closed when it has not read anything between two pings."""
        slow, dead, *others = self.connections
        for connection in others:
            self.sweep.remove(connection)
        slow.is_choked = dead.is_choked = True
        for second in range(60):
            self.advance(1)
            slow.was_heard = slow.was_heard or second % 20 == 0
        self.assertIsNone(slow.ended)
        self.assertEqual(dead.ended, (3012, dead.pings[0] + 25))

    def test_a_choked_one_that_reads_slowly_stays(self):
        """However much is left; one that has stopped is closed at the second ping from then."""
        slow, stopped, *others = self.connections
        for connection in others:
            self.sweep.remove(connection)
        for connection in (slow, stopped):
            connection.is_choked, connection.unsent, connection.waits = True, 10**6, 10**6
        for _ in range(150):
            self.advance(1)
            slow.waits -= 1
            stopped.waits -= len(stopped.pings) < 2
        self.assertIsNone(slow.ended)
        self.assertEqual(stopped.ended, (3012, stopped.pings[0] + 50))

    def test_the_removed_are_left_alone(self):
        """A connection that is gone is not pinged."""
        for connection in self.connections:
            self.sweep.remove(connection)
        self.advance(50)
        self.assertEqual(sum(len(connection.pings) for connection in self.connections), 0)
