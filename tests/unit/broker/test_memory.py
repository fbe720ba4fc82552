"""The memory broker: the contract on a clock, and what is its own."""

from collections.abc import Callable

from attrs import define, field
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

import tests.contracts.history  # noqa: F401 -- adds its checks to CHECKS
from pulsetw.broker.memory import MemoryBroker, MemoryExchange
from tests.contracts.broker import CHECKS, Check, Recorder


@define
class MemoryWorld:
    clock: Clock = field(factory=Clock)
    exchange: MemoryExchange = field(factory=MemoryExchange)
    brokers: list[MemoryBroker] = field(factory=list)

    def make(self) -> MemoryBroker:
        self.brokers.append(MemoryBroker(self.clock, self.exchange))
        return self.brokers[-1]

    async def until(self, condition: Callable[[], object]) -> None:
        for _ in range(100):
            if condition():
                return
            self.clock.advance(0)
        raise AssertionError("it never happened")

    def close(self) -> None:
        for broker in self.brokers:
            broker.stop()


class MemoryContractTests(SynchronousTestCase):
    """The memory broker keeps the contract of all brokers; no test takes time, none leaves a delayed call."""

    def setUp(self) -> None:
        self.world = MemoryWorld()

    def tearDown(self) -> None:
        self.world.close()
        assert self.world.clock.getDelayedCalls() == []
        assert self.world.clock.seconds() == 0
        assert self.world.exchange.brokers == []


def _add(check: Check) -> None:
    def test(self: MemoryContractTests) -> None:
        self.successResultOf(Deferred.fromCoroutine(check(self.world)))  # type: ignore[arg-type]

    setattr(MemoryContractTests, f"test_{check.__name__}", test)


for each in CHECKS:
    _add(each)


class MemoryBrokerTests(SynchronousTestCase):
    """What only the memory broker promises."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.broker = MemoryBroker(self.clock)
        self.receiver = Recorder()
        self.broker.start(self.receiver)
        self.broker.subscribe("a")
        self.clock.advance(0)

    def test_one_delayed_call_per_turn(self) -> None:
        """All that is published in one turn is received in one later turn."""
        for number in range(10):
            self.broker.publish("a", str(number), b"%d" % number)
        assert len(self.clock.getDelayedCalls()) == 1
        self.clock.advance(0)
        assert len(self.receiver.received_so_far) == 10
        assert self.clock.getDelayedCalls() == []

    def test_nothing_waits_for_names_nobody_asked_for(self) -> None:
        """A publication that nobody here wants costs no turn."""
        self.broker.publish("b", "1", b"")
        assert self.clock.getDelayedCalls() == []

    def test_a_later_subscription_misses_what_went_before(self) -> None:
        """Only what is published after it stands is received."""
        self.broker.publish("b", "1", b"before")
        self.broker.subscribe("b")
        self.broker.publish("b", "2", b"after")
        self.clock.advance(0)
        assert self.receiver.received_so_far == [("b", b"after")]

    def test_a_receiver_that_raises_costs_nobody_else(self) -> None:
        """It is logged, and the rest of the batch is received."""

        def fail(channel: str, payload: bytes) -> None:
            if payload == b"1":
                raise ValueError("receiver")

        self.receiver.on_received = fail
        self.broker.publish("a", "1", b"1")
        self.broker.publish("a", "2", b"2")
        self.clock.advance(0)
        assert len(self.flushLoggedErrors(ValueError)) == 1
        assert len(self.receiver.received_so_far) == 2

    def test_brokers_without_a_common_exchange_are_apart(self) -> None:
        """Two relays in one process hear each other only where they share an exchange."""
        other = MemoryBroker(self.clock)
        other.start(Recorder())
        self.clock.advance(0)
        other.publish("a", "1", b"")
        self.clock.advance(0)
        assert self.receiver.received_so_far == []
