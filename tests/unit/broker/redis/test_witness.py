"""The witness's rounds on a clock, with connections that answer as they are told."""

from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from pulsetw.broker.redis.options import RedisOptions
from pulsetw.broker.redis.witness import Witness
from pulsetw.errors import OutcomeUnknown


@define(eq=False)
class FakeConnection:
    """Answers INFO with a run id, and WAIT when it is told to."""

    run_id: bytes
    waits: list[Deferred[object]] = field(factory=list)

    def ask(self, *words: Any) -> Deferred[object]:
        if words[0] == "WAIT":
            self.waits.append(Deferred())
            return self.waits[-1]
        return succeed(b"# Server\r\nrun_id:%s\r\n" % self.run_id)


@define(eq=False)
class FakeLink:
    connection: FakeConnection | None
    reason: str = "as it is"
    calls: list[str] = field(factory=list)

    def start(self) -> None:
        self.calls.append("start")

    def abort(self, reason: str) -> None:
        self.calls.append(reason)

    def stop(self) -> Deferred[None]:
        return succeed(None)


class WitnessTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.publisher = FakeLink(FakeConnection(b"one"))
        self.link = FakeLink(FakeConnection(b"one"))
        publisher: Any = self.publisher
        self.witness = Witness(self.clock, RedisOptions(), "key", publisher, lambda _: self.link)  # type: ignore[arg-type,return-value]

    def tearDown(self) -> None:
        self.witness.stop()
        assert self.clock.getDelayedCalls() == []

    @property
    def waits(self) -> list[Deferred[object]]:
        assert self.link.connection is not None
        return self.link.connection.waits

    def test_those_who_come_during_a_round_wait_for_the_next(self) -> None:
        """A round proves only what was published before it."""
        first, second, third = (self.witness.confirm() for _ in range(3))
        self.waits[0].callback(1)
        self.successResultOf(first)
        self.assertNoResult(second)
        self.waits[1].callback(1)
        self.successResultOf(second)
        self.successResultOf(third)
        assert self.link.calls == ["start"]

    def test_another_server(self) -> None:
        """A replica of another master proves nothing."""
        self.publisher.connection = FakeConnection(b"two")
        confirming = self.witness.confirm()
        self.waits[0].callback(1)
        assert "another Redis" in str(self.failureResultOf(confirming, OutcomeUnknown).value)

    def test_a_publisher_that_was_connected_anew(self) -> None:
        """What an earlier connection had published may be on another master."""
        blocking = self.witness.confirm()
        old = self.witness.confirm()
        self.publisher.connection = FakeConnection(b"one")
        new = self.witness.confirm()
        self.waits[0].callback(1)
        self.waits[1].callback(1)
        self.successResultOf(blocking)
        self.successResultOf(new)
        assert "renewed" in str(self.failureResultOf(old, OutcomeUnknown).value)

    def test_no_answer_in_time(self) -> None:
        """A dead connection is given up, with an outcome for all."""
        both = [self.witness.confirm(), self.witness.confirm()]
        self.clock.advance(1.5)
        for each in both:
            assert self.failureResultOf(each, OutcomeUnknown)
        assert self.link.calls[1:] == ["nothing was heard of a replica within 1.5 s"]

    def test_no_connection(self) -> None:
        """Without one, the same limit holds."""
        self.link.connection = None
        confirming = self.witness.confirm()
        self.clock.advance(1.49)
        self.assertNoResult(confirming)
        self.clock.advance(0.01)
        assert self.failureResultOf(confirming, OutcomeUnknown)

    def test_the_publisher_is_away(self) -> None:
        """Then it fails at once."""
        self.publisher.connection = None
        assert self.failureResultOf(self.witness.confirm(), OutcomeUnknown)
