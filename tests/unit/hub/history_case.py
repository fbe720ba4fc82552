"""A channel with a history, and clients that write down what they get."""

from msgspec import Raw
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.commands import Gap
from pulsetw.hub.channel import Channel
from pulsetw.hub.counts import Counts
from pulsetw.interfaces import Wire
from pulsetw.model import Branch, Event, Lineage, Notice, Publication
from tests.unit.hub.test_channel import CountingDialect

ONE = Lineage("e", (Branch("b1", 0),))


class Client:
    """Chokes after `room` messages; a gap is its reason and its offsets."""

    def __init__(self, name, wire, room=10**9):
        self.client, self.wire, self.transport, self.room = name, wire, self, room
        self.got, self.behind, self.ends = [], {}, []

    @property
    def is_choked(self):
        return self.room <= 0

    def send(self, data):
        for message in data.decode().split():
            if message.startswith("~"):
                self.tell(self.wire.dialect.told[int(message[1:])])
            else:
                self.got.append(message)
                self.room -= 1

    def tell(self, message):
        assert isinstance(message, Gap)
        notice = message.notice
        offsets = [place.offset if place else None for place in (notice.start, notice.end)]
        self.got.append((notice.reason, *offsets))
        self.room -= 1

    def end(self, disconnect):
        self.ends.append(int(disconnect.code))


class HistoryTests(SynchronousTestCase):
    def setUp(self):
        self.wire = Wire(CountingDialect(), lambda text: text + b" ")
        self.lineage = ONE
        self.make()

    def make(self, top=0, max_bytes=10**6, **options):
        self.counts = Counts()
        self.channel = Channel("c", max_bytes, has_history=True, counts=self.counts, **options)
        self.channel.placed(self.lineage, top)

    def publish(self, *offsets, ids="", exclude=""):
        """One flush for each; an id is the offset unless it is given."""
        for offset in offsets:
            event = Event("t", Raw(b"{}"), id=ids or str(offset))
            self.channel.append(Publication("c", event, self.lineage.at(offset), exclude))
            self.channel.flush()

    def join(self, since=None, last=0, room=10**9, name="x"):
        """Whoever comes, how it begins, and what it gets at once."""
        client = Client(name, self.wire, room)
        begins = self.channel.add(client, since, last)
        self.channel.catch_up(client)
        return client, begins

    def begins(self, since, number=None):
        """The offset after which events come, and the gap."""
        client, begins = self.join(since)
        gap = begins.gap and (begins.gap.reason, begins.gap.start, begins.gap.end)
        return begins.position and begins.position.offset, gap, client.got

    def fork(self, offset, name="b2"):
        """The log continues after `offset` on another branch."""
        here = self.channel.position
        self.lineage = Lineage(self.lineage.epoch, (*self.lineage.branches, Branch(name, offset)))
        self.channel.cut(Notice("diverged", here, self.lineage.at(offset)))
        self.channel.placed(self.lineage, offset)
