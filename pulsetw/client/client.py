"""A client of a relay for Twisted programs: `ClientState` with a socket and a clock."""

import random
from collections import deque
from collections.abc import Callable
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import IDelayedCall, IStreamClientEndpoint
from twisted.internet.ssl import optionsForClientTLS
from twisted.logger import Logger
from twisted.python.failure import Failure

from pulsetw import codec
from pulsetw.client.connection import Connection
from pulsetw.client.effects import Close, Effect, Ended, Give, Open, Send, State, Tell
from pulsetw.client.following import Following, Members
from pulsetw.client.state import ClientOptions, ClientState
from pulsetw.commands import MAX_ENTRIES, Gap
from pulsetw.model import Position, Publication

_DEFAULTS = ClientOptions()


@define(eq=False)
class Subscription:
    """One channel of a client.

    Attributes:
        channel: its name.
        on_event: gets each publication once; its event's data in plain types.
        on_gap: told that publications may be missing: the application should load its state again.
        on_end: told that the relay ended or refused it for good, before `Client` forgets it.
    """

    channel: str
    on_event: Callable[[Publication], object]
    on_gap: Callable[[Gap], object] | None
    on_end: Callable[[Ended], object] | None
    _client: "Client"
    _following: Following = field(repr=False)

    @property
    def position(self) -> Position | None:
        """How far it has read: what `since` takes. None = the channel keeps no history, or nothing is known yet."""
        return self._following.position

    @property
    def is_live(self) -> bool:
        """Whether the relay has answered, on this connection."""
        return self._following.is_live

    def unsubscribe(self) -> None:
        """Ends it: none of its callbacks is called any more. A second call does nothing."""
        self._client._unsubscribe(self)


class Client:
    """Subscribes to channels, comes back by itself, gives each event once, or tells of a gap.

    Callbacks are called one after the other; what they raise is logged, and costs nobody else.

    Attributes:
        on_state: told how the connection is, whenever that changes; None = nobody is.
    """

    _log = Logger()

    def __init__(
        self,
        reactor: Any,
        url: str,
        *,
        token: str = "",
        options: ClientOptions = _DEFAULTS,
        on_state: Callable[[State], object] | None = None,
        endpoint: IStreamClientEndpoint | None = None,
        dice: Callable[[], float] = random.random,
    ) -> None:
        """Does nothing until `start`.

        Args:
            reactor: the clock, and the way to the relay.
            url: such as ``wss://relay.example.org/ws``.
            token: says who the client is; "" = nobody.
            options: patience and limits.
            on_state: see the attribute.
            endpoint: the way to the relay; None = the address's host and port, for ``wss`` with its name checked
                against the platform's certificates.
            dice: gives a random number from 0 to 1.

        Raises:
            Exception: Autobahn's, for an address that is none of a WebSocket.
        """
        self.on_state = on_state
        self._reactor = reactor
        self._url = url
        self._options = options
        self._state = ClientState(options, dice, token)
        self._endpoint = endpoint or _endpoint(reactor, self._connection())
        self._subscriptions: dict[str, Subscription] = {}
        self._current: Connection | None = None
        self._connecting: dict[Connection, Deferred[Any]] = {}
        self._connections: set[Connection] = set()
        self._stopped: list[Deferred[None]] = []
        self._effects: deque[Effect] = deque()
        self._is_carrying = False
        self._timer: IDelayedCall | None = None

    def start(self) -> None:
        """Connects; does nothing where it does already."""
        self._do(self._state.start(self._now_ms()))

    def stop(self) -> Deferred[None]:
        """Leaves. Subscriptions stay for another `start`.

        Returns:
            Fires when nothing of it is left in the reactor, a little later at worst. Never fails.
        """
        self._do(self._state.stop(self._now_ms()))
        if not self._connections:
            return succeed(None)
        done: Deferred[None] = Deferred()
        self._stopped.append(done)
        return done

    def subscribe(
        self,
        channel: str,
        on_event: Callable[[Publication], object],
        on_gap: Callable[[Gap], object] | None = None,
        *,
        on_end: Callable[[Ended], object] | None = None,
        since: Position | None = None,
        last: int = 0,
    ) -> Subscription:
        """Wants a channel's events, now and after each reconnection; before `start`, too.

        Args:
            channel: its name.
            on_event: see `Subscription`.
            on_gap: the same.
            on_end: the same; None = it is logged.
            since: where the application stands: what came after it is given, too, or a gap.
            last: so many of the newest events come first, 0 to 1000. Counts only without `since`.

        Raises:
            ValueError: it is subscribed to already, or there are too many; or `last` is out of bounds.
            TypeError: `since` is no position: what HTTP and other clients call offset and epoch becomes one by
                `Position.from_wire`.
        """
        if since is not None and not isinstance(since, Position):
            raise TypeError(f"since: expected a Position (see Position.from_wire), found {since!r}")
        if not 0 <= last <= MAX_ENTRIES:
            raise ValueError(f"last: expected 0 to {MAX_ENTRIES}, found {last}")
        effects = self._state.subscribe(self._now_ms(), channel, since, last)
        following = self._state.channels[channel]
        subscription = Subscription(channel, on_event, on_gap, on_end, self, following)
        self._subscriptions[channel] = subscription
        self._do(effects)
        return subscription

    def _unsubscribe(self, subscription: Subscription) -> None:
        if self._subscriptions.get(subscription.channel) is subscription:
            del self._subscriptions[subscription.channel]
            self._do(self._state.unsubscribe(self._now_ms(), subscription.channel))

    def connection_opened(self, connection: Connection) -> None:
        """See `pulsetw.client.connection.Owner`; so are the next ones."""
        if connection is self._current:
            self._do(self._state.opened(self._now_ms()))

    def connection_heard(self, connection: Connection) -> None:
        """A sign of life."""
        if connection is self._current:
            self._state.heard(self._now_ms())

    def connection_received(self, connection: Connection, message: object) -> None:
        """A message."""
        if connection is self._current:
            self._do(self._state.message(self._now_ms(), message))

    def connection_unread(self, connection: Connection, outline: Members) -> None:
        """A message that cannot be given."""
        if connection is self._current:
            self._do(self._state.unread(self._now_ms(), outline))

    def connection_lost(self, connection: Connection, code: int, reason: str) -> None:
        """The connection is gone."""
        self._connections.discard(connection)
        if connection is self._current:
            self._current = None
            self._do(self._state.lost(self._now_ms(), code, reason))
        if not self._connections:
            stopped, self._stopped = self._stopped, []
            for done in stopped:
                done.callback(None)

    def _now_ms(self) -> float:
        return float(self._reactor.seconds()) * 1000

    def _connection(self) -> Connection:
        return Connection(self._reactor, self._url, self._options.max_message_bytes, self)

    def _do(self, effects: list[Effect]) -> None:
        """Carries effects out in order; what callbacks do meanwhile comes in its turn, behind them."""
        self._effects.extend(effects)
        if self._is_carrying:
            return
        self._is_carrying = True
        try:
            while self._effects:
                effect = self._effects.popleft()
                _CARRIERS[type(effect)](self, effect)
        finally:
            self._is_carrying = False
        self._wake()

    def _wake(self) -> None:
        """One timer, moved only when something is due earlier: a message costs none."""
        due_ms, timer = self._state.due_ms, self._timer
        if timer is not None and timer.active():
            if due_ms is not None and timer.getTime() * 1000 <= due_ms:
                return
            timer.cancel()
        self._timer = None
        if due_ms is not None:
            self._timer = self._reactor.callLater(max(0.001, (due_ms - self._now_ms()) / 1000), self._tick)

    def _tick(self) -> None:
        self._timer = None
        self._do(self._state.tick(self._now_ms()))

    def _open(self, effect: Open) -> None:  # noqa: ARG002 -- the table's
        connection = self._connection()
        self._current = connection
        self._connections.add(connection)
        waited = self._endpoint.connect(connection)
        self._connecting[connection] = waited
        waited.addBoth(self._tried, connection)
        waited.addErrback(self._failed, connection)

    def _tried(self, result: object, connection: Connection) -> object:
        del self._connecting[connection]
        return result

    def _failed(self, failure: Failure, connection: Connection) -> None:
        self.connection_lost(connection, 0, failure.getErrorMessage())

    def _close(self, effect: Close) -> None:  # noqa: ARG002 -- the table's
        connection, self._current = self._current, None
        if connection is None:
            return
        if connection.is_connected:
            connection.leave()
        elif connection in self._connecting:
            self._connecting[connection].cancel()

    def _send(self, effect: Send) -> None:
        if self._current is not None:
            self._current.send(codec.encode(effect.members))

    def _give(self, effect: Give) -> None:
        subscription = self._subscriptions.get(effect.publication.channel)
        if subscription is not None:
            self._call(subscription.on_event, effect.publication)

    def _tell(self, effect: Tell) -> None:
        subscription = self._subscriptions.get(effect.gap.channel)
        if subscription is not None and subscription.on_gap is not None:
            self._call(subscription.on_gap, effect.gap)

    def _ended(self, effect: Ended) -> None:
        subscription = self._subscriptions.pop(effect.channel, None)
        if subscription is None:
            return
        if subscription.on_end is not None:
            self._call(subscription.on_end, effect)
        else:
            self._log.warn(
                "{channel} is over: {code} {reason}", channel=effect.channel, code=effect.code, reason=effect.reason
            )

    def _tell_state(self, effect: State) -> None:
        if self.on_state is not None:
            self._call(self.on_state, effect)

    def _call(self, callback: Callable[[Any], object], argument: object) -> None:
        try:
            callback(argument)
        except Exception:  # noqa: BLE001 -- the application's code
            self._log.failure("A callback failed: {callback}", callback=callback)


_CARRIERS: dict[type, Callable[[Client, Any], None]] = {
    Open: Client._open,
    Close: Client._close,
    Send: Client._send,
    Give: Client._give,
    Tell: Client._tell,
    Ended: Client._ended,
    State: Client._tell_state,
}


def _endpoint(reactor: Any, address: Connection) -> IStreamClientEndpoint:
    host, port = address.host, address.port
    endpoint = HostnameEndpoint(reactor, host.encode("idna"), port)
    return wrapClientTLS(optionsForClientTLS(host), endpoint) if address.isSecure else endpoint
