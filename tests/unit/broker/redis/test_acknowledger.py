"""What is kept until a replica has it, with a publisher and a replica that answer as they are told.

Failovers and restarts are among the integration tests.
"""

from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import LogLevel, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.broker.redis.acknowledger import Acknowledger
from pulsetw.broker.redis.options import RedisOptions
from pulsetw.catalogue.rule import History
from pulsetw.errors import BrokerRefused
from pulsetw.model import Position
from tests.unit.broker.redis.test_witness import FakeConnection, FakeLink

WINDOW = History(100, ack="window")


@define(eq=False)
class FakePublisher:
    """Takes each event at once.

    Attributes:
        published: their ids.
    """

    published: list[str] = field(factory=list)

    def publish(
        self, channel: str, event_id: str, payload: bytes, history: History | None
    ) -> Deferred[Position | None]:
        self.published.append(event_id)
        return succeed(Position(len(self.published), "e"))


class WindowTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.logged = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        self.clock = Clock()
        self.publisher = FakePublisher()
        self.witness = FakeConnection(b"one")
        self.acknowledger = self.make(max_in_flight=10)

    def tearDown(self) -> None:
        self.acknowledger.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def make(self, **bounds: int) -> Acknowledger:
        publisher: Any = self.publisher
        link: Any = FakeLink(FakeConnection(b"one"))
        witness: Any = FakeLink(self.witness)
        return Acknowledger(self.clock, RedisOptions(**bounds), publisher, link, lambda name, use: witness, "key")

    def publish(self, *ids: int, size: int = 0) -> None:
        for number in ids:
            self.successResultOf(self.acknowledger.publish("a", str(number), bytes(size), WINDOW))

    def refuse(self, size: int = 0) -> None:
        refused = self.failureResultOf(self.acknowledger.publish("a", "more", bytes(size), WINDOW), BrokerRefused)
        assert isinstance(refused.value, BrokerRefused)
        self.assertTrue(refused.value.temporary)

    def look(self) -> None:
        """The replica is asked about what is kept now."""
        self.clock.advance(0.05)

    def confirm(self) -> None:
        """It has what it was asked about."""
        self.witness.waits.pop(0).callback(1)

    def errors(self) -> list[int]:
        """How many events there were, for each line that says that more are refused."""
        return [event["count"] for event in self.logged if event["log_level"] is LogLevel.error]

    def test_full_by_count(self) -> None:
        """Before anything is refused; what is refused is not published."""
        self.publish(*range(9))
        self.assertEqual((self.acknowledger.kept, self.acknowledger.is_full), (9, False))
        self.publish(9)
        self.assertEqual((self.acknowledger.kept, self.acknowledger.is_full), (10, True))
        self.refuse()
        self.assertNotIn("more", self.publisher.published)
        self.look()
        self.confirm()
        self.assertEqual((self.acknowledger.kept, self.acknowledger.is_full), (0, False))

    def test_full_by_bytes(self) -> None:
        """As soon as one was refused, and until something has left."""
        self.acknowledger = self.make(max_in_flight_bytes=100)
        self.publish(0, size=60)
        self.assertFalse(self.acknowledger.is_full)
        self.refuse(41)
        self.assertTrue(self.acknowledger.is_full)
        self.look()
        self.confirm()
        self.assertFalse(self.acknowledger.is_full)
        self.publish(1, size=100)

    def test_said_once_while_it_is_under_pressure(self) -> None:
        """Some leave, as many come, and more are refused again: one line says so."""
        self.publish(*range(3))
        self.look()
        self.publish(*range(3, 10))
        self.refuse()
        self.refuse()
        self.confirm()
        self.assertEqual((self.acknowledger.kept, self.acknowledger.is_full), (7, False))
        self.publish(*range(10, 13))
        self.refuse()
        self.assertEqual(self.errors(), [10])

    def test_said_once_by_bytes(self) -> None:
        """Half of them count as half of the events do."""
        self.acknowledger = self.make(max_in_flight_bytes=100)
        self.publish(0, size=40)
        self.look()
        self.publish(1, size=60)
        self.refuse(1)
        self.confirm()
        self.refuse(41)
        self.assertEqual(self.errors(), [2])

    def test_said_again_after_it_was_below_half(self) -> None:
        """Then it has begun anew."""
        self.publish(*range(10))
        self.refuse()
        self.look()
        self.confirm()
        self.publish(*range(10, 20))
        self.refuse()
        self.assertEqual(self.errors(), [10, 10])
