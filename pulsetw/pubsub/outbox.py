"""Events that wait for the broker to come back, on channels whose rule says ``outage = "local"``."""

from collections import Counter, deque
from collections.abc import Callable

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.logger import Logger

from pulsetw.errors import PublishError, TooManyWaiting
from pulsetw.model import Position

Publish = Callable[[str, str, bytes], Deferred[Position | None]]


@frozen
class OutboxOptions:
    """Bounds of the outbox.

    Attributes:
        max_events: events that may wait; more are refused.
        max_bytes: bytes of envelopes that may wait; more are refused.
    """

    max_events: int = 10_000
    max_bytes: int = 16 * 1024 * 1024


@frozen
class _Waiting:
    channel: str
    event_id: str
    payload: bytes


class Outbox:
    """Keeps events in order, and sends them one after the other when the broker is there.

    Attributes:
        dropped: events that the broker refused for good.

    One that the broker refuses for good is dropped, with a line in the log and a count: its own server's clients have
    had it, nobody else will. Whatever else goes wrong ends the sending; the next `flush` begins with the same event.
    """

    _log = Logger()

    def __init__(self, publish: Publish, options: OutboxOptions) -> None:
        """An empty outbox.

        Args:
            publish: sends one event, with retries; fails with `PublishError`.
            options: bounds.
        """
        self.dropped = 0
        self._publish = publish
        self._options = options
        self._waiting: deque[_Waiting] = deque()
        self._channels: Counter[str] = Counter()
        self._bytes = 0
        self._is_sending = False

    def __len__(self) -> int:
        return len(self._waiting)

    def holds(self, channel: str) -> bool:
        """Whether events of the channel wait: later ones have to wait behind them."""
        return self._channels[channel] > 0

    def put(self, channel: str, event_id: str, payload: bytes) -> None:
        """Keeps an event.

        Raises:
            TooManyWaiting: the outbox is full.
        """
        size = len(payload)
        if len(self._waiting) >= self._options.max_events or self._bytes + size > self._options.max_bytes:
            raise TooManyWaiting(
                channel, event_id, len(self._waiting), " in the outbox (limits.outbox_events, outbox_bytes)"
            )
        self._waiting.append(_Waiting(channel, event_id, payload))
        self._channels[channel] += 1
        self._bytes += size

    def flush(self) -> None:
        """The broker is there: sends what waits."""
        if not self._is_sending and self._waiting:
            self._is_sending = True
            Deferred.fromCoroutine(self._send()).addErrback(
                lambda failure: self._log.failure("Sending from the outbox failed", failure)
            )

    async def _send(self) -> None:
        try:
            while self._waiting:
                first = self._waiting[0]
                try:
                    await self._publish(first.channel, first.event_id, first.payload)
                except PublishError as error:
                    if error.temporary:
                        return
                    self.dropped += 1
                    self._log.error("An event that had waited for the broker was refused: {error}", error=str(error))
                self._forget_first()
        finally:
            self._is_sending = False

    def _forget_first(self) -> None:
        first = self._waiting.popleft()
        self._bytes -= len(first.payload)
        self._channels[first.channel] -= 1
        if not self._channels[first.channel]:
            del self._channels[first.channel]
