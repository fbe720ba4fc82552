"""One log, many cursors."""

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.commands import Gap
from pulsetw.hub.channel import Channel
from pulsetw.hub.counts import Counts
from pulsetw.interfaces import Wire
from pulsetw.model import Event, Publication


def kept(channel):
    """How many items the channel's ring has."""
    ring = channel._ring
    return ring.end - ring.first


class CountingDialect:
    """Encodes a publication as its id, and anything else as a number of it; counts both."""

    name = "counting"

    def __init__(self):
        self.encoded = 0
        self.told = []

    def encode(self, message):
        self.told.append(message)
        return b"~%d" % (len(self.told) - 1)

    def encode_publication(self, publication):
        self.encoded += 1
        return publication.event.id.encode()


class FakeConnection:
    """Chokes after `room` messages; `drain` gives room again."""

    def __init__(self, client, wire, room=10**9):
        self.client, self.wire, self.transport = client, wire, self
        self.room, self.got, self.sends, self.behind, self.gaps = room, [], 0, {}, 0

    @property
    def is_choked(self):
        return self.room <= 0

    def send(self, data):
        self.sends += 1
        for message in data.decode().split():
            if message.startswith("~"):
                self.tell(self.wire.dialect.told[int(message[1:])])
            else:
                self.got.append(message)
                self.room -= 1

    def tell(self, message):
        assert isinstance(message, Gap)
        self.got.append("gap")


def publication(number, exclude=""):
    return Publication("c", Event("t", Raw(b"{}"), id=str(number)), exclude=exclude)


class ChannelTests(SynchronousTestCase):
    def setUp(self):
        self.dialect = CountingDialect()
        self.wire = Wire(self.dialect, lambda text: text + b" ")
        self.counts = Counts()
        self.channel = Channel("c", max_bytes=2150, counts=self.counts)

    def connection(self, client="x", room=10**9):
        connection = FakeConnection(client, self.wire, room)
        self.channel.add(connection)
        return connection

    def append(self, *numbers, **options):
        for number in numbers:
            self.channel.append(publication(number, **options))

    def test_all_that_came_in_one_turn_goes_out_in_one_send(self):
        """Encoded once for all who are spoken to alike."""
        some = [self.connection(str(number)) for number in range(5)]
        self.append(1, 2, 3)
        self.channel.flush()
        self.assertEqual(self.counts.deliveries, 15)
        self.assertEqual([(c.got, c.sends) for c in some], [(["1", "2", "3"], 1)] * 5)
        self.assertEqual(self.dialect.encoded, 3)
        self.channel.flush()
        self.assertEqual(self.counts.deliveries, 15)

    def test_what_nobody_can_need_again_is_not_kept_at_all(self):
        """Not even one item is made; as soon as one is slow, or is left out, there is one for it."""
        quick, slow = self.connection("quick"), self.connection("slow", room=2)
        self.append(1)
        self.channel.flush()
        self.append(2, exclude="quick")
        self.channel.flush()
        ends = [self.channel._ring.end]
        self.append(3)
        self.channel.flush()
        ends.append(self.channel._ring.end)
        slow.room = 9
        self.channel.catch_up(slow)
        self.append(4)
        self.channel.flush()
        ends.append(self.channel._ring.end)
        self.assertEqual((quick.got, slow.got), (["1", "3", "4"], ["1", "2", "3", "4"]))
        self.assertEqual((ends, kept(self.channel), self.counts.deliveries), ([1, 2, 2], 0, 7))

    def test_where_the_rule_says_so_it_is_compressed_once_for_those_who_take_it(self):
        """The others get the plain bytes, as all do where it does not."""
        taking = Wire(self.dialect, lambda text: text + b" ", lambda text: b"small:" + text + b" ")
        for compress, expected in ((True, ["small:1", "small:2"]), (False, ["1", "2"])):
            self.channel = Channel("c", max_bytes=10**6, compress=compress)
            plain, *takers = (
                FakeConnection(str(number), wire) for number, wire in enumerate((self.wire, taking, taking))
            )
            for client in (plain, *takers):
                self.channel.add(client)
            self.dialect.encoded = 0
            self.append(1, 2)
            self.channel.flush()
            self.assertEqual((plain.got, [taker.got for taker in takers]), (["1", "2"], [expected] * 2))
            self.assertEqual(self.dialect.encoded, 4)

    def test_a_subscriber_gets_what_comes_after_it_came(self):
        """Not what was waiting for the flush already."""
        first = self.connection("first")
        self.append(1)
        second = self.connection("second")
        self.append(2)
        self.channel.flush()
        self.assertEqual((first.got, second.got), (["1", "2"], ["2"]))

    def test_after_leaving_nothing_follows(self):
        """Also not what was waiting for the flush."""
        connection = self.connection()
        self.append(1)
        self.channel.remove(connection)
        self.channel.flush()
        self.assertEqual((connection.got, len(self.channel)), ([], 0))

    def test_a_slow_subscriber_catches_up_without_a_hole(self):
        """Nothing was kept for it but its cursor."""
        slow, fast = self.connection("slow", room=1), self.connection("fast")
        for number in range(4):
            self.append(number)
            self.channel.flush()
        self.assertEqual(slow.got, ["0"])
        slow.room = 2
        self.channel.catch_up(slow)
        slow.room = 10
        self.channel.catch_up(slow)
        self.append(4)
        self.channel.flush()
        self.assertEqual(slow.got, fast.got)
        self.assertEqual((slow.behind, len(self.channel)), ({}, 2))

    def test_one_that_is_too_slow_is_told_of_a_gap(self):
        """Then life goes on with what the log still has."""
        slow = self.connection(room=1)
        for number in range(9):
            self.append(number)
            self.channel.flush()
        slow.room = 100
        self.channel.catch_up(slow)
        self.append(9)
        self.channel.flush()
        self.assertEqual(slow.got, ["0", "gap", "6", "7", "8", "9"])

    def test_the_log_keeps_only_what_somebody_needs(self):
        """Nothing where all are up to date; at most `max_bytes` where one is not; nothing when that one has left."""
        self.connection("fast")
        self.append(*range(50))
        self.channel.flush()
        self.assertEqual(kept(self.channel), 0)
        slow = self.connection("slow", room=0)
        self.append(*range(50))
        self.channel.flush()
        self.assertEqual(kept(self.channel), 3)
        self.assertTrue(2100 < self.channel.kept_bytes <= 2150)
        self.channel.remove(slow)
        self.assertEqual((kept(self.channel), self.channel.kept_bytes), (0, 0))

    def test_an_excluded_client_gets_the_others(self):
        """Also when it is behind."""
        writer, reader = self.connection("writer"), self.connection("reader")
        slow = self.connection("slow", room=0)
        self.append(1)
        self.append(2, exclude="writer")
        self.append(3, exclude="slow")
        self.channel.flush()
        slow.room = 9
        self.channel.catch_up(slow)
        self.assertEqual((writer.got, reader.got, slow.got), (["1", "3"], ["1", "2", "3"], ["1", "2"]))

    @given(st.lists(st.sampled_from("afcdlj"), max_size=80))
    @settings(max_examples=300, derandomize=True)
    def test_each_subscriber_sees_an_increasing_run_and_every_hole_is_told(self, steps):
        """Whatever is appended, flushed, choked, drained, left and joined, in any order."""
        channel = Channel("c", max_bytes=2850)
        slow, other = (FakeConnection(name, self.wire, room=3) for name in ("slow", "other"))
        channel.add(slow)
        channel.add(other)
        number = 0
        for step in steps:
            if step == "a":
                number += 1
                channel.append(publication(number))
            elif step == "f":
                channel.flush()
            elif step in "cd":
                slow.room = 2 if step == "c" else 9
                channel.catch_up(slow)
            elif step == "l":
                channel.remove(other)
            elif other not in list(channel):
                other.got, other.behind = [], {}
                channel.add(other)
        channel.flush()
        for connection in (slow, other):
            connection.room = 10**9
            channel.catch_up(connection)
        previous, excused = 0, False
        for item in slow.got:
            if item == "gap":
                excused = True
                continue
            if not excused:
                self.assertEqual(int(item), previous + 1)
            self.assertGreater(int(item), previous)
            previous, excused = int(item), False
        self.assertEqual(previous, number)
        self.assertEqual(kept(channel), 0)
