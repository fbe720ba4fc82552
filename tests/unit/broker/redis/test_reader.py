"""How much of the logs is on its way at a time."""

from attrs import define, field
from twisted.internet.defer import Deferred, gatherResults
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.broker.redis.protocol import Word
from pulsetw.broker.redis.reader import MAX_IN_FLIGHT_BYTES, Reader
from pulsetw.errors import BrokerRefused
from pulsetw.interfaces import PAGE_BYTES

PAGE = [b"e", b"b:0", b"0", b"0", []]
MAX_BYTES_AT = 8  # of the words of EVAL


@define(eq=False)
class FakeConnection:
    """Keeps what is asked.

    Attributes:
        asked: the words, and where the answer goes; those that are not answered.
        most_bytes: what was asked for at a time.
    """

    asked: list[tuple[tuple[Word, ...], Deferred[object]]] = field(factory=list)
    most_bytes: int = 0

    def ask(self, *words: Word) -> Deferred[object]:
        answer: Deferred[object] = Deferred()
        self.asked.append((words, answer))
        self.most_bytes = max(self.most_bytes, sum(self.sizes()))
        return answer

    def sizes(self) -> list[int]:
        """The pages that are under way, in bytes at most."""
        return [int(words[MAX_BYTES_AT]) for words, _ in self.asked]

    def tell(self, *words: Word) -> None:
        raise NotImplementedError

    def abort(self) -> None:
        raise NotImplementedError


@define(eq=False)
class FakeLink:
    """A link whose connection stands.

    Attributes:
        aborts: why it was given up.
    """

    connection: FakeConnection = field(factory=FakeConnection)
    reason: str = ""
    aborts: list[str] = field(factory=list)

    def abort(self, reason: str) -> None:
        self.aborts.append(reason)


class ReaderTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.link = FakeLink()
        self.connection = self.link.connection
        self.reader = Reader(self.link, "", lambda: "e")

    def test_a_page_is_long_where_few_are_asked_for(self) -> None:
        """Four at a time; the others wait for their turn."""
        for number in range(5):
            self.reader.sync(f"c{number}", None, 10, begins=True)
        self.assertEqual(self.connection.sizes(), [PAGE_BYTES] * 4)
        self.connection.asked.pop(0)[1].callback(PAGE)
        self.assertEqual(self.connection.sizes(), [PAGE_BYTES] * 4)

    def test_heartbeats_never_wait_long(self) -> None:
        """Of ten thousand logs less is asked of each, more at a time, and never more than the bound in all."""
        pages = gatherResults([self.reader.sync(f"c{number}", None, 10, begins=True) for number in range(10_000)])
        most = 0
        while self.connection.asked:
            most = max(most, len(self.connection.asked))
            self.connection.asked.pop(0)[1].callback(PAGE)
        self.assertEqual(len(self.successResultOf(pages)), 10_000)
        self.assertEqual((most, self.connection.most_bytes), (32, MAX_IN_FLIGHT_BYTES))

    def test_what_is_no_page_ends_the_link_where_it_is_another_answer(self) -> None:
        """A list is one, of a damaged log."""
        for answer, aborts in (([b"e e"], 0), (b"token", 1)):
            asked = self.reader.sync("a", None, 10, begins=True)
            self.connection.asked.pop()[1].callback(answer)
            failure = self.failureResultOf(asked)
            self.assertEqual((failure.check(BrokerRefused) is None, len(self.link.aborts)), (bool(aborts), aborts))
