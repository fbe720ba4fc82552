"""Publishing again what failed, in order and with the same id.

Each channel has a lane. While nothing fails, publishes go straight through, many at a time. Once one has failed for the
moment, later ones wait behind it; it is tried again alone after each delay, and when it got through the others follow
in order. The time that a publish has waited behind others counts for its own delays: after an outage that outlasts the
delays, all that waited fail together instead of one after the other.
"""

from bisect import insort
from collections.abc import Callable, Sequence

from attrs import define, field, frozen
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.python.failure import Failure

from pulsetw.errors import BrokerError, Outcome, PublishError, TooManyWaiting
from pulsetw.model import Position

Send = Callable[[str, str, bytes], Deferred[Position | None]]

# Two readings of a clock that should be a delay apart may differ by rounding.
_ROUNDING_S = 1e-6


@frozen
class RetryOptions:
    """When to try again.

    Attributes:
        delays_s: the waits before the second, third, ... try, in seconds; empty = one try.
        max_waiting: how many publishes of one channel may wait behind a failed one; more are refused.
    """

    delays_s: Sequence[float] = (0.1, 0.2, 0.4)
    max_waiting: int = 1000


@define(order=False, eq=False)
class _Pending:
    """One publish on its way."""

    number: int
    event_id: str
    payload: bytes
    since: float
    deferred: Deferred[Position | None] = field(factory=Deferred)
    attempts: int = 0
    delays_used: int = 0
    was_sent: bool = False


class Retries:
    """Sends through the broker, and again where that may help."""

    def __init__(self, send: Send, clock: IReactorTime, options: RetryOptions) -> None:
        """Nothing is on its way.

        Args:
            send: one try: channel, event id, payload; fails with `BrokerError`.
            clock: for the delays.
            options: when to try again.
        """
        self._send = send
        self._clock = clock
        self._options = options
        self._lanes: dict[str, _Lane] = {}
        self._number = 0
        self._on_idle: list[Deferred[None]] = []

    @property
    def waiting(self) -> int:
        """How many publishes wait for another try, or behind one that does."""
        return sum(len(lane.waiting) for lane in self._lanes.values())

    def holds(self, channel: str) -> bool:
        """Whether a publish of the channel waits for another try: later ones have to wait behind it."""
        lane = self._lanes.get(channel)
        return lane is not None and lane.is_retrying

    def publish(self, channel: str, event_id: str, payload: bytes) -> Deferred[Position | None]:
        """Publishes, with retries.

        Returns:
            Fires with the position; fails with `PublishError`.
        """
        lane = self._lanes.get(channel)
        if lane is None:
            lane = self._lanes[channel] = _Lane(channel, self._send, self._clock, self._options, self._ended)
        if lane.is_retrying and len(lane.waiting) >= self._options.max_waiting:
            return fail(TooManyWaiting(channel, event_id, len(lane.waiting)))
        self._number += 1
        pending = _Pending(self._number, event_id, payload, self._clock.seconds())
        lane.add(pending)
        return pending.deferred

    def when_idle(self) -> Deferred[None]:
        """Fires when nothing is on its way any more."""
        if not self._lanes:
            return succeed(None)
        idle: Deferred[None] = Deferred()
        self._on_idle.append(idle)
        return idle

    def _ended(self, lane: "_Lane") -> None:
        """A lane is empty: nothing of it is kept."""
        if self._lanes.get(lane.channel) is lane:
            del self._lanes[lane.channel]
        if not self._lanes:
            waiting, self._on_idle = self._on_idle, []
            for idle in waiting:
                idle.callback(None)


class _Lane:
    """The publishes of one channel.

    Either it flows: `waiting` is empty and any number is in flight. Or it retries: at most `_head` is in flight, and
    `waiting` holds the others in the order in which they were published.
    """

    def __init__(
        self, channel: str, send: Send, clock: IReactorTime, options: RetryOptions, ended: Callable[["_Lane"], None]
    ) -> None:
        self.channel = channel
        self.waiting: list[_Pending] = []
        self._send = send
        self._clock = clock
        self._options = options
        self._ended = ended
        self._in_flight = 0
        self._head: _Pending | None = None
        self._timer: IDelayedCall | None = None

    @property
    def is_retrying(self) -> bool:
        return bool(self.waiting) or self._head is not None

    def add(self, pending: _Pending) -> None:
        if self.is_retrying:
            self.waiting.append(pending)
        else:
            self._try(pending)

    def _try(self, pending: _Pending) -> None:
        self._use_delays(pending)
        pending.attempts += 1
        self._in_flight += 1
        self._send(self.channel, pending.event_id, pending.payload).addCallbacks(
            self._succeeded, self._failed, callbackArgs=(pending,), errbackArgs=(pending,)
        )

    def _succeeded(self, position: Position | None, pending: _Pending) -> None:
        self._in_flight -= 1
        if self._head is pending:
            self._head = None
            # They stay in `waiting` until it is their turn: what is published meanwhile comes behind them.
            while self.waiting and self._timer is None:
                self._try(self.waiting.pop(0))
        pending.deferred.callback(position)
        self._end_if_empty()

    def _failed(self, failure: Failure, pending: _Pending) -> None:
        self._in_flight -= 1
        if self._head is pending:
            self._head = None
        error = failure.value
        temporary = isinstance(error, BrokerError) and error.temporary
        outcome: Outcome = error.outcome if isinstance(error, BrokerError) else "unknown"
        pending.was_sent = pending.was_sent or outcome == "unknown"
        if temporary and pending.delays_used < len(self._options.delays_s):
            pending.since = self._clock.seconds()
            insort(self.waiting, pending, key=lambda waiting: waiting.number)
        else:
            known: Outcome = "unknown" if pending.was_sent else outcome
            problem = str(error) or repr(error)
            pending.deferred.errback(
                PublishError(self.channel, pending.event_id, known, problem, pending.attempts, temporary=temporary)
            )
        self._schedule()
        self._end_if_empty()

    def _schedule(self) -> None:
        """Waits until the first of those that wait is due."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.waiting and self._head is None:
            first = self.waiting[0]
            used = first.delays_used
            delay = self._options.delays_s[used] if first.attempts else 0.0
            due = first.since + delay - self._clock.seconds()
            self._timer = self._clock.callLater(max(0.0, due), self._try_first)

    def _try_first(self) -> None:
        self._timer = None
        self._head = self.waiting.pop(0)
        self._try(self._head)

    def _use_delays(self, pending: _Pending) -> None:
        """Counts the delays that have passed while it waited."""
        waited = self._clock.seconds() - pending.since + _ROUNDING_S
        delays = self._options.delays_s
        while pending.delays_used < len(delays) and waited >= delays[pending.delays_used]:
            waited -= delays[pending.delays_used]
            pending.delays_used += 1

    def _end_if_empty(self) -> None:
        if not self._in_flight and not self.is_retrying:
            self._ended(self)
