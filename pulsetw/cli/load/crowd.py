"""All listeners of a run: they connect at a rate, subscribe, and are counted."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint
from twisted.python.failure import Failure

from pulsetw import codec
from pulsetw.cli.load.histogram import Histogram
from pulsetw.cli.load.ledger import Ledger
from pulsetw.cli.load.listener import Dial, Listener, Listening
from pulsetw.cli.load.marks import Mark, Marks

# From the first packet to the last answered subscription.
OPENING_S = 10.0
# From our close frames to the end of all connections; then they are cut off.
_CLOSING_S = 2.0


class Crowd:
    """See the module.

    Attributes:
        subscribed: listeners that were subscribed to all channels, gone ones included.
        failures: connections that did not come to be, by reason.
        refusals: subscriptions that the relay refused or ended, by code and reason.
        disconnects: connections of subscribed listeners that ended before the run did, by close code.
        gaps: what the relay told of events that may be missing, by reason.
        strangers: events that are none of the run's.
        handshakes: from the begin of a connection to the end of its handshake.
        gathered_us: when the last one was subscribed or had failed.
    """

    def __init__(
        self,
        reactor: Any,
        now_us: Callable[[], int],
        endpoint: IStreamClientEndpoint,
        url: str,
        channels: Sequence[str],
        marks: Marks,
        ledger: Ledger,
    ) -> None:
        """Nobody connects yet.

        Args:
            reactor: for what waits.
            now_us: a clock that never goes back, in microseconds.
            endpoint: the way to the relay.
            url: of its WebSocket.
            channels: each listener subscribes to all of them.
            marks: how the run's events are known.
            ledger: gets what comes.

        Raises:
            Exception: Autobahn's, for an address that is none of a WebSocket.
        """
        self.subscribed = 0
        self.failures: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.disconnects: Counter[str] = Counter()
        self.gaps: Counter[str] = Counter()
        self.strangers = 0
        self.handshakes = Histogram()
        self.gathered_us = 0
        self._reactor = reactor
        self._now_us = now_us
        self._endpoint = endpoint
        self._listening = Listening(reactor, url, marks, self)
        self._commands = [codec.encode({"op": "subscribe", "channel": channel}) for channel in channels]
        self._ledger = ledger
        self._opening: dict[Listener, Deferred[Any]] = {}
        self._members: set[Listener] = set()
        self._count = self._missing = 0
        self._next: IDelayedCall | None = None
        self._gathered: Deferred[None] = Deferred()
        self._gone: Deferred[None] | None = None

    @property
    def settled(self) -> int:
        """Listeners that are subscribed, or have failed."""
        return self._count - self._missing

    @property
    def listening(self) -> int:
        """Listeners that are subscribed, now."""
        return self.subscribed - self.disconnects.total()

    def gather(self, count: int, per_second: float) -> Deferred[None]:
        """Connects listeners, one after the other at a steady rate.

        Returns:
            Fires when each of them is subscribed or has failed. Never fails.
        """
        self._count = self._missing = count
        self._dial(self._now_us(), 0, count, 1_000_000 / per_second)
        return self._gathered

    def give_up_late(self) -> None:
        """Ends tries that take too long; to be called now and then."""
        latest = self._now_us() - OPENING_S * 1_000_000
        # They stand in the order of their begin.
        late = []
        for listener in self._opening:
            if listener.began_us > latest:
                break
            late.append(listener)
        for listener in late:
            self._failed(listener, f"not subscribed within {OPENING_S:g} s")

    def leave(self) -> Deferred[None]:
        """Says good-bye for all; what comes from now on does not count.

        Returns:
            Fires when no connection is left. Never fails.
        """
        if self._next is not None and self._next.active():
            self._next.cancel()
        for listener in [*self._opening]:
            self._cut(listener)
        if not self._members:
            return succeed(None)
        self._gone = Deferred()
        cut = self._reactor.callLater(_CLOSING_S, self._cut_all)
        for listener in [*self._members]:
            listener.sendClose(1000)
        return self._gone.addCallback(lambda _: cut.cancel() if cut.active() else None)

    def opened(self, listener: Listener) -> None:
        """See `Owner`; so are the next three."""
        self._members.add(listener)
        self.handshakes.add(self._now_us() - listener.began_us)
        listener.unanswered = len(self._commands)
        for command in self._commands:
            listener.sendMessage(command)

    def came(self, listener: Listener, events: list[Mark]) -> None:
        """Events of the run."""
        if listener.places and self._gone is None:
            self._ledger.come(listener.places, events, self._now_us())

    def told(self, listener: Listener, payload: bytes) -> None:
        """All else that the relay says."""
        try:
            message = codec.decode(payload)
        except ValueError:
            message = {}
        op = message.get("op") if isinstance(message, dict) else None
        if op == "subscribed":
            listener.unanswered -= 1
            if listener.unanswered == 0 and listener in self._opening:
                listener.places = self._ledger.join()
                self.subscribed += 1
                self._settled(listener)
        elif op == "gap":
            self.gaps[str(message.get("reason"))] += 1
        elif op in ("error", "unsubscribed"):
            why = message.get("message") or message.get("reason")
            self.refusals[f"{message.get('code')} {why} ({message.get('channel')})"] += 1
            if listener in self._opening:
                self._cut(listener)
        elif op is None:
            self.strangers += 1

    def ended(self, listener: Listener, code: int, reason: str) -> None:
        """A connection is gone."""
        self._members.discard(listener)
        if self._gone is not None:
            if not self._members:
                self._gone.callback(None)
        elif listener in self._opening:
            self._failed(listener, reason)
        elif listener.places:
            self.disconnects[str(code)] += 1
            self._ledger.leave(listener.places)

    def _dial(self, began_us: int, number: int, count: int, pause_us: float) -> None:
        if number == count:
            return
        dial = Dial(self._listening, self._now_us())
        self._opening[dial.listener] = connecting = self._endpoint.connect(dial)
        connecting.addErrback(self._not_connected, dial.listener)
        due_us = began_us + (number + 1) * pause_us
        wait_s = max(0.0, (due_us - self._now_us()) / 1_000_000)
        self._next = self._reactor.callLater(wait_s, self._dial, began_us, number + 1, count, pause_us)

    def _not_connected(self, failure: Failure, listener: Listener) -> None:
        self._failed(listener, failure.getErrorMessage())

    def _failed(self, listener: Listener, reason: str) -> None:
        if listener in self._opening:
            self.failures[reason] += 1
            self._cut(listener)

    def _cut(self, listener: Listener) -> None:
        """Gives up one that is not subscribed yet."""
        connecting = self._opening[listener]
        self._settled(listener)
        connecting.cancel()
        if listener.transport is not None:
            listener.transport.abortConnection()

    def _cut_all(self) -> None:
        for listener in [*self._members]:
            listener.transport.abortConnection()

    def _settled(self, listener: Listener) -> None:
        del self._opening[listener]
        self._missing -= 1
        if self._missing == 0:
            self.gathered_us = self._now_us()
            self._gathered.callback(None)
