"""The broker of a relay that stands alone: publications travel inside the process."""

import random as _random

from attrs import define, field
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from pulsetw.broker.log import Logs
from pulsetw.catalogue.names import is_pattern, matcher
from pulsetw.catalogue.rule import History
from pulsetw.errors import BrokerAway
from pulsetw.interfaces import BrokerStatus, IBroker, IReceiver
from pulsetw.model import Entry, Page, Position


@define(eq=False)
class MemoryExchange:
    """Where the memory brokers of one process hear each other: several relays in one process, as tests have them.

    Attributes:
        brokers: those that are started and not stopped.
        logs: of the channels that have a history.
    """

    brokers: "list[MemoryBroker]" = field(factory=list)
    logs: Logs = field(factory=lambda: Logs(_random.random))

    def publish(self, channel: str, publication: bytes | Entry) -> None:
        """Puts a payload, or an entry of the channel's log, into the queue of every broker."""
        for broker in self.brokers:
            broker.enqueue(channel, publication)


@implementer(IBroker)
class MemoryBroker:
    """Carries publications inside one process.

    All that is published in one reactor turn is received in a later one, in order, by one delayed call. What waits in
    between is not bounded here: it is what callers publish in one turn.
    """

    _log = Logger()
    url = "memory://"

    def __init__(self, clock: IReactorTime, exchange: MemoryExchange | None = None) -> None:
        """A broker that hears itself, and all others on the same exchange.

        Args:
            clock: the reactor, or a test's clock.
            exchange: None = one of its own.
        """
        self._clock = clock
        self._exchange = exchange if exchange is not None else MemoryExchange()
        self._receiver: IReceiver | None = None
        self._state = "not started"
        self._ready_at: float | None = None
        self._turn: IDelayedCall | None = None
        self._queue: list[tuple[str, bytes | Entry]] = []
        self._wanted: dict[str, bool] = {}  # with a history?
        self._waiting: dict[str, list[Deferred[None]]] = {}

    def start(self, receiver: IReceiver) -> None:
        """See `IBroker`; ready in the next reactor turn."""
        if self._state != "not started":
            raise RuntimeError("a broker is started once")
        self._state = "starting"
        self._receiver = receiver
        self._turn = self._clock.callLater(0, self._become_ready)

    def stop(self) -> Deferred[None]:
        """See `IBroker`; fires at once."""
        self._state = "stopped"
        self._receiver = None
        self._queue.clear()
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        if self in self._exchange.brokers:
            self._exchange.brokers.remove(self)
        for result in self._take_waiting():
            result.errback(BrokerAway("the memory broker has been stopped"))
        return succeed(None)

    def publish(
        self, channel: str, event_id: str, payload: bytes, history: History | None = None
    ) -> Deferred[Position | None]:
        """See `IBroker`; fires at once. No replicas, no strangers: `History.ack` and `mirror` make no difference."""
        if not self._is_ready:
            return fail(BrokerAway(f"the memory broker is {self._state}"))
        if history is None:
            self._exchange.publish(channel, payload)
            return succeed(None)
        now = self._clock.seconds()
        entry, is_new = self._exchange.logs.of(channel, now).append(event_id, payload, history, now)
        if is_new:
            self._exchange.publish(channel, entry)
        return succeed(entry.position)

    def sync(self, channel: str, position: Position | None, limit: int, *, begins: bool = True) -> Deferred[Page]:
        """See `IBroker`; fires at once."""
        if not self._is_ready:
            return fail(BrokerAway(f"the memory broker is {self._state}"))
        now = self._clock.seconds()
        return succeed(self._exchange.logs.of(channel, now, begins=begins).page(position, limit, now))

    def subscribe(self, name: str, *, history: bool = False) -> Deferred[None]:
        """See `IBroker`; fires at once when the broker is ready."""
        if self._state == "stopped":
            return fail(BrokerAway("the memory broker has been stopped"))
        self._wanted[name] = history
        if self._is_ready:
            return succeed(None)
        result: Deferred[None] = Deferred()
        self._waiting.setdefault(name, []).append(result)
        return result

    def unsubscribe(self, name: str) -> None:
        """See `IBroker`."""
        self._wanted.pop(name, None)
        for result in self._waiting.pop(name, ()):
            result.callback(None)

    def status(self) -> BrokerStatus:
        """See `IBroker`. A round trip inside the process takes no time worth a number."""
        ready = self._is_ready
        return BrokerStatus(
            url=self.url,
            publisher_ready=ready,
            subscriber_ready=ready,
            reason="" if ready else self._state,
            round_trip_ms=0.0 if ready else None,
            last_round_trip=self._clock.seconds() if ready else self._ready_at,
        )

    def enqueue(self, channel: str, publication: bytes | Entry) -> None:
        """Keeps a publication for the next reactor turn, if anything here asks for it."""
        if not self._wants(channel, publication):
            return
        self._queue.append((channel, publication))
        if self._turn is None:
            self._turn = self._clock.callLater(0, self._deliver)

    @property
    def _is_ready(self) -> bool:
        return self._state == "ready"

    def _become_ready(self) -> None:
        self._turn = None
        self._state = "ready"
        self._ready_at = self._clock.seconds()
        self._exchange.brokers.append(self)
        for result in self._take_waiting():
            result.callback(None)
        if self._receiver is not None:
            self._receiver.ready(interrupted=False)

    def _deliver(self) -> None:
        # What is published from inside `received` waits for a turn of its own.
        self._turn = None
        batch, self._queue = self._queue, []
        receiver = self._receiver
        if receiver is None:
            return
        receiver.gathering(is_on=True)
        for channel, publication in batch:
            # Asked again each time: a receiver may unsubscribe or stop in the middle of a batch.
            if self._receiver is not None and self._wants(channel, publication):
                with self._log.failureHandler("the receiver failed"):
                    if isinstance(publication, Entry):
                        receiver.appended(channel, publication)
                    else:
                        receiver.received(channel, publication)
        receiver.gathering(is_on=False)

    def _wants(self, channel: str, publication: bytes | Entry) -> bool:
        needs_history = isinstance(publication, Entry)
        if (history := self._wanted.get(channel)) is not None and (history or not needs_history):
            return True
        return any(
            (history or not needs_history) and is_pattern(name) and matcher(name)(channel)
            for name, history in self._wanted.items()
        )

    def _take_waiting(self) -> list[Deferred[None]]:
        waiting, self._waiting = self._waiting, {}
        return [result for results in waiting.values() for result in results]
