"""What clients ask of a history: from the ring, and from the broker's log where that goes further back."""

from msgspec import Raw

from pulsetw.errors import BrokerAway
from pulsetw.interfaces import Excerpt
from pulsetw.model import Event, Publication
from tests.unit.hub.test_hub_history import ONE
from tests.unit.hub.test_reading import ReadTests, publication


class HistoriesTests(ReadTests):
    """The ring has 9 and 10 of ten."""

    def ask(self, since=None, limit=100):
        self.reader = self.open()
        place = {} if since is None else {"since": {"offset": since, "epoch": "e.b1"}}
        self.command(self.reader, op="history", id=7, channel="kept:1", limit=limit, **place)

    def got(self):
        """The offsets of the answer."""
        [answer] = self.told(self.reader)
        self.assertEqual((answer["op"], answer["offset"]), ("history", 10))
        return [each["offset"] for each in answer["publications"]]

    def read(self, start, end):
        """The log's answer, to a question that is not for the ring."""
        self.clock.advance(0)
        publications = tuple(publication(number) for number in range(start + 1, end + 1))
        self.source.reads.pop().callback(Excerpt(ONE, start, end, publications))

    def test_the_ring_answers_where_it_goes_back_so_far(self):
        """The first after a place, and without one the newest."""
        self.ask(since=8)
        self.assertEqual(self.got(), [9, 10])
        self.ask(since=8, limit=1)
        self.assertEqual(self.got(), [9])
        self.ask(limit=1)
        self.assertEqual(self.got(), [10])
        self.assertEqual(self.asked(), [])

    def test_what_is_read_back_for_one_is_there_for_all(self):
        """By the shared read, which fills the ring."""
        self.ask(since=2, limit=3)
        self.assertEqual(self.asked(), [2])
        self.answer(2, 10)
        self.assertEqual(self.got(), [3, 4, 5])

    def test_what_the_ring_cannot_hold_comes_from_the_log_itself(self):
        """The first after the place, not the newest."""
        self.ask(since=2, limit=3)
        for _ in range(2):
            self.asked()
            self.source.reads.pop().errback(BrokerAway("away"))
        self.read(2, 5)
        self.assertEqual(self.got(), [3, 4, 5])

    def test_where_the_log_cannot_be_read_the_ring_answers(self):
        """Its first event shows that those before it are missing."""
        self.ask(since=2)
        for _ in range(3):
            self.clock.advance(0)
            self.source.reads.pop().errback(BrokerAway("away"))
        self.assertEqual(self.got(), [9, 10])

    def test_an_answer_is_bounded(self):
        """The first that fit, or the newest; one at least."""
        following = self.hub._channels["kept:1"]
        following.channel._max_bytes = 10**7
        for offset in range(11, 16):
            event = Event("t", Raw(b'"' + b"x" * 30_000 + b'"'), 1, "s", str(offset))
            self.hub.publication(Publication("kept:1", event, ONE.at(offset)))
        self.told(self.first)
        for since, expected in ((10, [11, 12]), (None, [14, 15])):
            self.ask(since=since, limit=5)
            [answer] = self.told(self.reader)
            self.assertEqual([each["offset"] for each in answer["publications"]], expected)
        event = Event("t", Raw(b'"' + b"x" * 90_000 + b'"'), 1, "s", "16")
        self.hub.publication(Publication("kept:1", event, ONE.at(16)))
        self.told(self.first)
        self.ask(since=15)
        [answer] = self.told(self.reader)
        self.assertEqual([each["offset"] for each in answer["publications"]], [16])
