"""The connection that hears: subscriptions with counted acknowledgements, and every message once."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from attrs import frozen
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime

from pulsetw.broker.redis.history import Unreadable, is_copy, is_live, live_name, plain_name, read_push
from pulsetw.broker.redis.protocol import Connection
from pulsetw.broker.redis.setup import within
from pulsetw.broker.redis.subscriptions import Subscriptions
from pulsetw.catalogue.names import RESERVED, is_pattern
from pulsetw.errors import BrokerAway
from pulsetw.model import Entry

# Subscribed at once; Redis and this side together take a few milliseconds for so many.
_PIECE_NAMES = 1000

# Routes are kept for so many names; where a pattern is subscribed to, strangers choose them.
_MAX_ROUTES = 50_000


@frozen
class _Route:
    """Where messages of one name go.

    Attributes:
        name: the channel; "" = to nobody.
        is_live: they are entries of its log.
        is_probe: they are heartbeats that have come round.
    """

    name: str = ""
    is_live: bool = False
    is_probe: bool = False


_NOWHERE = _Route()


class Subscriber:
    """What the subscriber's link carries. It is given to the link as `prepare` and `pushed`.

    Attributes:
        copies: how many copies of entries of a log came, and were dropped: they are for strangers (`History.mirror`).
        unreadable: how many messages came on live names, and were no entries; dropped.
    """

    def __init__(
        self,
        clock: IReactorTime,
        prefix: str,
        probe: str,
        received: Callable[[str, bytes], None],
        appended: Callable[[str, Entry], None],
        came_round: Callable[[bytes], None],
        limit_s: float,
    ) -> None:
        """Hears nothing yet but the probe.

        Args:
            clock: tells since when acknowledgements are due.
            prefix: stands before the names of all channels on Redis.
            probe: the channel, as it stands on Redis, by which heartbeats come round.
            received: takes a channel's name and payload.
            appended: takes a channel's name and the entry that its log has just got.
            came_round: takes what was published to the probe channel.
            limit_s: how long acknowledgements may take, in seconds.
        """
        self.copies = 0
        self.unreadable = 0
        self._limit_s = limit_s
        self._clock = clock
        self._prefix = prefix
        self._probe = probe
        self._received = received
        self._appended = appended
        self._came_round = came_round
        self._subscriptions = Subscriptions()
        self._subscriptions.wanted.add(probe)
        self._waiting: dict[str, list[Deferred[None]]] = {}
        self._due_since: deque[float] = deque()  # one for each acknowledgement, in the order of the commands
        self._heard_at = 0.0  # when the last acknowledgement came
        self._missing: set[str] = set()  # names whose acknowledgement `_prepared` waits for
        self._prepared: Deferred[None] | None = None
        self._connection: Connection | None = None
        # Where messages go, by the name that Redis sent them for and the one where they were published.
        self._routes: dict[tuple[bytes, bytes], _Route] = {}
        self._take: dict[bytes, Callable[..., None]] = {
            b"pmessage": self._deliver,
            b"subscribe": self._subscribed,
            b"psubscribe": self._subscribed,
            b"unsubscribe": self._unsubscribed,
            b"punsubscribe": self._unsubscribed,
        }

    def subscribe(self, name: str, *, history: bool) -> Deferred[None]:
        """See `IBroker`. With a history, strangers' publications still come on the plain name."""
        wire = self._prefix + name
        wires = [wire, live_name(wire)] if history else [wire]
        new = [each for each in wires if each not in self._subscriptions.wanted]
        if new:
            self._routes.clear()
            self._subscriptions.wanted.update(new)
            self._send(True, new)
        elif self._stands(wire):
            return succeed(None)
        result: Deferred[None] = Deferred()
        self._waiting.setdefault(wire, []).append(result)
        return result

    def unsubscribe(self, name: str) -> None:
        """See `IBroker`."""
        wire = self._prefix + name
        wires = self._wires(wire)
        if wires:
            self._routes.clear()
            self._subscriptions.wanted.difference_update(wires)
            self._send(False, wires)
        self._fire(wire)

    def waits_s(self) -> float:
        """How long nothing has come of the acknowledgements that are due, in seconds; 0 = none is due."""
        return self._clock.seconds() - max(self._due_since[0], self._heard_at) if self._due_since else 0.0

    def stop(self) -> None:
        """Fails all that waits."""
        self._connection = None
        waiting, self._waiting = self._waiting, {}
        for results in waiting.values():
            for result in results:
                result.errback(BrokerAway("the broker has been stopped"))

    # Given to the link.

    def prepare(self, connection: Connection) -> Deferred[None]:
        """Subscribes a new connection to everything; fires when each name has been acknowledged.

        Fails with `SetUpFailed` when acknowledgements are late. Names go out in pieces, each with a limit of its own:
        many names take their time, and are no reason to give the connection up.
        """
        self.forget_connection()
        self._connection = connection
        return Deferred.fromCoroutine(self._subscribe_all())

    def forget_connection(self) -> None:
        """The connection cannot be used any more."""
        self._connection = None
        self._routes.clear()
        self._due_since.clear()
        self._subscriptions.forget_connection()

    def pushed(self, push: list[Any]) -> None:
        """Takes what Redis sent: a message, or an acknowledgement. Other kinds are no concern of pub/sub."""
        kind = push[0]
        if kind == b"message":
            self._deliver(push[1], push[1], push[2])
        elif (take := self._take.get(kind)) is not None:
            take(*push[1:])

    async def _subscribe_all(self) -> None:
        names = sorted(self._subscriptions.wanted)
        for start in range(0, len(names), _PIECE_NAMES):
            piece = [name for name in names[start : start + _PIECE_NAMES] if name in self._subscriptions.wanted]
            if piece:
                self._missing = set(piece)
                self._prepared = Deferred()
                self._send(True, piece)
                late = f"Redis did not acknowledge all subscriptions within {self._limit_s:g} s"
                await within(self._prepared, self._limit_s, self._clock, late)

    def _deliver(self, by: bytes, wire: bytes, payload: bytes) -> None:
        route = self._routes.get((by, wire))
        if route is None:
            if len(self._routes) >= _MAX_ROUTES:
                self._routes.clear()
            route = self._routes[by, wire] = self._make_route(by, wire)
        if route.is_live:
            try:
                entry = read_push(payload)
            except Unreadable:
                self.unreadable += 1  # a stranger's
                return
            self._appended(route.name, entry)
        elif route.name:
            if is_copy(payload):
                self.copies += 1
            else:
                self._received(route.name, payload)
        elif route.is_probe:
            self._came_round(payload)

    def _make_route(self, by: bytes, wire: bytes) -> _Route:
        """Where this copy of a message goes, as the subscriptions are now; nowhere, if another copy is taken."""
        try:
            channel = wire.decode()
        except UnicodeDecodeError:
            return _NOWHERE  # a stranger's: no channel has such a name
        if channel == self._probe:
            return _Route(is_probe=by == wire)
        plain = plain_name(channel)
        name = plain[len(self._prefix) :]
        if plain.startswith(RESERVED) or name.startswith(RESERVED) or "}" in plain:
            return _NOWHERE
        if not self._subscriptions.takes(by.decode(), channel):
            return _NOWHERE
        return _Route(name, is_live=is_live(channel))

    def _subscribed(self, wire: bytes, _: int) -> None:
        name = wire.decode()
        self._acknowledged(name, subscribed=True)
        if self._stands(plain_name(name)):
            self._fire(plain_name(name))
        self._missing.discard(name)
        if not self._missing and self._prepared is not None:
            prepared, self._prepared = self._prepared, None
            prepared.callback(None)

    def _unsubscribed(self, wire: bytes | None, _: int) -> None:
        if wire is not None:
            self._acknowledged(wire.decode(), subscribed=False)

    def _acknowledged(self, name: str, *, subscribed: bool) -> None:
        self._routes.clear()
        self._heard_at = self._clock.seconds()
        if self._due_since:
            self._due_since.popleft()
        self._subscriptions.acknowledged(name, subscribed=subscribed)

    def _send(self, subscribe: bool, names: Iterable[str]) -> None:
        if self._connection is None:
            return
        names = sorted(names)
        for command, chosen in (
            ("SUBSCRIBE", [name for name in names if not is_pattern(name)]),
            ("PSUBSCRIBE", [name for name in names if is_pattern(name)]),
        ):
            if chosen:
                self._connection.tell(command if subscribe else command.replace("SUB", "UNSUB"), *chosen)
        for name in names:
            self._due_since.append(self._clock.seconds())
            self._subscriptions.sent(name)

    def _wires(self, wire: str) -> list[str]:
        return [each for each in (wire, live_name(wire)) if each in self._subscriptions.wanted]

    def _stands(self, wire: str) -> bool:
        wires = self._wires(wire)
        return bool(wires) and all(self._subscriptions.stands(each) for each in wires)

    def _fire(self, wire: str) -> None:
        for result in self._waiting.pop(wire, ()):
            result.callback(None)
