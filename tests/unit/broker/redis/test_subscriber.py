"""Where the subscriber's messages go, with a connection that does and says what the test tells it to."""

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.broker.redis import subscriber as module
from pulsetw.broker.redis.history import live_name
from pulsetw.broker.redis.protocol import Word
from pulsetw.broker.redis.subscriber import Subscriber
from pulsetw.model import Entry, Position

PROBE = "pulsetw:probe:me"
COPY_END = b"\t \t\t "
PUSH, ENTRY = b"e b 7 2 i1{}", Entry(Position(7, "e", "b"), "i1", b"{}")


@define(eq=False)
class FakeConnection:
    """Keeps what is sent.

    Attributes:
        sent: the commands, in order.
    """

    sent: list[tuple[Word, ...]] = field(factory=list)

    def ask(self, *words: Word) -> Deferred[object]:
        raise NotImplementedError

    def tell(self, *words: Word) -> None:
        self.sent.append(words)

    def abort(self) -> None:
        raise NotImplementedError


class SubscriberTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.received: list[tuple[str, bytes]] = []
        self.appended: list[tuple[str, Entry]] = []
        self.rounds: list[bytes] = []
        self.subscriber = self.make()
        self.connect()

    def tearDown(self) -> None:
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def make(self, prefix: str = "") -> Subscriber:
        return Subscriber(
            self.clock,
            prefix,
            PROBE,
            lambda channel, payload: self.received.append((channel, payload)),
            lambda channel, entry: self.appended.append((channel, entry)),
            self.rounds.append,
            1.0,
        )

    def connect(self) -> None:
        """A new connection, on which all that is wanted is acknowledged."""
        self.connection = FakeConnection()
        prepared = self.subscriber.prepare(self.connection)
        for _, *names in tuple(self.connection.sent):
            self.acknowledge(*map(str, names))
        self.successResultOf(prepared)

    def acknowledge(self, *names: str, kind: bytes = b"subscribe") -> None:
        for name in names:
            self.subscriber.pushed([b"p" + kind if "*" in name else kind, name.encode(), 1])

    def subscribe(self, name: str, *, history: bool = False) -> None:
        standing = self.subscriber.subscribe(name, history=history)
        self.acknowledge(name, *([live_name(name)] if history else []))
        self.successResultOf(standing)

    def message(self, channel: bytes | str, payload: bytes = b"{}", *, by: str = "") -> None:
        """One message, by its channel or by a pattern."""
        wire = channel.encode() if isinstance(channel, str) else channel
        self.subscriber.pushed([b"pmessage", by.encode(), wire, payload] if by else [b"message", wire, payload])

    def heard(self) -> list[tuple[str, bytes]]:
        heard, self.received[:] = list(self.received), []
        return heard

    # What a name says.

    def test_each_kind_goes_its_way(self) -> None:
        """Publications without a place, entries of logs, heartbeats."""
        self.subscribe("a", history=True)
        self.message("a", b"plain")
        self.message(live_name("a"), PUSH)
        self.message(PROBE, b"token")
        self.assertEqual((self.heard(), self.appended, self.rounds), ([("a", b"plain")], [("a", ENTRY)], [b"token"]))

    def test_the_prefix_is_taken_off(self) -> None:
        """Of both names of a channel."""
        self.subscriber = self.make("t1:")
        self.subscriber.subscribe("a", history=True)
        self.connect()
        self.message("t1:a", b"plain")
        self.message(live_name("t1:a"), PUSH)
        self.assertEqual((self.heard(), self.appended), ([("a", b"plain")], [("a", ENTRY)]))

    def test_names_of_strangers(self) -> None:
        """What no channel can be called goes nowhere, nor do heartbeats that came by a pattern; nothing breaks."""
        self.subscribe("*", history=True)
        for name in (b"\xff", b"pulsetw:secret", b"a}b", live_name("pulsetw:x").encode(), PROBE.encode()):
            self.message(name, by="*")
            self.message(name, by="*")
        self.message(live_name("a"), b"no entry", by=live_name("*"))
        self.assertEqual((self.heard(), self.appended, self.rounds), ([], [], []))
        self.message("a", by="*")
        self.message(live_name("a"), PUSH, by=live_name("*"))
        self.assertEqual((self.heard(), self.appended), ([("a", b"{}")], [("a", ENTRY)]))

    def test_copies_are_dropped_and_counted(self) -> None:
        """They are for strangers. On the name of a log nothing is a copy, whatever it ends with."""
        self.subscribe("a", history=True)
        self.message("a", b"{}" + COPY_END)
        self.message("a", b"{}" + COPY_END)
        self.assertEqual((self.heard(), self.subscriber.copies), ([], 2))
        self.message("a", b"{}")
        self.message(live_name("a"), PUSH + COPY_END)
        self.assertEqual((len(self.heard()), len(self.appended), self.subscriber.copies), (1, 1, 2))

    def test_copies_for_others_do_not_count(self) -> None:
        """Of a channel that nobody here wants."""
        self.message("a", b"{}" + COPY_END)
        self.assertEqual(self.subscriber.copies, 0)

    # Routes are kept. Whatever changes them has to be seen at once, and not only when a name comes for the first time.

    def test_subscribing_is_seen(self) -> None:
        """A message by the pattern that had been nobody's before."""
        self.subscribe("a*")
        self.message("b", by="*")
        self.assertEqual(self.heard(), [])
        self.subscriber.subscribe("*", history=False)
        self.acknowledge("*")
        self.message("b", by="*")
        self.assertEqual(self.heard(), [("b", b"{}")])

    def test_unsubscribing_is_seen_before_its_acknowledgement(self) -> None:
        """Redis may have sent more by then."""
        self.subscribe("a")
        self.message("a")
        self.subscriber.unsubscribe("a")
        self.message("a")
        self.assertEqual(self.heard(), [("a", b"{}")])

    def test_wanting_it_again_is_seen_before_its_acknowledgement(self) -> None:
        """The connection still has the subscription that was taken back."""
        self.subscribe("a")
        self.subscriber.unsubscribe("a")
        self.message("a")
        self.subscriber.subscribe("a", history=False)
        self.message("a")
        self.assertEqual(self.heard(), [("a", b"{}")])

    def test_acknowledgements_are_seen(self) -> None:
        """A channel that two names ask for comes by another of them after each, and once."""
        self.subscribe("a*")
        self.message("ab", by="a*")
        self.subscriber.subscribe("ab", history=False)
        self.message("ab", by="a*")
        self.assertEqual(len(self.heard()), 2)
        self.acknowledge("ab")
        self.message("ab")
        self.message("ab", by="a*")
        self.assertEqual(len(self.heard()), 1)
        self.subscriber.unsubscribe("ab")
        self.message("ab")
        self.message("ab", by="a*")
        self.assertEqual(len(self.heard()), 1)
        self.acknowledge("ab", kind=b"unsubscribe")
        self.message("ab", by="a*")
        self.assertEqual(len(self.heard()), 1)

    def test_a_lost_connection_is_seen(self) -> None:
        """On the next one a pattern may be acknowledged before the channel: until then its copy is the one."""
        self.subscribe("a*")
        self.subscribe("ab")
        self.message("ab")
        self.message("ab", by="a*")
        self.assertEqual(len(self.heard()), 1)
        self.subscriber.forget_connection()
        self.message("ab")
        self.message("ab", by="a*")
        self.assertEqual(self.heard(), [])
        self.connect()
        self.message("ab")
        self.assertEqual(self.heard(), [("ab", b"{}")])

    def test_what_is_no_entry_is_counted(self) -> None:
        """A stranger's, where entries of a log are pushed."""
        self.subscribe("a", history=True)
        self.message(live_name("a"), b"{}")
        self.assertEqual((self.subscriber.unreadable, self.appended), (1, []))

    def test_routes_are_bounded(self) -> None:
        """Strangers choose names; however many they choose, each message goes where it should."""
        self.patch(module, "_MAX_ROUTES", 10)
        self.subscribe("*")
        for number in (*range(25), *range(25)):
            self.message(f"a{number}", by="*")
            self.assertLessEqual(len(self.subscriber._routes), 10)
        self.assertEqual([name for name, _ in self.heard()], [f"a{number}" for number in range(25)] * 2)

    # Acknowledgements.

    def test_a_channel_with_a_history_stands_with_both_of_its_names(self) -> None:
        """Until then it waits, and how long is known."""
        standing = self.subscriber.subscribe("a", history=True)
        self.acknowledge("a")
        self.assertNoResult(standing)
        self.assertEqual(self.subscriber.waits_s(), 0.0)
        self.clock.advance(0.5)
        self.assertEqual(self.subscriber.waits_s(), 0.5)
        self.acknowledge(live_name("a"))
        self.successResultOf(standing)
        self.assertEqual(self.subscriber.waits_s(), 0.0)
